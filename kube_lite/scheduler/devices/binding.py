"""Writing down what claims were given, before the pod is bound; and taking it back when that fails.

A claim is first protected by a finalizer, then it gets allocation and reservation in one write. Whatever
happens between two writes, the next try goes on from there: a finalizer that is there is not added again,
a claim that is allocated is used as it is, and one that is reserved for the pod needs nothing.

Source: ``bindClaim``, ``Unreserve`` and ``PostFilter`` in ``dynamicresources.go`` of
kubernetes/pkg/scheduler/framework/plugins/dynamicresources.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from kube_lite.api import meta
from kube_lite.api.errors import ApiError, Conflict, NotFound
from kube_lite.api.identity import Json, key_of
from kube_lite.api.times import format_time
from kube_lite.client.protocol import Client, PatchType
from kube_lite.kit.clock import Clock

from . import extended, readiness
from .claims import Attempt
from .errors import Failed
from .known import CLAIMS
from .results import plan_result
from .rule import ClaimRule

FINALIZER = "resource.kubernetes.io/delete-protection"
TRIES = 5  # to write a claim that others write too
PODS = CLAIMS._replace(group="", resource="pods")


class Tell(Protocol):
    """How the pod's events are written."""

    def __call__(self, pod: Json, type_: str, reason: str, message: str, action: str) -> None:
        """Write one."""
        ...


class Reserved(NamedTuple):
    """What was decided for the claims of a pod.

    Attributes:
        claims: all of them, as they are known.
        allocations: uid of a claim → what it is to be given.
        mappings: which container's extended resource is which request.
    """

    pod: Json
    node: str
    claims: list[Json]
    allocations: Mapping[str, Json]
    mappings: Sequence[Json]


def with_reservation(claim: Json, pod: Json, allocation: Json | None, now: float | None) -> Json:
    """The claim with what it is given, reserved for a pod.

    Args:
        now: when it is allocated, for claims that do not say; None where releases do not tell.

    Raises:
        Failed: it has changed in a way that forbids it.
    """
    name = str(key_of(claim))
    if meta.is_being_deleted(claim):
        raise Failed(f"claim {name} got deleted in the meantime")
    status = dict(claim.get("status") or {})
    if allocation is not None:
        if status.get("allocation"):
            raise Failed(f"claim {name} got allocated elsewhere in the meantime")
        status["allocation"] = allocation
    if not status.get("allocation"):
        raise Failed(f"claim {name} got deallocated in the meantime")
    if now is not None and not status["allocation"].get("allocationTimestamp"):
        status["allocation"] = {**status["allocation"], "allocationTimestamp": format_time(now)}
    mine = {"resource": "pods", "name": pod["metadata"]["name"], "uid": meta.uid_of(pod)}
    others = status.get("reservedFor") or ()
    if not is_reserved(claim, pod):
        status["reservedFor"] = [*others, mine]
    return {**claim, "status": status}


def is_reserved(claim: Json, pod: Json) -> bool:
    """Whether a pod may use the claim already."""
    consumers = (claim.get("status") or {}).get("reservedFor") or ()
    return any(entry["uid"] == meta.uid_of(pod) for entry in consumers)


