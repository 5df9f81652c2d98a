"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, numbered.

A revision holds the patch that makes the template what it was, which is what ``kubectl rollout undo`` sends.
Its name ends in a hash of the template. Going back to an old template finds its old revision again and makes
it the newest by giving it the next number, so the newest number always is the current template's.

Source: kubernetes/pkg/controller/history/controller_history.go and ``getStatefulSetRevisions`` in
kubernetes/pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, NotFound
from kube_lite.api.identity import Json
from kube_lite.api.selectors import label_selector
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client

from . import pods as pod_facts
from .adoption import Adoption
from .owners import OwnerKind
from .resources import CONTROLLER_REVISIONS
from .revisions import created, template_hash

REVISION_HASH = "controller-revision-hash"  # label of Pods: of which revision they are
PREFIX_LETTERS = 223  # of the owner's name, so that a dash and the hash fit into a name


class Past(NamedTuple):
    """The revisions of an owner, the oldest first, the current template's last.

    ``collisions`` says how many of its hashes were taken.
    """

    revisions: Sequence[Json]
    collisions: int

    @property
    def newest(self) -> Json:
        """The current template's."""
        return self.revisions[-1]

    def named(self, name: str) -> Json | None:
        """The revision of that name."""
        return next((entry for entry in self.revisions if entry["metadata"]["name"] == name), None)


def data_of(owner: Json) -> Json:
    """What a revision of the owner's current template holds: a strategic merge patch of the owner."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Json) -> Json:
    """The template that a revision holds."""
    template = revision["data"]["spec"]["template"]
    return {field: value for field, value in template.items() if field != "$patch"}


def by_age(revision: Json) -> tuple[object, ...]:
    """A sort key: by number; of the same number by age."""
    return (revision.get("revision", 0), *created(revision))


def plan_trimming(owner: Json, past: Sequence[Json], live: Collection[str]) -> list[Json]:
    """The oldest revisions beyond ``revisionHistoryLimit``; those named in ``live`` neither go nor count."""
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    spare = [entry for entry in past if entry["metadata"]["name"] not in live]
    return spare[: max(0, len(spare) - limit)]


class History:
    """Keeps the revisions of the owners of one kind.

    Args:
        hash_label: under which label a revision says its hash.
    """

    def __init__(self, client: Client, informers: Informers, kind: OwnerKind, *, hash_label: str) -> None:
        self._client = client
        self._kind = kind
        self._hash_label = hash_label
        self._adoption = Adoption(client, CONTROLLER_REVISIONS, kind.resource, kind.gvk)
        self.informer = informers.informer(CONTROLLER_REVISIONS)
        pod_facts.add_owner_indexes(self.informer)

    async def sync(self, owner: Json) -> Past | None:
        """Make the current template the newest revision; None if the owner goes and has none any more."""
        owned = await self._adoption.claim(
            owner,
            label_selector(owner["spec"].get("selector")),
            self.informer.by_index(pod_facts.BY_CONTROLLER, owner["metadata"]["uid"]),
            self.informer.by_index(pod_facts.ORPHANS, owner["metadata"]["namespace"]),
        )
        past = sorted(owned, key=by_age)
        collisions = (owner.get("status") or {}).get("collisionCount", 0)
        if meta.is_being_deleted(owner):
            return Past(past, collisions) if past else None
        data = data_of(owner)
        same = [entry for entry in past if entry["data"] == data]
        number = past[-1].get("revision", 0) + 1 if past else 1
        if not same:
            newest, collisions = await self._create(owner, data, number, collisions)
        elif same[-1] is past[-1]:
            return Past(past, collisions)
        else:
            newest = await self._client.update(
                CONTROLLER_REVISIONS,
                {**same[-1], "revision": number},
                namespace=owner["metadata"]["namespace"],
            )
        uid = newest["metadata"]["uid"]
        return Past([*(entry for entry in past if entry["metadata"]["uid"] != uid), newest], collisions)

    async def trim(self, owner: Json, past: Past, live: Collection[str]) -> None:
        """Forget old revisions; never one that is named in ``live``."""
        for revision in plan_trimming(owner, past.revisions, live):
            metadata = revision["metadata"]
            try:
                await self._client.delete(
                    CONTROLLER_REVISIONS,
                    metadata["name"],
                    namespace=metadata["namespace"],
                    uid=metadata["uid"],
                )
            except NotFound:
                continue

    def hash_of(self, revision: Json) -> str:
        """The hash of the template it holds."""
        return str(meta.labels_of(revision).get(self._hash_label, ""))

    async def _create(self, owner: Json, data: Json, number: int, collisions: int) -> tuple[Json, int]:
        namespace = owner["metadata"]["namespace"]
        while True:
            revision = self._revision(owner, data, number, collisions)
            try:
                made = await self._client.create(CONTROLLER_REVISIONS, revision, namespace=namespace)
            except AlreadyExists:
                name = revision["metadata"]["name"]
                found = await self._client.get(CONTROLLER_REVISIONS, name, namespace=namespace)
                if meta.is_controlled_by(found, owner) and found["data"] == data:
                    return found, collisions  # our own, which the informer does not know yet
                collisions += 1
            else:
                return made, collisions

    def _revision(self, owner: Json, data: Json, number: int, collisions: int) -> Json:
        template = owner["spec"]["template"]
        suffix = template_hash(template, collisions)
        labels = (template.get("metadata") or {}).get("labels") or {}
        metadata: Json = {
            "name": f"{owner['metadata']['name'][:PREFIX_LETTERS]}-{suffix}",
            "namespace": owner["metadata"]["namespace"],
            "labels": {**labels, self._hash_label: suffix},
            "ownerReferences": [meta.owner_reference(owner, self._kind.gvk)],
        }
        if meta.annotations_of(owner):
            metadata["annotations"] = meta.annotations_of(owner)
        return {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": metadata,
            "data": data,
            "revision": number,
        }
