"""How many replicas a metric asks for: what is measured against what is wanted, Pod by Pod.

A measurement that is missing, or that a Pod gave while it was starting, must not make things swing: such
Pods are first left out, and if the rest asks for a change they are counted in as what speaks most against it
(as using all they asked for when there should be fewer, as using nothing when there should be more). If that
turns the answer around, nothing changes. All functions are pure; amounts are in thousandths.

Source: ``pkg/controller/podautoscaler/replica_calculator.go``.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.times import parse_time

CPU_INITIALIZATION_SECONDS = 300.0
READINESS_DELAY_SECONDS = 30.0
TOLERANCE = 0.1


class Measured(NamedTuple):
    """What one Pod used: thousandths of the unit, when (seconds since the epoch), over how many seconds."""

    value: int
    at: float = 0.0
    window: float = 0.0


class Tolerances(NamedTuple):
    """By what share the measured may differ from the wanted without anything being done."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def hold(self, ratio: float) -> bool:
        """Whether so small a difference is let be."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Proposal(NamedTuple):
    """How many replicas, what was measured (per cent, or thousandths), and thousandths a Pod on average."""

    replicas: int
    measured: int
    average: int = 0


class CannotTell(Exception):
    """There is no answer; the message says why."""


class Groups(NamedTuple):
    """Pods by what their measurements are worth; names."""

    ready: int
    unready: set[str]
    missing: set[str]
    ignored: set[str]


def group_pods(pods: Iterable[Json], measured: Mapping[str, Measured], now: float, *, is_cpu: bool) -> Groups:
    """Sort Pods; the use of CPU says nothing while a Pod starts."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in pods:
        name, phase = pod["metadata"]["name"], (pod.get("status") or {}).get("phase")
        if meta.is_being_deleted(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in measured:
            missing.add(name)
        elif is_cpu and _is_starting(pod, measured[name], now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, unready, missing, ignored)


def _is_starting(pod: Json, measured: Measured, now: float) -> bool:
    condition = meta.condition(pod, "Ready")
    began = (pod.get("status") or {}).get("startTime")
    if condition is None or not began:
        return True
    since = parse_time(condition.get("lastTransitionTime") or began)
    is_ready = condition["status"] == "True"
    if parse_time(began) + CPU_INITIALIZATION_SECONDS > now:
        return not is_ready or measured.at < since + measured.window
    return not is_ready and parse_time(began) + READINESS_DELAY_SECONDS > since


def pod_requests(pods: Iterable[Json], resource: str, container: str = "") -> dict[str, int]:
    """What each Pod's containers, or the one named, ask for.

    Raises:
        CannotTell: one of them does not ask for it.
    """
    requests = {}
    for pod in pods:
        sidecars = (
            one for one in pod["spec"].get("initContainers") or () if one.get("restartPolicy") == "Always"
        )
        total = 0
        for one in (*pod["spec"]["containers"], *sidecars):
            if container and one["name"] != container:
                continue
            asked = ((one.get("resources") or {}).get("requests") or {}).get(resource)
            if asked is None:
                name = pod["metadata"]["name"]
                raise CannotTell(f"missing request for {resource} in container {one['name']} of Pod {name}")
            total += parse_quantity(asked).milli_value
        requests[pod["metadata"]["name"]] = total
    return requests


def plan_by_share(
    current: int,
    percent: int,
    measured: Mapping[str, Measured],
    requests: Mapping[str, int],
    groups: Groups,
    tolerances: Tolerances,
) -> Proposal:
    """Replicas so that Pods use ``percent`` of what they ask for.

    Raises:
        CannotTell: no Pod was measured that counts.
    """

    def ratio_of(used: Mapping[str, int]) -> float:
        asked = sum(requests[name] for name in used)
        if not asked:
            raise CannotTell("no metrics returned matched known pods")
        return sum(used.values()) * 100 // asked / percent

    used = _counting(measured, groups)
    full = {name: requests.get(name, 0) * max(100, percent) // 100 for name in groups.missing}
    replicas = _settle(current, used, full, ratio_of, groups, tolerances)
    asked = sum(requests[name] for name in used)
    return Proposal(replicas, sum(used.values()) * 100 // asked, sum(used.values()) // len(used))


def plan_by_average(
    current: int, wanted: int, measured: Mapping[str, Measured], groups: Groups, tolerances: Tolerances
) -> Proposal:
    """Replicas so that Pods use ``wanted`` on average. Raises ``CannotTell`` as ``plan_by_share``."""
    used = _counting(measured, groups)
    full = dict.fromkeys(groups.missing, wanted)
    replicas = _settle(
        current, used, full, lambda all_: sum(all_.values()) // len(all_) / wanted, groups, tolerances
    )
    average = sum(used.values()) // len(used)
    return Proposal(replicas, average, average)


def plan_by_total(current: int, value: int, wanted: int, tolerances: Tolerances) -> Proposal:
    """Replicas so that each has ``wanted`` of something that all share."""
    replicas = current
    if not current or not tolerances.hold(value / (wanted * current)):
        replicas = math.ceil(value / wanted)
    return Proposal(replicas, value, math.ceil(value / current) if current else 0)


def plan_by_value(current: int, ready: int, value: int, wanted: int, tolerances: Tolerances) -> Proposal:
    """Replicas so that something outside comes to ``wanted``; ``ready`` Pods have to do with it."""
    ratio = value / wanted
    if not current:
        return Proposal(math.ceil(ratio), value)
    return Proposal(current if tolerances.hold(ratio) else math.ceil(ratio * ready), value)


def _counting(measured: Mapping[str, Measured], groups: Groups) -> dict[str, int]:
    left_out = groups.ignored | groups.unready
    used = {name: one.value for name, one in measured.items() if name not in left_out}
    if not used:
        raise CannotTell("did not receive metrics for targeted pods (pods might be unready)")
    return used


def _settle(
    current: int,
    used: Mapping[str, int],
    full: Mapping[str, int],
    ratio_of: Callable[[Mapping[str, int]], float],
    groups: Groups,
    tolerances: Tolerances,
) -> int:
    """The replicas that a ratio asks for, once those that were left out are counted in against it.

    Args:
        full: what the Pods that were not measured use at most.
    """
    ratio = ratio_of(used)
    counts_unready = bool(groups.unready) and ratio > 1.0
    if not counts_unready and not groups.missing:
        return current if tolerances.hold(ratio) else math.ceil(ratio * groups.ready)
    filled = dict(used)
    if ratio < 1.0:
        filled |= full
    elif ratio > 1.0:
        filled |= dict.fromkeys(groups.missing, 0)
    if counts_unready:
        filled |= dict.fromkeys(groups.unready, 0)
    again = ratio_of(filled)
    if tolerances.hold(again) or (ratio < 1.0) != (again < 1.0):
        return current
    replicas = math.ceil(again * len(filled))
    return (
        current if (again < 1.0 and replicas > current) or (again > 1.0 and replicas < current) else replicas
    )
