"""Webhooks, which are real servers: who is asked, what they change, and what is said when they refuse."""

from collections.abc import AsyncIterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from aiohttp.web_response import Response

from kube_lite.api.errors import ApiError, Forbidden, InternalError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from kube_lite.kit.service import running
from kube_lite.verbs.request import Answer, Request
from tests.serving import ADMIN, CONFIG_MAPS, PODS, SERVICES, Api, config_map, pod, serving

from .hook_server import HookServer, answering, patch_of

GROUP = "admissionregistration.k8s.io"
MUTATING = GroupVersionResource(GROUP, "v1", "mutatingwebhookconfigurations")
VALIDATING = GroupVersionResource(GROUP, "v1", "validatingwebhookconfigurations")
NAME = "hook.example.com"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api, running(api.pipeline.custom_resources):  # which let connections go
        yield api


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[HookServer]:
    async with answering(tmp_path / "hook") as server:
        yield server


async def configure(api: Api, kind: GroupVersionResource, *webhooks: Json) -> None:
    await api.client.create(kind, {"metadata": {"name": "hooks"}, "webhooks": list(webhooks)})


async def create(api: Api, name: str = "a", **labels: str) -> Json:
    return await api.client.create(CONFIG_MAPS, config_map(name, **labels), namespace="default")


async def refusal(api: Api) -> Json:
    """The Status that answers the creation of a ConfigMap."""
    with pytest.raises(ApiError) as caught:
        await create(api)
    return caught.value.status()


async def dry_run(api: Api) -> Answer:
    row = api.pipeline.registry.by_gvr(CONFIG_MAPS)
    assert row is not None
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a")}
    request = Request("create", row, ADMIN, namespace="default", body=body, query={"dryRun": "All"})
    answer = await api.pipeline.handle(request)
    assert isinstance(answer, Answer)
    return answer


def label(name: str, value: str) -> Json:
    return {"op": "add", "path": f"/metadata/labels/{name}", "value": value}


async def test_a_review_tells_who_wants_what(api: Api, hook: HookServer) -> None:
    await configure(api, VALIDATING, hook.webhook())
    await create(api, x="y")
    await api.client.delete(CONFIG_MAPS, "a", namespace="default")
    created, deleted = (review["request"] for review in hook.reviews)
    assert hook.reviews[0]["apiVersion"] == "admission.k8s.io/v1"
    assert hook.paths[0] == f"/{NAME}?timeout=5s"
    told = {name: created[name] for name in ("kind", "requestResource", "name", "namespace", "operation")}
    assert told == {
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "a", "namespace": "default", "operation": "CREATE",
    }  # fmt: skip
    assert created["userInfo"]["username"] == "admin"
    assert created["options"]["kind"] == "CreateOptions"
    assert created["dryRun"] is False
    assert (created["object"]["metadata"]["labels"], created["oldObject"]) == ({"x": "y"}, None)
    assert (deleted["object"], deleted["oldObject"]["data"]) == (None, {"k": "v"})
    assert created["uid"] != deleted["uid"]


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        ({"message": "no", "code": 409}, "denied the request: no", 409),
        ({"reason": "Odd"}, "denied the request: Odd", 400),
        (None, "denied the request without explanation", 400),
    ],
    ids=["message and code", "reason", "nothing"],
)
async def test_a_webhook_that_denies_says_why(
    api: Api, hook: HookServer, status: Json | None, message: str, code: int
) -> None:
    await configure(api, VALIDATING, hook.webhook())
    hook.says[NAME] = lambda asked: {"allowed": False, "status": status}
    found = await refusal(api)
    assert found["message"] == f'admission webhook "{NAME}" {message}'
    assert found["code"] == code
    assert found.get("reason") == (status or {}).get("reason")


