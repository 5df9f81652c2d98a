"""Controllers of single objects, killed after every write, finish what they began and do nothing twice."""

import asyncio
from pathlib import Path

import pytest

from kube_lite.api import meta
from kube_lite.controllers import autoscaling
from kube_lite.controllers.certificates import KUBELET_CLIENT, REQUESTS
from kube_lite.controllers.node_lifecycle import TTL
from kube_lite.controllers.resource_claims import CLAIMS, TEMPLATES
from kube_lite.controllers.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    IP_ADDRESSES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kube_lite.controllers.role_aggregation import CLUSTER_ROLES
from kube_lite.controllers.volume_plan import phase_of

from .harness import World, deployment, world
from .kills import nothing, survive
from .test_certificates import ask, pem
from .test_resource_claims import TEMPLATE, allocate, end
from .test_resource_claims import pod as claiming
from .test_role_aggregation import role
from .test_service_ips import keeping, service
from .test_taint_eviction import GONE
from .test_taint_eviction import pod as tainted
from .test_token_secrets import secret, text
from .test_volume_binding import claim, volume

VOLUMES = ["claim-binding", "volume-phases", "claim-protection", "volume-protection", "ephemeral-volumes"]


async def begin(it: World) -> None:
    """Wait until Pods may be made."""
    await it.until_account()


async def test_every_claim_gets_a_volume_of_its_own_and_leaves_it(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    async with world(tmp_path, only=[]) as it:
        for name in names:
            await it.client.create(PERSISTENT_VOLUMES, volume(f"v-{name}"))
            made = claim()
            await it.create(PERSISTENT_VOLUME_CLAIMS, {**made, "metadata": {"name": name}})

    async def are_bound(it: World) -> bool:
        claims, volumes = await it.list(PERSISTENT_VOLUME_CLAIMS), await it.list(PERSISTENT_VOLUMES, "")
        return {phase_of(each) for each in [*claims, *volumes]} == {"Bound"}

    await survive(tmp_path, nothing, are_bound, only=VOLUMES, writes=1)
    async with world(tmp_path, only=[]) as it:
        for each in await it.list(PERSISTENT_VOLUME_CLAIMS):
            bound = await it.get(PERSISTENT_VOLUMES, each["spec"]["volumeName"], "")
            assert bound["spec"]["claimRef"]["uid"] == meta.uid_of(each)
            await it.delete(PERSISTENT_VOLUME_CLAIMS, each["metadata"]["name"])

    async def are_left(it: World) -> bool:
        volumes = await it.list(PERSISTENT_VOLUMES, "")
        return {phase_of(each) for each in volumes} == {"Released"} and not await it.list(
            PERSISTENT_VOLUME_CLAIMS
        )

    await survive(tmp_path, nothing, are_left, only=VOLUMES, writes=1)


async def test_a_volume_of_a_pods_own_is_claimed_once(tmp_path: Path) -> None:
    async with world(tmp_path, only=["serviceaccounts"]) as it:
        await begin(it)
        await it.client.create(PERSISTENT_VOLUMES, volume())
        template = {"volumeClaimTemplate": {"spec": claim()["spec"]}}
        spec = {
            "containers": [{"name": "c", "image": "web:1"}],
            "volumes": [{"name": name, "ephemeral": template} for name in ("one", "two")],
        }
        await it.create(PODS, {"metadata": {"name": "p"}, "spec": spec})

    async def is_claimed(it: World) -> bool:
        found = await it.list(PERSISTENT_VOLUME_CLAIMS)
        return [phase_of(each) for each in found].count("Bound") == 1 and len(found) == 2

    await survive(tmp_path, nothing, is_claimed, only=VOLUMES, writes=1)
    async with world(tmp_path, only=[]) as it:
        owner = await it.get(PODS, "p")
        for each in await it.list(PERSISTENT_VOLUME_CLAIMS):
            assert meta.is_controlled_by(each, owner)


async def test_an_autoscaler_brings_a_deployment_to_its_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoscaling, "SYNC_SECONDS", 0.01)
    async with world(tmp_path, only=[]) as it:
        await it.create(DEPLOYMENTS, deployment(replicas=1))
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
        await it.create(HORIZONTAL_POD_AUTOSCALERS, {"metadata": {"name": "web"}, "spec": spec})

    async def is_told(it: World) -> bool:
        status = (await it.get(HORIZONTAL_POD_AUTOSCALERS, "web")).get("status") or {}
        return bool(status.get("desiredReplicas") == 3)

    await survive(tmp_path, nothing, is_told, only=["autoscaling"], writes=1)
    async with world(tmp_path, only=[]) as it:
        assert (await it.get(DEPLOYMENTS, "web"))["spec"]["replicas"] == 3


