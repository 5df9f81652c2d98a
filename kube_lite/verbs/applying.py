"""Server-side apply as a verb: read a configuration, merge it, and then as any other create or update.

Whoever applies need not know whether the object is there: what is not there is created, if they may do that
too. What was merged is read like a body that a client sent.
"""

from kube_lite.api.codecs import APPLY_CBOR, YAML, media_type
from kube_lite.api.errors import MODIFIED, AlreadyExists, BadRequest, conflict, not_found
from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey
from kube_lite.api.meta import copy
from kube_lite.api.patch.apply import apply
from kube_lite.api.patch.configuration import Configuration, check, not_converted, parse
from kube_lite.api.patch.ownership import Writer, after_update, manager_of
from kube_lite.api.patch.scale import PATH, SCALE_VERSION, owners_after_scale, owners_of_scale, path_of
from kube_lite.api.patch.typed import Type
from kube_lite.api.resource import Resource
from kube_lite.api.schema.load import OBJECT_META, Schema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.registry.stored import Stored

from . import metadata as meta
from . import owning
from .decoding import Body, interpret
from .options import WriteOptions
from .parts import Parts
from .permission import check_permission
from .request import Answer, Request
from .writing import Prepare, Writing

ATTEMPTS = 5  # an object may come and go between looking and writing


class Applying:
    """Applies configurations to objects of any resource."""

    def __init__(self, parts: Parts, writing: Writing) -> None:
        self._parts = parts
        self._writing = writing

    async def apply(self, request: Request, options: WriteOptions, prepare: Prepare | None = None) -> Answer:
        """Apply to one object, or through a subresource that has the object's form.

        Raises:
            Conflict: others own what would be changed.
            NotFound: a subresource of what is not there.
        """
        configuration = read_configuration(request)
        resource, key = request.resource, ObjectKey(request.namespace, request.name)

        async def merged(old: Json) -> Json:
            return await self._merged(request, options, configuration, old)

        for attempt in range(ATTEMPTS):
            if await self._find(resource, key) is None:
                if request.subresource:
                    raise not_found(resource.group_resource, key.name)
                try:
                    return await self._create(request, options, configuration)
                except AlreadyExists:
                    if attempt == ATTEMPTS - 1 or await self._find(resource, key) is None:
                        raise
                    continue
            answer = await self._writing.change(request, key, merged, options, prepare=prepare)
            warnings = (*warnings_of(configuration, options), *answer.warnings)
            return answer._replace(warnings=warnings)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _create(self, request: Request, options: WriteOptions, configuration: Configuration) -> Answer:
        check_permission(self._parts.authorizer, request._replace(verb="create"))
        obj = await self._merged(request, options, configuration, None)
        obj["metadata"].pop("resourceVersion", None)  # which only says what would have been overwritten
        return await self._writing.create_object(
            request, Body(obj, warnings_of(configuration, options)), options
        )

    async def _find(self, resource: Resource, key: ObjectKey) -> Stored | None:
        objects = self._parts.objects
        return await objects.resolved(lambda: objects.find(resource, key))

    async def _merged(
        self, request: Request, options: WriteOptions, configuration: Configuration, old: Json | None
    ) -> Json:
        parts, resource = self._parts, request.resource
        schema, type = parts.schema(resource), owning.type_of(parts, resource)
        check(configuration.value, resource.gvk, type)
        applied = await parts.objects.resolved(
            lambda: apply(
                type,
                old,
                configuration.value,
                owning.writer_of(request, options),
                owning.now(parts),
                empty=owning.empty(schema, resource.gvk),
                force=options.force,
                ignored=owning.ignored(parts, request),
                at_version=owning.at_version(parts, resource),
            )
        )
        refuse_repetition(configuration, options)
        try:
            obj = read_merged(applied.obj, resource.gvk, schema, options, old)
        except BadRequest as error:
            if not isinstance(error.__cause__, TypeMismatch):
                raise
            raise not_converted(configuration.value, resource.gvk, error.__cause__.restored) from error
        self._check(request, obj, old)
        owning.put(obj, applied.managed_fields)
        return obj

    def _check(self, request: Request, obj: Json, old: Json | None) -> None:
        """Refuse what is another object, or made for another version. Changes ``obj`` (its namespace)."""
        resource, metadata = request.resource, obj["metadata"]
        if old is None and metadata.get("uid"):
            why = (
                f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object "
                "was found"
            )
            raise conflict(resource.group_resource, request.name, why)
        meta.place(resource, obj, request.namespace)
        meta.check_name(obj, request.name)
        version = meta.parse_version(metadata.get("resourceVersion", ""))
        if old is not None and version and str(version) != old["metadata"]["resourceVersion"]:
            raise conflict(resource.group_resource, request.name, MODIFIED)


