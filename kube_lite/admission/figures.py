"""What is counted of admission and of webhooks, under upstream's names; shown when somebody reads.

Source: ``apiserver/pkg/admission/metrics/metrics.go``.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kube_lite.api.errors import ApiError
from kube_lite.kit.metrics import Counter, Histogram, Shown

ADMIT, VALIDATE = "admit", "validate"
VALIDATING = "validating"  # as which webhooks of this step are told apart
STEP_BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
BOUNDS = (*STEP_BOUNDS, 10.0, 25.0)
ALLOWED = 200


class StepFigures:
    """How long all plugins together took to change a request, or to judge it."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "apiserver_admission_step_admission_duration_seconds",
            "Admission sub-step latency histogram in seconds, broken out for each operation and API resource "
            "and step type (validate or admit).",
            ("operation", "rejected", "type"),
            STEP_BOUNDS,
        )
        self._cells: dict[tuple[str, str, str], list[float]] = {}

    def shown(self) -> tuple[Shown, ...]:
        """Everything that is counted."""
        return (self._seconds,)

    def note(self, operation: str, type_: str, began: float, *, rejected: str = "false") -> None:
        """A step that began then, by the monotonic clock, is over."""
        labels = (operation, rejected, type_)
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = self._seconds.cell(labels)
        self._seconds.note(cell, time.monotonic() - began)


class WebhookFigures:
    """How long webhooks took, and what came of it."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Admission webhook latency histogram in seconds, identified by name and broken out for each "
            "operation and type (validate or admit).",
            ("name", "operation", "rejected", "type"),
            BOUNDS,
        )
        self._requests = Counter(
            "apiserver_admission_webhook_request_total",
            "Admission webhook request total, identified by name and broken out for each admission type "
            "(validating or mutating) and operation.",
            ("code", "name", "operation", "rejected", "type"),
        )

    def shown(self) -> tuple[Shown, ...]:
        """Everything that is counted."""
        return self._seconds, self._requests

    @contextmanager
    def asking(self, name: str, operation: str, type_: str) -> Iterator[None]:
        """For the length of the block, a webhook is asked; an ``ApiError`` out of it is its refusal."""
        began, code = time.monotonic(), ALLOWED
        try:
            yield
        except ApiError as error:
            code = error.code
            raise
        finally:
            rejected = "false" if code == ALLOWED else "true"
            self._seconds.observe((name, operation, rejected, type_), time.monotonic() - began)
            self._requests.add((str(code), name, operation, rejected, type_))
