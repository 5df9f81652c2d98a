"""Further ranges of Service addresses: ServiceCIDRs and IPAddresses."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, get

GROUP = "networking.k8s.io/v1"
RANGE = "198.19.200.0/28"  # for benchmarks, so nobody's network
ADDRESS = "198.19.200.9"


@pytest.fixture
def further(kubectl: Kubectl) -> Iterator[str]:
    """The name of a ServiceCIDR that is ready."""
    if kubectl.run("get", "servicecidrs").returncode:
        pytest.skip("needs ServiceCIDRs")
    name = kubectl.namespace
    apply(kubectl, {"apiVersion": GROUP, "kind": "ServiceCIDR", "metadata": {"name": name},
                    "spec": {"cidrs": [RANGE]}})  # fmt: skip
    kubectl("wait", f"servicecidr/{name}", "--for=condition=Ready", "--timeout=30s")
    yield name
    kubectl("delete", "services", "--all")
    kubectl("delete", "servicecidr", name, "--ignore-not-found", "--timeout=60s")


def service(name: str, **spec: Any) -> Json:
    body = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8000}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def exists(kubectl: Kubectl, *what: str) -> bool:
    return kubectl.run("get", *what).returncode == 0


def test_a_service_has_an_address_of_a_further_range_and_holds_it(kubectl: Kubectl, further: str) -> None:
    assert (
        "does not match the current range"
        in kubectl.run(
            "create", "service", "clusterip", "nowhere", "--tcp=80", "--clusterip=198.19.201.1"
        ).stderr
    )
    apply(kubectl, service("web", clusterIP=ADDRESS))
    eventually(lambda: exists(kubectl, "ipaddress", ADDRESS))
    parent = get(kubectl, "ipaddress", ADDRESS)["spec"]["parentRef"]
    assert (parent["resource"], parent["namespace"], parent["name"]) == ("services", kubectl.namespace, "web")
    kubectl("delete", "servicecidr", further, "--wait=false")

    def waits() -> bool:
        conditions = get(kubectl, "servicecidr", further)["status"]["conditions"]
        return [(one["status"], one["reason"]) for one in conditions] == [("False", "Terminating")]

    eventually(waits)
    kubectl("delete", "service", "web")
    eventually(lambda: not exists(kubectl, "servicecidr", further))


def test_an_address_that_was_deleted_is_made_again(kubectl: Kubectl, further: str) -> None:
    apply(kubectl, service("web", clusterIP=ADDRESS))
    eventually(lambda: exists(kubectl, "ipaddress", ADDRESS))
    uid = get(kubectl, "ipaddress", ADDRESS)["metadata"]["uid"]
    kubectl("delete", "ipaddress", ADDRESS)
    eventually(lambda: exists(kubectl, "ipaddress", ADDRESS))
    assert get(kubectl, "ipaddress", ADDRESS)["metadata"]["uid"] != uid
