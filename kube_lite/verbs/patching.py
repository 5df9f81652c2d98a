"""Patches: the version that is there, a patch, the next version; and then as any other update.

What kind of patch it is follows from its media type. The result is read like a body that a client sent, so
unknown fields and wrong types are found. A patch that names a resourceVersion is for that version alone;
without one it is applied to whatever is there, again when somebody else was faster.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from kube_lite.api.codecs import media_type
from kube_lite.api.errors import MODIFIED, BadRequest, UnsupportedMediaType, conflict, telling
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey
from kube_lite.api.patch import jsonpatch, merge, refused, strategic
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.prune import TypeMismatch

from . import metadata as meta
from .applying import Applying
from .decoding import check_kind, check_type, interpret
from .options import WriteOptions, parse_write_options
from .owning import APPLY_PATCH, is_apply
from .parts import Parts
from .request import Answer, Request
from .writing import Prepare, Writing

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
ACCEPTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

STRICT, NEXT = "strict decoding error: ", ", "

Apply = Callable[[Json, Any, Schema | None], Json]


class Patch(NamedTuple):
    """A patch that was read: how to apply it, and what it says."""

    apply: Apply
    content: Any


class PatchingVerbs:
    """Patches objects of any resource."""

    def __init__(self, parts: Parts, writing: Writing) -> None:
        self._parts = parts
        self._writing = writing
        self._applying = Applying(parts, writing)

    async def patch(self, request: Request, prepare: Prepare | None = None) -> Answer:
        """PATCH of one object, or of a subresource that has the object's form."""
        options = self.options(request)
        if is_apply(request):
            return await self._applying.apply(request, options, prepare)
        patch = read_patch(request)
        resource = request.resource
        key = ObjectKey(request.namespace, request.name)
        schema = self._parts.schema(resource)
        warnings: list[str] = []

        async def patched(old: Json) -> Json:
            obj, texts = self.result(patch, old, resource.gvk, schema, options)
            warnings[:] = texts
            meta.place(resource, obj, request.namespace)
            meta.check_name(obj, request.name)
            version = meta.parse_version(obj["metadata"].get("resourceVersion", ""))
            if version and str(version) != old["metadata"]["resourceVersion"]:
                raise conflict(resource.group_resource, request.name, MODIFIED)
            return obj

        with telling(warnings):
            answer = await self._writing.change(request, key, patched, options, prepare=prepare)
        return Answer(200, answer.stored, answer.object, (*warnings, *answer.warnings))

    def options(self, request: Request) -> WriteOptions:
        """What the query says."""
        return parse_write_options(
            "PatchOptions", request.query, user_agent=request.user_agent, is_apply=is_apply(request)
        )

    def result(
        self, patch: Patch, old: Json, gvk: GroupVersionKind, schema: Schema | None, options: WriteOptions
    ) -> tuple[Json, tuple[str, ...]]:
        """What comes of a patch, as an object of the kind, and warnings. ``old`` is not changed.

        Raises:
            Invalid: it does not apply, or what comes of it is no such object.
        """
        value = patch.apply(old, patch.content, schema)
        try:
            check_type(value, gvk.kind, b"")
            check_kind(self._parts, value, gvk)
            return interpret(value, gvk, schema, options, old=old)
        except BadRequest as error:
            _, _, why = error.message.partition(f" cannot be handled as a {gvk.kind}: ")
            if not why:
                raise
            if patch.apply is not strategic.apply:
                raise refused(orjson.dumps(as_shown(value, patch)).decode(), why) from error
            cause = error.__cause__
            left = strategic.merge(old, patch.content, schema).left
            raise refused(
                left, cause.restored if isinstance(cause, TypeMismatch) else by_path(why)
            ) from error


def as_shown(value: Any, patch: Patch) -> Any:
    """What came of a patch, in the order in which the reference quotes it."""
    if patch.apply is merge.apply:
        return merge.as_shown(value, patch.content)
    return jsonpatch.as_shown(value, jsonpatch.touched(patch.content))


def by_path(why: str) -> str:
    """What strict decoding says, in the order of paths, as of objects that were not read from text."""
    before, separator, texts = why.partition(STRICT)
    return f"{before}{separator}{NEXT.join(sorted(texts.split(NEXT)))}" if separator else why


def read_patch(request: Request) -> Patch:
    """Read the patch of a request.

    Raises:
        BadRequest: it cannot be read.
        UnsupportedMediaType: it is of no kind that can be applied.
    """
    kind = media_type(request.content_type)
    modules: dict[str, Any] = {JSON_PATCH: jsonpatch, MERGE_PATCH: merge, STRATEGIC_PATCH: strategic}
    accepted: tuple[str, ...] = ACCEPTED
    if request.resource.definition:  # whose schema does not say how lists are merged
        accepted = tuple(name for name in ACCEPTED if name != STRATEGIC_PATCH)
    module = modules.get(kind)
    if module is None or kind not in accepted:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(accepted)
        )
    content = request.body
    if content is None or isinstance(content, bytes):
        content = module.parse(content or b"")
    return Patch(module.apply, content)
