"""Pods leave devices that have come to repel them: at once, or when their claims have borne it long enough.

A driver taints a device in its ResourceSlice. A taint of effect ``NoExecute`` drives away the Pods that use
the device by a claim which does not tolerate it, or only for some seconds from when the taint was added.
Where the driver does not say when that was, it was when the taint was first seen here.

Source: ``pkg/controller/devicetainteviction/device_taint_eviction.go``.
"""

from collections.abc import Iterable, Iterator, Sequence

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.placement import tolerates
from kube_lite.api.times import parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .resource_claims import CLAIMS, claim_names
from .resources import PODS
from .taint_eviction import drive_away

SLICES = GroupVersionResource("resource.k8s.io", "v1", "resourceslices")
BY_POOL = "pools of devices"
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByDeviceTaintManager",
    "message": "Device Taint manager: deleting due to NoExecute taint",
}


def taints_of(slices: Sequence[Json], device: str) -> list[Json]:
    """The taints of a device that drive Pods away, by the newest of its pool's slices."""
    newest = max((each["spec"]["pool"]["generation"] for each in slices), default=0)
    return [
        taint
        for each in slices
        if each["spec"]["pool"]["generation"] == newest
        for entry in each["spec"].get("devices") or ()
        if entry["name"] == device
        for taint in entry.get("taints") or ()
        if taint["effect"] == "NoExecute"
    ]


def plan_leaving(tolerations: Sequence[Json], taints: Sequence[Json], since: float) -> float | None:
    """When Pods have to leave a device with these taints; None for never.

    Args:
        since: stands for the time of taints that have none.
    """
    moments = []
    for taint in taints:
        found = [one for one in tolerations if tolerates(one, taint)]
        if any(one.get("tolerationSeconds") is None for one in found):
            continue
        added = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else since
        moments.append(added + max(0, min((one["tolerationSeconds"] for one in found), default=0)))
    return min(moments, default=None)


class DeviceTaintEviction(Controller):
    """Deletes the Pods that have to leave."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("device-taint-eviction", clock)
        self._client = client
        self._recorder = recorder.of("device-taint-eviction-controller")
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(CLAIMS)
        self._slices = informers.informer(SLICES)
        self._claims.add_index(BY_POOL, _pools_of_claim)
        self._slices.add_index(BY_POOL, _pool_of_slice)
        self._leaving: dict[ObjectKey, tuple[str, float]] = {}
        """Pod that has to leave → its uid, and since when that is known."""
        self.watch(self._pods, _keys_of_pod)
        self.watch(self._claims, lambda event, old, new: (*_users_of(old), *_users_of(new)))
        self.watch(self._slices, self._keys_of_slice)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Let a Pod be, wait for its time, or delete it."""
        pod = self._pods.get(key)
        if pod is None or meta.is_being_deleted(pod):
            self._leaving.pop(key, None)
            return None
        now, uid = self.clock.now(), meta.uid_of(pod)
        known = self._leaving.get(key, ("", now))
        since = known[1] if known[0] == uid else now
        leaves_at = min(self._moments(pod, since), default=None)
        if leaves_at is None:
            if self._leaving.pop(key, None) is not None:
                self._tell(pod, "Cancelling deletion")
            return None
        self._leaving[key] = (uid, since)
        if leaves_at > now:
            return RequeueAfter(leaves_at - now)
        self._tell(pod, "Marking for deletion")
        await drive_away(self._client, pod, CONDITION, now)
        self._leaving.pop(key, None)
        return None

    def _moments(self, pod: Json, since: float) -> Iterator[float]:
        """When each device of a Pod that drives it away does so."""
        if not pod["spec"].get("nodeName"):
            return
        own = {
            entry["name"]
            for entry in pod["spec"].get("resourceClaims") or ()
            if entry.get("resourceClaimTemplateName")
        }
        for entry, name in claim_names(pod).items():
            claim = self._claims.get(ObjectKey(pod["metadata"]["namespace"], name)) if name else None
            if claim is None or (entry in own and not meta.is_controlled_by(claim, pod)):
                continue
            if not any(user["uid"] == meta.uid_of(pod) for user in _consumers(claim)):
                continue
            for result in _results(claim):
                slices = self._slices.by_index(BY_POOL, _pool(result["driver"], result["pool"]))
                taints = taints_of(slices, result["device"])
                leaves_at = plan_leaving(result.get("tolerations") or (), taints, since)
                if leaves_at is not None:
                    yield leaves_at

    def _tell(self, pod: Json, words: str) -> None:
        self._recorder.event(pod, "Normal", "DeviceTaintManagerEviction", words)

    def _keys_of_slice(self, event: EventType, old: Json | None, new: Json | None) -> Iterator[ObjectKey]:
        """The Pods with devices of a pool in which there are taints, or were."""
        for pool in {_pool_of_slice(each)[0] for each in (old, new) if each is not None}:
            if any(_drives_away(each) for each in (old, new, *self._slices.by_index(BY_POOL, pool))):
                for claim in self._claims.by_index(BY_POOL, pool):
                    yield from _users_of(claim)


def _drives_away(resource_slice: Json | None) -> bool:
    devices = (resource_slice or {"spec": {}})["spec"].get("devices") or ()
    return any(taint["effect"] == "NoExecute" for each in devices for taint in each.get("taints") or ())


def _pool(driver: str, pool: str) -> str:
    return f"{driver}/{pool}"


def _pool_of_slice(resource_slice: Json) -> list[str]:
    spec = resource_slice["spec"]
    return [_pool(spec["driver"], spec["pool"]["name"])]


def _pools_of_claim(claim: Json) -> list[str]:
    return list({_pool(result["driver"], result["pool"]) for result in _results(claim)})


def _results(claim: Json) -> Sequence[Json]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return (allocation.get("devices") or {}).get("results") or ()


def _consumers(claim: Json) -> Sequence[Json]:
    return (claim.get("status") or {}).get("reservedFor") or ()


def _users_of(claim: Json | None) -> Iterator[ObjectKey]:
    if claim is None:
        return
    for consumer in _consumers(claim):
        if not consumer.get("apiGroup") and consumer["resource"] == "pods":
            yield ObjectKey(claim["metadata"]["namespace"], consumer["name"])


def _keys_of_pod(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    """A Pod with claims that was placed, or is gone."""
    pod = new or old
    if pod is None or not pod["spec"].get("resourceClaims"):
        return []
    return [key_of(pod)]
