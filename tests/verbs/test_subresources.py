from typing import Any

import pytest

from kube_lite.api.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
)
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.authenticate import Credentials
from kube_lite.auth.user import AUTHENTICATED, User
from tests.serving import ACCOUNTS, CONFIG_MAPS, NAMESPACES, PODS, Api, config_map, open_to_all, pod

BUDGETS = GroupVersionResource("policy", "v1", "poddisruptionbudgets")
ACCESS = GroupVersionResource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
MYSELF = GroupVersionResource("authentication.k8s.io", "v1", "selfsubjectreviews")
TOKEN_REVIEWS = GroupVersionResource("authentication.k8s.io", "v1", "tokenreviews")


async def below(api: Api, name: str, subresource: str, **body: Any) -> Json:
    obj = {"metadata": {"name": name}, **body}
    return await api.client.create(PODS, obj, namespace="default", name=name, subresource=subresource)


async def bind(api: Api, name: str, node: str = "n") -> Json:
    return await below(api, name, "binding", target={"kind": "Node", "name": node})


class TestBinding:
    async def test_a_pod_is_bound_once(self, api: Api) -> None:
        await api.client.create(PODS, pod("a"), namespace="default")
        assert await bind(api, "a", "n1") == {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        }  # fmt: skip
        bound = await api.client.get(PODS, "a", namespace="default")
        assert bound["spec"]["nodeName"] == "n1"
        assert bound["status"]["conditions"][-1]["type"] == "PodScheduled"
        assert bound["metadata"]["generation"] == 1
        with pytest.raises(Conflict, match='pods/binding "a": pod a is already assigned to node "n1"'):
            await bind(api, "a", "n2")

    async def test_a_pod_that_is_gone_is_not_found(self, api: Api) -> None:
        with pytest.raises(NotFound, match='pods "a" not found'):
            await bind(api, "a")

    async def test_nothing_but_a_node_will_do(self, api: Api) -> None:
        await api.client.create(PODS, pod("a"), namespace="default")
        with pytest.raises(ApiError, match=r'target\.kind: Unsupported value: "Chair"'):
            await below(api, "a", "binding", target={"kind": "Chair", "name": "c"})
        with pytest.raises(ApiError, match=r"target\.name: Required value"):
            await below(api, "a", "binding", target={})


