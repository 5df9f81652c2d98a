"""Custom resources as a webhook converts them from one version to another.

Reads do not wait. One that meets an object which is not known in the wanted version raises ``Unconverted``;
``Objects.resolved`` then asks the webhook for all that was missing, in one review, and reads again. What
came back is held until that read is done, shared by all who want the same meanwhile, and remembered for a
while: a version of an object never changes, so nor does what it is converted to.

As upstream, an object gets the defaults of the version that it is stored in before it is converted, and
loses what the other version does not know.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4
from weakref import WeakValueDictionary

from kube_lite.api.errors import ConversionFailed
from kube_lite.api.identity import GroupResource, Json, ObjectKey, parse_api_version
from kube_lite.kinds.conversion_reviews import (
    SUBJECT,
    choose_version,
    kind_text,
    read_answer,
    write_review,
)
from kube_lite.kinds.custom import CustomStrategy

from . import keys
from .converting import Unconverted
from .custom_views import CustomView, view_for, with_facts
from .stored import Facts, Stored, canonical_metadata, in_order, made_up
from .webhooks import CallFailed, Hook, hook_of

if TYPE_CHECKING:
    from .objects import Objects

DEFINITIONS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")
SECONDS = 30  # for which a webhook may think; upstream's
BATCH = 500  # objects in one review
REMEMBERED = 1024  # versions of objects remembered with nobody using them
REMEMBERED_BYTES = 8 * 1024 * 1024  # of all of them together

Name: TypeAlias = tuple[int, ObjectKey] | bytes
"""A stored version of an object, or the JSON of one that is not stored."""


class WebhookView(CustomView):
    """What one version of a custom resource with a conversion webhook makes of stored objects."""

    def __init__(self, strategy: CustomStrategy) -> None:
        super().__init__(strategy)
        self._known: WeakValueDictionary[Name, Stored] = WeakValueDictionary()
        self._recent: dict[Name, Stored] = {}
        self._recent_bytes = 0
        self._under_way: dict[Name, asyncio.Event] = {}
        self._webhook: tuple[Hook, str] | None = None

    def show(self, stored: Stored) -> Stored:
        """The same state of the object, as the version has it.

        Raises:
            Unconverted: nobody has asked for it yet.
        """
        if self._speaks(stored):
            return super().show(stored)
        found = self._known.get(_name(stored))
        if found is None:
            raise Unconverted(self, [stored])
        return found

    def show_all(self, stored: Sequence[Stored]) -> list[Stored]:
        """The same of many. Raises ``Unconverted`` with all that are missing."""
        missing = [each for each in stored if not self._speaks(each) and _name(each) not in self._known]
        if missing:
            raise Unconverted(self, missing)
        return [self.show(each) for each in stored]

    def speak(self, obj: Json) -> Json:
        """An object that lies in no store, in this version; shared. Raises ``Unconverted``."""
        if obj.get("apiVersion") == self._api_version or not obj.get("metadata"):
            return super().speak(obj)  # it is that already, or not there yet
        return self.show(made_up(obj, 0)).object

    async def convert(self, objects: "Objects", items: Sequence[Stored]) -> list[Stored]:
        """Ask the webhook for objects; they are known as long as the result is held.

        Raises:
            ConversionFailed: some cannot be had.
        """
        wanted = {_name(stored): stored for stored in items}
        others = {name: asked for name in wanted if (asked := self._under_way.get(name))}
        held = await self._ask_once(
            objects, {name: stored for name, stored in wanted.items() if name not in others}
        )
        for asked in dict.fromkeys(others.values()):
            await asked.wait()
        left = {name: wanted[name] for name in others if name not in self._known}
        held += await self._ask_once(objects, left)  # others have failed, maybe because of other objects
        return held + [found for name in others if (found := self._known.get(name)) is not None]

    async def _ask_once(self, objects: "Objects", wanted: dict[Name, Stored]) -> list[Stored]:
        if not wanted:
            return []
        asked = asyncio.Event()
        self._under_way |= dict.fromkeys(wanted, asked)
        try:
            items = list(wanted.values())
            held = []
            for start in range(0, len(items), BATCH):
                held += await self._ask(objects, items[start : start + BATCH])
            for name, shown in zip(wanted, held, strict=True):
                self._remember(name, shown)
            return held
        finally:
            for name in wanted:
                if self._under_way.get(name) is asked:
                    del self._under_way[name]
            asked.set()

    async def _ask(self, objects: "Objects", items: Sequence[Stored]) -> list[Stored]:
        uid = str(uuid4())
        sent = [self._sent(stored) for stored in items]
        try:
            hook, version = self._find_webhook(objects)
            body = write_review(version, uid, self._api_version, (each.raw for each in sent))
            answer = await objects.webhooks.post(hook, body, SECONDS)
        except CallFailed as error:
            raise ConversionFailed(f"{SUBJECT} {kind_text(sent[0].object)} failed: {error}") from error
        found = read_answer(answer, version, uid, self._api_version, [each.object for each in sent])
        return [self._shown(stored, obj) for stored, obj in zip(items, found, strict=True)]

    def _sent(self, stored: Stored) -> Stored:
        """An object with the defaults of the version that it is in."""
        api_version = stored.object["apiVersion"]
        sibling = self._strategy.siblings.get(parse_api_version(api_version)[1])
        if sibling is None:
            raise ConversionFailed(f"request to convert CR from an invalid group/version: {api_version}")
        if not stored.header or view_for(sibling).is_complete(stored):
            return stored
        return made_up(self.read_anew(stored), stored.revision)

    def _shown(self, stored: Stored, obj: Json) -> Stored:
        from kube_lite.api.custom.pruning import prune

        prune(obj, self._strategy.structure)
        metadata = obj["metadata"]
        version = metadata.get("resourceVersion")
        ordered = canonical_metadata(metadata)
        if version:
            ordered["resourceVersion"] = version
        else:
            del ordered["resourceVersion"]
        obj = in_order(obj, ordered)
        _, namespace, name, *_ = stored.facts
        fields = self._strategy.selectable_fields(obj)
        return with_facts(
            obj, stored.revision, Facts(-1, namespace, name, ordered.get("labels") or {}, fields)
        )

    def _find_webhook(self, objects: "Objects") -> tuple[Hook, str]:
        """Where it is, and the version of reviews that it reads: as the definition says when first needed.

        A definition that changes gets other strategies, and they other views.
        """
        if self._webhook is None:
            key = keys.storage_key(DEFINITIONS, ObjectKey("", self._strategy.outline.name))
            item = objects.store.get(key)
            spec = Stored(item.value, item.revision).object["spec"] if item is not None else {}
            webhook = (spec.get("conversion") or {}).get("webhook")
            if webhook is None:  # it has just been changed, and this view is about to go
                raise CallFailed("the definition has no webhook any more")
            version = choose_version(webhook["conversionReviewVersions"])
            self._webhook = hook_of(webhook["clientConfig"]), version
        return self._webhook

    def _speaks(self, stored: Stored) -> bool:
        return stored.raw.startswith(self._typed)

    def _remember(self, name: Name, shown: Stored) -> None:
        recent = self._recent
        self._known[name] = shown
        if name not in recent:
            recent[name] = shown
            self._recent_bytes += len(shown.raw)
        while len(recent) > REMEMBERED or self._recent_bytes > REMEMBERED_BYTES:
            self._recent_bytes -= len(recent.pop(next(iter(recent))).raw)


def _name(stored: Stored) -> Name:
    return (stored.revision, stored.key) if stored.header else stored.raw
