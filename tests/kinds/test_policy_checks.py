"""Expressions of admission policies and webhooks: which are refused, in which words."""

from typing import Any

import pytest

from kube_lite.api.cel.types import BOOL
from kube_lite.api.identity import Json
from kube_lite.api.policies import PolicyCompiler, of_json, variables_of

from .test_checks import made, wrong

MATCH = {
    "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]
}
FINE = {"expression": "true"}


def refused(**spec: Any) -> list[str]:
    """What is told about a policy."""
    spec = {"matchConstraints": MATCH, "validations": [FINE], **spec}
    return wrong(made("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", spec=spec))


def test_an_expression_that_does_not_compile() -> None:
    assert refused(validations=[{"expression": "object.spec. +"}]) == [
        'spec.validations[0].expression: Invalid value: "object.spec. +": compilation failed: '
        "ERROR: <input>:1:14: Syntax error: no viable alternative at input '. +'\n"
        " | object.spec. +\n"
        " | .............^\n"
        "ERROR: <input>:1:15: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', "
        "'!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n"
        " | object.spec. +\n"
        " | ..............^"
    ]


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("'yes'", "string"),
        ("object.spec.enabled", "dyn"),
        ("null", "null_type"),
        ("duration('1s')", "google.protobuf.Duration"),
        ("[1]", "list(int)"),
        ("{'a': [1]}", "map(string, list(int))"),
        ("optional.of('a')", "optional_type(string)"),
        ("request.kind", "kubernetes.GroupVersionKind"),
    ],
)
def test_validations_come_to_true_or_false(text: str, type: str) -> None:
    assert refused(validations=[{"expression": text}]) == [
        f'spec.validations[0].expression: Invalid value: "{text}": must evaluate to bool but got {type}'
    ]


@pytest.mark.parametrize(
    "text",
    [
        "object.spec.replicas <= 5",
        "has(object.metadata.labels) && 'a' in object.metadata.labels",
        "request.operation == 'UPDATE' && oldObject.spec == object.spec",
        "request.userInfo.groups.exists(g, g == 'system:masters')",
        "request.namespace.startsWith('a') && request.?dryRun.orValue(false)",
        "namespaceObject.metadata.labels['env'] == 'prod'",
        "namespaceObject.metadata.creationTimestamp < timestamp('2030-01-01T00:00:00Z')",
        "authorizer.group('').resource('pods').check('create').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "object.spec.containers.all(c, quantity(c.resources.limits.cpu).isLessThan(quantity('2')))",
    ],
)
def test_what_policies_do_is_known(text: str) -> None:
    assert refused(validations=[{"expression": text}], matchConditions=[condition(text)]) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("request.verb == 'a'", "ERROR: <input>:1:8: undefined field 'verb'"),
        ("namespaceObject.metadata.uid == 'a'", "ERROR: <input>:1:25: undefined field 'uid'"),
        ("params.a == 1", "ERROR: <input>:1:1: undeclared reference to 'params' (in container '')"),
        ("variables.a", "ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')"),
        ("authorizer.check('a')", "ERROR: <input>:1:17: found no matching overload for 'check' applied to "),
    ],
)
def test_what_is_not_there_is_told(text: str, why: str) -> None:
    (found,) = refused(validations=[{"expression": text}])
    assert f"compilation failed: {why}" in found


def test_params_are_there_if_the_policy_has_a_kind_of_them() -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    validation = {"expression": "params.data.a == 'b'", "messageExpression": "'not ' + params.data.a"}
    conditions = [condition("params != null")]
    assert refused(paramKind=kind, validations=[validation], matchConditions=conditions) == []


def test_variables_see_those_before_them() -> None:
    variables = [
        {"name": "names", "expression": "['a', 'b']"},
        {"name": "some", "expression": "variables.names.exists(n, n == object.metadata.name)"},
    ]
    assert refused(variables=variables, validations=[{"expression": "variables.some"}]) == []
    (found,) = refused(variables=variables[::-1])
    assert found.startswith("spec.variables[0].expression: Invalid value: ")
    assert "ERROR: <input>:1:10: undefined field 'names'\n" in found


def test_a_variable_that_is_wrong_is_not_told_twice() -> None:
    variables = [{"name": "a", "expression": "1 +"}]
    (found,) = refused(variables=variables, validations=[{"expression": "variables.a == 1"}])
    assert found.startswith("spec.variables[0].expression: ")


def test_conditions_see_no_variables() -> None:
    variables = [{"name": "a", "expression": "true"}]
    (found,) = refused(variables=variables, matchConditions=[condition("variables.a")])
    assert "undeclared reference to 'variables'" in found


