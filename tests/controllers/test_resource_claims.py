from pathlib import Path
from typing import Any

import pytest

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.controllers.resource_claims import (
    CLAIMS,
    FINALIZER,
    FOR_CLAIM,
    TEMPLATES,
    claim_names,
    plan_claim,
)
from kube_lite.controllers.resources import PODS

from .harness import World, world

ONLY = ["serviceaccounts", "pod-resource-claims", "resource-claim-reservations"]
DEVICES: Json = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}
TEMPLATE: Json = {
    "metadata": {"name": "gpus"},
    "spec": {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": DEVICES},
}


def pod(name: str = "p", *, claim: str = "", node: str = "") -> Json:
    """With one claim it calls ``gpu``: the one of that name, or one made of the template."""
    entry = {"resourceClaimName": claim} if claim else {"resourceClaimTemplateName": "gpus"}
    spec: dict[str, Any] = {
        "containers": [{"name": "c", "image": "web:1"}],
        "resourceClaims": [{"name": "gpu", **entry}],
    }
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name}, "spec": spec}


async def until_told(it: World, name: str = "p") -> Json:
    """The claim of a Pod, when its status names it."""

    async def is_told() -> bool:
        return bool((await it.get(PODS, name))["status"].get("resourceClaimStatuses"))

    await it.until(is_told)
    [entry] = (await it.get(PODS, name))["status"]["resourceClaimStatuses"]
    assert entry["name"] == "gpu"
    return await it.get(CLAIMS, entry["resourceClaimName"])


async def allocate(it: World, name: str, *consumers: Json) -> None:
    """Do what a scheduler does: protect the claim, allocate, and reserve it for Pods."""
    claim = await it.merge(CLAIMS, name, {"metadata": {"finalizers": [FINALIZER]}})
    reserved = [
        {"resource": "pods", "name": each["metadata"]["name"], "uid": meta.uid_of(each)} for each in consumers
    ]
    result = {"request": "gpu", "driver": "d.example", "pool": "n1", "device": "gpu-0"}
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": reserved}
    await it.client.update(CLAIMS, {**claim, "status": status}, namespace="default", subresource="status")


async def end(it: World, name: str) -> None:
    status = {"status": {"phase": "Succeeded"}}
    await it.client.patch(PODS, name, status, namespace="default", subresource="status")


@pytest.mark.parametrize(
    ("entry", "statuses", "name"),
    [
        pytest.param({"resourceClaimName": "c"}, [], "c", id="named"),
        pytest.param({"resourceClaimTemplateName": "t"}, [], "", id="to be made"),
        pytest.param({"resourceClaimTemplateName": "t"}, [{"name": "x", "resourceClaimName": "p-x-1"}],
                     "p-x-1", id="made"),
        pytest.param({"resourceClaimTemplateName": "t"}, [{"name": "x"}], None, id="not needed"),
    ],
)  # fmt: skip
def test_a_pod_tells_which_claims_are_its_own(entry: Json, statuses: list[Json], name: str | None) -> None:
    described = {"spec": {"resourceClaims": [{"name": "x", **entry}]}}
    assert claim_names({**described, "status": {"resourceClaimStatuses": statuses}}) == {"x": name}


def test_long_names_are_shortened_in_proportion() -> None:
    owner = {"metadata": {"name": "p" * 60, "uid": "u"}}
    base = plan_claim(owner, "c" * 30, TEMPLATE)["metadata"]["generateName"]
    assert base == "p" * 37 + "-" + "c" * 18


async def test_a_pod_gets_the_claim_its_template_describes(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.until_account()
        await it.create(PODS, pod())
        why = 'resource claim template "gpus": resourceclaimtemplate.resource.k8s.io "gpus" not found'
        await it.until_told("FailedResourceClaimCreation", f"PodResourceClaim gpu: {why}")
        await it.create(TEMPLATES, TEMPLATE)
        claim = await until_told(it)
        assert claim["metadata"]["name"].startswith("p-gpu-")
        assert claim["metadata"]["labels"] == {"a": "b"}
        assert claim["metadata"]["annotations"] == {"c": "d", FOR_CLAIM: "gpu"}
        assert meta.is_controlled_by(claim, await it.get(PODS, "p"))
        assert claim["spec"]["devices"]["requests"][0]["exactly"]["deviceClassName"] == "gpu"
        assert len(await it.list(CLAIMS)) == 1


async def test_a_claim_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.until_account()
        await it.create(TEMPLATES, TEMPLATE)
        await it.create(PODS, pod())
        first = await until_told(it)
        await it.delete(CLAIMS, first["metadata"]["name"])

        async def is_another() -> bool:
            [entry] = (await it.get(PODS, "p"))["status"]["resourceClaimStatuses"]
            return bool(entry["resourceClaimName"] != first["metadata"]["name"])

        await it.until(is_another)
        assert len(await it.list(CLAIMS)) == 1


async def test_a_claim_made_for_a_pod_goes_when_the_pod_has_ended(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.until_account()
        await it.create(TEMPLATES, TEMPLATE)
        owner = await it.create(PODS, pod(node="n1"))
        claim = await until_told(it)
        await allocate(it, claim["metadata"]["name"], owner)
        await end(it, "p")
        await it.until_gone(CLAIMS, claim["metadata"]["name"])


async def test_devices_go_back_when_the_last_pod_of_a_shared_claim_has_ended(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.until_account()
        await it.create(CLAIMS, {"metadata": {"name": "shared"}, "spec": DEVICES})
        pods = [await it.create(PODS, pod(name, claim="shared", node="n1")) for name in ("p", "q")]
        await allocate(it, "shared", *pods)

        async def consumers() -> list[str]:
            status = (await it.get(CLAIMS, "shared")).get("status") or {}
            return [entry["name"] for entry in status.get("reservedFor") or ()]

        async def is_left_to_one() -> bool:
            return await consumers() == ["q"]

        await end(it, "p")
        await it.until(is_left_to_one)
        assert (await it.get(CLAIMS, "shared"))["status"]["allocation"]
        await it.client.delete(PODS, "q", namespace="default", grace_seconds=0)

        async def is_free() -> bool:
            claim = await it.get(CLAIMS, "shared")
            return not claim.get("status") and not meta.has_finalizer(claim, FINALIZER)

        await it.until(is_free)


async def test_a_pod_that_was_placed_by_hand_gets_its_reservation(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.until_account()
        await it.create(CLAIMS, {"metadata": {"name": "shared"}, "spec": DEVICES})
        await allocate(it, "shared")
        made = await it.create(PODS, pod(claim="shared", node="n1"))

        async def is_reserved() -> bool:
            reserved = (await it.get(CLAIMS, "shared"))["status"].get("reservedFor") or []
            return [entry["uid"] for entry in reserved] == [meta.uid_of(made)]

        await it.until(is_reserved)


async def test_a_claim_that_is_deleted_while_nobody_uses_it_gives_its_devices_back(tmp_path: Path) -> None:
    async with world(tmp_path, only=ONLY) as it:
        await it.create(CLAIMS, {"metadata": {"name": "shared"}, "spec": DEVICES})
        await allocate(it, "shared")
        await it.delete(CLAIMS, "shared")
        await it.until_gone(CLAIMS, "shared")
