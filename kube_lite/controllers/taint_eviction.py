"""Pods leave nodes that have come to repel them: at once, or when they have tolerated it long enough.

A taint of effect ``NoExecute`` drives away the Pods that do not tolerate it. One that tolerates every such
taint, but some for a time only, goes when the shortest of these times has passed since the taint was found;
if the taints go first, it stays. What is awaited is kept here only, so a restart begins the times anew, as
it does upstream.

Source: ``pkg/controller/tainteviction/taint_eviction.go``.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.api.placement import tolerates
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .pod_cleanup import BY_NODE, assigned_node
from .resources import NODES, PODS

MANY = 1e9  # seconds; longer than anybody waits, and what a toleration without a time is worth
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}


def taints_of(node: Json) -> list[Json]:
    """The taints of a node that drive Pods away."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return [taint for taint in taints if taint.get("effect") == "NoExecute"]


def plan_stay(pod: Json, taints: Sequence[Json]) -> float | None:
    """Seconds for which a Pod may stay on a node with these taints; None for ever."""
    tolerations = pod["spec"].get("tolerations") or ()
    stays = []
    for taint in taints:
        found = [one for one in tolerations if tolerates(one, taint)]
        if not found:
            return 0.0
        seconds = [one["tolerationSeconds"] for one in found if one.get("tolerationSeconds") is not None]
        stays.append(max(0.0, float(min(seconds))) if seconds else MANY)
    shortest = min(stays, default=MANY)
    return None if shortest >= MANY else shortest


async def drive_away(client: Client, pod: Json, condition: Json, now: float) -> None:
    """Tell a Pod why it has to go, then delete it; one that has gone is no error."""
    conditions = meta.with_condition(meta.conditions_of(pod), condition, now)
    changed = {**pod, "status": {**(pod.get("status") or {}), "conditions": conditions}}
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    try:
        await client.update(PODS, changed, namespace=namespace, subresource="status")
        await client.delete(PODS, name, namespace=namespace, uid=meta.uid_of(pod))
    except NotFound:
        return


class TaintEviction(Controller):
    """Deletes the Pods that have to leave."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("taint-eviction", clock)
        self._client = client
        self._recorder = recorder.of("taint-eviction-controller")
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_NODE, assigned_node)
        self._leaving: dict[ObjectKey, tuple[str, float]] = {}
        """Pod → its uid, and by the monotonic clock when it has to leave."""
        self.watch(self._nodes, self._keys_of_node)
        self.watch(self._pods, _keys_of_pod)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Let a Pod be, wait for its time, or delete it."""
        pod = self._pods.get(key)
        if pod is None or meta.is_being_deleted(pod):
            self._leaving.pop(key, None)
            return None
        node = self._nodes.get(ObjectKey("", pod["spec"].get("nodeName", "")))
        stay = plan_stay(pod, taints_of(node)) if node is not None else None
        if stay is None:
            if self._leaving.pop(key, None) is not None:
                self._tell(pod, f"Cancelling deletion of Pod {key}")
            return None
        now, uid = self.clock.monotonic(), pod["metadata"]["uid"]
        known = self._leaving.get(key)
        leaves_at = now + stay
        if known is not None and known[0] == uid:
            leaves_at = min(known[1], leaves_at)  # another taint does not give it more time
        self._leaving[key] = (uid, leaves_at)
        if leaves_at > now:
            return RequeueAfter(leaves_at - now)
        self._tell(pod, f"Marking for deletion Pod {key}")
        condition = {**CONDITION, "observedGeneration": meta.generation(pod)}
        await drive_away(self._client, pod, condition, self.clock.now())
        self._leaving.pop(key, None)
        return None

    def _tell(self, pod: Json, words: str) -> None:
        self._recorder.event(pod, "Normal", "TaintManagerEviction", words)

    def _keys_of_node(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """The Pods on a node whose taints have changed."""
        node = new or old
        if node is None or (taints_of(new) if new else []) == (taints_of(old) if old else []):
            return ()
        return [key_of(pod) for pod in self._pods.by_index(BY_NODE, node["metadata"]["name"])]


def _keys_of_pod(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    """A Pod that was placed, or that tolerates something else now, or is gone."""
    if new is None:
        return [key_of(old)] if old is not None else []
    if not new["spec"].get("nodeName"):
        return []
    fields = ("nodeName", "tolerations")
    if old is not None and all(old["spec"].get(field) == new["spec"].get(field) for field in fields):
        return []
    return [key_of(new)]
