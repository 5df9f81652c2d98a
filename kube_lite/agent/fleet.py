"""Nodes that do not exist: as many as a test of placing and scaling needs, each for a few kilobytes.

A Node with the annotation ``kube-lite.io/fake: "true"`` is played here: it is ready, its Lease is renewed,
and the Pods that are bound to it run at once, without anything running (or, where the control plane attaches
volumes to it, as soon as it has done so). Pods of Jobs succeed. One that is asked to end is gone. Everything
else of such a Node and its Pods (labels, taints, capacity, conditions) may be changed by anybody, and stays
as it was changed.

The idea is that of kubernetes-sigs/kwok.
"""

import random
from collections.abc import Iterable
from contextlib import suppress

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, Conflict, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.storage import CONTROLLER_ATTACHES, attached_name, claims_of
from kube_lite.api.times import format_micro_time, format_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .node import LEASE_NAMESPACE, LEASE_SECONDS
from .resources import CLAIMS, CSI_DRIVERS, LEASES, NODES, PERSISTENT_VOLUMES, PODS

ANNOTATION = "kube-lite.io/fake"
BY_NODE = "fake node"
VOLUME_SECONDS = 5.0  # until it is looked again whether volumes are attached; a node says so at once
RENEW_SECONDS = 30.0  # of the 40 that a Lease is good for: with thousands of nodes each renewal counts
AT_A_TIME = 64  # writes under way, so that they share commits
CAPACITY = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"}
FINISHED = ("Succeeded", "Failed")

CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def is_fake(node: Json | None) -> bool:
    """Whether a Node is played here."""
    return node is not None and meta.annotations_of(node).get(ANNOTATION) == "true"


def plan_node(node: Json, version: str, now: float) -> Json | None:
    """The status that makes a Node ready; None when it says whether it is, be it that it is not."""
    status = dict(node.get("status") or {})
    if _tells(node):
        return None
    moment = format_time(now)
    status.setdefault("capacity", CAPACITY)
    status.setdefault("allocatable", status["capacity"])
    status["conditions"] = [
        {
            "type": type_, "status": state, "reason": reason, "message": message,
            "lastHeartbeatTime": moment, "lastTransitionTime": moment,
        }
        for type_, state, reason, message in CONDITIONS
    ]  # fmt: skip
    info = {
        "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "fake://0", "kernelVersion": "fake",
        "kubeProxyVersion": "", "kubeletVersion": version, "machineID": "", "operatingSystem": "linux",
        "osImage": "fake", "systemUUID": "",
    }  # fmt: skip
    status["nodeInfo"] = {
        **info,
        **{name: value for name, value in (status.get("nodeInfo") or {}).items() if value},
    }
    status.setdefault("addresses", [{"type": "Hostname", "address": node["metadata"]["name"]}])
    return status


def _tells(node: Json | None) -> bool:
    """Whether a Node says that it is ready, or not; it does not when its Lease has run out."""
    found = meta.condition(node, "Ready") if node is not None else None
    return found is not None and found["status"] != "Unknown"


def plan_return(pod: Json, now: float) -> Json | None:
    """The status of a Pod that runs on, of which the cluster says otherwise because its node was lost."""
    if (pod.get("status") or {}).get("phase") != "Running" or meta.is_condition_true(pod, "Ready"):
        return None
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None}
    return {**pod["status"], "conditions": meta.with_condition(meta.conditions_of(pod), ready, now)}


def plan_pod(pod: Json, address: str, now: float) -> Json | None:
    """The status of a Pod that runs, or, of a Job's, that has succeeded; None when it says so already."""
    status = pod.get("status") or {}
    owner = meta.controller_of(pod)
    succeeds = owner is not None and owner["kind"] == "Job"
    if status.get("phase") in ("Running", *FINISHED):
        return None
    moment = format_time(now)
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": moment, "finishedAt": moment}
    state = {"terminated": ended} if succeeds else {"running": {"startedAt": moment}}
    kept = [one for one in meta.conditions_of(pod) if one["type"] not in _POD_CONDITIONS]
    ready = "False" if succeeds else "True"
    told = {"reason": "PodCompleted"} if succeeds else {}
    return {
        **status,
        "phase": "Succeeded" if succeeds else "Running",
        "startTime": status.get("startTime") or moment,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": kept + [
            {
                "type": type_, "lastProbeTime": None, "lastTransitionTime": moment,
                "status": ready if type_ in ("Ready", "ContainersReady") else "True",
                **(told if type_ != "PodReadyToStartContainers" else {}),
            }
            for type_ in _POD_CONDITIONS
        ],
        "containerStatuses": [
            {
                "name": one["name"], "image": one.get("image", ""), "imageID": "", "ready": not succeeds,
                "restartCount": 0, "started": not succeeds, "state": state, "lastState": {},
            }
            for one in pod["spec"]["containers"]
        ],
    }  # fmt: skip


_POD_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