@pytest.mark.parametrize(
    ("more", "is_asked"),
    [
        ({"objectSelector": {"matchLabels": {"x": "z"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"rules": []}, False),
        ({"matchConditions": [{"name": "c", "expression": "object.metadata.name != 'a'"}]}, False),
        ({"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'a'"}]}, True),
    ],
    ids=["other label", "namespace", "no rules", "condition", "other condition"],
)
async def test_only_those_are_asked_whom_it_concerns(
    api: Api, hook: HookServer, more: Json, is_asked: bool
) -> None:
    await configure(api, VALIDATING, hook.webhook(**more))
    await create(api, x="y")
    assert bool(hook.reviews) is is_asked


async def test_a_condition_that_fails_refuses(api: Api, hook: HookServer) -> None:
    condition = {"name": "c", "expression": "object.nothing == 1"}
    await configure(api, VALIDATING, hook.webhook(matchConditions=[condition]))
    with pytest.raises(Forbidden, match="resulted in error: no such key: nothing"):
        await create(api)


@pytest.mark.parametrize("failure_policy", ["Fail", "Ignore"])
async def test_a_dead_webhook_refuses_unless_it_is_to_be_ignored(
    api: Api, hook: HookServer, failure_policy: str
) -> None:
    with socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{nobody.getsockname()[1]}/x"
        told = hook.webhook(clientConfig={"url": url}, failurePolicy=failure_policy)
        await configure(api, VALIDATING, told)
        if failure_policy == "Ignore":
            await create(api)
            return
        found = await refusal(api)
        address = url.removeprefix("https://").removesuffix("/x")
    why = f'failed calling webhook "{NAME}": failed to call webhook: Post "{url}?timeout=5s": '
    why += f"dial tcp {address}: connect: connection refused"
    assert (found["code"], found["message"]) == (500, f"Internal error occurred: {why}")
    assert found["details"] == {"causes": [{"message": why}]}


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (lambda asked: {"uid": "x", "allowed": True},
         "received invalid webhook response: expected response.uid="),
        (lambda asked: {"allowed": True, "patchType": "JSONPatch", "patch": "W10="},
         "received invalid webhook response: validating webhook may not return response.patch"),
        (lambda asked: {"allowed": "yes"},
         "failed to call webhook: json: cannot unmarshal string into Go struct field "
         "AdmissionReview.response.allowed of type bool"),
        (lambda asked: Response(text="[]", content_type="application/json"),
         "cannot unmarshal array into Go value"),
        (lambda asked: Response(text="{}", content_type="application/json"), "webhook response was absent"),
        (lambda asked: Response(status=404, text="gone"), "the server could not find the requested resource"),
    ],
    ids=["other question", "patch", "wrong type", "list", "nothing", "not found"],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_a_failure(
    api: Api, hook: HookServer, says: Any, why: str
) -> None:
    await configure(api, VALIDATING, hook.webhook())
    hook.says[NAME] = says
    found = await refusal(api)
    assert found["message"].startswith(f'Internal error occurred: failed calling webhook "{NAME}": ')
    assert why in found["message"]


async def test_old_reviews_are_spoken_to_those_who_want_them(api: Api, hook: HookServer) -> None:
    await configure(api, MUTATING, hook.webhook(admissionReviewVersions=["v9", "v1beta1"]))
    hook.says[NAME] = lambda asked: {"uid": "", **patch_of(label("old", "yes")), "patchType": None}
    assert (await create(api, x="y"))["metadata"]["labels"]["old"] == "yes"
    assert hook.reviews[0]["apiVersion"] == "admission.k8s.io/v1beta1"


async def test_dry_runs_are_told_as_such_and_warnings_passed_on(api: Api, hook: HookServer) -> None:
    await configure(api, VALIDATING, hook.webhook())
    hook.says[NAME] = lambda asked: {"allowed": True, "warnings": ["careful"]}
    assert (await dry_run(api)).warnings == ("careful",)
    asked = hook.reviews[-1]["request"]
    assert (asked["dryRun"], asked["options"]["dryRun"]) == (True, ["All"])


