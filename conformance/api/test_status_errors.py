"""What is told about a request that fails, and what is said besides to one that does not."""

import re

import pytest

from conformance.api.objects import causes, config_map, deployment, pod, refusal
from conformance.http import Api, Json


def test_all_causes_are_told_at_once(pods: Api) -> None:
    wrong = pod("a")
    wrong["spec"]["containers"][0] |= {
        "name": "Not_A_Name",
        "imagePullPolicy": "Sometimes",
        "ports": [{"containerPort": 70000}],
    }
    wrong["spec"]["restartPolicy"] = "Never"
    wrong["spec"]["volumes"] = [{"name": "x", "emptyDir": {}}, {"name": "x", "emptyDir": {}}]
    refused = pods.post(wrong)
    assert refusal(refused) == (422, "Invalid")
    assert set(causes(refused)) >= {
        ("spec.volumes[1].name", "FieldValueDuplicate"),
        ("spec.containers[0].name", "FieldValueInvalid"),
        ("spec.containers[0].imagePullPolicy", "FieldValueNotSupported"),
        ("spec.containers[0].ports[0].containerPort", "FieldValueInvalid"),
    }
    assert refused.body["message"].startswith('Pod "a" is invalid: [')
    assert refused.body["details"]["kind"] == "Pod"


INVALID = [
    pytest.param(
        "/spec/template/metadata/labels", {"other": "x"}, "spec.template.metadata.labels", id="labels"
    ),
    pytest.param("/spec/replicas", -1, "spec.replicas", id="replicas"),
    pytest.param(
        "/spec/template/spec/restartPolicy", "Never", "spec.template.spec.restartPolicy", id="restart policy"
    ),
    pytest.param("/spec/template/spec/containers", [], "spec.template.spec.containers", id="no containers"),
    pytest.param("/metadata/labels", {"a b": "x"}, "metadata.labels", id="label"),
    pytest.param("/metadata/annotations", {"/x": "x"}, "metadata.annotations", id="annotation"),
]


@pytest.mark.parametrize(("pointer", "value", "field"), INVALID)
def test_a_cause_names_the_field(deployments: Api, pointer: str, value: Json, field: str) -> None:
    wrong = deployment("web")
    *path, last = pointer.strip("/").split("/")
    place = wrong
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    refused = deployments.post(wrong)
    assert refusal(refused) == (422, "Invalid")
    assert field in [name for name, _ in causes(refused)]


def test_a_selector_is_for_ever(deployments: Api) -> None:
    deployments.post(deployment("web"))
    changed = {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}
    refused = deployments.patch({"spec": changed}, "web")
    assert refusal(refused) == (422, "Invalid")
    assert ("spec.selector", "FieldValueInvalid") in causes(refused)
    assert "field is immutable" in refused.body["message"]


def test_an_immutable_config_map_stays_as_it_is(maps: Api) -> None:
    maps.post({**config_map("a", {"x": "1"}), "immutable": True})
    refused = maps.patch({"data": {"x": "2"}}, "a")
    assert refusal(refused) == (422, "Invalid")
    assert causes(refused) == [("data", "FieldValueForbidden")]
    assert maps.patch({"metadata": {"labels": {"x": "y"}}}, "a").status == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/apis/nothing.example.test", 404),
        ("GET", "/apis/apps/v9", 404),
        ("GET", "/api/v1/nothings", 404),
        ("GET", "/api/v1/namespaces/default/nothings/a", 404),
        ("GET", "/api/v1/namespaces/default/pods/a/nothing", 404),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405),
        ("PUT", "/api/v1/namespaces/default/configmaps", 405),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("DELETE", "/api/v1", 405),
    ],
)
def test_what_is_not_served_is_not_found_or_not_allowed(api: Api, method: str, path: str, code: int) -> None:
    body = config_map("a") if method in ("PUT", "POST") else None
    answer = api.request(method, path, body=body)
    assert answer.status == code
    if answer.media_type.startswith("application/json"):
        assert refusal(answer) == (code, {404: "NotFound", 405: "MethodNotAllowed"}[code])
    else:
        assert answer.text == "404 page not found\n"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b'{"metadata": {"name": 5}}', id="a number as name"),
        pytest.param(b'{"metadata": []}', id="a list as metadata"),
        pytest.param(b'{"metadata": {"name": "a"}, "data": {"x": {"y": 1}}}', id="an object as text"),
        pytest.param(b'{"metadata": {"name": "a"}, "data": {"x": "\xff"}}', id="broken UTF-8"),
        pytest.param(b"[" * 20_000, id="very deep"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_bad_request(maps: Api, raw: bytes) -> None:
    answer = maps.request("POST", raw=raw)
    if b"\xff" in raw and answer.status == 201:
        return  # readers may also replace what is no UTF-8
    assert refusal(answer) in ((400, "BadRequest"), (422, "Invalid"))


def test_a_body_that_is_too_large_is_refused(maps: Api) -> None:
    answer = maps.post(config_map("a", {"x": "y" * (4 << 20)}))
    assert refusal(answer)[0] == 413
    assert maps.get("a").status == 404


def test_an_object_that_is_too_large_is_refused(maps: Api) -> None:
    refused = maps.post(config_map("a", {"x": "y" * (1 << 20), "z": "y"}))
    assert refusal(refused) == (422, "Invalid")
    assert "Too long: may not be more than 1048576 bytes" in refused.body["message"]


def test_unknown_and_repeated_fields_are_told_as_wished(maps: Api) -> None:
    raw = b'{"metadata": {"name": "a"}, "extra": 1, "data": {"x": "1", "x": "2"}}'
    strict = maps.request("POST", raw=raw, query={"fieldValidation": "Strict"})
    assert refusal(strict) == (400, "BadRequest")
    assert 'unknown field "extra"' in strict.body["message"]
    assert 'duplicate field "data.x"' in strict.body["message"]
    warned = maps.request("POST", raw=raw, query={"fieldValidation": "Warn", "dryRun": "All"})
    assert warned.status == 201
    warnings = warned.headers.get_all("Warning") or []
    assert all(re.fullmatch(r'299 - ".*"', each) for each in warnings)
    assert len(warnings) == 2
    ignored = maps.request("POST", raw=raw, query={"fieldValidation": "Ignore"})
    assert (ignored.status, ignored.headers.get("Warning")) == (201, None)
    assert "extra" not in ignored.body
    assert ignored.body["data"] == {"x": "2"}


def test_every_answer_has_its_audit_id_and_is_not_cached(maps: Api) -> None:
    answer = maps.get()
    assert answer.headers["Audit-Id"]
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert maps.get(headers={"Audit-ID": "chosen"}).headers["Audit-Id"] == "chosen"
