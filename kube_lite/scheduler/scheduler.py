"""Find a node for every pod that has none.

Informers keep a queue of pods that wait and a snapshot of what the nodes have left. One loop takes the
first pod, decides (``deciding.py``) and assumes the pod on its node; the binding is written by a task of its
own, so a burst of pods is decided at once and written in parallel. When a binding fails the pod is taken out
of the snapshot and tried again later. A pod that fits nowhere may drive away less important ones
(``preempt.py``), and waits until something changes that matters to it (``hints.py``). Without pods that wait
nothing runs here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kube_lite.api.errors import ApiError, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, key_of
from kube_lite.api.meta import condition, is_being_deleted, labels_of
from kube_lite.api.times import format_time
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock
from kube_lite.kit.metrics import Labels

from . import hints, profiles
from .binding import Binder, Reserved
from .deciding import NO_NODES, NOT_READ, Decider, Placement, failure_message
from .devices.errors import Failed
from .devices.plugin import DynamicResources
from .devices.records import Features
from .preempt import Eviction, is_eligible, plan_preemption
from .profiles import Settings
from .queue import Backoff, Queue, Waiting
from .snapshot import Needs, Snapshot, needs_of
from .surroundings import Surroundings
from .tally import ERROR, SCHEDULED, Tally
from .tally import UNSCHEDULABLE as UNSCHEDULABLE_PODS

if TYPE_CHECKING:
    from .devices.binding import Reserved as Devices

log = logging.getLogger(__name__)

PODS = GroupVersionResource("", "v1", "pods")
NODES = GroupVersionResource("", "v1", "nodes")
BINDINGS_AT_ONCE = 64  # enough to share commits, few enough to leave others their turn
TURN_SECONDS, TURN_PODS = 0.002, 32  # how long to decide before others have their turn
FINISHED = ("Succeeded", "Failed")
UNSCHEDULABLE = "Unschedulable"


class Recorder(Protocol):
    """Where events go; see ``client.series``."""

    def event(
        self, regarding: Json, type: str, reason: str, message: str, *,
        action: str, related: Json | None = None,
    ) -> None:  # fmt: skip
        """Tell of something that happened to an object; never waits."""
        ...

    def of(self, component: str) -> "Recorder":
        """The same for another component."""
        ...


class Scheduler:
    """Service that binds pods to nodes.

    Args:
        settings: profiles and figures; the pods of a profile are those that name it as their scheduler.
        devices: what of device claims the release has switched on; None where it does not serve them.
    """

    name = "scheduler"

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        settings: Settings | None = None,
        devices: Features | None = None,
    ) -> None:
        settings = settings or Settings()
        self._client = client
        self._clock = clock
        self._recorders = {name: recorder.of(name) for name in settings.profiles}
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self._around = Surroundings(informers)
        self._queue = Queue(Backoff(settings.initial_backoff, settings.max_backoff))
        self.tally = Tally(self._pending)
        self._snapshot = Snapshot()
        self._devices: DynamicResources | None = None
        if devices is not None:
            self._devices = DynamicResources(
                client, informers, clock, devices, tell=self._tell, wake=self._wake
            )
        rule = self._devices.rule if self._devices is not None else None
        self._deciders = {
            name: Decider(
                self._snapshot, self._around, profile, self._around.selector_of, settings.percentage, rule
            )
            for name, profile in settings.profiles.items()
        }
        self._binder = Binder(client, clock, self._around)
        self._work = asyncio.Event()
        self._writing = asyncio.Semaphore(BINDINGS_AT_ONCE)
        self._alarm_at: float | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Schedule until cancelled."""
        self._around.namespaces.add_handler(self._on_namespace)
        for informer in (self._around.claims, self._around.persistent_volumes, self._around.classes):
            informer.add_handler(self._on_storage)
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)
        if self._devices is not None:
            self._devices.watch()
            await self._devices.synced()
        await self._around.synced()
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
        began, tried = self._clock.monotonic(), 0
        self._queue.wake_forgotten(began)
        while (entry := self._queue.pop(self._clock.monotonic())) is not None:
            self._schedule(entry, group)
            tried += 1
            if tried >= TURN_PODS or self._clock.monotonic() - began >= TURN_SECONDS:
                await asyncio.sleep(0)  # a long queue must not keep others from running
                began, tried = self._clock.monotonic(), 0

    def _schedule(self, entry: Waiting, group: asyncio.TaskGroup) -> None:
        pod = entry.pod
        needs = needs_of(pod)
        if self._devices is not None:
            if self._devices.rule.hold(pod):
                self._queue.hold(entry, hints.CLAIMS_CHANGED)
                return
            needs = self._devices.with_delegated(needs)
        decider = self._deciders[scheduler_of(pod)]
        entry.began = self._clock.monotonic()
        try:
            placement = decider.place(pod, needs)
        except Failed as error:
            self._queue.put_back(entry, self._count(entry, ERROR), unschedulable=False)
            self._tell_failed(entry, str(error), group)
            return
        if placement.node:
            self._assign(entry, needs, placement.node, group)
            return
        words, claim = "", None
        if self._devices is not None:
            words, claim = self._devices.help(pod, needs, is_judged=not placement.impossible)
            if placement.impossible and placement.against != profiles.CLAIMS:
                words = NOT_READ
        eviction, message = self._look_for_victims(pod, needs, placement, decider, words)
        now = self._count(entry, UNSCHEDULABLE_PODS)
        self._queue.put_back(entry, now, unschedulable=True, rules=placement.rules)
        self._tell(pod, "Warning", "FailedScheduling", message, "Scheduling")
        group.create_task(
            self._tell_unschedulable(pod, message, eviction, claim=claim), name=f"status of {entry.key}"
        )

    def _assign(self, entry: Waiting, needs: Needs, node_name: str, group: asyncio.TaskGroup) -> None:
        """Keep the node's room, volumes and devices for the pod, and have it bound."""
        info = self._snapshot.node(node_name)
        choice = self._binder.reserve(entry.pod, info)
        devices = None
        if self._devices is not None and info is not None and info.node is not None:
            devices = self._devices.reserve(entry.pod, needs, info.node)
        self._snapshot.place(entry.pod, node_name, needs)
        group.create_task(self._bind(entry, node_name, choice, devices, group), name=f"bind {entry.key}")

    def _tell_failed(self, entry: Waiting, message: str, group: asyncio.TaskGroup) -> None:
        """Say that the pod could not be judged, or not be bound, through no fault of the nodes."""
        self._tell(entry.pod, "Warning", "FailedScheduling", message, "Scheduling")
        group.create_task(
            self._tell_unschedulable(entry.pod, message, None, reason="SchedulerError"),
            name=f"status of {entry.key}",
        )

    def _look_for_victims(
        self, pod: Json, needs: Needs, placement: Placement, decider: Decider, claims: str
    ) -> tuple[Eviction | None, str]:
        """Who is to leave for a pod that fits nowhere, if anybody, and what to say of it."""
        count = len(self._snapshot.nodes())
        if not decider.profile.preempts or placement.impossible == NO_NODES or claims == NOT_READ:
            return None, failure_message(pod, placement, count=count, claims=claims)
        hopes: dict[str, str] = {}
        if is_eligible(pod, self._snapshot):
            budgets = self._around.budgets()
            found = plan_preemption(pod, needs, placement, self._snapshot, decider, budgets)
            self.tally.looked_for_victims(len(found.best.victims) if found.best is not None else 0)
            if found.best is not None:
                self._snapshot.nominate(pod, found.best.node)
                return found.best, failure_message(pod, placement, count=count)
            hopes = found.hopes
        return None, failure_message(pod, placement, hopes, count=count, claims=claims)

    async def _bind(
        self, entry: Waiting, node_name: str, choice: Reserved | None, devices: "Devices | None",
        group: asyncio.TaskGroup,
    ) -> None:  # fmt: skip
        """Write the decision; a pod whose binding is refused waits for another try, unless it is gone."""
        pod = entry.pod
        try:
            if choice is not None:
                await self._tell_expected(pod, node_name)
            await self._binder.prepare(choice, node_name)
            if self._devices is not None and devices is not None:
                await self._devices.binder.prepare(devices)
            async with self._writing:
                await self._client.create(
                    PODS, binding(pod, node_name), namespace=entry.key.namespace, name=entry.key.name,
                    subresource="binding",
                )  # fmt: skip
        except (ApiError, TimeoutError, Failed) as error:
            why = error.message if isinstance(error, ApiError) else str(error)
            why = why or "its volumes were not bound in time"
            log.info("binding refused", extra={"pod": str(entry.key), "node": node_name, "why": why})
            if self._devices is not None and devices is not None:
                await self._devices.binder.take_back(devices)
            current = self._pods.get(entry.key)
            if current is None or not current["spec"].get("nodeName"):  # nobody else has bound it meanwhile
                self._snapshot.displace(pod["metadata"]["uid"])
            entry.pod = current or pod
            now = self._count(entry, ERROR)
            if isinstance(error, NotFound):
                self._queue.remove(entry.key)
            else:
                self._queue.put_back(entry, now, unschedulable=False)
            if isinstance(error, Failed):
                self._tell_failed(entry, why, group)
            self._work.set()
            return
        self.tally.placed(entry.failures + 1, self._count(entry, SCHEDULED) - entry.added)
        self._forget(entry)
        told = f"Successfully assigned {entry.key} to {node_name}"
        self._tell(pod, "Normal", "Scheduled", told, "Binding")

    async def _tell_expected(self, pod: Json, node_name: str) -> None:
        """Say where a pod is about to go whose volumes will take a while."""
        if (pod.get("status") or {}).get("nominatedNodeName") == node_name:
            return
        key, patch = key_of(pod), {"status": {"nominatedNodeName": node_name}}
        async with self._writing:
            await self._client.patch(
                PODS, key.name, {"metadata": {"uid": pod["metadata"]["uid"]}, **patch},
                namespace=key.namespace, subresource="status", patch_type=PatchType.STRATEGIC,
            )  # fmt: skip

    def _count(self, entry: Waiting, result: str) -> float:
        """Count a try that is over; the time it is."""
        now = self._clock.monotonic()
        self.tally.tried(scheduler_of(entry.pod), result, now - entry.began)
        return now

    def _pending(self) -> dict[Labels, float]:
        pods = self._pods.list()
        gated = [pod for pod in pods if pod["spec"].get("schedulingGates") and not is_being_deleted(pod)]
        return {(name,): count for name, count in (self._queue.counts() | {"gated": len(gated)}).items()}

    def _tell(self, pod: Json, type_: str, reason: str, message: str, action: str) -> None:
        self._recorders[scheduler_of(pod)].event(_named(pod), type_, reason, message, action=action)

    def _forget(self, entry: Waiting) -> None:
        """The pod has a node; whoever has its name by now may be another pod, which still waits."""
        current = self._pods.get(entry.key)
        uid = entry.pod["metadata"]["uid"]
        if current is None or current["metadata"]["uid"] == uid:
            self._queue.remove(entry.key)

    async def _tell_unschedulable(
        self, pod: Json, message: str, eviction: Eviction | None, *, reason: str = UNSCHEDULABLE,
        claim: Json | None = None,
    ) -> None:  # fmt: skip
        """Say in the pod's status why it has no node, unless it says so already; make room for it.

        Args:
            claim: its allocation is to be taken back.
        """
        node = eviction.node if eviction is not None else ""
        patch = plan_condition(pod, message, self._clock.now(), nominated=node, reason=reason)
        key = key_of(pod)
        try:
            if claim is not None and self._devices is not None:
                await self._devices.binder.free(claim)
            if patch is not None:
                async with self._writing:
                    await self._client.patch(
                        PODS, key.name, patch, namespace=key.namespace, subresource="status",
                        patch_type=PatchType.STRATEGIC,
                    )  # fmt: skip
            for victim in eviction.victims if eviction is not None else ():
                words = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
                await self._binder.drive_away(victim)
                self._recorders[scheduler_of(pod)].event(
                    _named(victim), "Normal", "Preempted", words, action="Preempting", related=_named(pod)
                )
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
            self._snapshot.nominate(old, "")
            self._queue.remove(key_of(old))
            return
        node_name = new["spec"].get("nodeName")
        if node_name:
            self._queue.remove(key_of(new))
            if new.get("status", {}).get("phase") in FINISHED:
                self._pod_left(new)
                return
            self._snapshot.place(new, node_name)
            if old is None or is_new_to_others(old, new):
                self._wake(hints.POD_CAME)
        elif self._is_waiting(new):
            if self._snapshot.place_of(new["metadata"]["uid"]):
                return  # decided already; this is older than the binding
            self._snapshot.nominate(new, (new.get("status") or {}).get("nominatedNodeName") or "")
            self._queue.add(new, self._clock.monotonic())
            self._work.set()
        else:
            self._snapshot.nominate(new, "")
            self._queue.remove(key_of(new))

    def _is_waiting(self, pod: Json) -> bool:
        return scheduler_of(pod) in self._deciders and wants_node(pod)

    def _pod_left(self, pod: Json) -> None:
        """What it used is free again, which may be what others wait for."""
        if self._snapshot.displace(pod["metadata"]["uid"]):
            self._wake(hints.POD_LEFT)

    def _on_node(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is None:
            assert old is not None  # a change has at least one side
            self._snapshot.remove_node(old["metadata"]["name"])
            return
        self._snapshot.set_node(new)
        self._wake(hints.node_changed(old, new) if old is not None else hints.NODE_CAME)

    def _on_namespace(self, event: EventType, old: Json | None, new: Json | None) -> None:
        namespace = new or old
        if namespace is not None:
            name = namespace["metadata"]["name"]
            self._snapshot.set_namespace(name, labels_of(new) if new is not None else None)
            if old is not None and new is not None and labels_of(old) != labels_of(new):
                self._wake(hints.NAMESPACE_CHANGED)

    def _on_storage(self, event: EventType, old: Json | None, new: Json | None) -> None:
        self._binder.look_again()
        self._wake(hints.STORAGE_CHANGED)

    def _wake(self, rules: frozenset[str], helps: Callable[[Json], bool] = lambda pod: True) -> None:
        if rules and len(self._queue) and self._queue.wake(rules, self._clock.monotonic(), helps):
            self._work.set()


def is_new_to_others(old: Json, new: Json) -> bool:
    """Whether a pod on a node has changed in what others may look at."""
    return (
        old["spec"].get("nodeName") != new["spec"].get("nodeName")
        or labels_of(old) != labels_of(new)
        or is_being_deleted(old) != is_being_deleted(new)
    )


def scheduler_of(pod: Json) -> str:
    """Who is to place a pod."""
    return str(pod["spec"].get("schedulerName") or "default-scheduler")


def wants_node(pod: Json) -> bool:
    """Whether a pod may be placed now."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and "deletionTimestamp" not in pod["metadata"]
        and pod.get("status", {}).get("phase") not in FINISHED
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


def plan_condition(
    pod: Json, message: str, now: float, *, nominated: str = "", reason: str = UNSCHEDULABLE
) -> Json | None:
    """The status patch that says why a pod has no node; None when its status says so already.

    Args:
        nominated: the node that others have been asked to leave for it.
    """
    present = condition(pod, "PodScheduled") or {}
    wanted = {"status": "False", "reason": reason, "message": message}
    status: Json = {"nominatedNodeName": nominated} if nominated else {}
    if (pod.get("status") or {}).get("nominatedNodeName") == nominated:
        status = {}
    if not all(present.get(field) == text for field, text in wanted.items()):
        entry: Json = {"type": "PodScheduled", **wanted, "lastProbeTime": None}
        generation = pod["metadata"].get("generation")
        if generation:
            entry["observedGeneration"] = generation
        if present.get("status") != "False":
            entry["lastTransitionTime"] = format_time(now)
        status["conditions"] = [entry]
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status} if status else None


def _named(pod: Json) -> Json:
    return {**pod, "apiVersion": "v1", "kind": "Pod"}  # items of a list need not say so
