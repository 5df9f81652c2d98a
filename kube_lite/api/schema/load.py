"""OpenAPI definitions → a tree of ``Schema`` nodes in which every reference is resolved.

A release has some 770 definitions, of which a running cluster touches a few dozen. So a definition is
decoded when somebody first looks into it: a ``Schema`` is made empty, with the recipe of how to fill it,
and fills itself when the first attribute is read. From then on it is an ordinary object with slots. The
same trick makes recursive types (``JSONSchemaProps``) finite.

Descriptions are the larger half of the documents and only documents for humans need them, so they are not
part of a ``Schema``; ``Definitions.descriptions`` reads them apart.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kube_lite.api.identity import GroupVersionKind, Json

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
FIELDS_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"
RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"

_JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
FREE_FORM = frozenset({
    FIELDS_V1,
    RAW_EXTENSION,
    _JSON_SCHEMA,
    f"{_JSON_SCHEMA}SchemaPropsOrArray",
    f"{_JSON_SCHEMA}SchemaPropsOrBool",
    f"{_JSON_SCHEMA}SchemaPropsOrStringArray",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
})  # fmt: skip
"""Definitions without properties that take anything; the others without properties are empty structs."""

SLOTS = (
    "name", "type", "format", "properties", "items", "additional", "required", "enum", "default",
    "patch_strategies", "patch_merge_key", "list_type", "list_map_keys", "map_type", "int_or_string",
    "nullable", "preserve_unknown", "embedded_resource", "gvks", "keywords",
)  # fmt: skip


Made = TypeVar("Made")


class Schema:
    """What one value may look like.

    Attributes:
        name: of the definition it stands for, empty for a schema written in place.
        type: ``object array string integer number boolean``; empty for anything.
        format: ``int32 int64 double byte date-time int-or-string`` …, or empty.
        properties: field → schema; empty for maps and scalars.
        items: of an array.
        additional: schema of the values of a map; None where only ``properties`` are known.
        required: names of fields that must be there.
        enum: the allowed values, or empty.
        default: the value of a field that is left out; None for no default.
        patch_strategies: of a strategic merge patch: ``merge``, ``retainKeys``, ``replace``.
        patch_merge_key: the key of a list merged by it, or empty.
        list_type: ``atomic set map`` or empty; list_map_keys: the keys of a ``map``.
        map_type: ``atomic granular`` or empty.
        int_or_string: a number or a text (``x-kubernetes-int-or-string``).
        nullable: an explicit null is a value of its own.
        preserve_unknown: unknown fields below are kept (``x-kubernetes-preserve-unknown-fields``).
        embedded_resource: an object with apiVersion, kind and metadata of its own.
        gvks: the kinds a top-level definition describes.
        keywords: every other keyword as written (``minimum``, ``pattern``, ``x-kubernetes-validations`` …),
            and ``additionalProperties`` where that is no schema.
    """

    __slots__ = (*SLOTS, "_fill", "_made")

    if TYPE_CHECKING:
        name: str
        type: str
        format: str
        properties: dict[str, "Schema"]
        items: "Schema | None"
        additional: "Schema | None"
        required: tuple[str, ...]
        enum: tuple[Any, ...]
        default: Any
        patch_strategies: frozenset[str]
        patch_merge_key: str
        list_type: str
        list_map_keys: tuple[str, ...]
        map_type: str
        int_or_string: bool
        nullable: bool
        preserve_unknown: bool
        embedded_resource: bool
        gvks: tuple[GroupVersionKind, ...]
        keywords: Json
    else:

        def __getattr__(self, attribute: str) -> Any:
            """Called for a slot that is still empty: fill them all, once."""
            if attribute not in SLOTS:
                raise AttributeError(attribute)
            self._fill(self)
            return object.__getattribute__(self, attribute)

    def __init__(self, name: str, fill: "Callable[[Schema], None]") -> None:
        self.name = name
        self._fill = fill
        self._made: dict[Callable[[Schema], Any], Any] | None = None

    def made(self, make: "Callable[[Schema], Made]") -> Made:
        """What ``make`` makes of this schema: made once, and forgotten together with it."""
        if self._made is None:
            self._made = {}
        if make not in self._made:
            self._made[make] = make(self)
        found: Made = self._made[make]
        return found

    def __repr__(self) -> str:
        return f"Schema({self.name or self.type!r})"

    @property
    def is_quantity(self) -> bool:
        """A resource quantity such as ``500m``."""
        return self.name == QUANTITY

    @property
    def is_time(self) -> bool:
        """An RFC 3339 moment in whole seconds."""
        return self.name == TIME

    @property
    def is_micro_time(self) -> bool:
        """An RFC 3339 moment in microseconds."""
        return self.name == MICRO_TIME

    @property
    def is_map(self) -> bool:
        """Keys are data, not field names."""
        return self.additional is not None and not self.properties


class Source(Protocol):
    """Where definitions come from; see ``kinds.schemas``."""

    def names(self) -> Mapping[str, object]:
        """The names of all definitions."""
        ...

    def kinds(self) -> Mapping[str, str]:
        """``apps/v1/Deployment`` (the core group as ``/v1/Pod``) → name of its definition."""
        ...

    def document(self, name: str) -> Json:
        """One definition as a fresh dict, without descriptions; references are bare names."""
        ...

    def descriptions(self, name: str) -> dict[str, str]:
        """Field → description of one definition; that of the definition itself under ``""``."""
        ...

    def enums(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """Field → value → what it means, of the fields that take one of a few texts; for documents only."""
        ...


class CustomSchema(Schema):
    """The root of a custom resource, whose metadata is everybody's ObjectMeta.

    ``structure`` is the schema as its definition has it, where metadata may be restricted further: what
    pruning, defaulting and validation go by.
    """

    __slots__ = ("metadata", "structure")

    if TYPE_CHECKING:
        structure: Schema
        metadata: Schema

    def __init__(self, name: str, structure: Schema, metadata: Schema) -> None:
        super().__init__(name, self._complete)
        self.structure = structure
        self.metadata = metadata

    def _complete(self, schema: Schema) -> None:
        for slot in SLOTS[1:]:
            setattr(schema, slot, getattr(self.structure, slot))
        text = in_place({"type": "string"}, _refers_to_nothing)
        own = {"apiVersion": text, "kind": text, "metadata": self.metadata}
        schema.properties = {**self.structure.properties, **own}
        schema.embedded_resource = False


class Definitions:
    """The definitions of one release, by name, each decoded on first use; and those of custom resources."""

    def __init__(self, source: Source, *, shared: dict[str, Schema] | None = None) -> None:
        self._source = source
        self._schemas: dict[str, Schema] = {} if shared is None else shared
        self._added: dict[str, Callable[[], Json]] = {}
        self._custom: dict[str, CustomSchema] = {}

    def fork(self) -> "Definitions":
        """The same definitions, for a cluster that adds its own; what was decoded is shared."""
        return Definitions(self._source, shared=self._schemas)

    def add(self, name: str, document: Callable[[], Json]) -> None:
        """Know a custom resource by that name from now on; a definition of that name is replaced.

        Args:
            document: gives its ``openAPIV3Schema``, fresh each time; not called before somebody looks.
        """
        self.remove(name)
        self._added[name] = document

    def remove(self, name: str) -> None:
        """Forget what was added; unknown names are no error."""
        self._added.pop(name, None)
        self._custom.pop(name, None)

    def __contains__(self, name: str) -> bool:
        return name in self._added or name in self._source.names()

    def names(self) -> list[str]:
        """Every definition, in the order of the published document; custom resources last."""
        return [*self._source.names(), *self._added]

    def name_of(self, gvk: GroupVersionKind) -> str:
        """The definition that describes a kind, or an empty text."""
        return self._source.kinds().get(f"{gvk.group}/{gvk.version}/{gvk.kind}", "")

    def document(self, name: str) -> Json:
        """One definition in OpenAPI words without descriptions; ``$ref`` holds the bare name of another.

        That of a custom resource is as its author wrote it, descriptions included.
        """
        if name in self._added:
            return self._added[name]()
        return self._source.document(name)

    def descriptions(self, name: str) -> dict[str, str]:
        """Field → description; the definition's own under ``""``. Custom resources have them in place."""
        return {} if name in self._added else self._source.descriptions(name)

    def enums(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """Field → value → what it means; schemas do not know, as other rules decide what is accepted."""
        return {} if name in self._added else self._source.enums(name)

    def schema(self, name: str) -> Schema:
        """The schema of a definition; the same object each time.

        Raises:
            KeyError: there is no such definition.
        """
        schema = self._schemas.get(name)
        if schema is None:
            if name in self._added:
                return self._custom_schema(name)
            if name not in self._source.names():
                raise KeyError(name)
            schema = self._schemas[name] = Schema(name, self._fill_definition)
        return schema

    def _custom_schema(self, name: str) -> CustomSchema:
        schema = self._custom.get(name)
        if schema is None:
            from kube_lite.api.custom.structure import custom_schema  # which is built upon this file

            structure = custom_schema(self._added[name](), self)
            schema = self._custom[name] = CustomSchema(name, structure, self.schema(OBJECT_META))
        return schema

    def _fill_definition(self, schema: Schema) -> None:
        fill(schema, self._source.document(schema.name), self.schema)

    def parse(self, document: Json) -> Schema:
        """A schema written in place, such as a CustomResourceDefinition's; it may refer to definitions."""
        return in_place(document, self.schema)


def _refers_to_nothing(name: str) -> Schema:
    raise KeyError(name)


def in_place(document: Json, resolve: Callable[[str], Schema]) -> Schema:
    """The schema of a document that is part of another; a bare reference is the referred schema itself."""
    reference = document.get("$ref")
    if reference is None:
        return Schema("", lambda schema: fill(schema, document, resolve))
    target = resolve(reference)
    if len(document) == 1:
        return target

    def refer(schema: Schema) -> None:
        for slot in SLOTS:
            setattr(schema, slot, getattr(target, slot))
        schema.keywords = {**target.keywords, **_other_keywords(document)}
        _fill_extensions(schema, document, target)

    return Schema(reference, refer)


def fill(schema: Schema, document: Json, resolve: Callable[[str], Schema]) -> None:
    """Fill the slots from a document; the schemas below stay empty until they are looked at."""
    get = document.get
    free = schema.name in FREE_FORM
    schema.type = get("type", "")
    schema.format = get("format", "")
    schema.properties = {name: in_place(below, resolve) for name, below in get("properties", {}).items()}
    items, additional = get("items"), get("additionalProperties")
    schema.items = in_place(items, resolve) if isinstance(items, dict) else None
    keywords = _other_keywords(document)
    if isinstance(additional, bool):
        keywords["additionalProperties"] = additional
    if additional is True:
        additional = {}
    schema.additional = in_place(additional, resolve) if isinstance(additional, dict) else None
    schema.required = tuple(get("required", ()))
    schema.enum = tuple(get("enum", ()))
    schema.nullable = get("nullable", False)
    schema.int_or_string = get("x-kubernetes-int-or-string", False) or schema.name == INT_OR_STRING
    schema.preserve_unknown = get("x-kubernetes-preserve-unknown-fields", False) or free
    schema.embedded_resource = get("x-kubernetes-embedded-resource", False)
    schema.gvks = tuple(
        GroupVersionKind(entry["group"], entry["version"], entry["kind"])
        for entry in get("x-kubernetes-group-version-kind", ())
    )
    schema.keywords = keywords
    schema.default = None
    schema.patch_strategies = frozenset()
    schema.patch_merge_key = schema.list_type = schema.map_type = ""
    schema.list_map_keys = ()
    _fill_extensions(schema, document, schema)
    if schema.embedded_resource:
        for name, below in of_resource(document).items():
            schema.properties[name] = in_place(below, resolve)


def of_resource(document: Json) -> Json:
    """The three properties that every resource has besides those of its document.

    What a custom resource's own schema says of ``metadata`` restricts the common one: it is under ``allOf``.
    """
    own = document.get("properties", {})
    text = {"type": "string"}
    metadata: Json = {"$ref": OBJECT_META}
    if own.get("metadata"):
        metadata["allOf"] = [own["metadata"]]
    return {
        "apiVersion": own.get("apiVersion", text),
        "kind": own.get("kind", text),
        "metadata": metadata,
    }


def _other_keywords(document: Json) -> Json:
    return {word: value for word, value in document.items() if word not in _KNOWN}


def _fill_extensions(schema: Schema, document: Json, otherwise: Schema) -> None:
    """What a field may say of itself beside a reference; what it does not say is as in ``otherwise``."""
    get = document.get
    strategies = get("x-kubernetes-patch-strategy")
    schema.patch_strategies = frozenset(strategies.split(",")) if strategies else otherwise.patch_strategies
    schema.patch_merge_key = get("x-kubernetes-patch-merge-key", otherwise.patch_merge_key)
    schema.list_type = get("x-kubernetes-list-type", otherwise.list_type)
    schema.list_map_keys = tuple(get("x-kubernetes-list-map-keys", otherwise.list_map_keys))
    schema.map_type = get("x-kubernetes-map-type", otherwise.map_type)
    schema.default = get("default", otherwise.default)


_KNOWN = frozenset({
    "$ref", "type", "format", "properties", "items", "additionalProperties", "required", "enum", "default",
    "nullable", "description", "x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource",
    "x-kubernetes-group-version-kind",
})  # fmt: skip
