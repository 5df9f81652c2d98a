"""What parts of the cluster count is shown at ``/metrics`` under the names of upstream."""

import re

import pytest

import kube_lite
from kube_lite.admission.figures import WebhookFigures
from kube_lite.api.errors import Forbidden
from kube_lite.api.identity import GroupVersionResource
from kube_lite.auth.user import User
from kube_lite.http.users import Users
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.metrics import Metrics

from .test_embedding import DEPLOYMENT, DEPLOYMENTS, PODS

NODES = GroupVersionResource("", "v1", "nodes")
SORTS = ("admin", "email_id", "other")
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")


def samples(text: str) -> dict[tuple[str, str], float]:
    """The values by names and labels, buckets apart."""
    found = (SAMPLE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    return {(match[1], match[2] or ""): float(match[3]) for match in found if match}


async def test_queues_and_tries_are_told_under_the_names_of_upstream() -> None:
    clock = ManualClock()
    config = kube_lite.Config(listen="127.0.0.1:0", runtime="fake", durable=False)
    async with kube_lite.Cluster(config, clock=clock) as cluster:
        await cluster.client.create(DEPLOYMENTS, DEPLOYMENT, namespace="default")
        spec = {"containers": [{"name": "c", "image": "i"}]}
        for name, more in (
            ("big", {"nodeSelector": {"is": "nowhere"}}),
            ("held", {"schedulingGates": [{"name": "x"}]}),
        ):
            pod = {"metadata": {"name": name}, "spec": {**spec, **more}}
            await clock.advance(1)
            await cluster.client.create(PODS, pod, namespace="default")
        await clock.advance(5)
        told = samples(cluster.server.metrics.text())
    assert told["workqueue_adds_total", 'name="deployment"'] >= 1
    assert told["workqueue_work_duration_seconds_count", 'name="replicaset"'] >= 1
    assert (
        told["node_collector_zone_size", 'zone=""']
        == told["node_collector_zone_health", 'zone=""'] / 100
        == 1
    )
    assert told["workqueue_depth", 'name="endpoint_slice"'] == 0
    assert told["scheduler_schedule_attempts_total", 'profile="default-scheduler",result="scheduled"'] == 2
    assert (
        told["scheduler_schedule_attempts_total", 'profile="default-scheduler",result="unschedulable"'] >= 1
    )
    created = 'operation="create",group="",resource="pods"'
    assert told["etcd_request_duration_seconds_count", created] == 4
    admitted = 'operation="CREATE",rejected="false",type="admit"'
    assert told["apiserver_admission_step_admission_duration_seconds_count", admitted] >= 5
    assert told["scheduler_pending_pods", 'queue="unschedulable"'] == 1
    assert told["scheduler_pending_pods", 'queue="gated"'] == 1
    assert told["scheduler_pod_scheduling_sli_duration_seconds_count", 'attempts="1"'] == 2


def test_requests_are_counted_by_a_few_sorts_of_names() -> None:
    metrics = Metrics()
    users = Users(metrics)
    for name in ("admin", "alice", "bob", "carol@example.com"):
        users.count(User(name))
    users.refuse("failure")
    told = samples(metrics.text())
    requests = {name: told["authenticated_user_requests", f'username="{name}"'] for name in SORTS}
    assert requests == {"admin": 1, "email_id": 1, "other": 2}
    assert [told["authentication_attempts", f'result="{result}"'] for result in ("success", "failure")] == [
        4,
        1,
    ]


def test_webhooks_are_counted_by_what_they_say() -> None:
    figures, metrics = WebhookFigures(), Metrics()
    metrics.show(*figures.shown())
    with figures.asking("w", "CREATE", "admit"):
        pass
    with pytest.raises(Forbidden), figures.asking("w", "CREATE", "admit"):
        raise Forbidden("no")
    told = samples(metrics.text())
    for code, rejected in ((200, "false"), (403, "true")):
        labels = f'name="w",operation="CREATE",rejected="{rejected}",type="admit"'
        assert told["apiserver_admission_webhook_request_total", f'code="{code}",{labels}'] == 1
        assert told["apiserver_admission_webhook_admission_duration_seconds_count", labels] == 1
