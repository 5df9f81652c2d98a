"""Custom resources: the strategy of a kind that somebody has defined, and its rows.

Everything about such a kind follows from its definition: what is pruned, defaulted and valid from the
schema, columns and paths from the outline. The schema is compiled when the first object is written or has
to be looked into; rules (``x-kubernetes-validations``) are evaluated where nothing else stands against an
object.
Source: ``apiextensions-apiserver/pkg/registry/customresource``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.names import check_qualified_name, check_subdomain
from kube_lite.api.resource import Resource, Subresource
from kube_lite.api.schema.load import CustomSchema, Schema
from kube_lite.api.strategy import AGE, ALL, NAME, Column, Strategy
from kube_lite.api.table import age
from kube_lite.kit.jsonpath import JsonPath

from .base import READ_WRITE
from .custom_values import NotThere, as_text, cell, check_replicas, nested, path_or_nothing
from .outlines import Outline, Version, definition_name

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which discovery tells them."""
ENDING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
ENDING = "create not allowed while custom resource definition is terminating"
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to "
    "complete validation"
)
BLOCKING = frozenset({
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
    "FieldValueTypeInvalid",
})  # fmt: skip
"""Reasons after which rules, which trust the schema, would stumble."""
STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
PREFER = "prefer a domain-qualified finalizer name"
TAG = ""
"""The note in an object's header that says under which schema it was written."""


class CustomStrategy(Strategy):
    """The behaviour of one version of a custom resource.

    Args:
        schema: gives the compiled schema.
        written: the notes that were made by any version of the definition as it is; shared by them.
        siblings: the strategies of the definition's versions by name.
    """

    unconditional_update = False
    has_generation = True
    kept_by_status = ALL

    def __init__(
        self,
        outline: Outline,
        version: Version,
        schema: Callable[[], Schema],
        written: set[str],
        siblings: Mapping[str, "CustomStrategy"],
    ) -> None:
        self.outline = outline
        self.version = version
        self.scale = version.scale or None
        self.defaults_when_read = version.has_status  # which is dropped, but may have a default
        self.closed = ENDING if outline.is_ending else ""
        self._schema = schema
        paths = dict.fromkeys(path for each in outline.versions for path in each.selectable)
        self._selected = [(path.removeprefix("."), path_or_nothing(path)) for path in paths]
        self._note = f"{version.tag}:{outline.storage}"
        self._written = written
        self.siblings = siblings
        self.view: object = None  # what the registry makes of the version; kept here, to go with it
        self._labels = tuple(path.removeprefix(".") for path in version.selectable)

    @cached_property
    def root(self) -> CustomSchema:
        """The compiled schema of whole objects."""
        schema = self._schema()
        assert isinstance(schema, CustomSchema)  # a definition's own name leads to nothing else
        return schema

    @property
    def structure(self) -> Schema:
        """The schema as its author wrote it."""
        return self.root.structure

    def default(self, obj: Json) -> None:
        """Fill in the defaults of the schema."""
        from kube_lite.api.custom.defaulting import default

        default(obj, self.structure)

    def prepare_for_create(self, obj: Json) -> None:
        """A status that has a subresource of its own begins empty."""
        if self.version.has_status:
            obj.pop("status", None)

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Where the status is a field like others, its changes count."""
        if not self.version.has_status and obj.get("status") != old.get("status"):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """Of metadata only the owners of fields change."""
        owners = obj["metadata"].get("managedFields")
        obj["metadata"] = dict(old["metadata"])
        obj["metadata"].pop("managedFields", None)
        if owners:
            obj["metadata"]["managedFields"] = owners

    def validate(self, obj: Json) -> Sequence[Cause]:
        """Metadata and schema, then the rules."""
        from kube_lite.api.custom.validation import validate
        from kube_lite.api.metadata_rules import check_metadata

        causes = [
            *check_metadata(obj["metadata"], check_subdomain, is_built_in=False),
            *validate(obj, self.structure, scale=self._check_scale(obj)),
        ]
        return self._with_rules(causes, obj, None)

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The same, but what was wrong before and did not change may stay."""
        from kube_lite.api.custom.validation import validate_update
        from kube_lite.api.metadata_rules import check_next_metadata

        causes = [
            *check_next_metadata(obj["metadata"], old["metadata"]),
            *validate_update(obj, old, self.structure, scale=self._check_scale(obj)),
        ]
        return self._with_rules(causes, obj, old)

    def validate_status_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """Only the status is held against the schema; rules see the whole object."""
        from kube_lite.api.custom.validation import validate_status_update

        scale = self._check_scale(obj, spec=False)
        causes = validate_status_update(obj, old, self.structure, scale=scale)
        return self._with_rules(causes, obj, old)

    def _with_rules(self, causes: list[Cause], obj: Json, old: Json | None) -> Sequence[Cause]:
        if not self.version.has_rules:
            return causes
        from kube_lite.api.custom.rules import rules_of

        rules = rules_of(self.structure)
        if rules:
            if any(cause.reason in BLOCKING for cause in causes):
                return [*causes, invalid("<nil>", None, UNCHECKED)]
            causes += rules.validate(obj, old)
        return causes

    def _check_scale(self, obj: Json, *, spec: bool = True) -> Iterator[Cause]:
        """What the ``scale`` subresource reads must be numbers and text."""
        paths = self.scale
        if paths is None:
            return
        if spec:
            yield from check_replicas(obj, paths["specReplicasPath"])
        yield from check_replicas(obj, paths["statusReplicasPath"])
        selector = paths.get("labelSelectorPath")
        if selector:
            try:
                nested(obj, selector, str)
            except NotThere as error:
                yield invalid(selector, "", str(error))

    def warnings(self, obj: Json) -> Sequence[str]:
        """Finalizers whose names could clash with others'."""
        finalizers = obj["metadata"].get("finalizers")
        return list(_finalizer_warnings(finalizers)) if finalizers else ()

    def warnings_of_change(self, obj: Json, old: Json) -> Sequence[str]:
        """The same of those that are new."""
        finalizers = obj["metadata"].get("finalizers")
        if not finalizers:
            return ()
        known = old["metadata"].get("finalizers") or ()
        return list(_finalizer_warnings(name for name in finalizers if name not in known))

    def deprecation(self) -> str:
        """What the definition warns of."""
        return self.version.warning

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """The values that any version selects by."""
        return {label: as_text(path.first(obj)) for label, path in self._selected}

    def notes(self, obj: Json) -> Mapping[str, str]:
        """Under which schema, and in which version, the object was written."""
        self._written.add(self._note)
        return {TAG: self._note}

    @property
    def is_only_writer(self) -> bool:
        """No other version has written an object since the definition is as it is."""
        return self._written <= {self._note}

    def field_labels(self) -> Sequence[str]:
        """The paths of ``selectableFields``."""
        return self._labels

    def field_label_error(self, label: str) -> str:
        """Custom resources say so whether or not there are any."""
        return f"field label not supported: {label}"

    @cached_property
    def _columns(self) -> list[Column]:
        columns = [NAME]
        for column in self.version.columns:
            path = column["jsonPath"]
            told = (
                column.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
            )
            columns.append(
                Column(
                    column["name"], column["type"], column.get("format", ""), told, column.get("priority", 0)
                )
            )
        return columns if self.version.columns else [NAME, AGE._replace(type="date")]

    @cached_property
    def _cells(self) -> list[tuple[str, JsonPath]]:
        return [(column["type"], path_or_nothing(column["jsonPath"])) for column in self.version.columns]

    def columns(self) -> Sequence[Column]:
        """The columns of the definition behind the name; the age where it has none."""
        return self._columns

    def cells(self, obj: Json, now: float) -> list[object]:
        """The first value of each path, in the type of its column."""
        metadata = obj["metadata"]
        if not self.version.columns:
            return [metadata["name"], age(metadata.get("creationTimestamp"), now)]
        cells: list[object] = [metadata["name"]]
        for type_, path in self._cells:
            found = path.find(obj)
            cells.append(cell(type_, found[0], now) if found else None)
        return cells


