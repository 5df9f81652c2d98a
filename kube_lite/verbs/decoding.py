"""The body of a request → an object of the kind that is wanted, or the reason why it is none.

An in-process caller's dict goes the same way as bytes from outside, except that nobody has to parse it.
Reading makes a new object that shares nothing with the body.
Source: the order of refusals in ``apiserver/pkg/endpoints/handlers/create.go`` and the codec it calls.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from kube_lite.api import fielderrors as field_errors
from kube_lite.api.codecs import JSON, Decoded, decode_object, json_type, media_type
from kube_lite.api.codecs.json import in_order
from kube_lite.api.errors import BadRequest, invalid
from kube_lite.api.identity import GroupVersion, GroupVersionKind, Json, parse_api_version
from kube_lite.api.meta import copy
from kube_lite.api.schema.load import Schema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_next, read_object, strict_error, unreadable

from .options import WriteOptions
from .parts import Parts

QUOTED_BYTES = 30
SCHEME = (
    "pkg/api/legacyscheme/scheme.go:30"  # what upstream's texts name as the place where kinds are registered
)


class Body(NamedTuple):
    """What was sent: the object, complete with kind and apiVersion, and warnings about how it was written."""

    obj: Json
    warnings: tuple[str, ...] = ()


def read_body(
    parts: Parts,
    gvk: GroupVersionKind,
    schema: Schema | None,
    body: bytes | Json | list[Json] | None,
    content_type: str,
    options: WriteOptions,
) -> Body:
    """Read an object of ``gvk``.

    Raises:
        BadRequest: it cannot be read, is of another kind, or breaks what strict validation asks for.
        UnsupportedMediaType: nobody reads this form.
    """
    if isinstance(body, dict):
        decoded = Decoded(body)
    else:
        raw = body if isinstance(body, bytes) else b""
        decoded = decode_object(raw, content_type, gvk.kind)
        if not says_it_is(decoded.value, gvk):
            check_type(decoded.value, gvk.kind, raw)
            if not decoded.value.get("kind") and is_custom(parts, gvk):
                why = f"Object 'Kind' is missing in '{raw.decode(errors='replace')}'"
                raise _unrecognized(gvk.kind, why, raw)
    value: Json = decoded.value
    check_kind(parts, value, gvk)
    arrange: Arrange | None = None
    if (
        decoded.repeated
        and isinstance(body, bytes)
        and media_type(content_type) == JSON
        and not is_custom(parts, gvk)  # whose unknown fields are found when all has been read
    ):
        arrange = partial(in_order, body)
    return interpret(value, gvk, schema, options, decoded.repeated, decoded.refusal, arrange=arrange)


Arrange = Callable[[Sequence[str], Sequence[str]], tuple[str, ...]]


def _one_after_the_other(repeated: Sequence[str], unknown: Sequence[str]) -> tuple[str, ...]:
    return (*repeated, *unknown)


def interpret(
    value: Json,
    gvk: GroupVersionKind,
    schema: Schema | None,
    options: WriteOptions,
    repeated: tuple[str, ...] = (),
    refusal: tuple[str, ...] = (),
    *,
    old: Json | None = None,
    arrange: "Arrange | None" = None,
) -> Body:
    """A decoded body as an object of the schema; unknown fields are dropped, told or refused.

    Args:
        old: the version that is there, if the value was made of it and may share parts with it.
        arrange: in which order repeated and unknown fields are told of; None for one after the other.

    Raises:
        BadRequest: a value has a wrong type, or strict validation finds something.
    """
    unknown: tuple[str, ...] = ()
    gives_up_owners = _gives_up_owners(value)
    if schema is not None:
        try:
            value, unknown = read_object(value, schema) if old is None else read_next(value, schema, old)
        except TypeMismatch as error:
            raise unreadable(gvk, gvk.kind, str(error)) from error
    elif old is not None:
        value = copy(value)
    value["kind"], value["apiVersion"] = gvk.kind, gvk.api_version
    if not isinstance(value.get("metadata"), dict):
        value["metadata"] = {}
    if gives_up_owners:
        value["metadata"]["managedFields"] = []
    if options.validation == "Strict" and (refusal or unknown):
        raise unreadable(gvk, gvk.kind, strict_error((arrange or _one_after_the_other)(refusal, unknown)))
    if options.validation != "Warn":
        return Body(value)
    return Body(value, (arrange or _one_after_the_other)(repeated, unknown))


def _gives_up_owners(value: Json) -> bool:
    """An empty list of owners says something, unlike other empty lists, which reading forgets."""
    metadata = value.get("metadata")
    return isinstance(metadata, dict) and metadata.get("managedFields") == []


def says_it_is(value: Json, gvk: GroupVersionKind) -> bool:
    """Whether a body names its kind, and that is the one."""
    return bool(value.get("kind") == gvk.kind and value.get("apiVersion") == gvk.api_version)


def check_kind(parts: Parts, value: Json, wanted: GroupVersionKind) -> None:
    """Refuse objects of another kind; one that says nothing is what is wanted. Raises ``BadRequest``."""
    if says_it_is(value, wanted):
        return
    if is_custom(parts, wanted):
        check_custom_kind(value, wanted)
        return
    kind, api_version = value.get("kind") or wanted.kind, value.get("apiVersion") or wanted.api_version
    if kind == wanted.kind and api_version == wanted.api_version:
        return
    given = GroupVersion(*parse_api_version(api_version))
    gvk = GroupVersionKind(given.group, given.version, kind)
    if not is_known(parts, gvk):
        why = f'no kind "{kind}" is registered for version "{api_version}" in scheme "{SCHEME}"'
        raise unreadable(gvk, wanted.kind, why)
    if (given.group, kind) == (wanted.group, wanted.kind):
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({wanted.api_version})"
        )
    refuse_mismatch(parts, value, gvk, wanted)
    internal = f"{wanted.group.partition('.')[0] or 'core'}.{wanted.kind}"
    raise unreadable(
        gvk, wanted.kind, f"converting ({given.version}.{kind}) to ({internal}): unknown conversion"
    )


def is_custom(parts: Parts, gvk: GroupVersionKind) -> bool:
    """Whether somebody has defined the kind."""
    row = parts.registry.by_gvk(gvk)
    return row is not None and bool(row.definition)


def check_custom_kind(value: Json, wanted: GroupVersionKind) -> None:
    """Refuse what is not of the kind, or does not say so. Raises ``BadRequest``, ``Invalid``."""
    api_version, kind = value.get("apiVersion") or "", value.get("kind")
    if api_version != wanted.api_version:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({wanted.api_version})"
        )
    if kind != wanted.kind:
        metadata = value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        cause = field_errors.invalid("kind", kind or "", f"must be {wanted.kind}")
        raise invalid(wanted.group, kind or "", name if isinstance(name, str) else "", [cause])


def refuse_mismatch(parts: Parts, value: Json, given: GroupVersionKind, wanted: GroupVersionKind) -> None:
    """Read an object as what it says it is, which comes before what is wanted. Raises ``BadRequest``."""
    row = parts.registry.by_gvk(given)
    schema = parts.schema(row) if row is not None else None
    if schema is None:
        return
    try:
        read_object(value, schema)
    except TypeMismatch as error:
        raise unreadable(given, wanted.kind, str(error)) from error


def is_known(parts: Parts, gvk: GroupVersionKind) -> bool:
    """Whether some resource has objects, or lists, of that kind."""
    if parts.registry.by_gvk(gvk) is not None:
        return True
    single = gvk.kind.removesuffix("List")
    if single == gvk.kind:
        return False
    return not single or parts.registry.by_gvk(gvk._replace(kind=single)) is not None


def check_type(value: Json, wanted: str, raw: bytes) -> None:
    """Refuse a kind or apiVersion that cannot be one. Raises ``BadRequest``."""
    for field in ("apiVersion", "kind"):
        text = value.get(field)
        if text is not None and not isinstance(text, str):
            why = f"json: cannot unmarshal {json_type(text)} into Go struct field .{field} of type string"
            raise _unrecognized(wanted, f"couldn't get version/kind; json parse error: {why}", raw)
    api_version = value.get("apiVersion") or ""
    if api_version.count("/") > 1:
        raise _unrecognized(wanted, f"unexpected GroupVersion string: {api_version}", raw)


def _unrecognized(wanted: str, why: str, raw: bytes) -> BadRequest:
    start = raw[:QUOTED_BYTES].decode(errors="replace") + (" ..." if len(raw) > QUOTED_BYTES else "")
    return BadRequest(f"the object provided is unrecognized (must be of type {wanted}): {why} ({start})")
