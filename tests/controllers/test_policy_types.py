"""What is wrong with the types of a policy's expressions stands in its status, kind by kind."""

from typing import Any

import pytest

import kube_lite
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json
from kube_lite.api.policy_types import kinds_of, type_warnings
from kube_lite.api.schema.load import Schema
from kube_lite.controllers.policy_types import POLICIES
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions

REGISTRY = builtin("1.36")
DEFINITIONS = definitions("1.36")
DEPLOYMENTS: Json = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
PODS: Json = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def kind_of(resource: GroupVersionResource) -> GroupVersionKind | None:
    row = REGISTRY.by_gvr(resource)
    return None if row is None else row.gvk


def schema_of(kind: GroupVersionKind) -> Schema | None:
    row = REGISTRY.by_gvk(kind)
    return None if row is None else DEFINITIONS.schema(row.schema)


def policy(*expressions: str, rules: list[Json] | None = None, **spec: object) -> Json:
    validations = [{"expression": text} for text in expressions]
    return {
        "spec": {
            "matchConstraints": {"resourceRules": rules or [DEPLOYMENTS]},
            "validations": validations,
            **spec,
        }
    }


def told(*expressions: str, rules: list[Json] | None = None, **spec: object) -> list[str]:
    found = type_warnings(policy(*expressions, rules=rules, **spec), kind_of, schema_of)
    return [f"{warning['fieldRef']}: {warning['warning']}" for warning in found]


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.replicas > 1",
        "object.metadata.labels['a'] == 'b' && oldObject.metadata.generation > 0",
        "object.spec.template.spec.containers.all(c, c.image.startsWith('x'))",
        "request.userInfo.username == 'jane' && authorizer.requestResource.check('get').allowed()",
    ],
)
def test_what_fits_the_types_is_not_spoken_of(expression: str) -> None:
    assert told(expression) == []


def test_a_misspelled_field_is_told_for_each_kind_that_is_named() -> None:
    text = "object.spec.replicsa > 1"
    wrong = f"ERROR: <input>:1:12: undefined field 'replicsa'\n | {text}\n | ...........^"
    assert told(text, rules=[DEPLOYMENTS, PODS]) == [
        f"spec.validations[0].expression: /v1, Kind=Pod: {wrong}\n\napps/v1, Kind=Deployment: {wrong}\n"
    ]


def test_variables_params_and_messages_are_typed_too() -> None:
    spec: dict[str, Any] = {
        "variables": [{"name": "count", "expression": "object.spec.replicas"}],
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    }
    assert told("variables.count > 1 && params.data.x == 'y'", **spec) == []
    assert "'_==_' applied to '(int, string)'" in told("variables.count == 'x'", **spec)[0]
    assert "undefined field 'dta'" in told("params.dta == 'z'", **spec)[0]
    wanted = policy("true")
    wanted["spec"]["validations"][0]["messageExpression"] = "'wants ' + object.spec.replicas"
    (warning,) = type_warnings(wanted, kind_of, schema_of)
    assert warning["fieldRef"] == "spec.validations[0].messageExpression"


@pytest.mark.parametrize(
    "rule",
    [
        {**DEPLOYMENTS, "apiGroups": ["*"]},
        {**DEPLOYMENTS, "apiVersions": ["*"]},
        {**DEPLOYMENTS, "resources": ["*", "deployments/scale", "nothings"]},
    ],
)
def test_wildcards_and_subresources_name_no_kind(rule: Json) -> None:
    assert kinds_of(policy(rules=[rule])["spec"], kind_of) == []


def test_at_most_ten_kinds_are_looked_at() -> None:
    rule = {
        "apiGroups": ["", "apps"],
        "apiVersions": ["v1"],
        "resources": sorted({row.plural for row in REGISTRY}),
    }
    assert len(kinds_of(policy(rules=[rule])["spec"], kind_of)) == 10


async def test_the_status_says_it_once_for_each_generation() -> None:
    async with kube_lite.Cluster(parts="api,controllers", durable=False) as cluster:
        client = cluster.client
        rules = [{**DEPLOYMENTS, "operations": ["CREATE"]}]
        made = policy("object.spec.replicsa > 1", rules=rules)
        async with client.watch(POLICIES) as events:
            await client.create(POLICIES, {**made, "metadata": {"name": "p"}})
            statuses = []
            async for event in events:
                status = event.object.get("status") or {}
                if status.get("observedGeneration") == event.object["metadata"]["generation"]:
                    statuses.append(status["typeChecking"])
                    if len(statuses) == 2:
                        break
                    right = policy("object.spec.replicas > 1", rules=rules)
                    await client.update(POLICIES, {**event.object, **right})
        assert [len(status.get("expressionWarnings", ())) for status in statuses] == [1, 0]
