"""CustomResourceDefinitions at work: rows come and go with them, and their status says so.

Part of the API server, as upstream: whatever else runs, a definition is served a few milliseconds after it
was written. Each has an outline in its header (``kinds.outlines``), from which its rows are made at start,
before the first request; its schemas are decoded when somebody looks into them. Then one task follows the
definitions and another settles what their status has to say.

A definition that is deleted is first emptied, as any client would do it, in a task of its own, since
finalizers may hold its objects for long. When the last is gone its cleanup finalizer is taken off.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kube_lite.api.errors import ApiError, Expired, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.api.resource import Resource
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.kit.workqueue import WorkQueue
from kube_lite.registry import keys
from kube_lite.registry.listing import Scope
from kube_lite.registry.stored import Stored
from kube_lite.registry.watching import DELETED, WatchOptions

from .deleting import DeletingVerbs
from .emptying import Emptying
from .options import WriteOptions
from .parts import Parts
from .request import Request
from .writing import Writing

if TYPE_CHECKING:
    from kube_lite.kinds.outlines import Outline, Version

log = logging.getLogger(__name__)

DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
USER = User("system:apiserver", groups=(MASTERS, AUTHENTICATED))


class CustomResources:
    """Service that serves what CustomResourceDefinitions define."""

    name = "custom resources"

    def __init__(self, parts: Parts, writing: Writing, deleting: DeletingVerbs) -> None:
        self._parts = parts
        self._writing = writing
        self._deleting = deleting
        self._queue: WorkQueue[str] = WorkQueue(parts.clock)
        self._outlines: dict[str, Outline] = {}
        self._rows: dict[str, list[tuple[Version, Resource]]] = {}
        self._revisions: dict[str, int] = {}
        self._settled: dict[str, tuple[str, int, str]] = {}
        self._emptying: set[str] = set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled. Ready when everything that was defined before is served."""
        try:
            await self._run(ready)
        finally:
            await self._parts.objects.webhooks.close()

    async def _run(self, ready: Callable[[], None]) -> None:
        row = self._parts.registry.by_gvr(DEFINITIONS)
        if row is None:  # a release without them
            ready()
            await asyncio.get_running_loop().create_future()
            return
        self._row = row
        self._built_in = {row.group_resource for row in self._parts.registry if not row.definition}
        revision = self._load()
        self._parts.registry.search_with(self._search)
        ready()
        try:
            async with self._queue, asyncio.TaskGroup() as group:
                group.create_task(self._settle_all(group), name="definitions settle")
                while True:
                    try:
                        await self._follow(revision)
                    except Expired:
                        log.debug("definitions are listed again")
                    revision = self._load()
        finally:
            self._parts.registry.search_with(None)

    def _load(self) -> int:
        """Serve what is there, which costs a look at each header; forget what is not there any more."""
        store = self._parts.objects.store
        page = store.list(keys.storage_range(DEFINITIONS.group_resource), parts="headers")
        found = set()
        for item in page.items:
            outline = self._outline(Stored(b"", item.revision, item.header))
            found.add(outline.name)
            self._learn(outline, item.revision)
        for name in [name for name in self._outlines if name not in found]:
            self._forget(name, page.revision)
        return page.revision

    async def _follow(self, revision: int) -> None:
        async with self._parts.watching.watch(Scope(self._row), WatchOptions(revision)) as changes:
            async for change in changes:
                outline = self._outline(change.stored)
                if change.type == DELETED:
                    self._forget(outline.name, change.stored.revision)
                else:
                    self._learn(outline, change.stored.revision)
                    self._queue.add(outline.name)
        raise AssertionError("unreachable: definitions themselves do not cease to be served")

    def _search(self, gvr: GroupVersionResource) -> Resource | None:
        """The row of a definition that was established a moment ago, so that who has read of it finds it."""
        if not gvr.group:
            return None
        key = keys.storage_key(DEFINITIONS.group_resource, ObjectKey("", str(gvr.group_resource)))
        item = self._parts.objects.store.get(key)
        if item is None:
            return None
        outline = self._outline(Stored(item.value, item.revision, item.header))
        if outline == self._outlines.get(outline.name):
            return None
        self._learn(outline, item.revision)
        rows = (row for version, row in self._rows.get(outline.name, ()) if version.is_served)
        return next((row for row in rows if row.gvr == gvr), None)

    def _outline(self, stored: Stored) -> "Outline":
        from kube_lite.kinds.outlines import FIELD, outline_of, read_outline

        text = stored.facts.fields.get(FIELD)
        if text is None:  # stored by an earlier release
            return outline_of(self._parts.objects.get(self._row, stored.key).object)
        return read_outline(text)

    def _learn(self, outline: "Outline", revision: int) -> None:
        """Serve a definition as it is at a revision, if nothing newer is known."""
        known = self._outlines.get(outline.name)
        if known == outline or self._revisions.get(outline.name, 0) > revision:
            return
        self._revisions[outline.name] = revision
        self._outlines[outline.name] = outline
        self._serve(outline)
        if outline.lacks_names or not outline.is_established or outline.is_ending:
            self._queue.add(outline.name)
        if known is not None and known.names != outline.names:
            self._wake_others(outline)

    def _forget(self, name: str, revision: int) -> None:
        if self._revisions.get(name, 0) > revision:
            return  # it has come again
        self._revisions.pop(name, None)
        outline = self._outlines.pop(name, None)
        self._settled.pop(name, None)
        if outline is not None:
            self._replace(name, [])
            self._wake_others(outline)

    def _wake_others(self, outline: "Outline") -> None:
        """Names may have become free that others wait for."""
        for other in self._outlines.values():
            if other.group == outline.group and other.name != outline.name and other.lacks_names:
                self._queue.add(other.name)

    def _serve(self, outline: "Outline") -> None:
        from kube_lite.kinds.custom import rows_of  # a server without definitions starts without

        rows = rows_of(outline, self._parts.definitions.schema) if outline.is_established else ()
        self._replace(outline.name, [pair for pair in rows if pair[1].group_resource not in self._built_in])

    def _replace(self, name: str, rows: "list[tuple[Version, Resource]]") -> None:
        registry, definitions = self._parts.registry, self._parts.definitions
        known_rows = self._rows.pop(name, [])
        before = {row.gvr: (version, row) for version, row in known_rows}
        changed = len(before) != len(rows) or _is_converted_otherwise(known_rows, rows)
        for version, row in rows:
            known, _ = before.pop(row.gvr, (None, None))
            if known is None or (known.tag, known.is_served) != (version.tag, version.is_served):
                definitions.add(row.schema, partial(self._document, name, row.version))
                changed = True
            if version.is_served:
                registry.add(row)
            else:
                registry.remove(row.gvr)
        for _, row in before.values():
            registry.remove(row.gvr)
            definitions.remove(row.schema)
        if rows:
            self._rows[name] = rows
        if changed:
            self._parts.watching.end(name)

    def _document(self, name: str, version: str) -> Json:
        """The schema of a version, decoded anew."""
        from kube_lite.kinds.outlines import schema_document

        stored = self._parts.objects.get(self._row, ObjectKey("", name))
        return schema_document(Stored(stored.raw, stored.revision).object, version)

    async def _settle_all(self, group: asyncio.TaskGroup) -> None:
        while True:
            name = await self._queue.get()
            try:
                await self._settle(name, group)
                self._queue.forget(name)
            except NotFound:
                self._queue.forget(name)
            except ApiError as error:
                log.warning("definition not settled", extra={"definition": name, "why": error.message})
                self._queue.add_rate_limited(name)
            finally:
                self._queue.done(name)

    async def _settle(self, name: str, group: asyncio.TaskGroup) -> None:
        """Bring the status of a definition up to date, or begin to empty it."""
        outline = self._outlines.get(name)
        if outline is None:
            return
        if outline.is_ending:
            if name not in self._emptying and outline.is_held:
                self._emptying.add(name)
                group.create_task(self._empty(outline), name=f"empty {name}")
            return
        state = (outline.uid, outline.generation, outline.approval)
        if not outline.is_established or outline.lacks_names or self._settled.get(name) != state:
            await self._write_status(name, self._planned_status)
            self._settled[name] = state

    def _planned_status(self, definition: Json) -> Json:
        from kube_lite.api.custom.structure import nonstructural
        from kube_lite.kinds.definition_status import plan_status, taken_names

        group, now = definition["spec"]["group"], self._parts.clock.now()
        taken = taken_names(outline for outline in self._outlines.values() if outline.group == group)
        violations = [f"{cause.field}: {cause.message}" for cause in nonstructural(definition)]
        return plan_status(definition, taken, violations, now)

    async def _write_status(self, name: str, plan: Callable[[Json], Json]) -> None:
        request = Request(
            "update", self._row, USER, name=name, subresource="status", user_agent="kube-apiserver"
        )

        async def following(old: Json) -> Json:
            return {**old, "metadata": dict(old["metadata"]), "status": plan(old)}

        answer = await self._writing.change(
            request, ObjectKey("", name), following, WriteOptions(manager="kube-apiserver"),
            prepare=self._writing.prepare_status,
        )  # fmt: skip
        if answer.stored is not None and name in self._outlines:
            self._learn(self._outline(answer.stored), answer.stored.revision)  # before the watch tells it

    async def _empty(self, outline: "Outline") -> None:
        rows = [row for _, row in self._rows.get(outline.name, ()) if row.version == outline.storage]
        emptying = Emptying(self._parts, self._deleting, self._row, USER, self._write_status)
        try:
            is_done = await emptying.empty(outline, rows[0] if rows else None)
        finally:
            self._emptying.discard(outline.name)
        if not is_done:
            self._queue.add_rate_limited(outline.name)


def _is_converted_otherwise(
    before: "list[tuple[Version, Resource]]", rows: "list[tuple[Version, Resource]]"
) -> bool:
    """Whether a webhook that converts, or converted, objects may be another one now."""
    from kube_lite.kinds.custom import outline_of_row
    from kube_lite.kinds.outlines import WEBHOOK

    outlines = [outline_of_row(found[0][1]) for found in (before, rows) if found]
    generations = {outline.generation for outline in outlines}
    return len(generations) > 1 and WEBHOOK in (outline.conversion for outline in outlines)
