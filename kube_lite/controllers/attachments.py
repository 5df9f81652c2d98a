"""Ask for volumes to be attached to the nodes whose Pods need them, and to be taken off again.

Nothing is attached here: a CSI driver's external attacher acts on the VolumeAttachments and says in their
status what came of it. Then the node is told in ``status.volumesAttached``, which its Pods wait for. Only
nodes that say that somebody attaches for them are looked after, and VolumeAttachments that others have made
under names of their own are let be. Keys are those of nodes.
Source: ``pkg/controller/volume/attachdetach``.
"""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.storage import CONTROLLER_ATTACHES, claims_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import attachment_plan as plans
from .attachment_plan import Plan, Volume, Wanted
from .pod_cleanup import BY_NODE, assigned_node
from .resources import NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS
from .volume_plan import phase_of
from .volume_protection import BY_CLAIM, claim_keys

ATTACHMENTS = GroupVersionResource("storage.k8s.io", "v1", "volumeattachments")
DRIVERS = GroupVersionResource("storage.k8s.io", "v1", "csidrivers")
BY_VOLUME = "volume"


class Attachments(Controller):
    """Keeps the VolumeAttachments of nodes, and what their status says of them."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("attachdetach", clock)
        self._client = client
        self._recorder = recorder.of("attachdetach-controller")
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.informer(PERSISTENT_VOLUMES)
        self._drivers = informers.informer(DRIVERS)
        self._attachments = informers.informer(ATTACHMENTS)
        self._pods.add_index(BY_NODE, assigned_node)
        self._pods.add_index(BY_CLAIM, claim_keys)
        self._attachments.add_index(BY_NODE, lambda one: [one["spec"]["nodeName"]])
        self._attachments.add_index(BY_VOLUME, lambda one: [_volume_name(one)])
        self._unwanted_since: dict[str, float] = {}
        self._waits_since: dict[str, float] = {}
        self._told: dict[str, str] = {}
        """By the name of a VolumeAttachment, and its node's name, what its Pods were told last."""
        self.watch(self._nodes, self._keys_of_node)
        self.watch(self._pods, _keys_of_pod)
        self.watch(self._claims, self._keys_of_claim)
        self.watch(self._attachments, self._keys_of_attachment)
        for informer in (self._volumes, self._drivers):
            self.needs(informer)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Ask for what is missing, and no more for what is too much."""
        name, node = key.name, self._nodes.get(key)
        if node is not None and CONTROLLER_ATTACHES not in meta.annotations_of(node):
            return None
        wanted = self._wanted(name)
        plan = self._plan(name, node, wanted)
        if plan.reported is not None:
            # First the node must know that it is going, then it goes.
            metadata = {"resourceVersion": node["metadata"]["resourceVersion"]} if node else {}
            patch = {"metadata": metadata, "status": {"volumesAttached": plan.reported}}
            await self._client.patch(NODES, name, patch, subresource="status", patch_type=PatchType.MERGE)
        for arrived in plan.arrived:
            self._tell(arrived, "Normal", "SuccessfulAttachVolume", plans.success_words(arrived.volume))
        for gone in plan.detach:
            await self._detach(gone)
        for missing in plan.attach:
            await self._attach(missing, name)
        self._tell_blocked(plan.blocked, name)
        return self._when_next(plan, self._tell_waiting(wanted))

    def _plan(self, name: str, node: Json | None, wanted: dict[str, Wanted]) -> Plan:
        ours = {}
        for attachment in self._attachments.by_index(BY_NODE, name):
            volume = self._volume(_volume_name(attachment))
            own = attachment["metadata"]["name"]
            if volume is not None and volume.attachment_on(name) == own:
                ours[own] = (attachment, volume)
        now = self.clock.monotonic()
        unwanted = {key: now - self._unwanted_since.setdefault(key, now) for key in ours if key not in wanted}
        for key in wanted:
            self._unwanted_since.pop(key, None)
        taken = {
            entry.volume.name: [
                one["spec"]["nodeName"]
                for one in self._attachments.by_index(BY_VOLUME, entry.volume.name)
                if one["spec"]["nodeName"] != name
            ]
            for entry in wanted.values()
        }
        return plans.plan_node(name, node, wanted, ours, taken, unwanted)

    def _wanted(self, node: str) -> dict[str, Wanted]:
        """What the Pods of a node need there, by the names of the VolumeAttachments."""
        found: dict[str, tuple[Volume, list[Json]]] = {}
        for pod in self._pods.by_index(BY_NODE, node):
            if not plans.wants_volumes(pod):
                continue
            for key in claims_of(pod):
                claim = self._claims.get(key)
                if claim is None or phase_of(claim) != "Bound":
                    continue
                volume = self._volume(claim["spec"].get("volumeName") or "")
                if volume is not None:
                    found.setdefault(volume.attachment_on(node), (volume, []))[1].append(pod)
        return {key: Wanted(volume, pods) for key, (volume, pods) in found.items()}

    def _volume(self, name: str) -> Volume | None:
        persistent = self._volumes.get(ObjectKey("", name))
        if persistent is None or persistent["spec"].get("csi") is None:
            return None
        driver = self._drivers.get(ObjectKey("", persistent["spec"]["csi"]["driver"]))
        return plans.volume_of(persistent, driver)

    async def _attach(self, wanted: Wanted, node: str) -> None:
        name = wanted.volume.attachment_on(node)
        self._waits_since[name] = self.clock.monotonic()
        try:
            await self._client.create(ATTACHMENTS, plans.plan_object(wanted.volume, node))
        except AlreadyExists:  # the informer has not heard of it yet
            return

    async def _detach(self, name: str) -> None:
        self._unwanted_since.pop(name, None)
        self._waits_since.pop(name, None)
        try:
            await self._client.delete(ATTACHMENTS, name)
        except NotFound:
            return

    def _tell_waiting(self, wanted: dict[str, Wanted]) -> float | None:
        """Say why volumes are not attached; seconds until there may be more to say."""
        left = []
        for key, entry in wanted.items():
            attachment = self._attachments.get(ObjectKey("", key))
            status = (attachment or {}).get("status") or {}
            if attachment is None or status.get("attached"):
                self._told.pop(key, None)
                continue
            why = (status.get("attachError") or {}).get("message") or ""
            if meta.is_being_deleted(attachment):
                why = "volume attachment is being deleted"
            mark = f"{why} {(status.get('attachError') or {}).get('time')}" if why else ""
            now = self.clock.monotonic()
            since = self._waits_since.setdefault(key, now)
            if not why and now - since >= plans.WAIT_SECONDS:
                why = plans.timeout_words(entry.volume)
                since = self._waits_since[key] = now
                self._told.pop(key, None)
            if why and self._told.get(key) != mark:
                self._told[key] = mark
                self._tell(entry, "Warning", "FailedAttachVolume", plans.failure_words(entry.volume, why))
            left.append(since + plans.WAIT_SECONDS - now)
        return min(left, default=None)

    def _tell_blocked(self, blocked: Iterable[Wanted], node: str) -> None:
        for entry in blocked:
            key = entry.volume.attachment_on(node)
            if self._told.get(key) == node:
                continue
            self._told[key] = node
            users = [pod for pod in self._users(entry.volume.name) if pod["spec"].get("nodeName") != node]
            for pod in entry.pods:
                words = plans.blocked_words(entry.volume, pod, users)
                self._recorder.event(pod, "Warning", "FailedAttachVolume", words)

    @staticmethod
    def _when_next(plan: Plan, wait: float | None) -> RequeueAfter | None:
        times = [seconds for seconds in (plan.waits, wait) if seconds is not None]
        return RequeueAfter(max(1.0, min(times))) if times else None

    def _tell(self, wanted: Wanted, type_: str, reason: str, words: str) -> None:
        for pod in wanted.pods:
            self._recorder.event(pod, type_, reason, words)

    def _users(self, volume: str) -> list[Json]:
        """The Pods that have a volume, or wait for it."""
        persistent = self._volumes.get(ObjectKey("", volume))
        claim = (persistent or {"spec": {}})["spec"].get("claimRef") or {}
        key = ObjectKey(claim.get("namespace") or "", claim.get("name") or "")
        return [pod for pod in self._pods.by_index(BY_CLAIM, str(key)) if plans.wants_volumes(pod)]

    def _keys_of_node(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """A node that came or went, or that uses other volumes now."""
        node = new or old
        if node is None or (old is not None and new is not None and _facts(old) == _facts(new)):
            return ()
        name = node["metadata"]["name"]
        pods = self._pods.by_index(BY_NODE, name)
        if self._attachments.by_index(BY_NODE, name) or any(any(claims_of(pod)) for pod in pods):
            return [key_of(node)]
        return ()

    def _keys_of_claim(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """The nodes of the Pods that use a claim that was bound."""
        if new is None or phase_of(new) != "Bound" or (old is not None and phase_of(old) == "Bound"):
            return ()
        return _nodes_of(self._pods.by_index(BY_CLAIM, str(key_of(new))))

    def _keys_of_attachment(
        self, event: EventType, old: Json | None, new: Json | None
    ) -> Iterable[ObjectKey]:
        """Its node; when it is gone, also those that have waited for the volume."""
        one = new or old
        if one is None:
            return ()
        keys = {ObjectKey("", one["spec"]["nodeName"])}
        if new is None:
            self._waits_since.pop(one["metadata"]["name"], None)
            self._told.pop(one["metadata"]["name"], None)
            keys.update(_nodes_of(self._users(_volume_name(one))))
        return keys


def _keys_of_pod(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    """The node of a Pod that came or went, or that ended there."""
    pod = new or old
    if pod is None or not any(True for _ in claims_of(pod)):
        return ()
    if old is not None and new is not None and plans.wants_volumes(old) == plans.wants_volumes(new):
        return ()
    return _nodes_of([pod])


def _nodes_of(pods: Iterable[Json]) -> set[ObjectKey]:
    return {ObjectKey("", pod["spec"]["nodeName"]) for pod in pods if pod["spec"].get("nodeName")}


def _volume_name(attachment: Json) -> str:
    return str(attachment["spec"]["source"].get("persistentVolumeName") or "")


def _facts(node: Json) -> tuple[object, ...]:
    status = node.get("status") or {}
    return (
        status.get("volumesInUse"),
        status.get("volumesAttached"),
        CONTROLLER_ATTACHES in meta.annotations_of(node),
        meta.is_condition_true(node, "Ready"),
    )
