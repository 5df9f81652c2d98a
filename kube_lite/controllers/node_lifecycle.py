"""What a node reports of itself, as taints that keep Pods away from it.

A new node carries ``not-ready`` (``admission/node_taints.py``) until it says for the first time that it is
ready. From then on its conditions and its taints say the same: conditions make taints of effect
``NoSchedule``, and a node that is not ready, or of which nobody knows, also gets the one of effect
``NoExecute`` when ``node_monitor`` says that it is its turn. A node that has not said anything keeps what
it has.

The same write tells it for how long it may rely on what it has read, which grows with the cluster; a node
that was told when there were fewer hears of it with its next change, so that not all are written at once.
Source: ``doNoScheduleTaintingPass``, ``processTaintBaseEviction`` and ``reconcileNodeLabels`` in
``pkg/controller/nodelifecycle``; ``pkg/controller/ttl``.
"""

import math
from collections.abc import Iterable

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.api.meta import annotations_of, condition, labels_of
from kube_lite.api.times import format_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock

from .node_monitor import NodeMonitor
from .resources import NODES

PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE, UNSCHEDULABLE = f"{PREFIX}not-ready", f"{PREFIX}unreachable", f"{PREFIX}unschedulable"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"
TAINTS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): f"{PREFIX}memory-pressure",
    ("DiskPressure", "True"): f"{PREFIX}disk-pressure",
    ("NetworkUnavailable", "True"): f"{PREFIX}network-unavailable",
    ("PIDPressure", "True"): f"{PREFIX}pid-pressure",
}
"""Condition and status → the key of the taint that says the same."""
TTL = "node.alpha.kubernetes.io/ttl"
TTL_STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, math.inf, 300))
"""From and up to how many nodes, and the seconds; they overlap, so that one node more or less is all one."""
OLD_LABELS = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
}
"""Labels, and under which name they were known before; both are to say the same."""
OURS = {NO_SCHEDULE: {*TAINTS.values(), UNSCHEDULABLE}, NO_EXECUTE: {NOT_READY, UNREACHABLE}}


class NodeLifecycle(Controller):
    """Keeps the taints and labels of every node, and for how long it may keep what it has read."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, monitor: NodeMonitor) -> None:
        super().__init__("node-lifecycle", clock)
        self._client = client
        self._monitor = monitor
        monitor.on_change(self.queue.add)
        self._nodes = informers.informer(NODES)
        self._count = self._step = 0
        self.watch(self._nodes, self._counted)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write what is not as it should be."""
        node = self._nodes.get(key)
        if node is None or condition(node, "Ready") is None:
            return None
        metadata: Json = {}
        seconds = str(TTL_STEPS[self._step][2])
        if annotations_of(node).get(TTL) != seconds:
            metadata["annotations"] = {TTL: seconds}
        labels = plan_labels(labels_of(node))
        if labels:
            metadata["labels"] = labels
        patch: Json = {"metadata": metadata}
        taints = plan_taints(node, self.clock.now(), repels=self._monitor.repels(key.name))
        if taints is not None:
            # Somebody else may be changing taints too.
            metadata["resourceVersion"] = node["metadata"]["resourceVersion"]
            patch["spec"] = {"taints": taints or None}
        elif not metadata:
            return None
        try:
            await self._client.patch(NODES, key.name, patch, patch_type=PatchType.MERGE)
        except NotFound:
            return None
        return None

    def _counted(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        self._count += (old is None) - (new is None)
        self._step = plan_step(self._count, self._step)
        node = new or old
        return [key_of(node)] if node is not None else []


def plan_step(nodes: int, step: int) -> int:
    """Which of ``TTL_STEPS`` holds for so many nodes after ``step`` did."""
    while nodes > TTL_STEPS[step][1]:
        step += 1
    while nodes < TTL_STEPS[step][0]:
        step -= 1
    return step


def plan_labels(labels: Json) -> Json:
    """The labels of a node that must change so that old names say what new ones do."""
    return {
        old: labels[name]
        for name, old in OLD_LABELS.items()
        if name in labels and labels[name] != labels.get(old)
    }


def plan_taints(node: Json, now: float, *, repels: bool) -> list[Json] | None:
    """The taints that a node should have; None if it has them. Those that others gave it stay in front.

    Args:
        repels: if it is not ready, its Pods should leave.
    """
    if condition(node, "Ready") is None:
        return None
    there: list[Json] = (node.get("spec") or {}).get("taints") or []
    wanted = wanted_taints(node, repels=repels)
    missing = wanted - {_name(taint) for taint in there}
    kept = [taint for taint in there if _name(taint) in wanted or not _is_ours(taint)]
    if not missing and len(kept) == len(there):
        return None
    in_order = sorted(missing, key=lambda name: (name[0] == NO_EXECUTE, name[1]))  # as upstream's passes are
    return [*kept, *({"key": key, "effect": effect, "timeAdded": format_time(now)}
                     for effect, key in in_order)]  # fmt: skip


def wanted_taints(node: Json, *, repels: bool) -> set[tuple[str, str]]:
    """Effect and key of every taint that follows from what a node says."""
    keys = {
        key
        for (type_, status), key in TAINTS.items()
        if (condition(node, type_) or {}).get("status") == status
    }
    wanted = {(NO_SCHEDULE, key) for key in keys}
    if repels:
        wanted |= {(NO_EXECUTE, key) for key in keys & OURS[NO_EXECUTE]}
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.add((NO_SCHEDULE, UNSCHEDULABLE))
    return wanted


def _name(taint: Json) -> tuple[str, str]:
    return taint.get("effect") or "", taint.get("key") or ""


def _is_ours(taint: Json) -> bool:
    effect, key = _name(taint)
    return key in OURS.get(effect, ())