class TestEviction:
    async def test_the_older_version_of_the_api_still_works(self, api: Api) -> None:
        await api.client.create(PODS, pod("a"), namespace="default")
        await below(api, "a", "eviction", apiVersion="policy/v1beta1", kind="Eviction")
        with pytest.raises(NotFound):
            await api.client.get(PODS, "a", namespace="default")

    async def budget(self, api: Api, **status: int) -> None:
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
        await api.client.create(BUDGETS, {"metadata": {"name": "b"}, "spec": spec}, namespace="default")
        if status:
            change = {"status": {"observedGeneration": 1, **status}}
            await api.client.patch(BUDGETS, "b", change, namespace="default", subresource="status")

    async def running(self, api: Api) -> None:
        labelled = pod("a")
        labelled["metadata"]["labels"] = {"app": "a"}
        await api.client.create(PODS, labelled, namespace="default")
        await bind(api, "a")
        change = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        await api.client.patch(PODS, "a", change, namespace="default", subresource="status")

    async def test_without_a_budget_a_pod_goes(self, api: Api) -> None:
        await self.running(api)
        await below(api, "a", "eviction")
        gone = await api.client.get(PODS, "a", namespace="default")
        assert gone["metadata"]["deletionGracePeriodSeconds"] == 30

    async def test_a_budget_is_charged(self, api: Api) -> None:
        await self.running(api)
        await self.budget(api, disruptionsAllowed=1, desiredHealthy=1, currentHealthy=2)
        await below(api, "a", "eviction")
        charged = (await api.client.get(BUDGETS, "b", namespace="default"))["status"]
        assert charged["disruptionsAllowed"] == 0
        assert set(charged["disruptedPods"]) == {"a"}

    async def test_a_budget_that_is_used_up_refuses(self, api: Api) -> None:
        await self.running(api)
        await self.budget(api, disruptionsAllowed=0, desiredHealthy=1, currentHealthy=1)
        with pytest.raises(TooManyRequests) as caught:
            await below(api, "a", "eviction")
        cause = caught.value.status()["details"]["causes"][0]
        assert cause["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"

    async def test_a_budget_that_nobody_looked_at_refuses_for_now(self, api: Api) -> None:
        await self.running(api)
        await self.budget(api)
        with pytest.raises(TooManyRequests) as caught:
            await below(api, "a", "eviction")
        assert caught.value.retry_after == 10


class TestParts:
    """Subresources through which a part of a Pod can be changed that its own door keeps shut."""

    async def change(self, api: Api, subresource: str, **spec: Any) -> Json:
        return await api.client.patch(PODS, "a", {"spec": spec}, namespace="default", subresource=subresource)

    async def test_ephemeral_containers_come_and_stay(self, api: Api) -> None:
        await api.client.create(PODS, pod("a"), namespace="default")
        debug = {"name": "debug", "image": "d"}
        changed = await self.change(api, "ephemeralcontainers", ephemeralContainers=[debug], nodeName="n")
        assert changed["spec"]["ephemeralContainers"][0]["name"] == "debug"
        assert "nodeName" not in changed["spec"]
        assert changed["metadata"]["generation"] == 2
        with pytest.raises(Invalid, match='existing ephemeral containers "debug" may not be changed'):
            await self.change(api, "ephemeralcontainers", ephemeralContainers=[{**debug, "image": "e"}])

    async def test_processor_and_memory_may_be_given_anew(self, api: Api) -> None:
        resources = {"requests": {"cpu": "100m", "memory": "1Mi"}, "limits": {"cpu": "1"}}
        container = {"name": "app", "image": "i", "resources": resources}
        await api.client.create(PODS, pod("a", containers=[container]), namespace="default")

        def asking(**requests: str) -> list[Json]:
            return [{"name": "app", "image": "other", "resources": {"requests": requests}}]

        changed = await self.change(api, "resize", containers=asking(cpu="200m"))
        assert changed["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "200m"
        assert changed["spec"]["containers"][0]["image"] == "i"
        with pytest.raises(Invalid, match="only cpu and memory resources are mutable"):
            await self.change(api, "resize", containers=asking(**{"ephemeral-storage": "1Gi"}))


class TestNamespaces:
    async def test_a_namespace_goes_when_its_last_finalizer_does(self, api: Api) -> None:
        made = await api.client.create(NAMESPACES, {"metadata": {"name": "x"}})
        assert made["spec"] == {"finalizers": ["kubernetes"]}
        going = await api.client.delete(NAMESPACES, "x")
        assert going["status"]["phase"] == "Terminating"
        assert await api.client.delete(NAMESPACES, "x") == going
        await api.client.update(NAMESPACES, {**going, "spec": {}}, subresource="finalize")
        with pytest.raises(NotFound):
            await api.client.get(NAMESPACES, "x")


class TestTokens:
    async def test_a_token_is_its_account_until_its_pod_is_gone(self, api: Api) -> None:
        made = await api.client.create(PODS, pod("a"), namespace="default")
        reference = {"kind": "Pod", "apiVersion": "v1", "name": "a", "uid": made["metadata"]["uid"]}
        answer = await api.client.create(
            ACCOUNTS,
            {"spec": {"boundObjectRef": reference}},
            namespace="default",
            name="default",
            subresource="token",
        )
        token = answer["status"]["token"]
        user = api.tokens.authenticate(Credentials(bearer_token=token))
        assert user is not None
        assert user.name == "system:serviceaccount:default:default"
        review = await api.client.create(TOKEN_REVIEWS, {"spec": {"token": token}})
        assert review["status"]["user"]["username"] == user.name
        await api.client.delete(PODS, "a", namespace="default")
        review = await api.client.create(TOKEN_REVIEWS, {"spec": {"token": token}})
        assert review["status"]["user"] == {}

    async def test_a_token_is_bound_to_what_is_there(self, api: Api) -> None:
        reference = {"kind": "Pod", "apiVersion": "v1", "name": "none"}
        with pytest.raises(NotFound, match='pods "none" not found'):
            await api.client.create(
                ACCOUNTS,
                {"spec": {"boundObjectRef": reference}},
                namespace="default",
                name="default",
                subresource="token",
            )


class TestAccess:
    async def test_everybody_else_is_refused_and_may_ask_why(self, api: Api) -> None:
        await open_to_all(api.pipeline)
        jane = api.client_of(User("jane", groups=("team", AUTHENTICATED)))
        with pytest.raises(Forbidden, match='configmaps is forbidden: User "jane" cannot list resource'):
            await jane.list(CONFIG_MAPS, namespace="default")
        with pytest.raises(Forbidden, match='User "jane" cannot watch resource "configmaps"'):
            async with jane.watch(CONFIG_MAPS):
                pass
        wish = {"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "default"}}
        assert (await jane.create(ACCESS, {"spec": wish}))["status"] == {"allowed": False}
        assert (await api.client.create(ACCESS, {"spec": wish}))["status"] == {"allowed": True}
        myself = await jane.create(MYSELF, {})
        assert myself["status"]["userInfo"] == {"username": "jane", "groups": ["team", AUTHENTICATED]}


async def test_what_a_resource_does_not_know_is_not_allowed(api: Api) -> None:
    with pytest.raises(MethodNotAllowed):
        await api.client.delete_collection(NAMESPACES)
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await api.client.get(CONFIG_MAPS, "a", namespace="default", subresource="status")
    await api.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    with pytest.raises(BadRequest, match="pods/log is a stream"):
        await api.client.get(PODS, "a", namespace="default", subresource="log")


ACCESS_OF_OTHERS = GroupVersionResource("authorization.k8s.io", "v1", "subjectaccessreviews")


@pytest.mark.parametrize("field", ["labelSelector", "fieldSelector"])
async def test_a_selector_in_a_review_is_a_text_or_requirements(api: Api, field: str) -> None:
    async def ask(**selector: Any) -> None:
        attributes = {"verb": "list", "resource": "pods", field: selector}
        body = {"spec": {"user": "x", "resourceAttributes": attributes}}
        await api.client.create(ACCESS_OF_OTHERS, body)

    await ask(rawSelector="a=b")
    requirements = [{"key": "a", "operator": "Exists"}]
    with pytest.raises(Invalid, match="may not specified at the same time as requirements"):
        await ask(rawSelector="a=b", requirements=requirements)
    with pytest.raises(Invalid, match="requirements or rawSelector is required"):
        await ask()


async def test_a_question_about_access_has_no_name(api: Api) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"user": "x", "resourceAttributes": {"verb": "get"}}}
    with pytest.raises(Invalid) as caught:
        await api.client.create(ACCESS_OF_OTHERS, body)
    assert 'metadata: Invalid value: {"name":"x","managedFields":[{"manager":' in caught.value.message
    assert caught.value.message.endswith("must be empty")
