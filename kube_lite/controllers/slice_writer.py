"""Performs plans about EndpointSlices.

Slices have random-looking names as clients expect, but made from what they are for: a controller that does
not see yet what it has just created tries the same name again and is refused, instead of making a second one.
"""

import hashlib
from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.names import GENERATED_BASE_MAX, GENERATED_LENGTH, GENERATED_LETTERS
from kube_lite.client.informer import Informer
from kube_lite.client.protocol import Client

from .resources import ENDPOINT_SLICES
from .slices import MANAGED_BY, SERVICE_NAME, Change, Plan, ports_as_json

BY_SERVICE = "service"  # index: namespace/service


def add_service_index(informer: Informer) -> None:
    """Make slices findable by their Service."""
    informer.add_index(BY_SERVICE, service_keys)


def service_keys(entry: Json) -> list[str]:
    """The values of the index ``BY_SERVICE``."""
    name = meta.labels_of(entry).get(SERVICE_NAME)
    return [f"{entry['metadata']['namespace']}/{name}"] if name else []


class SliceWriter:
    """Writes the slices of one manager.

    Args:
        manager: the value of the label by which managers know their slices.
    """

    def __init__(self, client: Client, slices: Informer, manager: str) -> None:
        self._client = client
        self._slices = slices
        self._manager = manager
        add_service_index(slices)

    def existing(self, key: ObjectKey) -> list[Json]:
        """The slices of a Service that this manager wrote."""
        return [
            entry
            for entry in self._slices.by_index(BY_SERVICE, str(key))
            if meta.labels_of(entry).get(MANAGED_BY) == self._manager and not meta.is_being_deleted(entry)
        ]

    def keys_of(self, obj: Json | None) -> Iterable[ObjectKey]:
        """The Service of a slice that this manager wrote."""
        if obj is not None and meta.labels_of(obj).get(MANAGED_BY) == self._manager:
            yield ObjectKey(obj["metadata"]["namespace"], meta.labels_of(obj)[SERVICE_NAME])

    async def perform(self, key: ObjectKey, owner: Json, plan: Plan, labels: Json, annotations: Json) -> None:
        """Write and delete as planned, then bring labels and annotations of the others up to date."""
        labels = {**labels, SERVICE_NAME: key.name, MANAGED_BY: self._manager}
        for change in plan.write:
            if change.old is None:
                await self._create(key, owner, change, labels, annotations)
            else:
                await self._update(change.old, change, labels, annotations)
        for entry in plan.delete:
            await self._delete(entry)
        written = {id(change.old) for change in plan.write} | {id(entry) for entry in plan.delete}
        for entry in self.existing(key):
            if id(entry) not in written and meta.labels_of(entry) != labels:
                await self._update(entry, None, labels, annotations)

    async def _create(
        self, key: ObjectKey, owner: Json, change: Change, labels: Json, annotations: Json
    ) -> None:
        entry: Json = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": self._free_name(key, owner, change),
                "generateName": key.name + "-",
                "namespace": key.namespace,
                "labels": dict(labels),
                "ownerReferences": [meta.owner_reference(owner)],
            },
            "addressType": change.family,
            "endpoints": change.endpoints,
            "ports": ports_as_json(change.ports),
        }
        if annotations:
            entry["metadata"]["annotations"] = dict(annotations)
        await self._client.create(ENDPOINT_SLICES, entry, namespace=key.namespace)

    async def _update(self, entry: Json, change: Change | None, labels: Json, annotations: Json) -> None:
        metadata = {**entry["metadata"], "labels": labels, "annotations": annotations}
        changed: Json = {**entry, "metadata": metadata}
        if change is not None:
            changed |= {"endpoints": change.endpoints, "ports": ports_as_json(change.ports)}
        await self._client.update(ENDPOINT_SLICES, changed, namespace=entry["metadata"]["namespace"])

    async def _delete(self, entry: Json) -> None:
        metadata = entry["metadata"]
        try:
            await self._client.delete(
                ENDPOINT_SLICES, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
            )
        except NotFound:
            return

    def _free_name(self, key: ObjectKey, owner: Json, change: Change) -> str:
        number = 0
        while True:
            about = repr((owner["metadata"]["uid"], change.family, change.ports, number)).encode()
            digest = hashlib.blake2b(about, digest_size=GENERATED_LENGTH).digest()
            suffix = "".join(GENERATED_LETTERS[byte % len(GENERATED_LETTERS)] for byte in digest)
            name = f"{key.name[: GENERATED_BASE_MAX - 1]}-{suffix}"
            if self._slices.get(ObjectKey(key.namespace, name)) is None:
                return name
            number += 1
