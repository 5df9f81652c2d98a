from collections.abc import Awaitable, Callable
from pathlib import Path

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.controllers.backends import Port, TriggerTimes, plan_backends, ports_of
from kube_lite.controllers.endpoints import plan_subsets, truncate
from kube_lite.controllers.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kube_lite.controllers.slices import MAX_ENDPOINTS, Wanted, key_of_endpoint, plan_slices
from kube_lite.controllers.slices import ports_of as slice_ports

from .harness import World, deployment, world
from .objects import pod


def service(name: str = "web", **spec: object) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {
        "metadata": metadata,
        "spec": {"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.0.0.1", **spec},
    }


def new_service(**spec: object) -> Json:
    """As a user would send it."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    metadata = {"name": "web", "labels": {"a": "b"}}
    return {"metadata": metadata, "spec": {"selector": {"app": "web"}, "ports": ports, **spec}}


def states(found: Json, pods: list[Json]) -> list[tuple[bool, bool, bool]]:
    return [(b.ready, b.serving, b.terminating) for b in plan_backends(found, pods, "IPv4")]


def test_readiness_serving_and_terminating() -> None:
    pods = [
        pod("up", address="10.1.0.1"),
        pod("starting", address="10.1.0.2", ready=False),
        pod("going", address="10.1.0.3", deleting=True),
        pod("done", address="10.1.0.4", phase="Succeeded"),
        pod("nowhere"),
    ]
    assert states(service(), pods) == [(True, True, False), (False, False, False), (False, True, True)]
    everybody = service(publishNotReadyAddresses=True)
    assert [ready for ready, _, _ in states(everybody, pods)] == [True, True, True]


def test_target_ports_by_number_by_name_and_by_default() -> None:
    found = service(
        ports=[
            {"name": "a", "port": 80, "targetPort": 8000},
            {"name": "b", "port": 81, "targetPort": "http"},
            {"name": "c", "port": 82, "appProtocol": "grpc"},
            {"name": "d", "port": 83, "targetPort": "unknown"},
            {"name": "e", "port": 84, "targetPort": "http", "protocol": "UDP"},
        ]
    )
    assert ports_of(found, pod("p")) == (
        Port("a", "TCP", 8000),
        Port("b", "TCP", 8080),
        Port("c", "TCP", 82, "grpc"),
    )


def test_subsets_have_pods_by_readiness_and_leave_out_those_that_end() -> None:
    pods = [
        pod("b", address="10.1.0.20"),
        pod("a", address="10.1.0.3"),
        pod("c", address="10.1.0.4", ready=False),
        pod("d", address="10.1.0.5", deleting=True),
    ]
    [subset] = plan_subsets(service(), plan_backends(service(), pods, "IPv4"))
    assert [entry["ip"] for entry in subset["addresses"]] == ["10.1.0.3", "10.1.0.20"]
    assert [entry["ip"] for entry in subset["notReadyAddresses"]] == ["10.1.0.4"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_too_many_addresses_are_cut_those_not_ready_first() -> None:
    subsets: list[Json] = [{"addresses": [{"ip": "a"}, {"ip": "b"}], "notReadyAddresses": [{"ip": "c"}]}]
    assert not truncate(subsets, 3)
    assert truncate(subsets, 1)
    assert subsets == [{"addresses": [{"ip": "a"}], "notReadyAddresses": []}]


PORTS = (("http", "TCP", 80, ""),)


def wanted(*numbers: int, **conditions: bool) -> Wanted:
    endpoints = [{"addresses": [f"10.0.0.{n}"], "conditions": {"ready": True, **conditions}} for n in numbers]
    return Wanted("IPv4", PORTS, {key_of_endpoint(endpoint): endpoint for endpoint in endpoints})


def slice_of(*numbers: int) -> Json:
    endpoints = list(wanted(*numbers).endpoints.values())
    return {
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
        "endpoints": endpoints,
    }


def test_a_service_without_endpoints_keeps_one_empty_slice() -> None:
    plan = plan_slices([], [], ["IPv4"])
    assert [(change.old, change.endpoints) for change in plan.write] == [(None, [])]
    empty = {"addressType": "IPv4", "endpoints": [], "ports": []}
    assert plan_slices([], [empty], ["IPv4"]) == ([], [])
    full = slice_of(1)
    assert [change.old for change in plan_slices([], [full], ["IPv4"]).write] == [full]


def test_the_empty_slice_is_filled_rather_than_joined_by_another() -> None:
    empty = {"addressType": "IPv4", "endpoints": [], "ports": []}
    plan = plan_slices([wanted(1)], [empty], ["IPv4"])
    assert [(change.old, slice_ports({"ports": []})) for change in plan.write] == [(empty, ())]
    assert plan.delete == []


def test_only_the_slice_that_changes_is_written() -> None:
    stays, changes = slice_of(*range(1, 100)), slice_of(101, 102)
    group = wanted(*range(1, 100), 101, 103)
    plan = plan_slices([group], [stays, changes], ["IPv4"])
    assert [change.old for change in plan.write] == [changes]
    assert plan.delete == []


def test_a_slice_holds_only_so_many_and_a_slice_left_empty_goes() -> None:
    plan = plan_slices([wanted(*range(250))], [], ["IPv4"])
    assert [len(change.endpoints) for change in plan.write] == [MAX_ENDPOINTS, MAX_ENDPOINTS, 50]
    gone = slice_of(7)
    plan = plan_slices([wanted(1)], [slice_of(1), gone], ["IPv4"])
    assert (plan.write, plan.delete) == ([], [gone])


async def ready_addresses(it: World, name: str = "web") -> tuple[set[str], set[str]]:
    """Those in EndpointSlices, and those in Endpoints."""
    sliced = {
        endpoint["addresses"][0]
        for entry in await it.list(ENDPOINT_SLICES)
        if meta.labels_of(entry)["kubernetes.io/service-name"] == name
        for endpoint in entry.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    }
    found = await it.find(ENDPOINTS, name)
    subsets = (found or {}).get("subsets") or ()
    return sliced, {entry["ip"] for subset in subsets for entry in subset.get("addresses") or ()}


def both(it: World, holds: Callable[[set[str]], bool]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return all(holds(addresses) for addresses in await ready_addresses(it))

    return check


async def test_endpoints_follow_readiness_and_drop_what_ends_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(SERVICES, new_service())
        await it.create(DEPLOYMENTS, deployment(replicas=2))

        async def are_made() -> bool:
            return len(await it.list(PODS)) == 2

        await it.until(are_made)
        one, two = await it.list(PODS)
        await it.set_ready(one)
        await it.set_ready(two, ready=False)
        one, two = [await it.get(PODS, pod["metadata"]["name"]) for pod in (one, two)]
        first = one["status"]["podIP"]
        await it.until(both(it, lambda ready: ready == {first}))
        await it.set_ready(two)
        second = (await it.get(PODS, two["metadata"]["name"]))["status"]["podIP"]
        await it.until(both(it, lambda ready: ready == {first, second}))
        await it.delete(PODS, one["metadata"]["name"])
        await it.until(both(it, lambda ready: ready == {second}))
        [entry] = await it.list(ENDPOINT_SLICES)
        labels = meta.labels_of(entry)
        assert labels["a"] == "b"
        assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
        assert entry["metadata"]["ownerReferences"][0]["kind"] == "Service"
        assert len(entry["endpoints"]) == 2, "an endpoint that terminates is still told of"
        assert meta.labels_of(await it.get(ENDPOINTS, "web"))["a"] == "b"


async def test_a_headless_service_says_so_on_its_endpoints(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(SERVICES, new_service(clusterIP="None", ports=[]))

        async def is_there() -> bool:
            return await it.find(ENDPOINTS, "web") is not None and bool(await it.list(ENDPOINT_SLICES))

        await it.until(is_there)
        [entry] = await it.list(ENDPOINT_SLICES)
        assert meta.labels_of(entry)["service.kubernetes.io/headless"] == ""
        assert meta.labels_of(await it.get(ENDPOINTS, "web"))["service.kubernetes.io/headless"] == ""


async def test_a_service_that_is_deleted_takes_its_endpoints_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(SERVICES, new_service())

        async def are_there() -> bool:
            return await it.find(ENDPOINTS, "web") is not None and bool(await it.list(ENDPOINT_SLICES))

        await it.until(are_there)
        await it.delete(SERVICES, "web")

        async def are_gone() -> bool:
            return await it.find(ENDPOINTS, "web") is None and not await it.list(ENDPOINT_SLICES)

        await it.until(are_gone)


async def test_endpoints_written_by_hand_are_mirrored_and_go_with_their_service_only(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as it:
        subsets = [
            {
                "addresses": [{"ip": "203.0.113.10"}, {"ip": "203.0.113.11", "hostname": "h"}],
                "notReadyAddresses": [{"ip": "203.0.113.12"}],
                "ports": [{"name": "http", "port": 8080}],
            }
        ]
        await it.create(ENDPOINTS, {"metadata": {"name": "web", "labels": {"a": "b"}}, "subsets": subsets})
        spec = {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
        await it.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec})

        async def is_mirrored() -> bool:
            entries = await it.list(ENDPOINT_SLICES)
            return [len(entry.get("endpoints") or ()) for entry in entries] == [3]

        await it.until(is_mirrored)
        [entry] = await it.list(ENDPOINT_SLICES)
        assert meta.labels_of(entry)["a"] == "b"
        assert {e["addresses"][0]: e["conditions"]["ready"] for e in entry["endpoints"]} == {
            "203.0.113.10": True,
            "203.0.113.11": True,
            "203.0.113.12": False,
        }
        await it.delete(SERVICES, "web")
        await it.until_gone(ENDPOINTS, "web")


async def test_every_namespace_has_its_account_and_certificate_and_gets_them_back(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.create(NAMESPACES, {"metadata": {"name": "shop"}}, "")

        async def are_there() -> bool:
            account = await it.find(SERVICE_ACCOUNTS, "default", "shop")
            certificate = await it.find(CONFIG_MAPS, "kube-root-ca.crt", "shop")
            return (
                account is not None
                and certificate is not None
                and certificate["data"]["ca.crt"] == "a certificate"
            )

        await it.until(are_there)
        await it.client.delete(SERVICE_ACCOUNTS, "default", namespace="shop")
        changed = {
            "metadata": {"name": "kube-root-ca.crt", "namespace": "shop"},
            "data": {"ca.crt": "forged"},
        }
        await it.client.update(CONFIG_MAPS, changed, namespace="shop")
        await it.until(are_there)


def test_the_trigger_of_a_change_is_the_earliest_that_was_not_seen() -> None:
    def pod(name: str, moment: str) -> Json:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": moment}
        return {"metadata": {"name": name}, "status": {"conditions": [ready]}}

    triggers, key = TriggerTimes(), ObjectKey("default", "web")
    service = {"metadata": {"name": "web", "creationTimestamp": "2020-01-01T00:00:05Z"}}
    pods = [pod("a", "2020-01-01T00:00:07Z"), pod("b", "2020-01-01T00:00:06Z")]
    assert triggers.take(key, service, pods) == "2020-01-01T00:00:05Z"
    assert triggers.take(key, service, pods[:1]) == ""
    assert triggers.take(key, service, [pod("a", "2020-01-01T00:00:09Z")]) == "2020-01-01T00:00:09Z"
