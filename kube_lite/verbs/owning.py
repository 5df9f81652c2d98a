"""What a write records about the owners of fields, whichever verb it came by.

The pure part is ``api.patch.ownership``; here is what it has to know of a request: who writes, what the kind
looks like, and which fields this door to it cannot change.
"""

from collections.abc import Callable
from functools import lru_cache, partial

from kube_lite.api.codecs import APPLY_CBOR, media_type
from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.patch.fieldset import LEAF, FieldSet
from kube_lite.api.patch.ownership import AtVersion, Writer, after_create, after_update, manager_of
from kube_lite.api.patch.typed import RootType, Type
from kube_lite.api.resource import Resource
from kube_lite.api.schema.load import CustomSchema, Schema
from kube_lite.api.schema.prune import read_object
from kube_lite.api.strategy import ALL
from kube_lite.api.times import format_time
from kube_lite.kinds.conversions import convert
from kube_lite.registry.converting import spoken_as

from .options import WriteOptions
from .parts import Parts
from .request import Request

APPLY_PATCH = "application/apply-patch+yaml"
STATUS: FieldSet = {"f:status": LEAF}
_OWN_FIELDS = ("apiVersion", "kind", "metadata", "status")


def is_apply(request: Request) -> bool:
    """Whether the request is a server-side apply, whose result carries its owners already."""
    return request.verb == "patch" and media_type(request.content_type) in (APPLY_PATCH, APPLY_CBOR)


def record(parts: Parts, request: Request, obj: Json, old: Json | None, options: WriteOptions) -> list[Json]:
    """The ``managedFields`` after a write.

    Args:
        obj: what is asked for, with its defaults, before admission and the kind's own rules see it.
        old: the version that is there; None for a creation.
    """
    if is_apply(request) or request.subresource == "scale":  # which have worked it out already
        told: list[Json] = obj["metadata"].get("managedFields") or []
        return told
    resource = request.resource
    schema = parts.schema(resource)
    type, writer = root_type(schema, parts.metadata), writer_of(request, options)
    nothing, fixed = empty(schema, resource.gvk), ignored(parts, request)
    if old is None and "managedFields" not in obj["metadata"]:
        return after_create(type, obj, writer, now(parts), empty=nothing, ignored=fixed)
    return after_update(
        type, old, obj, writer, now(parts),
        empty=nothing, ignored=fixed, at_version=at_version(parts, resource),
    )  # fmt: skip


def put(obj: Json, managed_fields: list[Json]) -> None:
    """Say who owns what. Changes ``obj``, whose metadata must be its own."""
    if managed_fields:
        obj["metadata"]["managedFields"] = managed_fields
    else:
        obj["metadata"].pop("managedFields", None)


def now(parts: Parts) -> str:
    """The time as entries have it."""
    return format_time(parts.clock.now())


def writer_of(request: Request, options: WriteOptions) -> Writer:
    """Who writes."""
    return Writer(manager_of(options.manager), request.resource.api_version, request.subresource)


def type_of(parts: Parts, resource: Resource) -> Type:
    """How the objects of a resource are taken apart."""
    return root_type(parts.schema(resource), parts.metadata)


def root_type(schema: Schema | None, metadata: Schema) -> RootType:
    """The type of whole objects."""
    if isinstance(schema, CustomSchema):
        return schema.made(_custom_type)
    return _root_type(schema, metadata)


def _custom_type(schema: Schema) -> RootType:
    assert isinstance(schema, CustomSchema)  # the caller has looked
    return RootType(schema, schema.metadata)


@lru_cache(maxsize=1024)
def _root_type(schema: Schema | None, metadata: Schema) -> RootType:
    return RootType(schema, metadata)


def empty(schema: Schema | None, gvk: GroupVersionKind) -> Json:
    """An object to which nobody has given a value, as the reference would write it; shared."""
    return _empty(None if isinstance(schema, CustomSchema) else schema, gvk)


@lru_cache(maxsize=1024)
def _empty(schema: Schema | None, gvk: GroupVersionKind) -> Json:
    blank: Json = {"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": {}}
    return blank if schema is None else {**blank, **read_object({}, schema).value}


def ignored(parts: Parts, request: Request) -> FieldSet:
    """The fields that a request cannot change, so that it never owns them."""
    resource, strategy = request.resource, request.resource.strategy
    if request.subresource in strategy.out_of_reach:
        return _fields(tuple(strategy.out_of_reach[request.subresource]))
    if not request.subresource:
        is_apart = strategy.has_status and resource.subresource("status") is not None
        return STATUS if is_apart else LEAF
    if request.subresource != "status":
        return LEAF
    schema = parts.schema(resource)
    names = schema.properties if schema is not None else ("spec",)
    fields: FieldSet = {f"f:{name}": LEAF for name in names if name not in _OWN_FIELDS}
    if strategy.kept_by_status:
        kept = strategy.kept_by_status
        fields["f:metadata"] = LEAF if kept == ALL else {f"f:{name}": LEAF for name in kept}
    return fields


@lru_cache(maxsize=64)
def _fields(paths: tuple[str, ...]) -> FieldSet:
    fields: FieldSet = {}
    for path in paths:
        *above, last = (f"f:{name}" for name in path.split("."))
        here = fields
        for label in above:
            here = here.setdefault(label, {})
        here[last] = LEAF
    return fields


def at_version(parts: Parts, resource: Resource) -> AtVersion:
    """How the other versions of a resource are spoken."""

    def speak(api_version: str) -> tuple[Type, Callable[[Json], Json]] | None:
        group, version = parse_api_version(api_version)
        gvk = GroupVersionKind(group, version, resource.kind)
        row = parts.registry.by_gvk(gvk)
        if row is None:
            return None
        if row.definition:
            return type_of(parts, row), partial(spoken_as, row)
        return type_of(parts, row), partial(convert, wanted=gvk)

    return speak
