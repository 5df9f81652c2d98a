"""Where a request behind ``proxy`` goes."""

import random

import pytest

from kube_lite.api.errors import ApiError, BadRequest, ServiceUnavailable
from kube_lite.api.identity import Json
from kube_lite.http.backends import Backend
from kube_lite.http.places import (
    Named,
    is_address_of,
    parse_named,
    place_of_node,
    place_of_pod,
    places_of_service,
    port_name,
    refuse_address,
    rest_of,
    rewritten,
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("web", Named("", "web", "")),
        ("web:8080", Named("", "web", "8080")),
        ("https:web:secure", Named("https", "web", "secure")),
        (":web:", Named("", "web", "")),
    ],
)
def test_a_name_may_come_with_a_scheme_and_a_port(text: str, named: Named) -> None:
    assert parse_named(text, "pod") == named


@pytest.mark.parametrize("text", ["", "ftp:web:80", "a:b:c:d", ":80"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=f'invalid service request "{text}"'):
        parse_named(text, "service")


@pytest.mark.parametrize("address", ["", "x", "127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1", "::1"])
def test_nobody_is_let_in_where_only_the_host_is(address: str) -> None:
    with pytest.raises(ApiError, match="address not allowed"):
        refuse_address(address)
    refuse_address("10.1.2.3")


@pytest.mark.parametrize(
    ("named", "url"),
    [
        pytest.param(Named("", "web", ""), "http://10.1.2.3:8080", id="the first port that is declared"),
        pytest.param(Named("https", "web", "9"), "https://10.1.2.3:9", id="what is asked for"),
    ],
)
def test_a_pod_is_reached_at_its_address(named: Named, url: str) -> None:
    containers: list[Json] = [{"name": "a"}, {"name": "b", "ports": [{"containerPort": 8080}]}]
    pod = {"spec": {"containers": containers}, "status": {"podIP": "10.1.2.3"}}
    assert place_of_pod(pod, named).url == url
    assert place_of_pod({**pod, "status": {"podIP": "fd00::1"}}, named).url.startswith(named.scheme or "http")
    assert (
        place_of_pod({"spec": {}, "status": {"podIP": "fd00::1"}}, Named("", "w", "")).url
        == "http://[fd00::1]"
    )


def test_a_service_has_ports_by_number_and_name() -> None:
    service = {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81}]}}
    assert [port_name(service, Named("", "s", port)) for port in ("80", "81", "web", "")] == [
        "web",
        "",
        "web",
        "",
    ]
    with pytest.raises(ServiceUnavailable, match='no service port 82 found for service "s"'):
        port_name(service, Named("", "s", "82"))


def test_only_addresses_that_serve_the_port_are_tried() -> None:
    one = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "web", "port": 8080}]}
    two = {"addresses": [{"ip": "10.0.0.2"}], "ports": [{"name": "other", "port": 1}]}
    three = {"ports": [{"name": "web", "port": 2}], "notReadyAddresses": [{"ip": "10.0.0.3"}]}
    found = places_of_service({"subsets": [one, two, three]}, "web", random.Random(1))
    assert list(found) == [("10.0.0.1", {}, 8080)]


def test_an_endpoint_counts_if_it_is_the_address_of_its_pod() -> None:
    pod = {"status": {"podIPs": [{"ip": "10.0.0.1"}]}}
    assert is_address_of(pod, "10.0.0.1")
    assert not is_address_of(pod, "10.0.0.2")
    assert not is_address_of(None, "10.0.0.1")


def test_a_node_is_its_own_api_or_another_port_of_it() -> None:
    backend = Backend("127.0.0.1", 10250)
    assert place_of_node(backend, Named("", "n", "10250")).is_node
    with pytest.raises(BadRequest, match="address not allowed"):
        place_of_node(backend, Named("", "n", "22"))
    assert place_of_node(Backend("10.0.0.9", 10250), Named("", "n", "9100")).url == "http://10.0.0.9:9100"


def test_the_path_behind_keeps_its_escapes_and_its_last_slash() -> None:
    pod = "/api/v1/namespaces/a/pods/web/proxy"
    assert rest_of(f"{pod}/a%2Fb/", is_namespaced=True) == (pod, "/a%2Fb/")
    assert rest_of("/api/v1/nodes/n/proxy", is_namespaced=False) == ("/api/v1/nodes/n/proxy", "")


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        pytest.param("/login", "/p/proxy/login", id="a path"),
        pytest.param("next", "next", id="relative"),
        pytest.param("/p/proxy/login", "/p/proxy/login", id="which knows of us"),
        pytest.param("http://10.0.0.1:80/login", "/p/proxy/login", id="its own address"),
        pytest.param("https://api:6443/login", "https://api:6443/p/proxy/login", id="as it was called"),
        pytest.param("https://elsewhere/login", "https://elsewhere/login", id="elsewhere"),
    ],
)
def test_a_redirection_leads_back_through_us(location: str, shown: str) -> None:
    assert rewritten(location, "/p/proxy", {"backend": "10.0.0.1:80", "client": "api:6443"}) == shown