class ClaimBinder:
    """Performs what ``ClaimRule`` decides."""

    def __init__(self, client: Client, clock: Clock, rule: ClaimRule, tell: Tell) -> None:
        self._client = client
        self._clock = clock
        self._rule = rule
        self._tell = tell
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """A claim has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def reserve(self, attempt: Attempt, node: Json) -> Reserved:
        """Keep what was found on a node for the pod."""
        found = attempt.on(node)
        assert not isinstance(found, str)  # the node was chosen because it can take the pod
        known, name = self._rule.known, node["metadata"]["name"]
        allocations: dict[str, Json] = {}
        claims = [claim for claim in attempt.claims if not extended.is_unwritten(claim)]
        for claim, wishes, taken in found.given:
            uid = meta.uid_of(claim)
            allocations[uid] = plan_result(wishes, taken, name, known.features, self._make_id)
            known.expect(uid, allocations[uid])
            if extended.is_unwritten(claim):
                claims.append(claim)
        return Reserved(attempt.pod, name, claims, allocations, found.mappings)

    async def prepare(self, reserved: Reserved) -> None:
        """Write the claims, and wait for devices that have to be made ready.

        Raises:
            Failed: a claim has changed meanwhile, or its devices were not made ready.
        """
        for place, claim in enumerate(reserved.claims):
            if is_reserved(claim, reserved.pod):
                continue
            try:
                reserved.claims[place] = await self._bind(reserved, claim)
            except ApiError as error:
                raise Failed(_failure(f"{key_of(claim)}: {error.message}")) from error
        if any(readiness.needs_readying(claim) for claim in reserved.claims):
            await self._until_ready(reserved)

    async def take_back(self, reserved: Reserved) -> None:
        """The pod is not bound: what was decided is void, and what was written is the pod's no longer."""
        for claim in reserved.claims:
            uid = meta.uid_of(claim)
            self._rule.known.forget(uid, key_of(claim))
            if extended.is_unwritten(claim):
                continue
            try:
                if extended.is_for_resources(claim):
                    await self._delete(claim)
                elif is_reserved(claim, reserved.pod):
                    await self._unreserve(claim, reserved.pod)
            except ApiError:
                continue  # the next try, or who looks after claims, comes to it again

    async def free(self, claim: Json) -> None:
        """Take back an allocation that keeps a pod from being placed, or a claim that was left behind."""
        if extended.is_for_resources(claim):
            await self._delete(claim)
            return
        status = {
            field: value
            for field, value in claim["status"].items()
            if field not in ("allocation", "reservedFor", "devices")
        }
        await self._update({**claim, "status": status}, subresource="status")

    async def _bind(self, reserved: Reserved, claim: Json) -> Json:
        planned = reserved.allocations.get(meta.uid_of(claim))
        known = self._rule.known
        now = self._clock.now() if known.features.binding_conditions else None
        temporary = claim if extended.is_unwritten(claim) else None
        if temporary is not None:
            claim = await self._create(claim)
        try:
            claim = await self._write(claim, reserved.pod, planned, now)
        except Failed as error:
            raise Failed(_failure(str(error))) from error
        finally:
            if temporary is not None:
                known.forget(meta.uid_of(temporary), key_of(temporary))
        if temporary is not None:
            await self._tell_pod(reserved, claim)
        return claim

    async def _write(self, claim: Json, pod: Json, allocation: Json | None, now: float | None) -> Json:
        key, known = key_of(claim), self._rule.known
        for left in reversed(range(TRIES)):
            changed = with_reservation(claim, pod, allocation, now)
            try:
                if allocation is not None and meta.add_finalizer(protected := meta.copy(claim), FINALIZER):
                    written = await self._update(protected)
                    changed = {**written, "status": changed["status"]}
                written = await self._update(changed, subresource="status")
            except Conflict:
                if not left:
                    raise
                claim = await self._client.get(CLAIMS, key.name, namespace=key.namespace)
                continue
            known.expect(meta.uid_of(written), written["status"]["allocation"])
            known.expect_written(written)
            return written
        raise AssertionError("unreachable")  # the last try raises

    async def _create(self, claim: Json) -> Json:
        metadata = {key: value for key, value in claim["metadata"].items() if key not in ("name", "uid")}
        body = {**claim, "metadata": metadata}
        return await self._client.create(CLAIMS, body, namespace=metadata["namespace"])

    async def _tell_pod(self, reserved: Reserved, claim: Json) -> None:
        metadata = reserved.pod["metadata"]
        told = {"requestMappings": list(reserved.mappings), "resourceClaimName": claim["metadata"]["name"]}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"extendedResourceClaimStatus": told}}
        await self._client.patch(
            PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status",
            patch_type=PatchType.STRATEGIC,
        )  # fmt: skip

    async def _until_ready(self, reserved: Reserved) -> None:
        words = f"waiting for binding conditions for device on node {reserved.node}"
        self._tell(reserved.pod, "Normal", "BindingConditionsPending", words, "Scheduling")
        deadline = self._clock.monotonic() + readiness.BINDING_SECONDS
        while not all(map(self._is_ready, reserved.claims)):
            changed, left = self._changed, deadline - self._clock.monotonic()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await changed.wait()
            except TimeoutError:
                raise Failed(_failure("device binding timeout")) from None

    def _is_ready(self, claim: Json) -> bool:
        current = self._rule.known.claim(key_of(claim))
        if current is None or meta.uid_of(current) != meta.uid_of(claim):
            raise Failed(_failure(f'resourceclaim.resource.k8s.io "{claim["metadata"]["name"]}" not found'))
        fault = readiness.fault(current)
        if fault:
            raise Failed(_failure(fault))
        return bool((current.get("status") or {}).get("allocation")) and readiness.is_ready(current)

    async def _unreserve(self, claim: Json, pod: Json) -> None:
        metadata = claim["metadata"]
        gone = {"$patch": "delete", "uid": meta.uid_of(pod)}
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"reservedFor": [gone]}}
        await self._client.patch(
            CLAIMS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status",
            patch_type=PatchType.STRATEGIC,
        )  # fmt: skip

    async def _delete(self, claim: Json) -> None:
        """The claim for extended resources, which nothing else cares for."""
        metadata = claim["metadata"]
        try:
            current = await self._client.get(CLAIMS, metadata["name"], namespace=metadata["namespace"])
            if meta.uid_of(current) != meta.uid_of(claim):
                return
            changed = meta.copy(current)
            if meta.remove_finalizer(changed, FINALIZER):
                await self._update(changed)
            await self._client.delete(
                CLAIMS, metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"]
            )
        except NotFound:
            return

    async def _update(self, claim: Json, subresource: str = "") -> Json:
        namespace = claim["metadata"]["namespace"]
        return await self._client.update(CLAIMS, claim, namespace=namespace, subresource=subresource)

    def _make_id(self) -> str:
        return str(uuid.UUID(int=self._rule.source.getrandbits(128), version=4))


def _failure(why: str) -> str:
    return f'running PreBind plugin "DynamicResources": {why}'
