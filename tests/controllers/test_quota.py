from collections.abc import Awaitable, Callable
from pathlib import Path

from kube_lite.api.identity import Json
from kube_lite.controllers.quota import plan_raise
from kube_lite.controllers.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, RESOURCE_QUOTAS

from .harness import World, deployment, world

ONLY = ["quotas", "serviceaccounts", "deployments", "replicasets", "garbage"]


def quota(**hard: str) -> Json:
    wanted = {name.replace("__", "/").replace("_", "."): limit for name, limit in hard.items()}
    return {"metadata": {"name": "all"}, "spec": {"hard": wanted}}


def uses(it: World, **used: str) -> Callable[[], Awaitable[bool]]:
    wanted = {name.replace("__", "/").replace("_", "."): amount for name, amount in used.items()}

    async def holds() -> bool:
        status = (await it.get(RESOURCE_QUOTAS, "all")).get("status") or {}
        return bool(status.get("used") == wanted)

    return holds


async def test_what_is_used_follows_what_there_is(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        hard = {"pods": "10", "requests_cpu": "4", "count__deployments_apps": "3", "configmaps": "5"}
        await it.create(RESOURCE_QUOTAS, quota(**hard))
        nothing = {"pods": "0", "requests_cpu": "0", "count__deployments_apps": "0", "configmaps": "0"}
        await it.until(uses(it, **nothing))
        made = deployment(replicas=2)
        made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m"}}
        await it.create(DEPLOYMENTS, made)
        await it.create(CONFIG_MAPS, {"metadata": {"name": "c"}})
        some = {"pods": "2", "requests_cpu": "500m", "count__deployments_apps": "1", "configmaps": "1"}
        await it.until(uses(it, **some))
        await it.delete(DEPLOYMENTS, "web", "Foreground")
        await it.delete(CONFIG_MAPS, "c")
        await it.until(uses(it, **nothing))


async def test_a_pod_that_is_over_uses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(RESOURCE_QUOTAS, quota(pods="10"))
        await it.create(
            PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        )
        await it.until(uses(it, pods="1"))
        done = {"status": {"phase": "Succeeded"}}
        await it.client.patch(PODS, "p", done, namespace="default", subresource="status")
        await it.until(uses(it, pods="0"))


async def test_a_changed_limit_is_taken_over(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(RESOURCE_QUOTAS, quota(requests_memory="1024Mi"))
        await it.until(uses(it, requests_memory="0"))
        await it.merge(RESOURCE_QUOTAS, "all", {"spec": {"hard": {"requests.memory": None, "pods": "1"}}})
        await it.until(uses(it, pods="0"))
        assert (await it.get(RESOURCE_QUOTAS, "all"))["status"]["hard"] == {"pods": "1"}


async def test_limits_that_somebody_else_wrote_into_the_status_are_put_right(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(RESOURCE_QUOTAS, quota(pods="1"))
        await it.until(uses(it, pods="0"))
        wrong = {"status": {"hard": {"pods": "7"}}}
        await it.client.patch(RESOURCE_QUOTAS, "all", wrong, namespace="default", subresource="status")

        async def is_right() -> bool:
            return bool((await it.get(RESOURCE_QUOTAS, "all"))["status"]["hard"] == {"pods": "1"})

        await it.until(is_right)


def test_what_was_let_in_and_is_not_seen_yet_is_not_taken_off() -> None:
    before = {"hard": {"pods": "3", "cpu": "1"}, "used": {"pods": "3", "cpu": "500m"}}
    counted = {"hard": {"pods": "3", "cpu": "2"}, "used": {"pods": "2", "cpu": "250m"}}
    assert plan_raise(counted, before)["used"] == {"pods": "3", "cpu": "250m"}
    assert plan_raise(before, counted) == before