def read_configuration(request: Request) -> Configuration:
    """The configuration that a request applies. Raises ``BadRequest``."""
    body = request.body
    if isinstance(body, dict):
        return Configuration(body)
    is_cbor = media_type(request.content_type) == APPLY_CBOR
    return parse(body if isinstance(body, bytes) else b"", APPLY_CBOR if is_cbor else YAML)


def warnings_of(configuration: Configuration, options: WriteOptions) -> tuple[str, ...]:
    """What somebody is told who wrote a key twice."""
    return configuration.repeated if options.validation == "Warn" else ()


def refuse_repetition(configuration: Configuration, options: WriteOptions) -> None:
    """Refuse keys that occur twice, where strict validation was asked for. Raises ``BadRequest``."""
    if configuration.refusal and options.validation == "Strict":
        told = ", ".join(configuration.refusal)
        raise BadRequest(f"error strict decoding YAML: error converting YAML to JSON: {told}")


def read_merged(
    value: Json, gvk: GroupVersionKind, schema: Schema | None, options: WriteOptions, old: Json | None = None
) -> Json:
    """What came of a merge, into ``old`` where there was something, as an object of the kind."""
    return interpret(
        copy(value) if old is None and schema is None else value, gvk, schema, options, old=old
    ).obj


class Scaling:
    """Writes of a workload's Scale, and what they mean for the owners of its replicas."""

    def __init__(self, parts: Parts, request: Request, options: WriteOptions, schema: Schema) -> None:
        self._parts = parts
        self._schema = schema
        self._options = options
        self._writer = Writer(manager_of(options.manager), SCALE_VERSION, "scale")
        self._api_version = request.resource.api_version
        paths = request.resource.strategy.scale
        self._path = path_of(paths["specReplicasPath"]) if paths else PATH

    @property
    def _type(self) -> Type:
        return owning.root_type(self._schema, self._parts.definitions.schema(OBJECT_META))

    def shown(self, old: Json, scale: Json) -> Json:
        """The Scale of a workload together with the owners of its replicas."""
        owners = owners_of_scale(old["metadata"].get("managedFields") or [], self._path)
        return {**scale, "metadata": {**scale["metadata"], "managedFields": owners}}

    def applied(self, shown: Json, configuration: Configuration, gvk: GroupVersionKind) -> Json:
        """The Scale that comes of applying a configuration. Raises ``Conflict``."""
        check(configuration.value, gvk, self._type)
        applied = apply(
            self._type, shown, configuration.value, self._writer, owning.now(self._parts),
            empty=owning.empty(self._schema, gvk), force=self._options.force,
        )  # fmt: skip
        refuse_repetition(configuration, self._options)
        scale = read_merged(applied.obj, gvk, self._schema, self._options)
        owning.put(scale, applied.managed_fields)
        return scale

    def updated(self, shown: Json, scale: Json) -> Json:
        """A Scale that was sent, with the owners that the write makes."""
        owners = after_update(self._type, shown, scale, self._writer, owning.now(self._parts), empty={})
        scale = {**scale, "metadata": dict(scale["metadata"])}
        owning.put(scale, owners)
        return scale

    def put(self, workload: Json, old: Json, scale: Json) -> None:
        """Say in the workload who owns its replicas now. Changes ``workload`` (a private copy)."""
        before = old["metadata"].get("managedFields") or []
        after = scale["metadata"].get("managedFields") or []
        owning.put(workload, owners_after_scale(before, after, self._api_version, self._path))
