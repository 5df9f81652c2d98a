"""ValidatingAdmissionPolicies: what they are about, what they refuse, and in which words."""

from typing import Any

import pytest

from kube_lite.api.errors import ApiError, Forbidden, Invalid, RequestEntityTooLarge
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from kube_lite.kit.service import running
from kube_lite.verbs.request import Answer, Request
from tests.definitions import define
from tests.serving import ADMIN, CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, Api, config_map

GROUP = "admissionregistration.k8s.io"
POLICIES = GroupVersionResource(GROUP, "v1", "validatingadmissionpolicies")
BINDINGS = GroupVersionResource(GROUP, "v1", "validatingadmissionpolicybindings")
AUTOSCALERS = GroupVersionResource("autoscaling", "v2", "horizontalpodautoscalers")
DENIED = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


def rule(resource: str = "configmaps", group: str = "", version: str = "v1", **more: Any) -> Json:
    return {
        "apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": [resource], **more,
    }  # fmt: skip


async def policy(api: Api, expression: str = "false", *, about: Json | None = None, **spec: Any) -> None:
    constraints = {"resourceRules": [rule()], **(about or {})}
    validations = spec.pop("validations", [{"expression": expression}])
    told = {"matchConstraints": constraints, "validations": validations, **spec}
    await api.client.create(POLICIES, {"metadata": {"name": "p"}, "spec": told})


async def bind(api: Api, *actions: str, **spec: Any) -> None:
    told = {"policyName": "p", "validationActions": list(actions) or ["Deny"], **spec}
    await api.client.create(BINDINGS, {"metadata": {"name": "b"}, "spec": told})


async def try_out(api: Api, obj: Json, namespace: str = "default") -> Answer:
    """Create a ConfigMap without writing it."""
    row = api.pipeline.registry.by_gvr(CONFIG_MAPS)
    assert row is not None
    body = {"apiVersion": "v1", "kind": "ConfigMap", **obj}
    request = Request("create", row, ADMIN, namespace=namespace, body=body, query={"dryRun": "All"})
    answer = await api.pipeline.handle(request)
    assert isinstance(answer, Answer)
    return answer


async def refusal(api: Api, obj: Json, *, namespace: str = "default") -> str:
    """What is said against a ConfigMap; empty when nothing is."""
    try:
        await try_out(api, obj, namespace)
    except ApiError as error:
        return error.message
    return ""


async def test_a_policy_counts_from_its_binding_on_and_no_longer(api: Api) -> None:
    await policy(api, "object.metadata.name != 'a'")
    assert await refusal(api, config_map("a")) == ""
    await bind(api)
    said = f"configmaps \"a\" is forbidden: {DENIED}failed expression: object.metadata.name != 'a'"
    assert await refusal(api, config_map("a")) == said
    assert await refusal(api, config_map("b")) == ""
    await api.client.delete(BINDINGS, "b")
    assert await refusal(api, config_map("a")) == ""


async def test_a_changed_policy_is_compiled_anew(api: Api) -> None:
    await policy(api, "object.metadata.name != 'a'")
    await bind(api)
    assert await refusal(api, config_map("a"))
    validations = {"spec": {"validations": [{"expression": "object.metadata.name != 'b'"}]}}
    await api.client.patch(POLICIES, "p", validations, patch_type=PatchType.MERGE)
    assert await refusal(api, config_map("a")) == ""
    assert await refusal(api, config_map("b"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(None, Invalid), ("Forbidden", Forbidden), ("RequestEntityTooLarge", RequestEntityTooLarge)],
)
async def test_the_reason_decides_the_code(api: Api, reason: str | None, kind: type[ApiError]) -> None:
    told = {"expression": "false", "message": " no ", **({"reason": reason} if reason else {})}
    await policy(api, validations=[told])
    await bind(api)
    with pytest.raises(kind) as caught:
        await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    assert type(caught.value) is kind
    assert caught.value.details == {
        "name": "a", "kind": "configmaps", "causes": [{"message": f"{DENIED}no"}]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message_expression", "said"),
    [
        ("'no ' + object.metadata.name", "no a"),
        ("'two\\nlines'", "as written"),
        ("'  '", "as written"),
        ("string(object.nothing)", "as written"),
    ],
    ids=["worked out", "two lines", "blank", "fails"],
)
async def test_a_message_is_worked_out_or_as_written(api: Api, message_expression: str, said: str) -> None:
    told = {"expression": "false", "message": "as written", "messageExpression": message_expression}
    await policy(api, validations=[told])
    await bind(api)
    assert (await refusal(api, config_map("a"))).endswith(f"{DENIED}{said}")


