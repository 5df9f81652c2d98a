"""Generic ephemeral volumes: a claim for each, made for its Pod and gone with it.

Source: ``pkg/controller/volume/ephemeral``.
"""

from collections.abc import Iterable, Iterator

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .resources import PERSISTENT_VOLUME_CLAIMS, PODS

POD = GroupVersionKind("", "v1", "Pod")


class EphemeralVolumes(Controller):
    """Makes the claims that Pods describe in place."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__("ephemeral-volumes", clock)
        self._client = client
        self._recorder = recorder.of("ephemeral_volume")
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self.watch(self._pods, _keys_of_pod)
        self.watch(self._claims, self._keys_of_claim)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make the claims that are missing."""
        pod = self._pods.get(key)
        if pod is None or meta.is_being_deleted(pod):
            return None
        for claim in claims_for(pod):
            there = self._claims.get(key_of(claim))
            if there is None:
                await self._client.create(PERSISTENT_VOLUME_CLAIMS, claim, namespace=key.namespace)
            elif not meta.is_controlled_by(there, pod):
                words = f"PVC {key_of(claim)} was not created for pod {key} (pod is not owner)"
                self._recorder.event(pod, "Warning", "FailedBinding", f"ephemeral volume: {words}")
        return None

    def _keys_of_claim(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        """A claim that has gone is made again, as long as its Pod is there."""
        owner = meta.controller_of(old) if event is EventType.DELETED and old is not None else None
        if old is not None and owner is not None and owner["kind"] == POD.kind:
            yield ObjectKey(old["metadata"]["namespace"], owner["name"])


def claims_for(pod: Json) -> Iterator[Json]:
    """The claims that a Pod describes, as they are to be created."""
    metadata = pod["metadata"]
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("ephemeral") is None:
            continue
        template = volume["ephemeral"]["volumeClaimTemplate"]
        described = template.get("metadata") or {}
        kept = {name: described[name] for name in ("annotations", "labels") if described.get(name)}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                **kept,
                "name": f"{metadata['name']}-{volume['name']}",
                "namespace": metadata["namespace"],
                "ownerReferences": [meta.owner_reference(pod, POD)],
            },
            "spec": template["spec"],
        }


def _keys_of_pod(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if new is not None and any(one.get("ephemeral") for one in new["spec"].get("volumes") or ()):
        yield key_of(new)
