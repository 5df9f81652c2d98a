"""Pods that wait for a node: those to be tried now, those that back off, and those that nothing can be done
for.

A pod moves between three places:

    active ──tried, no node fits──▶ unschedulable ──something changed──▶ active, or backing off until it may
    active ──tried, went wrong────▶ backing off ──its time has come──▶ active

The most important pod comes first, of equals the one that has waited longest. A pod that keeps failing
backs off for 1, 2, 4, 8 and then 10 seconds, and nothing waits in *unschedulable* for more than five
minutes, should a change that mattered have been overlooked. Nothing here waits or knows the time: the
caller says what time it is.

Source: kubernetes/pkg/scheduler/backend/queue/scheduling_queue.go.
"""

import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple

from kube_lite.api.identity import Json, ObjectKey, key_of

FORGOTTEN_AFTER = 300.0


class Backoff(NamedTuple):
    """How long a pod waits after its first failed try, and at most; seconds."""

    initial: float = 1.0
    longest: float = 10.0


class Waiting:
    """One pod in the queue and how its tries have gone; times are seconds that never go back."""

    __slots__ = ("added", "backoff", "began", "failures", "key", "pod", "rules", "since", "state")

    def __init__(self, pod: Json, now: float, backoff: "Backoff") -> None:
        self.key = key_of(pod)
        self.pod = pod
        self.added = now
        self.backoff = backoff
        self.began = now  # of the last try
        self.failures = 0
        self.since = now  # of the last failure
        self.state = ""
        self.rules: frozenset[str] = frozenset()
        """The rules that stood against it; empty when they are not known."""

    @property
    def priority(self) -> int:
        """Greater goes first."""
        return int(self.pod["spec"].get("priority") or 0)

    def may_be_tried_at(self) -> float:
        """When its back-off is over."""
        if not self.failures:
            return self.since
        initial, longest = self.backoff
        return self.since + min(longest, initial * float(1 << min(self.failures - 1, 10)))


class Queue:
    """Every pod that has no node yet, by name."""

    def __init__(self, backoff: Backoff = Backoff()) -> None:  # noqa: B008 - it never changes
        self._backoff = backoff
        self._waiting: dict[ObjectKey, Waiting] = {}
        self._unschedulable: dict[ObjectKey, Waiting] = {}
        """Those of them that nothing can be done for: they are asked at every change, the others never."""
        self._active: list[tuple[int, float, int, Waiting]] = []
        self._backing_off: list[tuple[float, int, Waiting]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._waiting

    def counts(self) -> dict[str, int]:
        """How many wait for their turn, back off, and wait for something to change."""
        states = [entry.state for entry in self._waiting.values()]
        return {
            "active": states.count("active"),
            "backoff": states.count("backing off"),
            "unschedulable": len(self._unschedulable),
        }

    def add(self, pod: Json, now: float) -> None:
        """A pod wants a node, or has changed while it waits; a change may be what it waited for."""
        entry = self._waiting.get(key_of(pod))
        if entry is not None and entry.pod["metadata"].get("uid") == pod["metadata"].get("uid"):
            changed = entry.pod["spec"] != pod["spec"] or _labels(entry.pod) != _labels(pod)
            changed = changed or _claims(entry.pod) != _claims(pod)
            entry.pod = pod
            if changed and entry.state == "unschedulable":
                self._wake(entry, now)
            return
        if entry is not None:
            self._set_state(entry, "gone")
        entry = self._waiting[key_of(pod)] = Waiting(pod, now, self._backoff)
        self._activate(entry)

    def remove(self, key: ObjectKey) -> None:
        """The pod needs no node any more; unknown ones are no error."""
        entry = self._waiting.pop(key, None)
        if entry is not None:
            self._set_state(entry, "gone")

    def pop(self, now: float) -> Waiting | None:
        """The pod to try now, or None; it stays known until it is removed or put back."""
        self._end_backoffs(now)
        while self._active:
            entry = heapq.heappop(self._active)[-1]
            if entry.state == "active":
                self._set_state(entry, "tried")
                return entry
        return None

    def put_back(
        self, entry: Waiting, now: float, *, unschedulable: bool, rules: frozenset[str] = frozenset()
    ) -> None:
        """A try has failed: nothing fits (``unschedulable``), or something that may go right later.

        Args:
            rules: those that stood against it.
        """
        if self._waiting.get(entry.key) is not entry:
            return  # removed meanwhile
        entry.failures += 1
        entry.since = now
        entry.rules = rules
        if unschedulable:
            self._set_state(entry, "unschedulable")
        else:
            self._back_off(entry)

    def hold(self, entry: Waiting, rules: frozenset[str]) -> None:
        """It need not be tried before something changes that these rules look at; that is no failure."""
        if self._waiting.get(entry.key) is entry:
            entry.rules = rules
            self._set_state(entry, "unschedulable")

    def wake(
        self, rules: frozenset[str], now: float, helps: Callable[[Json], bool] = lambda pod: True
    ) -> bool:
        """Something changed that these rules look at; True if it may help somebody.

        Args:
            helps: of the pods that one of the rules stood against, those that the change may help.
        """
        waiting = self._unschedulable.values()
        helped = [entry for entry in waiting if not entry.rules or (entry.rules & rules and helps(entry.pod))]
        for entry in helped:
            self._wake(entry, now)
        return bool(helped)

    def wake_forgotten(self, now: float) -> None:
        """Try what has waited very long, whether or not anything changed."""
        for entry in list(self._unschedulable.values()):
            if now - entry.since >= FORGOTTEN_AFTER:
                self._wake(entry, now)

    def next_due(self) -> float | None:
        """When ``pop`` or ``wake_forgotten`` have something new to say without any change, if ever."""
        due = [entry.since + FORGOTTEN_AFTER for entry in self._unschedulable.values()]
        while self._backing_off and self._backing_off[0][-1].state != "backing off":
            heapq.heappop(self._backing_off)
        if self._backing_off:
            due.append(self._backing_off[0][0])
        return min(due, default=None)

    def _set_state(self, entry: Waiting, state: str) -> None:
        entry.state = state
        if state == "unschedulable":
            self._unschedulable[entry.key] = entry
        elif self._unschedulable.get(entry.key) is entry:
            del self._unschedulable[entry.key]

    def _wake(self, entry: Waiting, now: float) -> None:
        if entry.may_be_tried_at() <= now:
            self._activate(entry)
        else:
            self._back_off(entry)

    def _activate(self, entry: Waiting) -> None:
        self._set_state(entry, "active")
        heapq.heappush(self._active, (-entry.priority, entry.added, next(self._order), entry))

    def _back_off(self, entry: Waiting) -> None:
        self._set_state(entry, "backing off")
        heapq.heappush(self._backing_off, (entry.may_be_tried_at(), next(self._order), entry))

    def _end_backoffs(self, now: float) -> None:
        while self._backing_off and self._backing_off[0][0] <= now:
            entry = heapq.heappop(self._backing_off)[-1]
            if entry.state == "backing off":
                self._activate(entry)


def _claims(pod: Json) -> object:
    """The claims that were made for it."""
    return (pod.get("status") or {}).get("resourceClaimStatuses")


def _labels(pod: Json) -> Json:
    labels: Json = pod["metadata"].get("labels") or {}
    return labels