async def test_a_deletion_passes_warnings_on(api: Api, hook: HookServer) -> None:
    await create(api)
    await configure(api, VALIDATING, hook.webhook())
    hook.says[NAME] = lambda asked: {"allowed": True, "warnings": ["careful"]}
    row = api.pipeline.registry.by_gvr(CONFIG_MAPS)
    assert row is not None
    answer = await api.pipeline.handle(Request("delete", row, ADMIN, namespace="default", name="a"))
    assert isinstance(answer, Answer)
    assert answer.warnings == ("careful",)


async def test_what_a_webhook_changes_is_checked_and_completed(api: Api, hook: HookServer) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    await configure(api, MUTATING, hook.webhook(rules=[rule]))
    sidecar = {"name": "side", "image": "s"}
    hook.says[NAME] = lambda asked: patch_of({"op": "add", "path": "/spec/containers/-", "value": sidecar})
    made = await api.client.create(PODS, pod("a"), namespace="default")
    app, side = made["spec"]["containers"]
    assert side["terminationMessagePath"] == "/dev/termination-log"
    assert side["volumeMounts"] == app["volumeMounts"]  # what came first looks at it again
    hook.says[NAME] = lambda asked: patch_of({"op": "add", "path": "/spec/containers", "value": "x"})
    with pytest.raises(InternalError):
        await api.client.create(PODS, pod("b"), namespace="default")


async def test_webhooks_see_what_those_before_them_have_changed_and_may_look_again(
    api: Api, hook: HookServer
) -> None:
    again, once = hook.webhook("a.example.com", reinvocationPolicy="IfNeeded"), hook.webhook("b.example.com")
    await configure(api, MUTATING, again, once)
    hook.says["a.example.com"] = lambda asked: patch_of(
        label("saw", asked["object"]["metadata"]["labels"].get("b", "nothing"))
    )
    hook.says["b.example.com"] = lambda asked: patch_of(label("b", "something"))
    made = await create(api, x="y")
    assert made["metadata"]["labels"] == {"x": "y", "b": "something", "saw": "something"}
    assert [path[1] for path in hook.paths] == ["a", "b", "a"]


async def test_what_goes_cannot_be_changed(api: Api, hook: HookServer) -> None:
    await create(api)
    await configure(api, MUTATING, hook.webhook())
    hook.says[NAME] = lambda asked: patch_of(label("x", "y"))
    with pytest.raises(InternalError, match="attempted to modify the object, which is not supported"):
        await api.client.delete(CONFIG_MAPS, "a", namespace="default")


async def test_a_patch_is_made_of_changes_too(api: Api, hook: HookServer) -> None:
    await create(api, x="y")
    await configure(api, MUTATING, hook.webhook())
    hook.says[NAME] = lambda asked: patch_of(label("was", asked["oldObject"]["data"]["k"]))
    changed = await api.client.patch(
        CONFIG_MAPS, "a", {"data": {"k": "w"}}, namespace="default", patch_type=PatchType.MERGE
    )
    assert changed["metadata"]["labels"] == {"x": "y", "was": "v"}
    assert changed["data"] == {"k": "w"}


async def test_a_webhook_in_a_service_is_asked_by_the_services_name(api: Api, tmp_path: Path) -> None:
    async with answering(tmp_path / "service", ("hooks.default.svc",)) as hook:
        spec = {"type": "ExternalName", "externalName": "127.0.0.1"}
        await api.client.create(SERVICES, {"metadata": {"name": "hooks"}, "spec": spec}, namespace="default")
        service = {"name": "hooks", "namespace": "default", "path": "/ask", "port": hook.port}
        told = hook.webhook(clientConfig={"service": service, "caBundle": hook.bundle})
        await configure(api, VALIDATING, told)
        await create(api)
        assert (hook.hosts, hook.paths) == ([f"hooks.default.svc:{hook.port}"], ["/ask?timeout=5s"])


async def test_configurations_themselves_can_always_be_taken_back(api: Api, hook: HookServer) -> None:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    await configure(api, VALIDATING, hook.webhook(rules=[rule]))
    hook.says[NAME] = lambda asked: {"allowed": False}
    await refusal(api)
    await api.client.delete(VALIDATING, "hooks")
    await create(api)
