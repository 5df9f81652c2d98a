"""What the kinds have in common: how a row of the API is written down, and a strategy that knows its place.

A strategy here says what is particular about a kind's columns, deletion and system fields. Its defaults and
checks are plain functions found by group and kind in ``kinds.defaults`` and ``kinds.checks``, loaded on the
first write.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import ClassVar, NamedTuple

import orjson

from kube_lite.api.errors import Cause
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json
from kube_lite.api.resource import ALL_VERBS, Resource, Subresource
from kube_lite.api.strategy import AGE, DEFAULT_COLUMNS, NAME, Column, Strategy
from kube_lite.api.table import age

from .schemas import definitions

READ_WRITE = ("get", "patch", "update")
OWN_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""What upstream's ``ResetObjectMetaForStatus`` puts back."""

_PACKAGES = {
    "": "io.k8s.api.core",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
"""Where the definitions of a group's kinds are; other groups' are in ``io.k8s.api`` by their first word."""


class Described(NamedTuple):
    """A column whose description is that of a field: ``Described("IP", "core.v1.PodStatus", "podIP")``."""

    name: str
    definition: str
    field: str
    type: str = "string"
    format: str = ""
    priority: int = 0


@cache
def on_write(package: str) -> ModuleType:
    """A package beside this one that the first write needs, and start-up does not."""
    return import_module(f".{package}", __package__)


class Kind(Strategy):
    """The behaviour of one built-in kind; subclasses name what is peculiar about it."""

    initial_status: ClassVar[str] = ""
    """The status of a new object as JSON; empty for kinds without one."""
    table: ClassVar[Sequence[Column | Described]] = DEFAULT_COLUMNS
    labels: ClassVar[Sequence[str]] = ()
    """The field selector labels besides name and namespace."""

    def __init__(self, gvk: GroupVersionKind, version: str) -> None:
        self.gvk = gvk
        self._release = version
        self._columns: list[Column] | None = None

    def default(self, obj: Json) -> None:
        """Fill in the defaults of this kind."""
        on_write("defaults").default(self.gvk, obj)

    def prepare_for_create(self, obj: Json) -> None:
        """Begin with an empty status, whatever the client sent."""
        obj.pop("status", None)
        if self.initial_status:
            obj["status"] = orjson.loads(self.initial_status)

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """Keep what belongs to the object's owner, where the kind protects it."""
        for field in self.kept_by_status:
            obj["metadata"].pop(field, None)
            if field in old["metadata"]:
                obj["metadata"][field] = old["metadata"][field]

    def validate(self, obj: Json) -> Sequence[Cause]:
        """The rules for a new object of this kind."""
        causes: Sequence[Cause] = on_write("checks").validate(self.gvk, obj)
        return causes

    def validate_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The rules for a change of an object of this kind."""
        causes: Sequence[Cause] = on_write("checks").validate_update(self.gvk, obj, old)
        return causes

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The rules for new objects and those for changes."""
        causes = super().validate_next(obj, old)
        if causes and obj["metadata"].get("generateName"):
            causes = on_write("checks.looks").without_generated_name(self.gvk, causes)
        return causes

    def validate_status_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The rules for statuses of this kind."""
        causes: Sequence[Cause] = on_write("checks").validate_status_update(self.gvk, obj, old)
        return causes

    def warnings(self, obj: Json) -> Sequence[str]:
        """What may disappoint about an object of this kind."""
        texts: Sequence[str] = on_write("checks").warnings(self.gvk, obj)
        return texts

    def warnings_of_change(self, obj: Json, old: Json) -> Sequence[str]:
        """What may disappoint about the next version, as far as this kind tells of it again."""
        texts: Sequence[str] = on_write("checks.advice").advise_change(self.gvk, obj, old)
        return texts

    def field_labels(self) -> Sequence[str]:
        """The labels that ``selectable_fields`` has values for."""
        return self.labels

    def columns(self) -> Sequence[Column]:
        """The columns, with the descriptions of the release."""
        if self.table is DEFAULT_COLUMNS:
            return DEFAULT_COLUMNS
        if self._columns is None:
            self._columns = list(self._described(self.table))
        return self._columns

    def _described(self, columns: Iterable[Column | Described]) -> Iterable[Column]:
        release = definitions(self._release)
        for column in columns:
            if isinstance(column, Column):
                yield column
                continue
            definition = column.definition
            name = definition if definition.startswith("io.") else f"io.k8s.api.{definition}"
            text = release.descriptions(name).get(column.field, "") if name in release else ""
            yield Column(column.name, column.type, column.format, text, column.priority)


class ChangeFirst(Kind):
    """A kind whose changes are judged before the rest of the object."""

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The change, then the rules of new objects."""
        causes: Sequence[Cause] = on_write("checks").validate_change_first(self.gvk, obj, old)
        if causes and obj["metadata"].get("generateName"):
            causes = on_write("checks.looks").without_generated_name(self.gvk, causes)
        return causes


class Row(NamedTuple):
    """One row of the API as this package writes it; ``resource`` makes the real one."""

    kind: str
    plural: str
    strategy: type[Kind] = Kind
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""
    alias_of: GroupResource | None = None
    status: bool = False
    """There is a ``status`` subresource, besides ``subresources``."""

    def resource(self, group: str, version: str, release: str) -> Resource:
        """The row as part of a group and version."""
        subresources = self.subresources
        if self.status:
            subresources = (*subresources, Subresource("status", READ_WRITE, self.kind))
        gvk = GroupVersionKind(group, version, self.kind)
        return Resource(
            group=group,
            version=version,
            plural=self.plural,
            singular=self.kind.lower(),
            kind=self.kind,
            namespaced=self.namespaced,
            verbs=self.verbs,
            short_names=self.short_names,
            categories=self.categories,
            subresources=tuple(sorted(subresources, key=lambda sub: sub.name)),
            schema=schema_name(gvk),
            storage_version=self.storage_version,
            alias_of=self.alias_of,
            strategy=self.strategy(gvk, release),
        )


def schema_name(gvk: GroupVersionKind) -> str:
    """The definition of a built-in kind: ``io.k8s.api.apps.v1.Deployment``."""
    package = _PACKAGES.get(gvk.group) or f"io.k8s.api.{gvk.group.partition('.')[0]}"
    return f"{package}.{gvk.version}.{gvk.kind}"


def scale() -> Subresource:
    """The ``scale`` subresource, whose body is a kind of another group."""
    return Subresource("scale", READ_WRITE, "Scale", "autoscaling", "v1")


class NameAndAge(Kind):
    """A kind of whose objects a table shows when they were made, and no more."""

    table = (NAME, AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """Name and age."""
        return [obj["metadata"]["name"], age_of(obj, now)]


def age_of(obj: Json, now: float) -> str:
    """The cell of the ``Age`` column."""
    return age(obj["metadata"].get("creationTimestamp"), now)
