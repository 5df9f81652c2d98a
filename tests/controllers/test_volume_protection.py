from pathlib import Path

import pytest

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.storage import claims_of
from kube_lite.controllers.resources import PERSISTENT_VOLUME_CLAIMS as CLAIMS
from kube_lite.controllers.resources import PERSISTENT_VOLUMES, PODS
from kube_lite.controllers.volume_protection import ATTRIBUTES_CLASSES, plan_finalizers

from .harness import World, world

OURS = "kubernetes.io/pvc-protection"
CONTROLLERS = ["claim-protection", "volume-protection", "attributes-class-protection"]


@pytest.mark.parametrize(
    ("finalizers", "is_deleted", "is_used", "wanted"),
    [
        pytest.param([OURS], False, False, None, id="protected and staying"),
        pytest.param(["a"], False, False, ["a", OURS], id="made before there was protection"),
        pytest.param([OURS], True, True, None, id="going, but in use"),
        pytest.param(["a", OURS], True, False, ["a"], id="going and free"),
        pytest.param(["a"], True, False, None, id="going and held by somebody else"),
    ],
)
def test_the_finalizer_comes_and_goes(
    finalizers: list[str], is_deleted: bool, is_used: bool, wanted: list[str] | None
) -> None:
    metadata: Json = {"name": "a", "finalizers": finalizers}
    if is_deleted:
        metadata["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    assert plan_finalizers({"metadata": metadata}, OURS, is_used=lambda: is_used) == wanted


def test_a_pod_uses_the_claims_it_names_and_those_it_has_for_itself() -> None:
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "other", "emptyDir": {}},
    ]
    pod = {"metadata": {"name": "web", "namespace": "x"}, "spec": {"volumes": volumes}}
    assert [str(key) for key in claims_of(pod)] == ["x/shared", "x/web-scratch"]


async def new_claim(it: World) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await it.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec})


async def new_pod(it: World, node: str = "") -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    spec: Json = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    if node:
        spec["nodeName"] = node
    await it.create(PODS, {"metadata": {"name": "user"}, "spec": spec})


async def test_a_claim_goes_with_the_last_pod_that_uses_it(tmp_path: Path) -> None:
    async with world(tmp_path, only=[*CONTROLLERS, "serviceaccounts"]) as it:
        await it.until(lambda: has_account(it))
        await new_claim(it)
        await new_pod(it, node="n1")
        await it.until(lambda: sees_pod(it))
        await it.delete(CLAIMS, "data")
        waiting = await it.get(CLAIMS, "data")
        assert waiting["metadata"]["finalizers"] == [OURS]
        await it.client.delete(PODS, "user", namespace="default", grace_seconds=0)
        await it.until_gone(CLAIMS, "data")


async def test_a_pod_without_a_node_keeps_no_claim(tmp_path: Path) -> None:
    async with world(tmp_path, only=[*CONTROLLERS, "serviceaccounts"]) as it:
        await it.until(lambda: has_account(it))
        await new_claim(it)
        await new_pod(it)
        await it.delete(CLAIMS, "data")
        await it.until_gone(CLAIMS, "data")


async def test_a_bound_volume_stays_until_it_is_released(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/x"},
        }
        await it.create(PERSISTENT_VOLUMES, {"metadata": {"name": "v"}, "spec": spec}, "")
        await phase(it, "Bound")
        await it.client.delete(PERSISTENT_VOLUMES, "v")
        assert await it.find(PERSISTENT_VOLUMES, "v", "") is not None
        await phase(it, "Released")
        await it.until(lambda: gone(it, PERSISTENT_VOLUMES, "v"))


async def test_a_class_of_attributes_stays_while_a_claim_is_of_it(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        body = {"metadata": {"name": "fast"}, "driverName": "d.test", "parameters": {"a": "b"}}
        await it.create(ATTRIBUTES_CLASSES, body, "")
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"metadata": {"name": "data"}, "spec": {**spec, "volumeAttributesClassName": "fast"}}
        await it.create(CLAIMS, claim)
        await it.client.delete(ATTRIBUTES_CLASSES, "fast")
        await it.delete(CLAIMS, "data")
        await it.until(lambda: gone(it, ATTRIBUTES_CLASSES, "fast"))


async def phase(it: World, name: str) -> None:
    await it.client.patch(PERSISTENT_VOLUMES, "v", {"status": {"phase": name}}, subresource="status")


async def gone(it: World, resource: GroupVersionResource, name: str) -> bool:
    return await it.find(resource, name, "") is None


async def has_account(it: World) -> bool:
    account = GroupVersionResource("", "v1", "serviceaccounts")
    return await it.find(account, "default") is not None


async def sees_pod(it: World) -> bool:
    return await it.find(PODS, "user") is not None
