"""What the server counts of its requests, under the names that dashboards and alerts look for.

A request that names a resource is counted by a *route*: nine short texts that are the labels of upstream's
``apiserver_request_total``, in its order. Words that lead nowhere are not counted by what they say, or
anybody could fill the memory with them. Everything that need not happen per request happens when ``/metrics``
is read.
Source: names and labels of ``apiserver/pkg/endpoints/metrics/metrics.go``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kube_lite.kit.metrics import Labels, Metrics, View
from kube_lite.kit.patterns import pattern

from .call import Call
from .parse import STREAMS, Asked

if TYPE_CHECKING:
    from kube_lite.verbs.pipeline import Pipeline

COMPONENT = "apiserver"
REQUEST_LABELS = (
    "verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component",
)  # fmt: skip
STREAM_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
EVENT_LABELS = ("group", "version", "resource")
RESPONSE_BYTES = tuple(1000 * 10**power for power in range(7))
EVENT_BYTES = tuple(1024 * 2**power for power in range(8))
READING = ("GET", "LIST")
REMOVED = pattern(r"unavailable in v(\d+\.\d+)\+")
VERBS = {
    "get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT", "patch": "PATCH",
    "delete": "DELETE", "deletecollection": "DELETE",
}  # fmt: skip
READ, OTHER = ((verb, "", "", "", "", "", "", COMPONENT) for verb in ("GET", "other"))
"""Routes of requests that name no resource."""
APPLY = "application/apply-patch+"
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
        self._known: dict[tuple[Labels, int], tuple[list[float], list[float], list[float] | None]] = {}
        self._deprecated: dict[Labels, float] = {}
        self._total = metrics.counter(
            "apiserver_request_total", "Requests answered.", (*REQUEST_LABELS, "code")
        )
        self._duration = metrics.histogram(
            "apiserver_request_duration_seconds", "Time until the answer was made.", REQUEST_LABELS
        )
        text = "Time until the answer was made, of what is written for good."
        name = "apiserver_request_sli_duration_seconds"
        metrics.show(View(name, text, STREAM_LABELS, self._duration, _without_dry_run, 0.05))
        self._sizes = metrics.histogram(
            "apiserver_response_sizes", "Bytes of what was read.", STREAM_LABELS, RESPONSE_BYTES
        )
        self._ended = metrics.counter(
            "apiserver_request_terminations_total",
            "Requests refused or ended because there were too many or they took too long.",
            (*STREAM_LABELS, "code"),
        )
        self._events = metrics.counter("apiserver_watch_events_total", "Events told.", EVENT_LABELS)
        self._event_sizes = metrics.histogram(
            "apiserver_watch_events_sizes", "Bytes of events.", EVENT_LABELS, EVENT_BYTES
        )
        metrics.gauge(
            "apiserver_requested_deprecated_apis",
            "Deprecated API versions that were asked for.",
            ("group", "version", "resource", "subresource", "removed_release"),
            self._deprecated.copy,
        )
        metrics.gauge(
            "apiserver_longrunning_requests",
            "Watches and streams being served.",
            STREAM_LABELS,
            self._streams.copy,
        )

    def count(self, route: Labels, code: int, seconds: float, size: int) -> None:
        """Count a request that was answered, the time it took and the bytes it gave, by what it was for."""
        cells = self._known.get((route, code))
        if cells is None:
            sizes = self._sizes.cell((route[0], *route[2:])) if route[0] in READING else None
            cells = self._total.cell((*route, str(code))), self._duration.cell(route), sizes
            self._known[route, code] = cells
        total, duration, sizes = cells
        total[0] += 1
        self._duration.note(duration, seconds)
        if sizes is not None:
            self._sizes.note(sizes, size)

    def end(self, call: Call, code: int) -> None:
        """Count a request that was refused or ended in self-defence."""
        verb, _, *what = call.route or (READ if call.request.method == "GET" else OTHER)
        self._ended.add((verb, *what, str(code)))

    def note_deprecated(self, call: Call) -> None:
        """Note that somebody uses what ``call.deprecation`` warns of."""
        removed = REMOVED.search(call.deprecation)
        self._deprecated[(*call.route[2:6], removed[1] if removed else "")] = 1

    def events(self, call: Call) -> Callable[[int], None]:
        """Where to count the events of a watch: called with the size of each."""
        labels = call.route[2:5]
        total, sizes, note = self._events.cell(labels), self._event_sizes.cell(labels), self._event_sizes.note

        def count(size: int) -> None:
            total[0] += 1
            note(sizes, size)

        return count

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


def _without_dry_run(labels: Labels) -> Labels | None:
    verb, dry_run, *what = labels
    return None if dry_run else (verb, *what)


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
