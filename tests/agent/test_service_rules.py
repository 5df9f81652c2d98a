"""From Services and EndpointSlices to virtual servers."""

from typing import Any

import pytest
from kube_lite_runtime.network.services import ANY_LOCAL, Endpoint, VirtualServer

from kube_lite.agent.service_rules import owner_of, plan_servers
from kube_lite.api.identity import Json

READY: Json = {"ready": True, "serving": True, "terminating": False}
STARTING: Json = {"ready": False, "serving": False, "terminating": False}
LEAVING: Json = {"ready": False, "serving": True, "terminating": True}
GONE: Json = {"ready": False, "serving": False, "terminating": True}


def service(**spec: Any) -> Json:
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.10",
        "ports": [{"port": 80, "protocol": "TCP"}],
        **spec,
    }
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": spec}


def slice_of(*endpoints: tuple[str, Json], name: str | None = "", port: int = 8080, **more: Any) -> Json:
    return {
        "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": state} for address, state in endpoints],
        **more,
    }


def answering(service: Json, *slices: Json) -> list[str]:
    """Who answers at the first of the service's servers."""
    return [f"{endpoint.address}:{endpoint.port}" for endpoint in plan_servers(service, slices)[0].endpoints]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([READY, READY], ["a", "b"], id="all that are ready"),
        pytest.param([READY, STARTING], ["a"], id="not one that starts"),
        pytest.param([READY, LEAVING], ["a"], id="not one that leaves while another is ready"),
        pytest.param([STARTING, LEAVING], ["b"], id="one that leaves when none is ready"),
        pytest.param([STARTING, GONE], [], id="none that does not serve"),
        pytest.param([{}, STARTING], ["a"], id="unknown counts as ready"),
    ],
)
def test_connections_go_to(states: list[Json], expected: list[str]) -> None:
    addresses = {"a": "10.244.0.2", "b": "10.244.0.3"}
    endpoints = [(address, state) for address, state in zip(addresses.values(), states, strict=True)]
    assert answering(service(), slice_of(*endpoints)) == [f"{addresses[name]}:8080" for name in expected]


def test_ports_are_matched_by_name_across_slices() -> None:
    two = service(
        ports=[
            {"name": "http", "port": 80, "protocol": "TCP"},
            {"name": "admin", "port": 90, "protocol": "TCP"},
        ]
    )
    slices = [
        slice_of(("10.244.0.2", READY), name="http", port=8080),
        slice_of(("10.244.0.3", READY), name="http", port=8081),
        slice_of(("10.244.0.2", READY), name="admin", port=9090),
    ]
    assert plan_servers(two, slices) == (
        VirtualServer("10.96.0.10", 80, "tcp", (Endpoint("10.244.0.2", 8080), Endpoint("10.244.0.3", 8081))),
        VirtualServer("10.96.0.10", 90, "tcp", (Endpoint("10.244.0.2", 9090),)),
    )


def test_a_service_answers_at_its_node_port_and_external_addresses_too() -> None:
    balanced = service(
        type="LoadBalancer",
        ports=[{"port": 80, "protocol": "UDP", "nodePort": 30080}],
        externalIPs=["198.51.100.7"],
        sessionAffinity="ClientIP",
    )
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.8"}, {"hostname": "a.name"}]}}
    places = [
        (server.address, server.port, server.protocol, server.is_sticky)
        for server in plan_servers(balanced, [])
    ]
    assert places == [
        ("10.96.0.10", 80, "udp", True),
        ("198.51.100.7", 80, "udp", True),
        ("198.51.100.8", 80, "udp", True),
        (ANY_LOCAL, 30080, "udp", True),
    ]


@pytest.mark.parametrize(
    "spec",
    [{"clusterIP": "None"}, {"type": "ExternalName", "clusterIP": ""}, {"clusterIP": "fd00::1"}],
    ids=["headless", "only a name", "IPv6"],
)
def test_without_an_address_of_its_own_there_is_no_server(spec: Json) -> None:
    assert plan_servers(service(**spec), [slice_of(("10.244.0.2", READY))]) == ()


def test_slices_of_other_address_families_and_without_ports_are_passed_over() -> None:
    other = slice_of(("fd00::2", READY), addressType="IPv6")
    portless = slice_of(("10.244.0.2", READY), ports=None)
    assert answering(service(), other, portless) == []


def test_an_unchanged_set_of_endpoints_is_an_unchanged_plan() -> None:
    one, other = ("10.244.0.2", READY), ("10.244.0.3", READY)
    first = plan_servers(service(), [slice_of(one, other)])
    assert first == plan_servers(service(), [slice_of(other), slice_of(one, other)])


def test_a_slice_names_its_service_by_label() -> None:
    assert owner_of(slice_of()) == "default/web"
    assert owner_of({"metadata": {"namespace": "default"}}) is None