async def test_a_request_for_a_certificate_is_approved_once_and_signed(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        await ask(it, KUBELET_CLIENT, pem("system:node:n1", "system:nodes"), "client auth")

    async def is_issued(it: World) -> bool:
        return bool((await it.get(REQUESTS, "r", "")).get("status", {}).get("certificate"))

    await survive(tmp_path, nothing, is_issued, only=["certificate-signing"], writes=1)
    async with world(tmp_path, only=[]) as it:
        assert len((await it.get(REQUESTS, "r", ""))["status"]["conditions"]) == 1


async def test_a_pod_that_has_to_leave_is_told_why_before_it_goes(tmp_path: Path) -> None:
    async with world(tmp_path, only=["serviceaccounts"]) as it:
        await begin(it)
        await it.client.create(NODES, {"metadata": {"name": "n1"}, "spec": {"taints": [GONE]}})
        await it.create(PODS, tainted())

    async def is_going(it: World) -> bool:
        return meta.is_being_deleted(await it.get(PODS, "web"))

    await survive(tmp_path, nothing, is_going, only=["taint-eviction"], writes=1)
    async with world(tmp_path, only=[]) as it:
        found = await it.get(PODS, "web")
        reasons = [entry["reason"] for entry in meta.conditions_of(found)]
        assert reasons.count("DeletionByTaintManager") == 1


async def test_roles_take_in_rules_through_each_other(tmp_path: Path) -> None:
    async with world(tmp_path, only=[]) as it:
        for made in (
            role("edit", takes="edit"), role("view", takes="view", feeds="edit"),
            role("one", "pods", feeds="view"), role("two", "nodes", feeds="edit"),
        ):  # fmt: skip
            await it.create(CLUSTER_ROLES, made, "")

    async def is_complete(it: World) -> bool:
        rules = (await it.get(CLUSTER_ROLES, "edit", "")).get("rules") or []
        return [each["resources"] for each in rules] == [["nodes"], ["pods"]]

    await survive(tmp_path, nothing, is_complete, only=["clusterrole-aggregation-controller"], writes=1)


async def test_secrets_get_tokens_that_are_good_and_go_with_their_account(tmp_path: Path) -> None:
    names = ("one", "two")
    async with world(tmp_path, only=[]) as it:
        await it.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}})
        for name in names:
            await it.create(SECRETS, secret(name))

    async def are_filled(it: World) -> bool:
        return all("token" in (each.get("data") or {}) for each in await it.list(SECRETS))

    async def are_gone(it: World) -> bool:
        return not await it.list(SECRETS)

    await survive(tmp_path, nothing, are_filled, only=["token-secrets"], writes=1)
    async with world(tmp_path, only=[]) as it:
        for name in names:
            token = text(await it.get(SECRETS, name), "token")
            assert it.issuer.verify(token, it.issuer.audiences).secret == name
        await it.delete(SERVICE_ACCOUNTS, "web")
    await survive(tmp_path, nothing, are_gone, only=["token-secrets"], writes=1)


async def test_a_pod_gets_one_claim_for_devices_and_gives_it_back(tmp_path: Path) -> None:
    only = ["pod-resource-claims", "resource-claim-reservations"]
    async with world(tmp_path, only=["serviceaccounts"]) as it:
        await begin(it)
        await it.create(TEMPLATES, TEMPLATE)
        for name in ("p", "q"):
            await it.create(PODS, claiming(name, node="n1"))

    async def are_told(it: World) -> bool:
        return all(pod["status"].get("resourceClaimStatuses") for pod in await it.list(PODS))

    async def are_gone(it: World) -> bool:
        return not await it.list(CLAIMS)

    await survive(tmp_path, nothing, are_told, only=only, writes=1)
    async with world(tmp_path, only=[]) as it:
        assert len(await it.list(CLAIMS)) == 2
        for pod in await it.list(PODS):
            [told] = pod["status"]["resourceClaimStatuses"]
            await allocate(it, told["resourceClaimName"], pod)
            await end(it, pod["metadata"]["name"])
    await survive(tmp_path, nothing, are_gone, only=only, writes=1)


async def test_every_address_of_a_service_is_told_of_once_and_passes_to_the_next(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    async with world(tmp_path, only=[]) as it:
        made = [await it.create(SERVICES, service(name)) for name in names]
        addresses = {each["spec"]["clusterIP"]: each["metadata"]["name"] for each in made}

    async def told(it: World) -> dict[str, str]:
        found = await it.list(IP_ADDRESSES, "")
        return {each["metadata"]["name"]: each["spec"]["parentRef"]["name"] for each in found}

    async def is_right(it: World) -> bool:
        return await told(it) == addresses

    await survive(tmp_path, nothing, is_right, only=[], writes=1, beside=keeping)
    async with world(tmp_path, only=[]) as it:
        for name in names:
            await it.delete(SERVICES, name)
        addresses.pop(made[0]["spec"]["clusterIP"])
        for address in addresses:
            addresses[address] = f"next-of-{addresses[address]}"
            await it.create(SERVICES, service(addresses[address], clusterIP=address))
    await survive(tmp_path, nothing, is_right, only=[], writes=1, beside=keeping)


async def test_every_node_hears_for_how_long_it_may_rely_on_what_it_has_read(tmp_path: Path) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    async with world(tmp_path, only=[]) as it, asyncio.TaskGroup() as group:
        for number in range(101):
            node = {"metadata": {"name": f"n{number}"}, "status": ready}
            group.create_task(it.client.create(NODES, node))

    async def have_heard(it: World) -> bool:
        found = await it.list(NODES, "")
        return all(meta.annotations_of(node).get(TTL) == "15" for node in found)

    await survive(tmp_path, nothing, have_heard, only=["node-lifecycle"], writes=16)
    async with world(tmp_path, only=[]) as it:
        assert not [node for node in await it.list(NODES, "") if node["spec"].get("taints")]
