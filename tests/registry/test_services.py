import random
from typing import Any

import pytest
from kube_lite_storage import Store, Txn

from kube_lite.api.errors import Invalid
from kube_lite.api.identity import Json
from kube_lite.api.resource import Registry
from kube_lite.registry.allocators import ClusterIPs, RangeFull, lower_band
from kube_lite.registry.objects import Objects
from kube_lite.registry.services import ServiceAddresses, held_by

from .things import row

SERVICE_CIDR = {"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1"}


def service(**spec: Any) -> Json:
    return {
        "metadata": {"name": "a", "namespace": "x"},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}], **spec},
    }


@pytest.fixture
def addresses(store: Store) -> ServiceAddresses:
    return ServiceAddresses(store, random.Random(1))


async def take(store: Store, addresses: ServiceAddresses, new: Json, old: Json | None = None) -> Json:
    addresses.complete(new, old)
    changes = addresses.changes(new, old)
    await store.commit(Txn(changes.compares, changes.writes))
    return new


async def test_a_service_gets_an_address_and_gives_it_back(store: Store, addresses: ServiceAddresses) -> None:
    made = await take(store, addresses, service())
    address = made["spec"]["clusterIP"]
    assert made["spec"]["clusterIPs"] == [address]
    assert addresses.cluster_ips.contains(address)
    assert not addresses.cluster_ips.is_free(address)
    released = addresses.changes(None, made)
    await store.commit(Txn(released.compares, released.writes))
    assert addresses.cluster_ips.is_free(address)


async def test_an_address_can_be_had_once(store: Store, addresses: ServiceAddresses) -> None:
    await take(store, addresses, service(clusterIP="10.96.0.10"))
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        addresses.complete(service(clusterIP="10.96.0.10"), None)
    with pytest.raises(Invalid, match="does not match the current range"):
        addresses.complete(service(clusterIP="192.0.2.1"), None)


async def test_an_update_keeps_what_it_does_not_mention(store: Store, addresses: ServiceAddresses) -> None:
    made = await take(store, addresses, service(type="NodePort"))
    changed = service(type="NodePort", selector={"a": "b"})
    addresses.complete(changed, made)
    assert held_by(changed) == held_by(made)
    assert addresses.changes(changed, made) == ((), ())


async def test_a_service_that_ceases_to_need_a_node_port_gives_it_back(
    store: Store, addresses: ServiceAddresses
) -> None:
    made = await take(store, addresses, service(type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    plain = service(ports=[{"port": 80, "nodePort": port}], externalTrafficPolicy="Cluster")
    made["spec"]["externalTrafficPolicy"] = "Cluster"
    await take(store, addresses, plain, made)
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in plain["spec"]
    assert addresses.node_ports.is_free(str(port))


async def test_two_ports_of_a_service_get_two_node_ports(store: Store, addresses: ServiceAddresses) -> None:
    made = await take(store, addresses, service(type="NodePort", ports=[{"port": n} for n in range(80, 90)]))
    assert len({port["nodePort"] for port in made["spec"]["ports"]}) == 10


async def test_a_headless_service_holds_nothing(addresses: ServiceAddresses) -> None:
    made = service(clusterIP="None")
    addresses.complete(made, None)
    assert held_by(made) == (frozenset(), frozenset())


async def test_a_range_that_is_used_up_says_so(store: Store) -> None:
    pool = ClusterIPs(store, "192.0.2.0/29", random.Random(1))
    for _ in range(6):
        claims = pool.claims([pool.pick()], "x/a")
        await store.commit(Txn(claims.compares, claims.writes))
    with pytest.raises(RangeFull):
        pool.pick()


async def test_addresses_come_from_every_range_that_is_ready(
    store: Store, objects: Objects, registry: Registry
) -> None:
    pool = ClusterIPs(store, "10.96.0.0/16", random.Random(1))
    assert pool.contains("10.96.0.1")
    for name, range_, condition in (("a", "192.0.2.0/30", "True"), ("b", "198.51.100.0/30", "False")):
        status = {"conditions": [{"type": "Ready", "status": condition}]}
        made = {"metadata": {"name": name, "uid": name}, "spec": {"cidrs": [range_]}, "status": status}
        await objects.create(row(registry, "servicecidrs", "networking.k8s.io"), {**SERVICE_CIDR, **made})
    others = ("10.96.0.1", "198.51.100.1", "192.0.2.0", "192.0.2.3")
    assert pool.contains("192.0.2.1")
    assert not any(pool.contains(text) for text in others)
    for _ in range(2):
        claims = pool.claims([pool.pick()], "x/a")
        await store.commit(Txn(claims.compares, claims.writes))
    with pytest.raises(RangeFull):
        pool.pick()


@pytest.mark.parametrize(
    ("size", "part", "most", "reserved"),
    [
        pytest.param(16, 16, 256, 0, id="too small to divide"),
        pytest.param(32, 16, 256, 16, id="half of a small one"),
        pytest.param(1024, 16, 256, 64, id="a sixteenth"),
        pytest.param(65536, 16, 256, 256, id="never more"),
        pytest.param(2768, 32, 128, 86, id="of node ports a part of their own"),
    ],
)
def test_the_lower_band_is_left_to_those_who_ask(size: int, part: int, most: int, reserved: int) -> None:
    assert lower_band(size, part, most) == reserved


async def test_a_balancer_that_keeps_traffic_local_has_a_port_for_health(
    store: Store, addresses: ServiceAddresses
) -> None:
    made = await take(store, addresses, service(type="LoadBalancer", externalTrafficPolicy="Local"))
    spec = made["spec"]
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    assert not addresses.node_ports.is_free(str(spec["healthCheckNodePort"]))


def test_addresses_that_disagree_are_refused(addresses: ServiceAddresses) -> None:
    with pytest.raises(Invalid, match="first value must match `clusterIP`"):
        addresses.complete(service(clusterIP="10.96.0.20", clusterIPs=["10.96.0.21"]), None)