def _finalizer_warnings(finalizers: Iterable[str]) -> Iterator[str]:
    for name in sorted(set(finalizers)):
        subject = f"metadata.finalizers: {go_quote(name)}: "
        for why in check_qualified_name(name):
            yield subject + why
        if "/" not in name and name not in STANDARD_FINALIZERS:
            path = " including a path (/)" if "." in name else ""
            yield f"{subject}{PREFER}{path} to avoid accidental conflicts with other finalizer writers"


def rows_of(outline: Outline, schema: Callable[[str], Schema]) -> Iterator[tuple[Version, Resource]]:
    """The rows of a definition, one for each version, whether or not it is served.

    Args:
        schema: name of a schema → the compiled one.
    """
    written: set[str] = set()
    siblings: dict[str, CustomStrategy] = {}
    for version in outline.versions:
        name = definition_name(outline.gvk(version))
        strategy = CustomStrategy(outline, version, partial(schema, name), written, siblings)
        siblings[version.name] = strategy
        yield version, _row(outline, version, name, strategy)


def outline_of_row(row: Resource) -> Outline:
    """What is known of the definition that a row comes from."""
    assert isinstance(row.strategy, CustomStrategy)  # the only one that such rows have
    return row.strategy.outline


def _row(outline: Outline, version: Version, name: str, strategy: CustomStrategy) -> Resource:
    names, gvk = outline.names, outline.gvk(version)
    subresources = []
    if version.has_status:
        subresources.append(Subresource("status", READ_WRITE, gvk.kind))
    if version.scale:
        subresources.append(Subresource("scale", READ_WRITE, "Scale", "autoscaling", "v1"))
    return Resource(
        group=gvk.group,
        version=gvk.version,
        plural=names["plural"],
        singular=names.get("singular") or "",
        kind=gvk.kind,
        namespaced=outline.is_namespaced,
        verbs=ENDING_VERBS if outline.is_ending else VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(subresources),
        schema=name,
        storage_version=outline.storage,
        strategy=strategy,
        definition=outline.name,
        schema_tag=version.tag,
        list_kind=names.get("listKind") or "",
    )
