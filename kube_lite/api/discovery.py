"""Registry → discovery documents: what groups, versions and resources there are.

The old form has one document per group and version; the aggregated form says everything in two. Built-in
groups come in the order of the registry; groups added while the server runs follow by name, their versions
as Kubernetes ranks them (``v2`` before ``v1`` before ``v1beta1``).
"""

import base64
import hashlib
import math
from collections.abc import Iterable

from kube_lite.kit.patterns import pattern

from .identity import GroupResource, GroupVersion, Json
from .resource import Registry, Resource

_ADMISSION = "admissionregistration.k8s.io"
STORED_AS = {
    GroupResource("events.k8s.io", "events"): ("", "v1"),
    GroupResource("apiextensions.k8s.io", "customresourcedefinitions"): ("apiextensions.k8s.io", "v1beta1"),
    GroupResource(_ADMISSION, "mutatingadmissionpolicies"): (_ADMISSION, "v1beta1"),
    GroupResource(_ADMISSION, "mutatingadmissionpolicybindings"): (_ADMISSION, "v1beta1"),
}
"""Group and version in which upstream stores a resource, where they are not those of its row.

We store what we serve; what counts here is that clients that compare hashes find the one they know.
"""


ADDED = (1000, 100)
"""The priorities of groups and versions that CustomResourceDefinitions bring."""


def api_versions(server_address: str, versions: Iterable[str] = ("v1",)) -> Json:
    """The document at ``/api``; the address is the one clients should use."""
    return {
        "kind": "APIVersions",
        "versions": list(versions),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def group_list(registry: Registry) -> Json:
    """The document at ``/apis``."""
    groups = [_group(name, versions) for name, versions in groups_of(registry).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Json | None:
    """The document at ``/apis/<name>``; None without such a group."""
    versions = groups_of(registry).get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(registry: Registry, group_version: GroupVersion) -> Json:
    """The document at ``/apis/<group>/<version>``; empty for a version that nobody serves."""
    rows = _rows(registry, group_version)
    entries = sorted(
        (entry for row in rows if not row.definition for entry in _entries(row)),
        key=lambda entry: str(entry["name"]),
    )
    entries += (entry for row in rows if row.definition for entry in _entries(row))
    document: Json = {"kind": "APIResourceList", "groupVersion": str(group_version)}
    if group_version.group:  # the core group's says less, as it did before there were groups
        document["apiVersion"] = "v1"
    return {**document, "resources": entries}


def aggregated(registry: Registry, core: bool, form: str = "v2") -> Json:
    """Everything at ``/api`` (``core``) or ``/apis``, as an APIGroupDiscoveryList of that form."""
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [_aggregated_version(registry, GroupVersion(name, version)) for version in versions],
        }
        for name, versions in groups_of(registry).items()
        if (not name) == core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form}",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(registry: Registry, group_version: GroupVersion) -> Json:
    elsewhere = registry.elsewhere.get(group_version)
    if elsewhere is None:
        resources, is_fresh = [_aggregated_entry(row) for row in _rows(registry, group_version)], True
    else:
        resources, is_fresh = list(elsewhere.resources), elsewhere.is_fresh
    told: Json = {"version": group_version.version}
    if resources or elsewhere is None:
        told["resources"] = resources
    return {**told, "freshness": "Current" if is_fresh else "Stale"}


def groups_of(registry: Registry) -> dict[str, list[str]]:
    """Group → versions, the preferred one first; the core group is the empty name."""
    groups = _own_groups(registry)
    return _merged(registry, groups) if registry.elsewhere else groups


