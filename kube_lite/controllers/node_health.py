"""When a node counts as lost, and how fast Pods may be driven off such nodes: the rules, without a cluster.

Nodes are judged by zones. A lost node drives its Pods away, one node every ten seconds, so that a failing
network does not empty a cluster in a minute. Where most of a zone is lost it is more likely that we do not
see it than that it is gone, and it goes slower, or not at all in a small zone. When no zone has a node left
that is ready, nobody is driven anywhere.

Source: ``tryUpdateNodeHealth``, ``ComputeZoneState`` and ``handleDisruption`` in
``pkg/controller/nodelifecycle``, with the defaults of kube-controller-manager.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.times import format_time

STARTUP_SECONDS = 60.0  # for a node that has not said anything yet
GRACE_SECONDS = 50.0
GRACE_SECONDS_BEFORE = 40.0
GRACE_GREW_IN = 32  # the minor release
RATE, SLOW_RATE = 0.1, 0.01  # nodes a second whose Pods are driven away
LARGE_ZONE = 50  # nodes; in a zone that is not larger nothing is driven away while most of it is lost
MOST = 0.55  # the part of a zone that must be lost for this
EXCLUDED = "node.kubernetes.io/exclude-disruption"

_JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_ZONES = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
_REGIONS = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")


class ZoneState(StrEnum):
    """How a zone is."""

    INITIAL = "Initial"
    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


class Count(NamedTuple):
    """The nodes of a zone."""

    ready: int
    other: int


class Disruption(NamedTuple):
    """What has become of the zones.

    Attributes:
        states: by zone.
        rates: by zone, nodes a second that may begin to drive their Pods away.
        all_began: from now on no zone has a node that is ready.
        all_ended: there is one again.
    """

    states: dict[str, ZoneState]
    rates: dict[str, float]
    all_began: bool
    all_ended: bool


def grace_seconds(version: str) -> float:
    """For how long a node of a cluster of release ``1.36`` may be silent."""
    return GRACE_SECONDS if int(version.split(".")[1]) >= GRACE_GREW_IN else GRACE_SECONDS_BEFORE


def zone_of(node: Json) -> str:
    """Region and zone by the node's labels; empty when it is in none."""
    labels = meta.labels_of(node)
    region, zone = (next((labels[key] for key in keys if key in labels), "") for keys in (_REGIONS, _ZONES))
    return f"{region}/{zone}" if region or zone else ""


def plan_lost(node: Json, now: float) -> list[Json] | None:
    """The conditions of a node of which nothing is heard any more; None if they say so already."""
    if (meta.condition(node, "Ready") or {}).get("status") == "Unknown":
        return None
    moment = format_time(now)
    wanted = []
    for entry in meta.conditions_of(node):
        if entry["type"] in _JUDGED and entry.get("status") != "Unknown":
            entry = {
                **entry, "status": "Unknown", "lastTransitionTime": moment,
                "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
            }  # fmt: skip
        wanted.append(entry)
    told = {entry["type"] for entry in wanted}
    wanted += [
        {
            "type": type_, "status": "Unknown",
            "lastHeartbeatTime": node["metadata"].get("creationTimestamp"), "lastTransitionTime": moment,
            "reason": "NodeStatusNeverUpdated", "message": "Kubelet never posted node status.",
        }
        for type_ in _JUDGED
        if type_ not in told
    ]  # fmt: skip
    return wanted


def plan_unready(pod: Json, now: float) -> Json | None:
    """The status of a Pod whose node is lost; None if it did not say that it was ready."""
    if not meta.is_condition_true(pod, "Ready"):
        return None
    conditions = [
        {**entry, "status": "False", "lastTransitionTime": format_time(now)}
        if entry["type"] == "Ready"
        else entry
        for entry in meta.conditions_of(pod)
    ]
    return {**pod["status"], "conditions": conditions}


def zone_state(count: Count) -> ZoneState:
    """How a zone with these nodes is."""
    if count.ready == 0 and count.other > 0:
        return ZoneState.FULL
    if count.other > 2 and count.other / (count.other + count.ready) >= MOST:
        return ZoneState.PARTIAL
    return ZoneState.NORMAL


def plan_disruption(before: Mapping[str, ZoneState], zones: Mapping[str, Count]) -> Disruption:
    """Compare the zones with what they were."""
    states = {zone: zone_state(count) for zone, count in zones.items()}
    is_all = bool(states) and all(state is ZoneState.FULL for state in states.values())
    was = [before.get(zone, ZoneState.INITIAL) for zone in zones]
    was_all = bool(was) and all(state is ZoneState.FULL for state in was)
    rates = {zone: 0.0 if is_all else _rate(state, sum(zones[zone])) for zone, state in states.items()}
    return Disruption(states, rates, is_all and not was_all, was_all and not is_all)


def _rate(state: ZoneState, size: int) -> float:
    if state is not ZoneState.PARTIAL:
        return RATE
    return SLOW_RATE if size > LARGE_ZONE else 0.0


class Allowance:
    """At most one at once, and after that as many a second as the rate says."""

    def __init__(self, now: float) -> None:
        self._rate = RATE
        self._left = 1.0
        self._at = now

    def set_rate(self, rate: float, now: float) -> None:
        """From now on so many a second."""
        self._refill(now)
        self._rate = rate

    def take(self, now: float) -> bool:
        """Whether one more may go now; counts it."""
        self._refill(now)
        # Ten additions of a tenth are a little less than one.
        if self._rate <= 0.0 or self._left < 1.0 - 1e-9:
            return False
        self._left -= 1.0
        return True

    def _refill(self, now: float) -> None:
        self._left = min(1.0, self._left + (now - self._at) * self._rate) if self._rate > 0.0 else 0.0
        self._at = now
