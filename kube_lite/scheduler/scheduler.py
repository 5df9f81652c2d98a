"""Find a node for every pod that has none.

Informers keep a queue of pods that wait and a snapshot of what the nodes have left. One loop takes the
first pod, decides (``profiles.plan_placement``) and assumes the pod on its node; the binding is written by
a task of its own, so a burst of pods is decided at once and written in parallel. When a binding fails the
pod is taken out of the snapshot and tried again later. Without pods that wait nothing runs here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, key_of
from kube_lite.api.meta import condition
from kube_lite.api.times import format_time
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock

from .profiles import plan_placement
from .queue import Queue, Waiting
from .snapshot import Snapshot, needs_of

log = logging.getLogger(__name__)

PODS = GroupVersionResource("", "v1", "pods")
NODES = GroupVersionResource("", "v1", "nodes")
NAME = "default-scheduler"
BINDINGS_AT_ONCE = 32  # enough to share commits, few enough to leave others their turn
FINISHED = ("Succeeded", "Failed")


class Recorder(Protocol):
    """Where events go; see ``client.recorder``."""

    def event(self, regarding: Json, type: str, reason: str, message: str) -> None:
        """Tell of something that happened to an object; never waits."""
        ...


class Scheduler:
    """Service that binds pods to nodes."""

    name = "scheduler"

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self._queue = Queue()
        self._snapshot = Snapshot()
        self._work = asyncio.Event()
        self._writing = asyncio.Semaphore(BINDINGS_AT_ONCE)
        self._alarm_at: float | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Schedule until cancelled."""
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)
        await self._nodes.synced()
        await self._pods.synced()
        async with asyncio.TaskGroup() as group:
            ready()
            while True:
                await self._schedule_waiting(group)
                self._set_alarm(group)
                await self._work.wait()
                self._work.clear()

    async def _schedule_waiting(self, group: asyncio.TaskGroup) -> None:
        """Try every pod whose turn it is."""
        self._queue.wake_forgotten(self._clock.monotonic())
        while (entry := self._queue.pop(self._clock.monotonic())) is not None:
            self._schedule(entry, group)
            await asyncio.sleep(0)  # a long queue must not keep others from running

    def _schedule(self, entry: Waiting, group: asyncio.TaskGroup) -> None:
        pod = entry.pod
        needs = needs_of(pod)
        placement = plan_placement(pod, needs, self._snapshot.nodes())
        if placement.node:
            self._snapshot.place(pod, placement.node, needs)
            group.create_task(self._bind(entry, placement.node), name=f"bind {entry.key}")
            return
        self._queue.put_back(entry, self._clock.monotonic(), unschedulable=True)
        self._tell(pod, "Warning", "FailedScheduling", placement.message)
        group.create_task(self._tell_unschedulable(pod, placement.message), name=f"status of {entry.key}")

    async def _bind(self, entry: Waiting, node_name: str) -> None:
        """Write the decision; a pod whose binding is refused waits for another try, unless it is gone."""
        pod = entry.pod
        try:
            async with self._writing:
                await self._client.create(
                    PODS, binding(pod, node_name), namespace=entry.key.namespace, name=entry.key.name,
                    subresource="binding",
                )  # fmt: skip
        except ApiError as error:
            log.info(
                "binding refused", extra={"pod": str(entry.key), "node": node_name, "why": error.message}
            )
            current = self._pods.get(entry.key)
            if current is None or not current["spec"].get("nodeName"):  # nobody else has bound it meanwhile
                self._snapshot.displace(pod["metadata"]["uid"])
            entry.pod = current or pod
            if isinstance(error, NotFound):
                self._queue.remove(entry.key)
            else:
                self._queue.put_back(entry, self._clock.monotonic(), unschedulable=False)
            self._work.set()
            return
        self._forget(entry)
        self._tell(pod, "Normal", "Scheduled", f"Successfully assigned {entry.key} to {node_name}")

    def _tell(self, pod: Json, type_: str, reason: str, message: str) -> None:
        regarding = {**pod, "apiVersion": "v1", "kind": "Pod"}  # items of a list need not say so
        self._recorder.event(regarding, type_, reason, message)

    def _forget(self, entry: Waiting) -> None:
        """The pod has a node; whoever has its name by now may be another pod, which still waits."""
        current = self._pods.get(entry.key)
        uid = entry.pod["metadata"]["uid"]
        if current is None or current["metadata"]["uid"] == uid:
            self._queue.remove(entry.key)

    async def _tell_unschedulable(self, pod: Json, message: str) -> None:
        """Say in the pod's status why it has no node, unless that is what it says already."""
        patch = plan_condition(pod, message, self._clock.now())
        if patch is None:
            return
        key = key_of(pod)
        try:
            async with self._writing:
                await self._client.patch(
                    PODS, key.name, patch, namespace=key.namespace, subresource="status",
                    patch_type=PatchType.STRATEGIC,
                )  # fmt: skip
        except ApiError as error:  # the next try says it again
            log.debug("status refused", extra={"pod": str(key), "why": error.message})

    def _set_alarm(self, group: asyncio.TaskGroup) -> None:
        """Wake the loop when the queue next has something to do by itself."""
        due = self._queue.next_due()
        if due is None or (self._alarm_at is not None and self._alarm_at <= due):
            return
        self._alarm_at = due
        group.create_task(self._wake_at(due), name="scheduler alarm")

    async def _wake_at(self, due: float) -> None:
        await self._clock.sleep(due - self._clock.monotonic())
        if self._alarm_at == due:
            self._alarm_at = None
        self._work.set()

    def _on_pod(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is None:
            assert old is not None  # a change has at least one side
            self._pod_left(old)
            self._queue.remove(key_of(old))
            return
        node_name = new["spec"].get("nodeName")
        if node_name:
            self._queue.remove(key_of(new))
            if new.get("status", {}).get("phase") in FINISHED:
                self._pod_left(new)
            else:
                self._snapshot.place(new, node_name)
        elif wants_node(new):
            if self._snapshot.place_of(new["metadata"]["uid"]):
                return  # decided already; this is older than the binding
            self._queue.add(new, self._clock.monotonic())
            self._work.set()
        else:
            self._queue.remove(key_of(new))

    def _pod_left(self, pod: Json) -> None:
        """What it used is free again, which may be what others wait for."""
        if self._snapshot.displace(pod["metadata"]["uid"]):
            self._wake()

    def _on_node(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is None:
            assert old is not None  # a change has at least one side
            self._snapshot.remove_node(old["metadata"]["name"])
            return
        self._snapshot.set_node(new)
        if old is None or may_help(old, new):
            self._wake()

    def _wake(self) -> None:
        if len(self._queue):
            self._queue.wake_all(self._clock.monotonic())
            self._work.set()


def wants_node(pod: Json) -> bool:
    """Whether a pod is ours to place, and may be placed now."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", NAME) == NAME
        and "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("phase") not in FINISHED
    )


def may_help(old: Json, new: Json) -> bool:
    """Whether a node's change could let a pod in; its heartbeats cannot."""
    return (
        old.get("status", {}).get("allocatable") != new.get("status", {}).get("allocatable")
        or old.get("spec") != new.get("spec")
        or old["metadata"].get("labels") != new["metadata"].get("labels")
    )


def binding(pod: Json, node_name: str) -> Json:
    """The body that assigns a pod to a node; refused if the pod has been replaced by another of its name."""
    metadata = pod["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
        "target": {"kind": "Node", "name": node_name},
    }


def plan_condition(pod: Json, message: str, now: float) -> Json | None:
    """The status patch that says why a pod has no node; None when its status says so already."""
    present = condition(pod, "PodScheduled") or {}
    wanted = {"status": "False", "reason": "Unschedulable", "message": message}
    if all(present.get(field) == text for field, text in wanted.items()):
        return None
    entry: Json = {"type": "PodScheduled", **wanted, "lastProbeTime": None}
    generation = pod["metadata"].get("generation")
    if generation:
        entry["observedGeneration"] = generation
    if present.get("status") != "False":
        entry["lastTransitionTime"] = format_time(now)
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [entry]}}
