"""Rows of the API → the operations that its paths allow, for both OpenAPI versions to be written from.

kubectl reads two things here: which kind a path speaks of (``x-kubernetes-group-version-kind``), and
whether a patch of it takes ``dryRun`` and ``fieldValidation``. Client generators read the rest.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .identity import GroupVersion, GroupVersionKind
from .resource import Resource, Subresource

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
DELETE_OPTIONS, PATCH, STATUS = f"{META}.DeleteOptions", f"{META}.Patch", f"{META}.Status"
WATCH_EVENT, RESOURCE_LIST = f"{META}.WatchEvent", f"{META}.APIResourceList"
TEXT = "string"
"""The response of operations that pass bytes through."""

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_SELECT = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_COLLECTION = tuple(dict.fromkeys((*_SELECT[1:-1], *_DELETE)))

INTEGERS = frozenset({"limit", "timeoutSeconds", "gracePeriodSeconds"})
BOOLEANS = frozenset({
    "allowWatchBookmarks", "sendInitialEvents", "watch", "orphanDependents", "force",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
})  # fmt: skip


class Operation(NamedTuple):
    """What one method of one path does.

    ``action`` is ``x-kubernetes-action``; ``body`` and ``response`` are names of definitions, empty for none;
    ``query`` the names of the query parameters.
    """

    method: str
    action: str
    identity: str
    gvk: GroupVersionKind | None
    response: str
    body: str = ""
    query: tuple[str, ...] = ()
    is_custom: bool = False
    """It is about a resource that comes from a CustomResourceDefinition."""


class Path(NamedTuple):
    """One path; ``parameters`` are those in braces."""

    path: str
    operations: list[Operation]

    @property
    def parameters(self) -> list[str]:
        """``["name", "namespace"]``."""
        return sorted(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


def definition_of(row: Resource) -> str:
    """The definition of a row's kind; of a kind that came later, a name made like upstream's."""
    return row.schema or ".".join((*reversed(row.group.split(".")), row.version, row.kind))


def list_of(row: Resource) -> str:
    """The definition of its lists."""
    return definition_of(row).removesuffix(row.kind) + row.kind_of_list


def prefix_of(group_version: GroupVersion) -> str:
    """``/api/v1``, ``/apis/apps/v1``."""
    return f"/apis/{group_version}" if group_version.group else f"/api/{group_version.version}"


def paths(group_version: GroupVersion, rows: Iterable[Resource]) -> Iterator[Path]:
    """Every path of a group and version."""
    prefix, tag = prefix_of(group_version), _tag(group_version)
    resources = Operation("get", "", f"get{tag}APIResources", None, RESOURCE_LIST)
    has_built_in = False
    for row in rows:
        if not row.definition:
            has_built_in = True
            yield from _paths_of(prefix, tag, row)
            continue
        for path in _paths_of(prefix, tag, row):
            operations = [operation._replace(is_custom=True) for operation in path.operations]
            yield path._replace(operations=operations)
    if has_built_in:
        yield Path(f"{prefix}/", [resources])


def _tag(group_version: GroupVersion) -> str:
    """``AppsV1``: how operations of a group and version are called."""
    group = group_version.group.removesuffix(".k8s.io").replace(".", " ").title().replace(" ", "") or "Core"
    return f"{group}{group_version.version.capitalize()}"


def _paths_of(prefix: str, tag: str, row: Resource) -> Iterator[Path]:
    scoped = f"{prefix}/namespaces/{{namespace}}/{row.plural}" if row.namespaced else f"{prefix}/{row.plural}"
    kind = f"{tag}{'Namespaced' if row.namespaced else ''}{row.kind}"
    schema = definition_of(row)
    listing = Operation("get", "list", f"list{kind}", row.gvk, list_of(row), query=_SELECT)
    collection = []
    if "list" in row.verbs:
        collection.append(listing)
    if "create" in row.verbs:
        collection.append(Operation("post", "post", f"create{kind}", row.gvk, schema, schema, _WRITE))
    if "deletecollection" in row.verbs:
        identity = f"delete{kind.replace(tag, f'{tag}Collection', 1)}"
        collection.append(
            Operation("delete", "deletecollection", identity, row.gvk, STATUS, DELETE_OPTIONS, _COLLECTION)
        )
    yield Path(scoped, collection)
    if row.namespaced and "list" in row.verbs:
        everywhere = listing._replace(identity=f"list{tag}{row.kind}ForAllNamespaces")
        yield Path(f"{prefix}/{row.plural}", [everywhere])
    if "get" in row.verbs:
        yield Path(f"{scoped}/{{name}}", list(_object_operations(row, kind, row.verbs)))
    for sub in row.subresources:
        yield from _subresource_paths(f"{scoped}/{{name}}/{sub.name}", kind, row, sub)
    if "watch" in row.verbs and not row.definition:
        yield from _watch_paths(prefix, tag, row, scoped.removeprefix(prefix))


def _object_operations(row: Resource, kind: str, verbs: tuple[str, ...]) -> Iterator[Operation]:
    schema = definition_of(row)
    if "get" in verbs:
        yield Operation("get", "get", f"read{kind}", row.gvk, schema)
    if "update" in verbs:
        yield Operation("put", "put", f"replace{kind}", row.gvk, schema, schema, _WRITE)
    if "delete" in verbs:
        yield Operation("delete", "delete", f"delete{kind}", row.gvk, STATUS, DELETE_OPTIONS, _DELETE)
    if "patch" in verbs:
        yield Operation("patch", "patch", f"patch{kind}", row.gvk, schema, PATCH, (*_WRITE, "force"))


_METHODS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}


def _subresource_paths(path: str, kind: str, row: Resource, sub: Subresource) -> Iterator[Path]:
    gvk = (
        GroupVersionKind(sub.group, sub.version, sub.kind) if sub.version else row.gvk._replace(kind=sub.kind)
    )
    name = f"{kind}{sub.name.capitalize()}"
    if sub.kind.endswith("Options") or sub.name == "log":
        connect = [
            Operation(_METHODS[verb], "connect", f"connect{_METHODS[verb].capitalize()}{name}", gvk, TEXT)
            for verb in sub.verbs
        ]
        yield Path(path, connect)
        if sub.name == "proxy":
            yield Path(
                f"{path}/{{path}}",
                [entry._replace(identity=f"{entry.identity}WithPath") for entry in connect],
            )
        return
    schema = _schema_of(row, gvk)
    operations = []
    for verb in sub.verbs:
        method = _METHODS[verb]
        body = {"get": "", "patch": PATCH}.get(verb, schema)
        query = () if verb == "get" else (*_WRITE, "force") if verb == "patch" else _WRITE
        operations.append(Operation(method, method, f"{verb}{name}", gvk, schema, body, query))
    yield Path(path, operations)


def _schema_of(row: Resource, gvk: GroupVersionKind) -> str:
    """The definition of a subresource's body; Scale and its like are of another group."""
    if (gvk.group, gvk.version) == (row.group, row.version):
        return f"{definition_of(row).removesuffix(row.kind)}{gvk.kind}"
    return f"io.k8s.api.{gvk.group.partition('.')[0]}.{gvk.version}.{gvk.kind}"


def _watch_paths(prefix: str, tag: str, row: Resource, scoped: str) -> Iterator[Path]:
    """The paths that watched before ``?watch=true`` did; still served, and still in the documents."""
    kind = f"{tag}{'Namespaced' if row.namespaced else ''}{row.kind}"
    many = Operation("get", "watchlist", f"watch{kind}List", row.gvk, WATCH_EVENT, query=_SELECT)
    if row.namespaced:
        everywhere = many._replace(identity=f"watch{tag}{row.kind}ListForAllNamespaces")
        yield Path(f"{prefix}/watch/{row.plural}", [everywhere])
    yield Path(f"{prefix}/watch{scoped}", [many])
    one = Operation("get", "watch", f"watch{kind}", row.gvk, WATCH_EVENT, query=_SELECT)
    yield Path(f"{prefix}/watch{scoped}/{{name}}", [one])
