"""What the API says there is."""

from dataclasses import replace

import pytest

from kube_lite.api import discovery
from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.resource import Elsewhere, Registry, Resource, Subresource
from kube_lite.kinds import builtin


def added(group: str, version: str, kind: str) -> Resource:
    """A row as a CustomResourceDefinition makes it: without a published definition."""
    plural = f"{kind.lower()}s"
    return Resource(
        group, version, plural, kind.lower(), kind, namespaced=True, definition=f"{plural}.{group}"
    )


def named(entries: list[Json], name: str) -> Json:
    return next(entry for entry in entries if entry["name"] == name)


def named_item(items: list[Json], name: str) -> Json:
    return next(item for item in items if item["metadata"].get("name") == name)


def test_the_core_group_is_not_among_the_groups() -> None:
    groups = discovery.group_list(builtin())["groups"]
    assert groups[0]["name"] == "apiregistration.k8s.io"
    assert "" not in {group["name"] for group in groups}


def test_the_preferred_version_comes_first() -> None:
    group = discovery.group(builtin(), "autoscaling")
    assert group is not None
    assert [entry["version"] for entry in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}


def test_an_unknown_group_has_no_document() -> None:
    assert discovery.group(builtin(), "nobody.example") is None


def test_added_groups_follow_by_name_and_rank_their_versions() -> None:
    registry = builtin()
    for version in ("v1alpha1", "v2", "v1beta1", "v10", "experimental"):
        registry.add(added("zoo.example", version, "Cage"))
    registry.add(added("ants.example", "v1", "Hill"))
    groups = discovery.group_list(registry)["groups"]
    assert [group["name"] for group in groups[-2:]] == ["ants.example", "zoo.example"]
    versions = [entry["version"] for entry in groups[-1]["versions"]]
    assert versions == ["v10", "v2", "v1beta1", "v1alpha1", "experimental"]


def test_subresources_stand_among_the_resources_and_name_their_body() -> None:
    resources = discovery.resource_list(builtin(), GroupVersion("apps", "v1"))["resources"]
    assert [entry["name"] for entry in resources] == sorted(entry["name"] for entry in resources)
    scale = named(resources, "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert "group" not in named(resources, "deployments/status")


def test_what_is_stored_has_a_hash_of_where() -> None:
    core = discovery.resource_list(builtin(), GroupVersion("", "v1"))["resources"]
    assert named(core, "pods")["storageVersionHash"] == "xPOwRZ+Yhw8="
    assert "storageVersionHash" not in named(core, "bindings")


def test_versions_of_one_resource_have_one_hash() -> None:
    registry = builtin()
    hashes = {
        discovery.storage_version_hash(row) for row in registry if row.plural == "horizontalpodautoscalers"
    }
    events = {discovery.storage_version_hash(row) for row in registry if row.plural == "events"}
    assert (len(hashes), len(events)) == (1, 1)


@pytest.mark.parametrize("form", ["v2", "v2beta1"])
def test_the_aggregated_form_says_everything_in_two_documents(form: str) -> None:
    registry = builtin()
    core = discovery.aggregated(registry, core=True, form=form)
    others = discovery.aggregated(registry, core=False, form=form)
    assert core["apiVersion"] == f"apidiscovery.k8s.io/{form}"
    told = {
        (item["metadata"].get("name", ""), version["version"], resource["resource"])
        for document in (core, others)
        for item in document["items"]
        for version in item["versions"]
        for resource in version["resources"]
    }
    assert told == {tuple(row.gvr) for row in registry}


def test_added_resources_name_their_group_in_the_aggregated_form() -> None:
    status = Subresource("status", ("get",), "Cage")
    row = replace(added("zoo.example", "v1", "Cage"), namespaced=False, subresources=(status,))
    entry = discovery.aggregated(Registry([row]), core=False)["items"][0]["versions"][0]["resources"][0]
    kind = {"group": "zoo.example", "version": "v1", "kind": "Cage"}
    assert (entry["responseKind"], entry["scope"]) == (kind, "Cluster")
    assert entry["subresources"][0]["responseKind"] == kind


def test_groups_of_other_servers_stand_where_their_priorities_say() -> None:
    registry = builtin()
    before = list(discovery.groups_of(registry))
    registry.add(added("zoo.example", "v1", "Cage"))
    others = {
        GroupVersion("metrics.k8s.io", "v1beta1"): (100, 100),
        GroupVersion("fast.example", "v1"): (2000, 15),
        GroupVersion("zoo.example", "v2alpha1"): (500, 200),
        GroupVersion("zebra.example", "v1"): (1000, 15),
    }
    registry.hand_over({group_version: Elsewhere() for group_version in others}, others)
    groups = discovery.groups_of(registry)
    assert list(groups) == [*before, "fast.example", "zebra.example", "zoo.example", "metrics.k8s.io"]
    assert groups["zoo.example"] == ["v2alpha1", "v1"]
    registry.hand_over({}, {})
    assert list(discovery.groups_of(registry)) == [*before, "zoo.example"]


def test_what_another_server_tells_takes_the_place_of_our_rows() -> None:
    registry = builtin()
    policy = GroupVersion("policy", "v1")
    registry.hand_over({policy: Elsewhere(({"resource": "flunders"},))}, {policy: (17100, 15)})
    items = discovery.aggregated(registry, core=False)["items"]
    (version,) = named_item(items, "policy")["versions"]
    assert version == {"version": "v1", "resources": [{"resource": "flunders"}], "freshness": "Stale"}


def test_clients_are_told_where_to_ask() -> None:
    addresses = discovery.api_versions("10.0.0.1:6443")["serverAddressByClientCIDRs"]
    assert addresses == [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}]