class FakeNodes(Controller):
    """Keeps Nodes ready and their Leases fresh.

    Args:
        version: of the release, ``v1.36.1``: what each node's kubelet would be.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        version: str,
        source: random.Random | None = None,
    ) -> None:
        super().__init__("fake-nodes", clock, workers=AT_A_TIME)
        self._client = client
        self._version = version
        self._source = source or random.Random()
        self._nodes = informers.informer(NODES)
        self._leases: dict[str, Json] = {}
        self._renewed: dict[str, float] = {}
        self.watch(self._nodes, _keys_of_node)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make a Node ready, and renew its Lease when it is time."""
        node = self._nodes.get(key)
        if node is None or not is_fake(node):
            self._leases.pop(key.name, None)
            self._renewed.pop(key.name, None)
            return None
        status = plan_node(node, self._version, self.clock.now())
        if status is not None:
            await self._client.update(NODES, {**node, "status": status}, subresource="status")
        now = self.clock.monotonic()
        due = self._renewed.get(key.name, -RENEW_SECONDS) + RENEW_SECONDS
        if due <= now:
            await self._renew(node)
            # The first time somewhere within the period, so that thousands do not renew in one second.
            early = self._source.random() * RENEW_SECONDS / 2 if key.name not in self._renewed else 0.0
            self._renewed[key.name] = now - early
            due = self._renewed[key.name] + RENEW_SECONDS
        return RequeueAfter(due - now)

    async def _renew(self, node: Json) -> None:
        name = node["metadata"]["name"]
        lease = self._leases.get(name)
        moment = format_micro_time(self.clock.now())
        try:
            if lease is None:
                found = await self._client.create(LEASES, _lease(node, moment), namespace=LEASE_NAMESPACE)
            else:
                changed = {**lease, "spec": {**lease["spec"], "renewTime": moment}}
                found = await self._client.update(LEASES, changed, namespace=LEASE_NAMESPACE)
        except AlreadyExists:
            found = await self._client.get(LEASES, name, namespace=LEASE_NAMESPACE)
        except (NotFound, Conflict):
            self._leases.pop(name, None)
            raise
        self._leases[name] = {**found, "metadata": _unowned(found["metadata"])}


class FakePods(Controller):
    """Has the Pods on such Nodes run, and end when they are asked to."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("fake-pods", clock, workers=AT_A_TIME)
        self._client = client
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_NODE, lambda pod: [pod["spec"].get("nodeName", "")])
        self._addresses = 0
        self._returned: set[ObjectKey] = set()
        """Pods of nodes that were lost and are there again."""
        self.watch(self._pods, _keys_of_pod)
        self.watch(self._nodes, self._keys_of_node)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take one step with a Pod."""
        pod = self._pods.get(key)
        if pod is None or not is_fake(self._nodes.get(ObjectKey("", pod["spec"].get("nodeName", "")))):
            self._returned.discard(key)
            return None
        try:
            if meta.is_being_deleted(pod):
                await self._client.delete(
                    PODS, key.name, namespace=key.namespace, grace_seconds=0, uid=pod["metadata"]["uid"]
                )
                return None
            now = self.clock.now()
            if not meta.is_being_deleted(pod) and not await self._has_volumes(pod):
                return RequeueAfter(VOLUME_SECONDS)
            status = plan_pod(pod, self._address(), now)
            if key in self._returned:
                status = plan_return(pod, now) or status
            if status is not None:
                told = {"metadata": _unowned(pod["metadata"]), "status": status}  # the spec nobody would read
                await self._client.update(PODS, told, namespace=key.namespace, subresource="status")
        except NotFound:
            pass
        self._returned.discard(key)
        return None

    async def _has_volumes(self, pod: Json) -> bool:
        """Whether the volumes of a Pod that must be attached are; asked only where somebody attaches."""
        node = self._nodes.get(ObjectKey("", pod["spec"]["nodeName"]))
        if node is None or CONTROLLER_ATTACHES not in meta.annotations_of(node):
            return True
        attached = {entry["name"] for entry in (node.get("status") or {}).get("volumesAttached") or ()}
        for key in claims_of(pod):
            claim = await self._find(CLAIMS, key) or {"spec": {}}
            volume = await self._find(
                PERSISTENT_VOLUMES, ObjectKey("", claim["spec"].get("volumeName") or "")
            )
            if volume is None:
                return False
            driver = (volume["spec"].get("csi") or {}).get("driver")
            name = attached_name(
                volume, await self._find(CSI_DRIVERS, ObjectKey("", driver)) if driver else None
            )
            if name and name not in attached:
                return False
        return True

    async def _find(self, resource: GroupVersionResource, key: ObjectKey) -> Json | None:
        with suppress(NotFound):
            return await self._client.get(resource, key.name, namespace=key.namespace) if key.name else None
        return None

    def _address(self) -> str:
        """One of 198.18.0.0/15, which is for tests and routed nowhere (RFC 2544)."""
        self._addresses = (self._addresses + 1) % (1 << 17)
        high, low = divmod(self._addresses, 1 << 16)
        return f"198.{18 + high}.{low >> 8}.{low & 255}"

    def _keys_of_node(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """The Pods of a Node that has just become one of ours, or is there again."""
        is_back = old is not None and not _tells(old) and _tells(new)
        has_more = _attached(old) != _attached(new)
        if new is None or not is_fake(new) or (is_fake(old) and not is_back and not has_more):
            return ()
        keys = [key_of(pod) for pod in self._pods.by_index(BY_NODE, new["metadata"]["name"])]
        if is_back:
            self._returned.update(keys)
        return keys


def _attached(node: Json | None) -> object:
    return ((node or {}).get("status") or {}).get("volumesAttached")


def _unowned(metadata: Json) -> Json:
    """Metadata to send back: whose fields are whose stays as it is when it is left out."""
    return {field: value for field, value in metadata.items() if field != "managedFields"}


def _lease(node: Json, moment: str) -> Json:
    name = node["metadata"]["name"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment},
    }


def _keys_of_node(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if new is None:
        return [key_of(old)] if old is not None and is_fake(old) else []
    if old is None or is_fake(new) != is_fake(old) or (is_fake(new) and _tells(new) != _tells(old)):
        return [key_of(new)]
    return []


def _keys_of_pod(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    """A Pod that was bound, or is asked to end."""
    if new is None or not new["spec"].get("nodeName"):
        return []
    if (
        old is not None
        and old["spec"].get("nodeName")
        and meta.is_being_deleted(old) == meta.is_being_deleted(new)
    ):
        return []
    return [key_of(new)]
