"""One row of the API, and the table of rows.

A ``Resource`` says where objects live (group, version, plural), what they are (kind, schema) and how they
behave (strategy). The ``Registry`` finds rows by the three ways requests name them. Rows may come and go
while the server runs, so whoever caches something derived from the table compares ``generation``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from .identity import GroupResource, GroupVersion, GroupVersionKind, GroupVersionResource, Json
from .strategy import Strategy

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Subresource(NamedTuple):
    """A path below an object: ``status``, ``scale``, ``binding``.

    ``group``, ``version`` and ``kind`` are those of the body where they differ from the parent's (``Scale``).
    """

    name: str
    verbs: tuple[str, ...]
    kind: str
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One row of the API."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    schema: str = ""
    """Name of the OpenAPI definition, ``io.k8s.api.apps.v1.Deployment``."""
    storage_version: str = ""
    """The version in which objects are stored, where several are served; empty: this one."""
    alias_of: GroupResource | None = None
    """The resource of another group whose objects these are, under another name."""
    definition: str = ""
    """Name of the CustomResourceDefinition that it comes from; empty for what is built in."""
    schema_tag: str = ""
    """Changes when the schema of such a resource does."""
    list_kind: str = ""
    """What lists of it are called; empty for ``<kind>List``."""
    strategy: Strategy = field(default_factory=Strategy, compare=False)

    api_version: str = field(init=False, repr=False, compare=False)
    """The text of the ``apiVersion`` field."""
    gvr: GroupVersionResource = field(init=False, repr=False, compare=False)
    """Where requests for it go."""
    gvk: GroupVersionKind = field(init=False, repr=False, compare=False)
    """What its objects say they are."""
    group_resource: GroupResource = field(init=False, repr=False, compare=False)
    """Its name in error messages."""

    def __post_init__(self) -> None:
        """Work out once what every request asks for."""
        told = {
            "api_version": f"{self.group}/{self.version}" if self.group else self.version,
            "gvr": GroupVersionResource(self.group, self.version, self.plural),
            "gvk": GroupVersionKind(self.group, self.version, self.kind),
            "group_resource": GroupResource(self.group, self.plural),
        }
        for name, value in told.items():
            object.__setattr__(self, name, value)

    @property
    def kind_of_list(self) -> str:
        """What lists of it say they are."""
        return self.list_kind or f"{self.kind}List"

    @property
    def home(self) -> GroupResource:
        """Where its objects are at home: its own name, or that of which it is an alias."""
        return self.alias_of or self.group_resource

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, or None."""
        return next((sub for sub in self.subresources if sub.name == name), None)


class Elsewhere(NamedTuple):
    """What another server tells of a group and version that it serves.

    ``resources`` are as aggregated discovery lists them; they may be of an earlier time unless ``is_fresh``.
    """

    resources: tuple[Json, ...] = ()
    is_fresh: bool = False


class Registry:
    """The table of rows; order of insertion is the order of discovery.

    Attributes:
        generation: changes with the table.
        elsewhere: the groups and versions that other servers serve, in place of rows where there are any.
        priorities: of groups and versions: the group's least one among groups, and its own in the group.
    """

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_gvr: dict[GroupVersionResource, Resource] = {}
        self._by_gvk: dict[GroupVersionKind, Resource] = {}
        self.generation = 0
        self.elsewhere: Mapping[GroupVersion, Elsewhere] = MappingProxyType({})
        self.priorities: Mapping[GroupVersion, tuple[int, int]] = MappingProxyType({})
        self._listeners: list[Callable[[], None]] = []
        self._search: Callable[[GroupVersionResource], Resource | None] | None = None
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve the row from now on; a row of the same name is replaced."""
        self._by_gvr[resource.gvr] = resource
        if resource.verbs or resource.gvk not in self._by_gvk:
            self._by_gvk[resource.gvk] = resource
        self._changed()

    def remove(self, gvr: GroupVersionResource) -> None:
        """Stop serving the row; unknown ones are no error."""
        resource = self._by_gvr.pop(gvr, None)
        if resource is not None and self._by_gvk.get(resource.gvk) is resource:
            del self._by_gvk[resource.gvk]
        self._changed()

    def hand_over(
        self, elsewhere: Mapping[GroupVersion, Elsewhere], priorities: Mapping[GroupVersion, tuple[int, int]]
    ) -> None:
        """Let others serve exactly these from now on; rows of what is missing among them serve again."""
        self.elsewhere, self.priorities = elsewhere, priorities
        self._changed()

    def search_with(self, search: Callable[[GroupVersionResource], Resource | None] | None) -> None:
        """Ask ``search`` for rows that are not there, which may just be coming."""
        self._search = search

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every change of the table, until what is returned here is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self) -> None:
        self.generation += 1
        for listener in self._listeners:
            listener()

    def __iter__(self) -> Iterator[Resource]:
        """Every row, in order."""
        return iter(list(self._by_gvr.values()))

    def by_gvr(self, gvr: GroupVersionResource) -> Resource | None:
        """The row that serves the path, or None."""
        row = self._by_gvr.get(gvr)
        return self._search(gvr) if row is None and self._search is not None else row

    def by_gvk(self, gvk: GroupVersionKind) -> Resource | None:
        """The row whose objects have that kind, or None."""
        return self._by_gvk.get(gvk)

    def of_group_resource(self, name: GroupResource) -> list[Resource]:
        """The rows of all served versions of one resource."""
        return [row for row in self._by_gvr.values() if row.group_resource == name]

    def group_versions(self) -> list[GroupVersion]:
        """Every group and version that has a row, in order of insertion."""
        return list(dict.fromkeys(GroupVersion(row.group, row.version) for row in self._by_gvr.values()))
