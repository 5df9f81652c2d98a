"""How long writes take in the store, under the names that upstream gives its requests to etcd.

Source: ``apiserver/pkg/storage/etcd3/metrics/metrics.go``.
"""

from kube_lite.api.identity import GroupResource
from kube_lite.kit.metrics import Counter, Histogram, Shown

LABELS = ("operation", "group", "resource")
CREATE, UPDATE, DELETE = "create", "update", "delete"


class StoreFigures:
    """What is counted of writes."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "etcd_request_duration_seconds",
            "Etcd request latency in seconds for each operation and object type.",
            LABELS,
        )
        self._errors = Counter(
            "etcd_request_errors_total",
            "Etcd failed request counts for each operation and object type.",
            LABELS,
        )
        self._cells: dict[tuple[str, GroupResource], list[float]] = {}

    def shown(self) -> tuple[Shown, ...]:
        """Everything that is counted."""
        return self._seconds, self._errors

    def note(self, operation: str, resource: GroupResource, seconds: float) -> None:
        """An object was written, or could not be."""
        cell = self._cells.get((operation, resource))
        if cell is None:
            cell = self._cells[operation, resource] = self._seconds.cell((operation, *resource))
        self._seconds.note(cell, seconds)

    def fail(self, operation: str, resource: GroupResource) -> None:
        """It could not be."""
        self._errors.add((operation, *resource))