def test_variables_have_names_that_can_be_spelled() -> None:
    assert refused(variables=[{"name": " ", "expression": " "}, {"name": "a-b", "expression": "1"}]) == [
        "spec.variables[0].name: Required value: name is not specified",
        "spec.variables[0].expression: Required value: expression is not specified",
        'spec.variables[1].name: Invalid value: "a-b": must be a valid CEL identifier',
    ]


def test_messages_are_texts_of_one_line() -> None:
    validations = [
        {"expression": " ", "messageExpression": " ", "message": " ", "reason": "Unknown"},
        {"expression": "true", "messageExpression": "1", "message": "a\nb"},
        {"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"},
    ]
    path = "spec.validations"
    assert [text.split("\n")[0] for text in refused(validations=validations)] == [
        f"{path}[0].expression: Required value: expression is not specified",
        f'{path}[0].messageExpression: Invalid value: " ": must be non-empty if specified',
        f'{path}[0].message: Invalid value: " ": must be non-empty if specified',
        f'{path}[0].reason: Unsupported value: "Unknown": supported values: '
        '"Forbidden", "Invalid", "RequestEntityTooLarge"',
        f'{path}[1].messageExpression: Invalid value: "1": must evaluate to string but got int',
        f'{path}[1].message: Invalid value: "a\\nb": must not contain line breaks',
        f"{path}[2].messageExpression: Invalid value: \"authorizer.path('/').check('get').reason()\": "
        "compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')",
    ]


def test_annotations_are_texts_or_nothing() -> None:
    annotations = [
        {"key": "a", "valueExpression": "object.spec.x == 1 ? 'yes' : 'no'"},
        {"key": "a", "valueExpression": "null"},
        {"key": "b", "valueExpression": "1"},
        {"key": "c", "valueExpression": " "},
        {"key": "d", "valueExpression": f"'{'x' * 5120}'"},
    ]
    path = "spec.auditAnnotations"
    assert refused(auditAnnotations=annotations) == [
        f'{path}[1].key: Duplicate value: "a"',
        f'{path}[2].valueExpression: Invalid value: "1": '
        "must evaluate to one of [string null_type] but got int",
        f"{path}[3].valueExpression: Required value: valueExpression is not specified",
        f"{path}[4].valueExpression: Required value: must not exceed 5120 bytes in length",
    ]
    assert refused(auditAnnotations=[{"key": str(key), "valueExpression": "''"} for key in range(21)])[
        0
    ].endswith('{"Key":"20","ValueExpression":"\'\'"}]: must not have more than 20 auditAnnotations')


def test_conditions_have_names_and_expressions() -> None:
    conditions = [{"name": "", "expression": " "}, condition("1"), {"name": "a", "expression": " true "}]
    path = "spec.matchConditions"
    assert refused(matchConditions=conditions) == [
        f"{path}[0].expression: Required value",
        f"{path}[0].name: Required value",
        f'{path}[1].expression: Invalid value: "1": must evaluate to bool but got int',
        f'{path}[2].name: Duplicate value: "a"',
    ]
    assert refused(matchConditions=[condition("true", f"a{place}") for place in range(65)]) == [
        f"{path}: Too many: 65: must have at most 64 items"
    ]


def test_webhooks_have_conditions_too() -> None:
    webhook = {
        "name": "a.b.c", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"url": "https://a"}, "matchConditions": [condition("request.name")],
    }  # fmt: skip
    configuration = made(
        "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", webhooks=[webhook]
    )
    assert wrong(configuration) == [
        'webhooks[0].matchConditions[0].expression: Invalid value: "request.name": '
        "must evaluate to bool but got string"
    ]


def test_objects_are_taken_as_they_were_sent() -> None:
    program = PolicyCompiler().compile(
        "object.spec.ports.all(p, p.port > 1 && p.ratio < 2) && has(object.spec.x) && object.spec.x == null"
        " && oldObject == null && request.userInfo.groups == ['g'] && request.namespace == 'a'",
        BOOL,
    )
    seen = variables_of(has_params=False, has_authorizer=True, has_variables=False)
    values = {
        "object": {"spec": {"ports": [{"port": 2, "ratio": 1.5}], "x": None}},
        "request": {"userInfo": {"groups": ["g"]}, "namespace": "a"},
    }
    assert program.run([of_json(values.get(name)) for name in seen])[:2] == (True, None)


def condition(text: str, name: str = "a") -> Json:
    return {"name": name, "expression": text}


RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def refused_rule(**fields: Any) -> list[str]:
    """What is told about a rule of a policy, below the rule."""
    path = "spec.matchConstraints.resourceRules[0]."
    found = refused(matchConstraints={"resourceRules": [{**RULE, **fields}]})
    assert all(text.startswith(path) for text in found)
    return [text.removeprefix(path) for text in found]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"operations": [], "apiGroups": [], "apiVersions": [], "resources": []},
            [f"{field}: Required value" for field in ("operations", "apiGroups", "apiVersions", "resources")],
        ),
        (
            {"operations": ["*", "DROP"], "apiGroups": ["*", "a"], "apiVersions": ["*", ""], "scope": "No"},
            [
                'operations: Invalid value: ["*","DROP"]: '
                "if '*' is present, must not specify other operations",
                'operations[1]: Unsupported value: "DROP": '
                'supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
                'apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other API groups',
                'apiVersions: Invalid value: ["*",""]: '
                "if '*' is present, must not specify other API versions",
                "apiVersions[1]: Required value",
                'scope: Unsupported value: "No": supported values: "*", "Cluster", "Namespaced"',
            ],
        ),
        (
            {"resources": ["pods/*", "pods/log", "*/scale", "a/scale", ""]},
            [
                'resources[1]: Invalid value: "pods/log": '
                "if 'pods/*' is present, must not specify pods/log",
                "resources[3]: Invalid value: \"a/scale\": if '*/scale' is present, must not specify a/scale",
                "resources[4]: Required value",
            ],
        ),
        (
            {"resources": ["*/*", "*", "pods"]},
            [
                'resources: Invalid value: ["*/*","*","pods"]: '
                "if '*/*' is present, must not specify other resources",
                'resources: Invalid value: ["*/*","*","pods"]: '
                "if '*' is present, must not specify other resources without subresources",
            ],
        ),
        (
            {"resourceNames": ["a", "a", "b/c"]},
            [
                'resourceNames[1]: Duplicate value: "a"',
                "resourceNames[2]: Invalid value: \"b/c\": may not contain '/'",
            ],
        ),
        ({"resources": ["*", "pods/log"], "apiGroups": ["", "apps"], "scope": "Namespaced"}, []),
    ],
)
def test_rules_say_which_requests_they_are_about(fields: Json, told: list[str]) -> None:
    assert refused_rule(**fields) == told


def test_a_policy_is_about_something() -> None:
    match = {"matchPolicy": "Some", "resourceRules": []}
    assert refused(matchConstraints=match) == [
        'spec.matchConstraints.matchPolicy: Unsupported value: "Some": '
        'supported values: "Equivalent", "Exact"',
        "spec.matchConstraints.resourceRules: Required value",
    ]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (
            {"apiVersion": "", "kind": ""},
            ["spec.paramKind.apiVersion: Required value", "spec.paramKind.kind: Required value"],
        ),
        (
            {"apiVersion": "a/b/c", "kind": "Rules"},
            ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
        ),
        (
            {"apiVersion": "a/", "kind": "Rules"},
            ['spec.paramKind.apiVersion: Invalid value: "a/": version must be specified'],
        ),
    ],
)
def test_parameters_are_of_a_kind(kind: Json, told: list[str]) -> None:
    assert refused(paramKind=kind) == told


def refused_binding(**spec: Any) -> list[str]:
    """What is told about a binding."""
    spec = {"policyName": "a", "validationActions": ["Deny"], **spec}
    return wrong(made("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", spec=spec))


def test_bindings_name_their_parameters_or_select_them() -> None:
    assert refused_binding(paramRef={"name": "a", "parameterNotFoundAction": "Deny"}) == []
    assert refused_binding(paramRef={"name": "a/b", "selector": {}}) == [
        "spec.paramRef.name: Invalid value: \"a/b\": may not contain '/'",
        "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.parameterNotFoundAction: Required value",
    ]
    assert refused_binding(paramRef={"parameterNotFoundAction": "Maybe"}) == [
        "spec.paramRef: Required value: one of name or selector must be specified",
        'spec.paramRef.parameterNotFoundAction: Unsupported value: "Maybe": '
        'supported values: "Deny", "Allow"',
    ]


def test_bindings_do_not_say_the_same_twice() -> None:
    assert refused_binding(validationActions=["Deny", "Warn", "Deny"]) == [
        'spec.validationActions[2]: Duplicate value: "Deny"',
        'spec.validationActions: Invalid value: ["Deny","Warn","Deny"]: must not contain both Deny and Warn '
        "(repeating the same validation failure information in the API response and headers serves no "
        "purpose)",
    ]