@pytest.mark.parametrize(
    ("about", "is_meant"),
    [
        ({"objectSelector": {"matchLabels": {"x": "y"}}}, True),
        ({"objectSelector": {"matchLabels": {"x": "z"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ({"resourceRules": [rule(resourceNames=["a"])]}, True),
        ({"resourceRules": [rule(resourceNames=["b"])]}, False),
        ({"resourceRules": [rule(operations=["UPDATE"])]}, False),
        ({"resourceRules": [rule(scope="Cluster")]}, False),
        ({"resourceRules": [rule("*/*", "*", "*")]}, True),
        ({"resourceRules": [rule("*")], "excludeResourceRules": [rule()]}, False),
    ],
    ids=["label", "other label", "namespace", "other namespace", "name", "other name", "other operation",
         "other scope", "everything", "excluded"],
)  # fmt: skip
async def test_a_policy_is_about_what_its_constraints_mean(api: Api, about: Json, is_meant: bool) -> None:
    await policy(api, about=about)
    await bind(api)
    assert bool(await refusal(api, config_map("a", x="y"))) is is_meant


async def test_a_binding_narrows_what_a_policy_is_about(api: Api) -> None:
    await api.client.create(NAMESPACES, {"metadata": {"name": "strict", "labels": {"is": "strict"}}})
    await policy(api)
    await bind(api, matchResources={"namespaceSelector": {"matchLabels": {"is": "strict"}}})
    assert await refusal(api, config_map("a")) == ""
    assert await refusal(api, config_map("a"), namespace="strict")


@pytest.mark.parametrize(("match_policy", "is_meant"), [("Equivalent", True), ("Exact", False)])
async def test_a_rule_means_other_versions_unless_it_is_exact(
    api: Api, match_policy: str, is_meant: bool
) -> None:
    rules = [rule("horizontalpodautoscalers", "autoscaling")]
    expression = "object.apiVersion != 'autoscaling/v1' || object.spec.targetCPUUtilizationPercentage < 50"
    await policy(api, expression, about={"resourceRules": rules, "matchPolicy": match_policy})
    await bind(api)
    metric = {"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
    }}  # fmt: skip
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    made = {
        "metadata": {"name": "a"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 2, "metrics": [metric]},
    }
    if is_meant:
        with pytest.raises(Invalid, match="failed expression"):
            await api.client.create(AUTOSCALERS, made, namespace="default")
    else:
        await api.client.create(AUTOSCALERS, made, namespace="default")


async def test_deletions_show_the_object_as_old_one_only(api: Api) -> None:
    await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    await policy(api, "request.operation != 'DELETE' || object != null || oldObject.data.k != 'v'")
    await bind(api)
    with pytest.raises(Invalid, match=DENIED):
        await api.client.delete(CONFIG_MAPS, "a", namespace="default")


@pytest.mark.parametrize(("failure_policy", "passes"), [("Fail", False), ("Ignore", True)])
async def test_failures_are_told_unless_they_are_to_be_ignored(
    api: Api, failure_policy: str, passes: bool
) -> None:
    await policy(api, "object.data.none == 'x'", failurePolicy=failure_policy)
    await bind(api)
    said = f"{DENIED}expression 'object.data.none == 'x'' resulted in error: no such key: none"
    found = await refusal(api, config_map("a"))
    assert found == ("" if passes else f'configmaps "a" is forbidden: {said}')


async def test_a_condition_that_does_not_hold_decides_though_others_fail(api: Api) -> None:
    fails = {"name": "fails", "expression": "object.nothing == 1"}
    skips = {"name": "skips", "expression": "!('skip' in object.metadata.?labels.orValue({}))"}
    await policy(api, matchConditions=[fails, skips])
    await bind(api)
    assert await refusal(api, config_map("a", skip="yes")) == ""
    said = "expression 'object.nothing == 1' resulted in error: no such key: nothing"
    assert (await refusal(api, config_map("a"))).endswith(DENIED + said)


async def test_variables_are_worked_out_when_asked_for(api: Api) -> None:
    variables = [
        {"name": "unused", "expression": "object.nothing"},
        {"name": "size", "expression": "object.data.size()"},
        {"name": "twice", "expression": "variables.size * 2"},
    ]
    told = {"expression": "variables.twice < 2", "messageExpression": "string(variables.twice) + ' is much'"}
    await policy(api, validations=[told], variables=variables)
    await bind(api)
    assert (await refusal(api, config_map("a"))).endswith(f"{DENIED}2 is much")


async def test_what_costs_too_much_is_stopped(api: Api) -> None:
    await policy(
        api, validations=[{"expression": "object.data.all(k, object.data.all(l, k != '' && l != ''))"}]
    )
    await bind(api)
    obj = {"metadata": {"name": "a"}, "data": {f"k{number}": "v" for number in range(800)}}
    said = "resulted in error: operation cancelled: actual cost limit exceeded"
    assert (await refusal(api, obj)).endswith(said)


async def test_warnings_are_told_and_do_not_refuse(api: Api) -> None:
    await policy(api, validations=[{"expression": "false", "message": "careful"}])
    await bind(api, "Warn", "Audit")
    said = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': careful"
    assert (await try_out(api, config_map("a"))).warnings == (said,)


async def test_parameters_come_by_name_from_the_namespace_of_the_request(api: Api) -> None:
    await policy(
        api,
        "object.data.size() <= int(params.data.most)",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    await api.client.create(
        CONFIG_MAPS, {"metadata": {"name": "limits"}, "data": {"most": "0"}}, namespace="default"
    )
    await bind(api, paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    assert "failed expression" in await refusal(api, config_map("a"))
    await api.client.create(NAMESPACES, {"metadata": {"name": "bare"}})
    why = "no params found for policy binding with `Deny` parameterNotFoundAction"
    assert (await refusal(api, config_map("a"), namespace="bare")).endswith(
        f"{DENIED}failed to configure binding: {why}"
    )


async def test_parameters_that_a_selector_finds_count_one_by_one(api: Api) -> None:
    names = {"plural": "limits", "singular": "limit", "kind": "Limit"}
    schema = {
        "type": "object",
        "properties": {"most": {"type": "integer"}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.test", "scope": "Cluster", "names": names, "versions": [version]}
    kind = {"apiVersion": "example.test/v1", "kind": "Limit"}
    await policy(
        api, validations=[{"expression": "object.data.size() <= params.most",
                           "messageExpression": "'at most ' + string(params.most)"}],
        paramKind=kind,
    )  # fmt: skip
    reference = {"selector": {"matchLabels": {"for": "maps"}}, "parameterNotFoundAction": "Allow"}
    await bind(api, paramRef=reference)
    why = "failed to find resource referenced by paramKind: 'example.test/v1, Kind=Limit'"
    assert (await refusal(api, config_map("a"))).endswith(
        f"ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: {why}"
    )
    async with running(api.pipeline.custom_resources):
        await define(api, {"metadata": {"name": "limits.example.test"}, "spec": spec})
        await make_limits(api)
        assert (await refusal(api, config_map("a"))).endswith(f"{DENIED}at most 0")


async def make_limits(api: Api) -> None:
    limits = GroupVersionResource("example.test", "v1", "limits")
    for name, most, label in (("wide", 5, "maps"), ("narrow", 0, "maps"), ("others", -1, "pods")):
        metadata = {"name": name, "labels": {"for": label}}
        limit = {"apiVersion": "example.test/v1", "kind": "Limit", "metadata": metadata, "most": most}
        await api.client.create(limits, limit)


async def test_expressions_see_the_namespace_and_who_asks(api: Api) -> None:
    await policy(
        api,
        "namespaceObject.metadata.name == 'default' && request.userInfo.username == 'admin' && "
        "request.namespace == 'default' && request.dryRun && request.resource.resource == 'configmaps'",
    )
    await bind(api)
    assert await refusal(api, config_map("a")) == ""


async def test_expressions_may_ask_what_somebody_is_allowed_to_do(api: Api) -> None:
    account = "authorizer.serviceAccount('default', 'default').group('').resource('configmaps')"
    await policy(
        api,
        "authorizer.requestResource.check('create').allowed() && "
        f"!{account}.namespace('default').check('create').allowed()",
    )
    await bind(api)
    assert await refusal(api, config_map("a")) == ""


async def test_policies_themselves_can_always_be_taken_back(api: Api) -> None:
    await policy(api, about={"resourceRules": [rule("*", "*", "*")]})
    await bind(api)
    with pytest.raises(Invalid):
        await api.client.create(DEPLOYMENTS, {"metadata": {"name": "a"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}},
                         "spec": {"containers": [{"name": "a", "image": "i"}]}},
        }}, namespace="default")  # fmt: skip
    await api.client.delete(POLICIES, "p")
    assert await refusal(api, config_map("a")) == ""
