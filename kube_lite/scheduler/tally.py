"""What the scheduler counts of its tries, under upstream's names; shown when somebody reads.

Source: ``pkg/scheduler/metrics/metrics.go``.
"""

from collections.abc import Callable, Mapping

from kube_lite.kit.metrics import Counter, Gauge, Histogram, Labels, Shown

SCHEDULED, UNSCHEDULABLE, ERROR = "scheduled", "unschedulable", "error"
ATTEMPT_SECONDS = tuple(0.001 * 2**power for power in range(15))
WAIT_SECONDS = tuple(0.01 * 2**power for power in range(20))
ATTEMPTS = (1.0, 2.0, 4.0, 8.0, 16.0)
MOST_ATTEMPTS = 16  # beyond them one label serves all


class Tally:
    """Counts tries.

    Args:
        pending: how many pods wait, by the part of the queue that they are in.
    """

    def __init__(self, pending: Callable[[], Mapping[Labels, float]]) -> None:
        self._attempts = Counter(
            "scheduler_schedule_attempts_total",
            "Number of attempts to schedule pods, by the result.",
            ("profile", "result"),
        )
        self._seconds = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            ("profile", "result"),
            ATTEMPT_SECONDS,
        )
        self._tries = Histogram(
            "scheduler_pod_scheduling_attempts",
            "Number of attempts to successfully schedule a pod.",
            (),
            ATTEMPTS,
        )
        self._waits = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue.",
            ("attempts",),
            WAIT_SECONDS,
        )
        self._pending = Gauge(
            "scheduler_pending_pods", "Number of pending pods, by the queue type.", ("queue",), pending
        )
        self._victims = Histogram(
            "scheduler_preemption_victims",
            "Number of selected preemption victims",
            (),
            (*ATTEMPTS, 32.0, 64.0),
        )
        self._preemptions = Counter(
            "scheduler_preemption_attempts_total", "Total preemption attempts in the cluster till now", ()
        )

    def shown(self) -> tuple[Shown, ...]:
        """Everything that is counted."""
        return (
            self._attempts, self._seconds, self._tries, self._waits, self._pending, self._victims,
            self._preemptions,
        )  # fmt: skip

    def tried(self, profile: str, result: str, seconds: float) -> None:
        """A pod was tried, which took so long."""
        labels = (profile, result)
        self._attempts.add(labels)
        self._seconds.observe(labels, seconds)

    def placed(self, tries: int, seconds: float) -> None:
        """A pod has a node, after so many tries and so long a time."""
        self._tries.observe((), tries)
        self._waits.observe((str(min(tries, MOST_ATTEMPTS)),), seconds)

    def looked_for_victims(self, count: int) -> None:
        """Somebody may have to leave for a pod; so many are to."""
        self._preemptions.add(())
        if count:
            self._victims.observe((), count)
