"""What the server counts of its requests, under the names that dashboards and alerts look for.

A request that names a resource is counted by a *route*: nine short texts that are the labels of upstream's
``apiserver_request_total``, in its order. Words that lead nowhere are not counted by what they say, or
anybody could fill the memory with them. Everything that need not happen per request happens when ``/metrics``
is read.
Source: names and labels of ``apiserver/pkg/endpoints/metrics/metrics.go``.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kube_lite.kit.metrics import Labels, Metrics

from .call import Call
from .parse import STREAMS, Asked

if TYPE_CHECKING:
    from kube_lite.verbs.pipeline import Pipeline

COMPONENT = "apiserver"
REQUEST_LABELS = (
    "verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component",
)  # fmt: skip
STREAM_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
VERBS = {
    "get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT", "patch": "PATCH",
    "delete": "DELETE", "deletecollection": "DELETE",
}  # fmt: skip
READ, OTHER = ((verb, "", "", "", "", "", "", COMPONENT) for verb in ("GET", "other"))
"""Routes of requests that name no resource."""
APPLY = "application/apply-patch+yaml"
CLUSTER = "kube-lite"  # which storage it is, where upstream has several


def route_of(asked: Asked, query: Mapping[str, str], content_type: str = "") -> Labels:
    """The labels of a request that leads somewhere, all but the code; the body's type counts for patches."""
    verb, group, version, resource, namespace, name, subresource, _ = asked
    scope = "resource" if name or verb == "create" else "namespace" if namespace else "cluster"
    shown = VERBS.get(verb, "other")
    if subresource in STREAMS:
        shown = "CONNECT"
    elif verb == "patch" and content_type.startswith(APPLY):
        shown = "APPLY"
    dry_run = "All" if query and query.get("dryRun") == "All" else ""
    return (shown, dry_run, group, version, resource, subresource, scope, COMPONENT)


class Counting:
    """The counters of one server's requests."""

    def __init__(self, metrics: Metrics) -> None:
        self._streams: dict[Labels, float] = {}
        self._known: dict[tuple[Labels, int], tuple[list[float], list[float]]] = {}
        self._total = metrics.counter(
            "apiserver_request_total", "Requests answered.", (*REQUEST_LABELS, "code")
        )
        self._duration = metrics.histogram(
            "apiserver_request_duration_seconds", "Time until the answer was made.", REQUEST_LABELS
        )
        metrics.gauge(
            "apiserver_longrunning_requests",
            "Watches and streams being served.",
            STREAM_LABELS,
            self._streams.copy,
        )

    def count(self, route: Labels, code: int, seconds: float) -> None:
        """Count a request that was answered, and the time it took, by what it was for."""
        cells = self._known.get((route, code))
        if cells is None:
            cells = self._total.cell((*route, str(code))), self._duration.cell(route)
            self._known[route, code] = cells
        total, duration = cells
        total[0] += 1
        duration[bisect_left(self._duration.bounds, seconds)] += 1
        duration[-1] += seconds

    @contextmanager
    def streaming(self, call: Call) -> Iterator[None]:
        """For the length of the block, a watch or stream is being served."""
        verb, _, *what = call.route
        labels, streams = (verb, *what), self._streams
        streams[labels] = streams.get(labels, 0) + 1
        try:
            yield
        finally:
            streams[labels] -= 1
            if not streams[labels]:
                del streams[labels]


def watch_storage(metrics: Metrics, pipeline: "Pipeline") -> None:
    """Tell how much is stored, when somebody asks."""

    def objects() -> Mapping[Labels, float]:
        return {(str(name),): count for name, count in pipeline.inventory().objects.items()}

    def resources() -> Mapping[Labels, float]:
        return {(name.group, name.resource): count for name, count in pipeline.inventory().objects.items()}

    def used() -> Mapping[Labels, float]:
        return {(): pipeline.inventory().used_bytes}

    text = "Objects stored, by resource."
    metrics.gauge("apiserver_storage_objects", text, ("resource",), objects)
    metrics.gauge("apiserver_resource_objects", text, ("group", "resource"), resources)
    size = "Bytes that the store takes on disk."
    metrics.gauge(
        "apiserver_storage_size_bytes", size, ("storage_cluster_id",), lambda: {(CLUSTER,): used()[()]}
    )
    metrics.gauge("etcd_mvcc_db_total_size_in_bytes", size, (), used)


def tell_build(metrics: Metrics, document: Mapping[str, str]) -> None:
    """Tell which release this is, as labels of a gauge that is always one."""
    names = ("major", "minor", "git_version", "platform")
    values = (document["major"], document["minor"], document["gitVersion"], document["platform"])
    metrics.gauge("kubernetes_build_info", "The release that is served.", names, lambda: {values: 1.0})
