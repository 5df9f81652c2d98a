"""What controllers and the scheduler count, shown beside what the API server does: there is one process.

Queues are called as upstream's controllers call theirs, which is what dashboards and alerts go by; those that
have no counterpart are called by their service's name.
Source: ``component-base/metrics/prometheus/workqueue``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kube_lite.client.controller import Reconciler
from kube_lite.controllers.node_monitor import NodeMonitor
from kube_lite.kit.metrics import Gathered, Labels, Metrics
from kube_lite.kit.workqueue import DURATIONS, WorkQueue

LABELS = ("name",)
QUEUES = {
    "autoscaling": "horizontalpodautoscaler",
    "certificate-signing": "certificate",
    "claim-binding": "claims",
    "claim-protection": "pvcprotection",
    "clusterrole-aggregation-controller": "ClusterRoleAggregator",
    "cronjobs": "cronjob",
    "daemonsets": "daemonset",
    "deployments": "deployment",
    "endpoints": "endpoint",
    "endpointslicemirroring": "endpoint_slice_mirroring",
    "endpointslices": "endpoint_slice",
    "finished-jobs": "ttl_jobs_to_delete",
    "garbage": "garbage_collector_attempt_to_delete",
    "jobs": "job",
    "namespaces": "namespace",
    "node-lifecycle": "node_lifecycle_controller",
    "pod-cleanup": "orphaned_pods_nodes",
    "pod-resource-claims": "resource_claim",
    "quotas": "resourcequota_primary",
    "replicasets": "replicaset",
    "replicationcontrollers": "replicationmanager",
    "rootca": "root_ca_cert_publisher",
    "serviceaccounts": "serviceaccount",
    "statefulsets": "statefulset",
    "taint-eviction": "noexec_taint_pod",
    "token-secrets": "serviceaccount_tokens_secret",
    "volume-phases": "volumes",
    "volume-protection": "pvprotection",
}
"""Names of our controllers → of upstream's queues."""

Queue = WorkQueue[Any]


def watch_services(metrics: Metrics, services: Sequence[object]) -> None:
    """Tell of their queues, and of what else they count."""
    for service in services:
        if isinstance(service, NodeMonitor):
            metrics.show(*service.shown())
    queues: dict[Labels, Queue] = {
        (QUEUES.get(service.name, service.name.replace("-", "_")),): service.queue
        for service in services
        if isinstance(service, Reconciler)
    }

    def read(figure: Callable[[Queue], float]) -> Callable[[], Mapping[Labels, float]]:
        return lambda: {labels: figure(queue) for labels, queue in queues.items()}

    for name, text, figure, kind in (
        ("workqueue_depth", "Current depth of workqueue", len, "gauge"),
        ("workqueue_adds_total", "Total number of adds handled by workqueue", _adds, "counter"),
        ("workqueue_retries_total", "Total number of retries handled by workqueue", _retries, "counter"),
        (
            "workqueue_unfinished_work_seconds",
            "How many seconds of work is in progress that has not been observed by work_duration.",
            _unfinished,
            "gauge",
        ),
        (
            "workqueue_longest_running_processor_seconds",
            "How many seconds the longest running processor of a workqueue has been running.",
            _longest,
            "gauge",
        ),
    ):
        metrics.gauge(name, text, LABELS, read(figure), kind)
    for name, text, cell in (
        ("workqueue_queue_duration_seconds", "Seconds an item stays in a workqueue.", _waited),
        ("workqueue_work_duration_seconds", "Seconds it takes to process an item.", _worked),
    ):
        metrics.show(Gathered(name, text, LABELS, DURATIONS, _reader(queues, cell)))


def _reader(
    queues: Mapping[Labels, Queue], cell: Callable[[Queue], list[float]]
) -> Callable[[], Mapping[Labels, list[float]]]:
    return lambda: {labels: cell(queue) for labels, queue in queues.items()}


def _adds(queue: Queue) -> float:
    return queue.adds


def _retries(queue: Queue) -> float:
    return queue.retries


def _unfinished(queue: Queue) -> float:
    return sum(queue.under_way())


def _longest(queue: Queue) -> float:
    return max(queue.under_way(), default=0.0)


def _waited(queue: Queue) -> list[float]:
    return queue.waited


def _worked(queue: Queue) -> list[float]:
    return queue.worked
