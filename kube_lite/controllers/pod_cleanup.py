"""Pods that nobody will end: on nodes that are gone, ending ones that were never placed, old finished ones.

A node may be gone for a moment only, so its Pods are left alone for ``QUARANTINE`` seconds, and the API is
asked once more before the first of them goes. Finished Pods are kept for people to look at; when there are
more than ``MAX_FINISHED`` the oldest go.

Source: kubernetes/pkg/controller/podgc/gc_controller.go.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .resources import NODES, PODS
from .revisions import created

MAX_FINISHED = 12_500  # upstream's --terminated-pod-gc-threshold
QUARANTINE = 40.0  # seconds
BY_NODE = "assigned node"  # index of Pods
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
OLD_PODS = ObjectKey("", "")
"""The key of all finished Pods; those of nodes have a name, those of Pods a namespace too."""


def plan_old_pods(finished: Sequence[Json], limit: int) -> list[Json]:
    """The oldest finished Pods beyond the limit, evicted ones first."""
    ended = [pod for pod in finished if not meta.is_being_deleted(pod)]
    return sorted(ended, key=_by_interest)[: max(0, len(ended) - limit)]


def _by_interest(pod: Json) -> tuple[object, ...]:
    is_evicted = pod_facts.phase_of(pod) == "Failed" and (pod.get("status") or {}).get("reason") == "Evicted"
    return (not is_evicted, *created(pod))


def is_out_of_service(node: Json) -> bool:
    """Whether somebody says that the node is off for good."""
    taints = (node.get("spec") or {}).get("taints") or ()
    is_marked = any(taint["key"] == OUT_OF_SERVICE for taint in taints)
    return is_marked and not meta.is_condition_true(node, "Ready")


class PodCleanup(Controller):
    """Deletes such Pods."""

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, *, max_finished: int = MAX_FINISHED
    ) -> None:
        super().__init__("pod-cleanup", clock)
        self._client = client
        self._max_finished = max_finished
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_NODE, assigned_node)
        self._finished: set[ObjectKey] = set()
        self._missing_since: dict[str, float] = {}
        self.watch(self._nodes, self._keys_of_node)
        self.watch(self._pods, self._keys_of_pod)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Delete what the key stands for, if it should go."""
        if key == OLD_PODS:
            finished = [pod for key in self._finished if (pod := self._pods.get(key)) is not None]
            for pod in plan_old_pods(finished, self._max_finished):
                await self._delete(pod)
            return None
        if not key.namespace:
            return await self._clean_node(key.name)
        pod = self._pods.get(key)
        if pod is not None and meta.is_being_deleted(pod) and not pod["spec"].get("nodeName"):
            await self._delete(pod)
        return None

    async def _clean_node(self, name: str) -> RequeueAfter | None:
        node, pods = self._nodes.get(ObjectKey("", name)), self._pods.by_index(BY_NODE, name)
        if node is not None or not pods:
            self._missing_since.pop(name, None)
            for pod in pods if node is not None and is_out_of_service(node) else ():
                if pod_facts.is_terminating(pod):
                    await self._fail_and_delete(pod, None)
            return None
        since = self._missing_since.setdefault(name, self.clock.monotonic())
        left = since + QUARANTINE - self.clock.monotonic()
        if left > 0:
            return RequeueAfter(left)
        if await self._exists(name):
            return RequeueAfter(QUARANTINE)
        words = {"reason": "DeletionByPodGC", "message": "PodGC: node no longer exists"}
        for pod in pods:
            await self._fail_and_delete(pod, {"type": "DisruptionTarget", "status": "True", **words})
        del self._missing_since[name]
        return None

    async def _exists(self, name: str) -> bool:
        try:
            await self._client.get(NODES, name)
        except NotFound:
            return False
        return True

    async def _fail_and_delete(self, pod: Json, condition: Json | None) -> None:
        """Nobody will report the Pod's end any more, so this does."""
        if not pod_facts.is_finished(pod):
            status = {**(pod.get("status") or {}), "phase": "Failed"}
            if condition is not None:
                entry = {**condition, "observedGeneration": meta.generation(pod)}
                status["conditions"] = meta.with_condition(meta.conditions_of(pod), entry, self.clock.now())
            namespace = pod["metadata"]["namespace"]
            try:
                await self._client.update(
                    PODS, {**pod, "status": status}, namespace=namespace, subresource="status"
                )
            except NotFound:
                return
        await self._delete(pod)

    async def _delete(self, pod: Json) -> None:
        metadata = pod["metadata"]
        try:
            await self._client.delete(
                PODS,
                metadata["name"],
                namespace=metadata["namespace"],
                grace_seconds=0,
                uid=metadata["uid"],
            )
        except NotFound:
            return

    def _keys_of_node(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        node = new or old
        if node is not None and (new is None or is_out_of_service(new)):
            yield key_of(node)

    def _keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        pod = new or old
        if pod is None:
            return
        key, name = key_of(pod), pod["spec"].get("nodeName")
        if new is None or not pod_facts.is_finished(new):
            self._finished.discard(key)
        else:
            self._finished.add(key)
            if len(self._finished) > self._max_finished:
                yield OLD_PODS
        if new is None:
            return
        if not name:
            if meta.is_being_deleted(new):
                yield key
            return
        node = self._nodes.get(ObjectKey("", name))
        if node is None or (meta.is_being_deleted(new) and is_out_of_service(node)):
            yield ObjectKey("", name)


def assigned_node(pod: Json) -> list[str]:
    """The value of the index ``BY_NODE``."""
    name = pod["spec"].get("nodeName")
    return [name] if name else []
