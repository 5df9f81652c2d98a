"""Who serves a group, whether they can be asked, and what they say."""

import random
from typing import Any

import pytest

from kube_lite.api.errors import ServiceUnavailable
from kube_lite.auth.user import User
from kube_lite.http.aggregation_plan import (
    Address,
    Backend,
    addresses_of,
    entries_of,
    extension_of,
    identity_of,
    is_identity,
    judge_service,
)

BACKEND = Backend("system", "metrics", 443, "", is_insecure=False)


def service(**spec: Any) -> dict[str, Any]:
    return {"spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443}], **spec}}


def piece(
    *addresses: str, ready: bool | None = None, port: str | None = "https", **more: Any
) -> dict[str, Any]:
    """An EndpointSlice."""
    conditions = {} if ready is None else {"ready": ready}
    endpoints = [{"addresses": [address], "conditions": conditions} for address in addresses]
    ports = [{"name": port, "port": 10250}]
    return {"addressType": "IPv4", "endpoints": endpoints, "ports": ports, **more}


@pytest.mark.parametrize(
    ("found", "slices", "reason", "message"),
    [
        (None, [], "ServiceNotFound", 'service/metrics in "system" is not present'),
        (
            service(ports=[{"port": 80}]),
            [],
            "ServicePortError",
            'service/metrics in "system" is not listening on port 443',
        ),
        (
            service(),
            [],
            "EndpointsNotFound",
            'cannot find endpointslices for service/metrics in "system"',
        ),
        (
            service(),
            [piece("10.0.0.1", ready=False), piece("10.0.0.2", port="http")],
            "MissingEndpoints",
            'endpointslices for service/metrics in "system" have no addresses with port name "https"',
        ),
    ],
)
def test_nobody_is_asked_where_nobody_can_be(found: Any, slices: Any, reason: str, message: str) -> None:
    verdict = judge_service(BACKEND, found, slices)
    assert verdict == ("False", reason, message)


def test_whoever_is_ready_is_asked_directly_at_the_port_of_that_name() -> None:
    slices = [piece("10.0.0.1", ready=True), piece("10.0.0.2"), piece("10.0.0.3", ready=False)]
    assert judge_service(BACKEND, service(), slices) is None
    found = addresses_of(BACKEND, service(), slices, random.Random(1))
    assert sorted(found) == [Address("10.0.0.1", 10250), Address("10.0.0.2", 10250)]
    with pytest.raises(ServiceUnavailable, match='no endpoints available for service "metrics"'):
        addresses_of(BACKEND, service(), [], random.Random(1))


def test_addresses_of_the_service_s_first_family_come_first() -> None:
    slices = [piece("10.0.0.1"), piece("fd00::1", addressType="IPv6")]
    found = addresses_of(BACKEND, service(ipFamilies=["IPv6", "IPv4"]), slices, random.Random(1))
    assert [address.url for address in found] == ["https://[fd00::1]:10250", "https://10.0.0.1:10250"]


def test_a_service_outside_is_asked_by_its_name() -> None:
    outside = service(type="ExternalName", externalName="metrics.example.test")
    assert judge_service(BACKEND, outside, []) is None
    assert addresses_of(BACKEND, outside, [], random.Random(1)) == [Address("metrics.example.test", 443)]


def test_nobody_takes_the_place_of_the_registration_itself() -> None:
    reference = {"service": {"namespace": "a", "name": "b"}}
    assert extension_of({"metadata": {"name": "v1.apiregistration.k8s.io"}, "spec": reference}) is None
    found = extension_of({"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": reference})
    assert found is not None
    assert found.group_version == ("metrics.k8s.io", "v1beta1")
    assert found.backend.port == 443


def test_parts_of_resources_that_are_not_listed_have_one_that_can_do_nothing() -> None:
    told = [{"name": "pods/http_requests", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}]
    (entry,) = entries_of({"kind": "APIResourceList", "resources": told}) or ()
    assert (entry["resource"], entry["scope"], entry["verbs"]) == ("pods", "Namespaced", [])
    assert entry["subresources"][0]["subresource"] == "http_requests"


@pytest.mark.parametrize("document", [None, [], {}, {"kind": "Status"}])
def test_what_is_no_list_of_resources_says_nothing(document: object) -> None:
    assert entries_of(document) is None


@pytest.mark.parametrize(
    "resources", [None, 5, [5], [{"name": 5}], [{"name": "a", "verbs": 5, "shortNames": [5]}]]
)
def test_nonsense_in_a_list_of_resources_is_passed_over(resources: object) -> None:
    assert entries_of({"kind": "APIResourceList", "resources": resources}) is not None


def test_names_of_extras_are_written_so_that_a_header_can_have_them() -> None:
    user = User("ann", uid="7", groups=("a", "b"), extra={"example.com/ö%": ("x", "y")})
    assert list(identity_of(user)) == [
        ("X-Remote-User", "ann"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-example.com%2F%C3%B6%25", "x"),
        ("X-Remote-Extra-example.com%2F%C3%B6%25", "y"),
    ]
    assert all(is_identity(name) for name, _ in identity_of(user))
