"""Which objects belong to a controller: those it owns and selects, and those it selects that nobody owns.

An owned object whose labels no longer match is let go; a matching orphan is adopted. Both are patches that
name the uid, so that a namesake is never touched. Nothing is adopted by an owner that is being deleted, which
is looked up once more at the source before the first adoption: the informer may not know yet.

Source: ``BaseControllerRefManager`` in kubernetes/pkg/controller/controller_ref_manager.go.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import Invalid, NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json
from kube_lite.api.selectors import LabelSelector, label_selector
from kube_lite.client.protocol import Client

log = logging.getLogger(__name__)


class Claims(NamedTuple):
    """What to do with the candidates; those that are neither kept nor named here do not concern the owner."""

    keep: list[Json]
    adopt: list[Json]
    release: list[Json]


def selects(selector: Json | None, obj: Json) -> bool:
    """Whether a ``metav1.LabelSelector`` matches; one with nothing but labels is not parsed for that."""
    if selector is None or selector.get("matchExpressions"):
        return label_selector(selector).matches_object(obj)
    wanted = selector.get("matchLabels") or {}
    return bool(wanted.items() <= meta.labels_of(obj).items())


def plan_claims(
    owner: Json, selector: LabelSelector, owned: Iterable[Json], orphans: Iterable[Json]
) -> Claims:
    """Sort candidates: ``owned`` refer to the owner by uid, ``orphans`` have no managing controller."""
    keep: list[Json] = []
    release: list[Json] = []
    for obj in owned:
        if selector.matches_object(obj):
            keep.append(obj)
        elif not meta.is_being_deleted(owner):
            release.append(obj)
    adopt: list[Json] = []
    if not meta.is_being_deleted(owner):
        adopt = [obj for obj in orphans if selector.matches_object(obj) and not meta.is_being_deleted(obj)]
    return Claims(keep, adopt, release)


class Adoption:
    """Performs claims on objects of one resource for owners of one kind.

    Args:
        finalizer: what an adopted object gets and one that is let go loses, if anything.
    """

    def __init__(
        self,
        client: Client,
        resource: GroupVersionResource,
        owners: GroupVersionResource,
        owner_kind: GroupVersionKind,
        finalizer: str = "",
    ) -> None:
        self._client = client
        self._resource = resource
        self._owners = owners
        self._owner_kind = owner_kind
        self._finalizer = finalizer

    async def claim(
        self, owner: Json, selector: LabelSelector, owned: Iterable[Json], orphans: Iterable[Json]
    ) -> Sequence[Json]:
        """Adopt and let go as planned; gives the objects that belong to ``owner`` afterwards."""
        claims = plan_claims(owner, selector, owned, orphans)
        for obj in claims.release:
            await self._release(owner, obj)
        if not claims.adopt or not await self._may_adopt(owner):
            return claims.keep
        adopted = [await self._adopt(owner, obj) for obj in claims.adopt]
        return claims.keep + [obj for obj in adopted if obj is not None]

    async def _may_adopt(self, owner: Json) -> bool:
        metadata = owner["metadata"]
        try:
            fresh = await self._client.get(
                self._owners, metadata["name"], namespace=metadata.get("namespace", "")
            )
        except NotFound:
            return False
        return bool(fresh["metadata"]["uid"] == metadata["uid"]) and not meta.is_being_deleted(fresh)

    async def _adopt(self, owner: Json, obj: Json) -> Json | None:
        reference = meta.owner_reference(owner, self._owner_kind)
        log.info("adopting", extra={"object": meta.describe(obj), "owner": meta.describe(owner)})
        finalizers = {"finalizers": [self._finalizer]} if self._finalizer else {}
        return await self._patch(obj, {"ownerReferences": [reference], **finalizers})

    async def _release(self, owner: Json, obj: Json) -> None:
        log.info("letting go", extra={"object": meta.describe(obj), "owner": meta.describe(owner)})
        removal = {"$patch": "delete", "uid": owner["metadata"]["uid"]}
        finalizers = {"$deleteFromPrimitiveList/finalizers": [self._finalizer]} if self._finalizer else {}
        await self._patch(obj, {"ownerReferences": [removal], **finalizers})

    async def _patch(self, obj: Json, metadata: Json) -> Json | None:
        name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
        patch = {"metadata": {**metadata, "uid": obj["metadata"]["uid"]}}
        try:
            return await self._client.patch(self._resource, name, patch, namespace=namespace)
        except (NotFound, Invalid):  # it is gone, is a namesake, or has just found another owner
            return None