def _merged(registry: Registry, groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """The groups with those that others serve, by their priorities; our own keep their order.

    Source: ``SortedByGroupAndVersion`` in kube-aggregator's ``apiregistration/v1/helper``.
    """
    added = {row.group for row in registry if row.definition}
    listed: dict[str, int] = {}
    for (group_name, _), (least, _) in registry.priorities.items():
        listed[group_name] = max(least, listed.get(group_name, 0))

    def rank(name: str) -> tuple[float, str]:
        return -listed.get(name, ADDED[0] if name in added else math.inf), name

    versions = {name: list(own) for name, own in groups.items()}
    order = list(groups)
    for group_name, version in sorted(registry.elsewhere):
        if group_name not in versions:
            wanted = rank(group_name)
            behind = (place for place, name in enumerate(order) if rank(name) > wanted)
            order.insert(next(behind, len(order)), group_name)
        if version not in versions.setdefault(group_name, []):
            versions[group_name].append(version)
    for name in {group_name for group_name, _ in registry.elsewhere}:
        versions[name] = _sorted_versions(registry, name, versions[name], ADDED[1] if name in added else 0)
    return {name: versions[name] for name in order}


def _sorted_versions(registry: Registry, name: str, versions: list[str], unlisted: int) -> list[str]:
    def rank(version: str) -> tuple[int, tuple[int, int, int, str]]:
        _, priority = registry.priorities.get(GroupVersion(name, version), (0, unlisted))
        return -priority, version_rank(version)

    return sorted(versions, key=rank)


def _own_groups(registry: Registry) -> dict[str, list[str]]:
    built_in: dict[str, list[str]] = {}
    added: dict[str, list[str]] = {}
    for row in registry:
        groups = added if row.definition and row.group not in built_in else built_in
        versions = groups.setdefault(row.group, [])
        if row.version not in versions:
            versions.append(row.version)
    for name in sorted(added):
        built_in[name] = sorted(added[name], key=version_rank)
    return built_in


_VERSION = pattern(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
_STAGES = {None: 0, "beta": 1, "alpha": 2}


def version_rank(version: str) -> tuple[int, int, int, str]:
    """A key that sorts the version to prefer first: ``v10 v2 v1 v1beta2 v1beta1 v1alpha1 foo1``.

    Source: ``CompareKubeAwareVersionStrings`` in apimachinery's ``version`` package.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return (3, 0, 0, version)
    major, stage, minor = match.groups()
    return (_STAGES[stage], -int(major), -int(minor or 0), "")


def storage_version_hash(row: Resource) -> str:
    """A text that changes when objects are stored in another group, version or kind.

    Source: ``StorageVersionHash`` in apiserver's ``endpoints/discovery``.
    """
    own = (row.alias_of.group if row.alias_of else row.group, row.storage_version or row.version)
    stored = "/".join((*STORED_AS.get(row.group_resource, own), row.kind))
    return base64.b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def _group(name: str, versions: list[str]) -> Json:
    known = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": known, "preferredVersion": known[0]}


def _rows(registry: Registry, group_version: GroupVersion) -> list[Resource]:
    rows = [row for row in registry if (row.group, row.version) == group_version]
    return sorted(rows, key=lambda row: row.plural)


def _entries(row: Resource) -> Iterable[Json]:
    """The resource and its subresources, as the old form has them."""
    entry: Json = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if "watch" in row.verbs:  # what can be watched is stored
        entry["storageVersionHash"] = storage_version_hash(row)
    yield entry
    for sub in row.subresources:
        entry = {"name": f"{row.plural}/{sub.name}", "singularName": "", "namespaced": row.namespaced}
        if sub.version:
            entry |= {"group": sub.group, "version": sub.version}
        yield {**entry, "kind": sub.kind, "verbs": list(sub.verbs)}


def _aggregated_entry(row: Resource) -> Json:
    entry: Json = {
        "resource": row.plural,
        "responseKind": _response_kind(row, "", "", row.kind),
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if row.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _response_kind(row, sub.group, sub.version, sub.kind),
                "verbs": list(sub.verbs),
            }
            for sub in row.subresources
        ]
    return entry


def _response_kind(row: Resource, group_name: str, version: str, kind: str) -> Json:
    """Built-in resources leave group and version empty where they are their own; added ones name them."""
    if not version and row.definition:
        group_name, version = row.group, row.version
    return {"group": group_name, "version": version, "kind": kind}
