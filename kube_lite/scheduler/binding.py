"""What has to happen before a pod is bound: its claims get volumes; and to the pods that make room for it.

A volume that is there is kept for the claim by naming it in ``claimRef``; a provisioner is told the node by
an annotation of the claim. Both are completed by others, so the pod waits until its claims say that they are
bound. Several pods may be decided on at once, so volumes that are about to be kept are not offered again.

Source: kubernetes/pkg/scheduler/framework/plugins/volumebinding/binder.go.
"""

import asyncio
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.storage import claim_reference
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .snapshot import NodeInfo
from .surroundings import CLAIMS, VOLUMES, Surroundings
from .volumes import SELECTED_NODE, Choice, Limits, claim_keys

BIND_SECONDS = 600.0  # upstream's figure
PODS = VOLUMES._replace(resource="pods")
MESSAGE = "{scheduler}: preempting to accommodate a higher priority pod"


class Reserved(NamedTuple):
    """What was decided for the claims of one pod, and all of its claims."""

    choice: Choice
    claims: tuple[ObjectKey, ...]


class Binder:
    """Prepares bindings."""

    def __init__(self, client: Client, clock: Clock, around: Surroundings) -> None:
        self._client = client
        self._clock = clock
        self._around = around
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """Claims or volumes have changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def reserve(self, pod: Json, info: NodeInfo | None) -> Reserved | None:
        """What is to be done for the pod's claims on that node; None when it has none that wait."""
        keys = tuple(key for key, _ in claim_keys(pod))
        if not keys or info is None:
            return None
        choice = Limits(pod, self._around).choose(info)
        if choice is None or not (choice.kept or choice.made):
            return None
        self._around.reserved.update(choice.kept.values())
        return Reserved(choice, keys)

    async def prepare(self, reserved: Reserved | None, node_name: str) -> None:
        """Have the claims bound.

        Raises:
            ApiError: a claim or volume has changed meanwhile.
            TimeoutError: nobody has bound them.
        """
        if reserved is None:
            return
        try:
            for key, name in reserved.choice.kept.items():
                await self._keep(key, name)
            for key in reserved.choice.made:
                await self._ask(key, node_name)
            await self._until_bound(reserved)
        finally:
            self._around.reserved.difference_update(reserved.choice.kept.values())

    async def _until_bound(self, reserved: Reserved) -> None:
        deadline = self._clock.monotonic() + BIND_SECONDS
        while not all(self._is_bound(key) for key in reserved.claims):
            changed, left = self._changed, deadline - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(left):
                await changed.wait()

    def _is_bound(self, key: ObjectKey) -> bool:
        claim = self._around.claim(key)
        return claim is not None and (claim.get("status") or {}).get("phase") == "Bound"

    async def _keep(self, key: ObjectKey, name: str) -> None:
        claim, volume = self._around.claim(key), self._around.volume(name)
        if claim is None or volume is None or volume["spec"].get("claimRef"):
            return  # what has become of them is seen by those who wait
        await self._client.update(
            VOLUMES, {**volume, "spec": {**volume["spec"], "claimRef": claim_reference(claim)}}
        )

    async def _ask(self, key: ObjectKey, node_name: str) -> None:
        claim = self._around.claim(key)
        if claim is None or meta.annotations_of(claim).get(SELECTED_NODE) == node_name:
            return
        annotations = {**meta.annotations_of(claim), SELECTED_NODE: node_name}
        changed = {**claim, "metadata": {**claim["metadata"], "annotations": annotations}}
        await self._client.update(CLAIMS, changed, namespace=key.namespace)

    async def drive_away(self, victim: Json) -> None:
        """Ask a pod to leave, and have its status say why."""
        metadata = victim["metadata"]
        entry: Json = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": MESSAGE.format(scheduler=victim["spec"].get("schedulerName") or "default-scheduler"),
        }
        if meta.generation(victim):
            entry["observedGeneration"] = meta.generation(victim)
        conditions = meta.with_condition(meta.conditions_of(victim), entry, self._clock.now())
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": conditions}}
        try:
            await self._client.patch(
                PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status"
            )
            await self._client.delete(
                PODS, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
            )
        except NotFound:
            return
