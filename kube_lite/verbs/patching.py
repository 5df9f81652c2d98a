"""Patches: the version that is there, a patch, the next version; and then as any other update.

What kind of patch it is follows from its media type. The result is read like a body that a client sent, so
unknown fields and wrong types are found. A patch that names a resourceVersion is for that version alone;
without one it is applied to whatever is there, again when somebody else was faster.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import orjson

from kube_lite.api import fielderrors as field_errors
from kube_lite.api.codecs import json as json_codec
from kube_lite.api.codecs import media_type
from kube_lite.api.errors import (
    MODIFIED,
    ApiError,
    BadRequest,
    InternalError,
    UnsupportedMediaType,
    conflict,
    invalid,
    telling,
)
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey, parse_api_version
from kube_lite.api.patch import jsonpatch, merge, refused, strategic
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_object, strict_error

from . import metadata as meta
from .applying import Applying
from .decoding import check_kind, check_type, interpret, is_custom, says_it_is
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
    """A patch that was read: how to apply it, and what it says.

    ``strict`` is what strict reading finds in the patch itself, keys that it has twice above all.
    """

    apply: Apply
    content: Any
    strict: tuple[str, ...] = ()


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
        read = patch_reader(request, options)
        resource = request.resource
        key = ObjectKey(request.namespace, request.name)
        schema = self._parts.schema(resource)
        warnings: list[str] = []

        async def patched(old: Json) -> Json:
            obj, texts = self.result(read(), old, resource.gvk, schema, options)
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
            if patch.apply is not strategic.apply:  # which is never told what it is
                check_type(value, gvk.kind, b"")
                self._check_kind(value, old, gvk)
            obj, warnings = interpret(value, gvk, schema, options, patch.strict, patch.strict, old=old)
            if len(warnings) > len(patch.strict):  # the order of many matters to the reference
                value = as_shown(value, patch)
                obj, warnings = interpret(value, gvk, schema, options, patch.strict, patch.strict, old=old)
            if warnings and patch.apply is strategic.apply:
                warnings = tuple(sorted(warnings))
            return obj, warnings
        except BadRequest as error:
            raise self._refused(patch, old, value, gvk, schema, error) from error

    def _check_kind(self, value: Json, old: Json, gvk: GroupVersionKind) -> None:
        """Refuse what a patch has made another kind. Raises ``ApiError``."""
        if not is_custom(self._parts, gvk) or says_it_is(value, gvk):
            check_kind(self._parts, value, gvk)
            return
        if not value.get("kind"):
            quoted = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
            raise refused(quoted, f"Object 'Kind' is missing in '{quoted}'")
        api_version = value.get("apiVersion")
        if not api_version:
            why = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
            raise InternalError(f"Internal error occurred: {why}")
        if api_version != gvk.api_version:
            cause = field_errors.invalid("apiVersion", api_version, f"must be {gvk.api_version}")
            group = parse_api_version(api_version).group
            raise invalid(group, value["kind"], old["metadata"]["name"], [cause])
        check_kind(self._parts, value, gvk)

    def _refused(
        self,
        patch: Patch,
        old: Json,
        value: Json,
        gvk: GroupVersionKind,
        schema: Schema | None,
        error: BadRequest,
    ) -> ApiError:
        """What is said of a patch whose result cannot be read."""
        _, _, why = error.message.partition(f" cannot be handled as a {gvk.kind}: ")
        if patch.apply is not strategic.apply:
            if not why:  # not even its kind could be read
                _, _, why = error.message.removesuffix(" ()").partition(f" (must be of type {gvk.kind}): ")
            if not why:
                return error
            if is_custom(self._parts, gvk):  # which the reference has as maps
                return refused(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode(), why)
            shown = as_shown(patch.apply(in_structs(old, gvk), patch.content, schema), patch)
            return refused(orjson.dumps(shown).decode(), in_order(why, shown, patch, schema))
        cause = error.__cause__
        left = strategic.merge(old, patch.content, schema).left
        return refused(left, cause.restored if isinstance(cause, TypeMismatch) else by_path(why))


def in_structs(old: Json, gvk: GroupVersionKind) -> Json:
    """An object as the reference has it before it is patched: what is in it has the order of structs."""
    from kube_lite.api.codecs.messages import message_of  # only refusals need it
    from kube_lite.api.codecs.struct_order import in_struct_order

    ordered = in_struct_order(old, message_of(gvk.api_version, gvk.kind))
    return {name: held if name == "metadata" else ordered[name] for name, held in old.items()}


def as_shown(value: Any, patch: Patch) -> Any:
    """What came of a patch, in the order in which the reference quotes it."""
    if patch.apply is strategic.apply:
        return value
    if patch.apply is merge.apply:
        return merge.as_shown(value, patch.content)
    return jsonpatch.as_shown(value, jsonpatch.touched(patch.content))


def by_path(why: str) -> str:
    """What strict decoding says, in the order of paths, as of objects that were not read from text."""
    before, separator, texts = why.partition(STRICT)
    return f"{before}{separator}{NEXT.join(sorted(texts.split(NEXT)))}" if separator else why


def in_order(why: str, shown: Json, patch: Patch, schema: Schema | None) -> str:
    """What strict decoding says, in the order in which the object is quoted."""
    if STRICT not in why or schema is None:
        return why
    return strict_error((*patch.strict, *read_object(shown, schema).unknown))


def patch_reader(request: Request, options: WriteOptions) -> Callable[[], Patch]:
    """What reads the patch of a request, once: what is not there cannot be patched, however bad the patch.

    Raises:
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
    return cache(lambda: read_patch(module, request.body, is_checked=options.validation != "Ignore"))


def read_patch(module: Any, body: bytes | Json | list[Json] | None, *, is_checked: bool = True) -> Patch:
    """Read a patch of the kind of ``module``; an in-process caller's is read already.

    Args:
        is_checked: whether somebody wants to know of repeated keys and unknown fields.

    Raises:
        BadRequest: it cannot be read.
    """
    if body is not None and not isinstance(body, bytes):
        return Patch(module.apply, body)
    raw = body or b""
    content = module.parse(raw) if module is strategic else module.parse(raw, is_checked)
    strict = json_codec.repeated_texts(raw, content) if is_checked and content else ()
    if is_checked and module is jsonpatch:
        strict = jsonpatch.strict_texts(content, strict)
    return Patch(module.apply, content, strict)
