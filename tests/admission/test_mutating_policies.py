"""MutatingAdmissionPolicies: what their expressions make of an object."""

from typing import Any

import pytest

from kube_lite.api.errors import Forbidden, Invalid
from kube_lite.api.identity import GroupVersionResource, Json
from tests.serving import CONFIG_MAPS, PODS, Api, config_map, pod

GROUP = "admissionregistration.k8s.io"
POLICIES = GroupVersionResource(GROUP, "v1", "mutatingadmissionpolicies")
BINDINGS = GroupVersionResource(GROUP, "v1", "mutatingadmissionpolicybindings")


def operations(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def configuration(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


async def policy(
    api: Api, *mutations: Json, name: str = "m", resource: str = "configmaps", **spec: Any
) -> None:
    """A policy about what is created, and its binding."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    told = {
        "matchConstraints": {"resourceRules": [rule]}, "reinvocationPolicy": "Never",
        "mutations": list(mutations), **spec,
    }  # fmt: skip
    await api.client.create(POLICIES, {"metadata": {"name": name}, "spec": told})
    await api.client.create(BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name}})


async def create(api: Api, **labels: str) -> Json:
    return await api.client.create(CONFIG_MAPS, config_map("a", **labels), namespace="default")


async def test_operations_change_an_object_one_after_the_other(api: Api) -> None:
    marks = operations(
        "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'example.test/marked': 'yes', 'x': 'y'}}, "
        "JSONPatch{op: 'add', path: '/data/from', value: object.metadata.name}]"
    )
    unmarks = operations(
        "[JSONPatch{op: 'test', path: '/metadata/labels/x', value: object.metadata.labels.x}, "
        "JSONPatch{op: 'replace', path: '/metadata/labels/' + jsonpatch.escapeKey('example.test/marked'),"
        " value: 'no'}]"
    )
    await policy(api, marks, unmarks)
    made = await create(api)
    assert made["metadata"]["labels"] == {"example.test/marked": "no", "x": "y"}
    assert made["data"] == {"k": "v", "from": "a"}


async def test_a_test_that_does_not_hold_leaves_all_as_it_is(api: Api) -> None:
    test = "JSONPatch{op: 'test', path: '/data/k', value: 'other'}"
    await policy(api, operations(f"[{test}, JSONPatch{{op: 'remove', path: '/data'}}]"))
    assert (await create(api))["data"] == {"k": "v"}


async def test_a_configuration_is_merged_as_an_apply_would(api: Api) -> None:
    sidecar = "Object.spec.containers{name: 'side', image: object.spec.containers[0].image + '-side'}"
    await policy(
        api,
        configuration(f"Object{{spec: Object.spec{{priority: 0, containers: [{sidecar}]}}}}"),
        resource="pods",
        matchConditions=[{"name": "plain", "expression": "object.spec.containers.size() == 1"}],
    )
    made = await api.client.create(PODS, pod("a"), namespace="default")
    told = {container["name"]: container for container in made["spec"]["containers"]}
    assert told["side"]["image"] == "i-side"
    assert told["side"]["terminationMessagePath"] == "/dev/termination-log"
    assert told["app"]["image"] == "i"


async def test_policies_look_again_at_what_came_after_them(api: Api) -> None:
    counts = "string(object.data.size())"
    seen = operations(f"[JSONPatch{{op: 'add', path: '/metadata/labels/seen', value: {counts}}}]")
    await policy(api, seen, name="a", reinvocationPolicy="IfNeeded")
    await policy(api, operations("[JSONPatch{op: 'add', path: '/data/more', value: 'x'}]"), name="b")
    assert (await create(api, x="y"))["metadata"]["labels"] == {"x": "y", "seen": "2"}


@pytest.mark.parametrize("failure_policy", ["Fail", "Ignore"])
async def test_failures_are_told_unless_they_are_to_be_ignored(api: Api, failure_policy: str) -> None:
    expression = "[JSONPatch{op: 'add', path: '/data/x', value: object.nothing}]"
    await policy(api, operations(expression), failurePolicy=failure_policy)
    if failure_policy == "Ignore":
        assert (await create(api))["data"] == {"k": "v"}
        return
    with pytest.raises(Forbidden) as caught:
        await create(api)
    why = f"expression '{expression}' resulted in error: no such key: nothing"
    said = f"policy 'm' with binding 'm' denied request: {why}"
    assert caught.value.message == said
    assert (caught.value.reason, caught.value.code) == ("Invalid", 403)
    assert caught.value.details == {"name": "a", "kind": "configmaps", "causes": [{"message": said}]}


@pytest.mark.parametrize(
    ("mutation", "why"),
    [
        (operations("'x'"), "mutations[0].jsonPatch.expression: Invalid value: \"'x'\": must evaluate to "
         "list(JSONPatch) but got string"),
        (configuration("Object{spec: 1} + 1"), "found no matching overload"),
        ({"patchType": "JSONPatch"}, "mutations[0].jsonPatch: Required value"),
        ({"patchType": "Other"}, "mutations[0].patchType: Unsupported value"),
        ({}, "mutations[0].patchType: Required value"),
    ],
    ids=["another type", "no sense", "missing", "other sort", "no sort"],
)  # fmt: skip
async def test_what_cannot_be_worked_out_is_refused_when_it_is_written(
    api: Api, mutation: Json, why: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await policy(api, mutation)
    assert why in caught.value.message


async def test_a_binding_without_a_policy_is_refused(api: Api) -> None:
    with pytest.raises(Invalid, match=r"spec\.policyName: Required value"):
        await api.client.create(BINDINGS, {"metadata": {"name": "b"}, "spec": {}})
