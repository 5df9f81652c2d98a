"""Pods that claim devices: what the scheduler gives them, and what a node without a driver says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, events, get, template

GROUP = "resource.k8s.io/v1"
TAINTS_SINCE = 36  # of the minor releases, the first in which taints of devices are on by default


@pytest.fixture
def driver(kubectl: Kubectl) -> Iterator[str]:
    """A driver that offers two devices, whichever node they are used on, and a class of its devices."""
    if kubectl.run("get", "resourceslices").returncode:
        pytest.skip("needs resource.k8s.io/v1")
    name = f"{kubectl.namespace}.example.com"
    text = f'device.driver == "{name}"'
    devices = [{"name": f"device-{number}", "attributes": {"size": {"int": number}}} for number in range(2)]
    pool = {"name": "everywhere", "generation": 1, "resourceSliceCount": 1}
    apply(
        kubectl,
        {"apiVersion": GROUP, "kind": "DeviceClass", "metadata": {"name": name},
         "spec": {"selectors": [{"cel": {"expression": text}}]}},
        {"apiVersion": GROUP, "kind": "ResourceSlice", "metadata": {"name": kubectl.namespace},
         "spec": {"driver": name, "pool": pool, "allNodes": True, "devices": devices}},
    )  # fmt: skip
    yield name
    kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    kubectl("delete", f"deviceclass/{name}", f"resourceslice/{kubectl.namespace}")


def claim(name: str, driver: str, selector: str = "", **fields: Any) -> Json:
    exactly: Json = {"deviceClassName": driver, **fields}
    if selector:
        exactly["selectors"] = [{"cel": {"expression": selector}}]
    requests = [{"name": "wish", "exactly": exactly}]
    return {"apiVersion": GROUP, "kind": "ResourceClaim", "metadata": {"name": name},
            "spec": {"devices": {"requests": requests}}}  # fmt: skip


def pod(name: str, claim_name: str) -> Json:
    made = template(name, resourceClaims=[{"name": "mine", "resourceClaimName": claim_name}])
    made["spec"]["containers"][0]["resources"] = {"claims": [{"name": "mine"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": made["spec"]}


def devices_of(kubectl: Kubectl, name: str) -> list[str]:
    allocation = get(kubectl, "resourceclaim", name).get("status", {}).get("allocation", {})
    return sorted(one["device"] for one in allocation.get("devices", {}).get("results", ()))


def is_placed(kubectl: Kubectl, name: str) -> bool:
    return bool(get(kubectl, "pod", name)["spec"].get("nodeName"))


def test_a_pod_gets_the_device_its_claim_describes(kubectl: Kubectl, driver: str) -> None:
    apply(kubectl, claim("large", driver, f'device.attributes["{driver}"].size == 1'), pod("user", "large"))
    eventually(lambda: is_placed(kubectl, "user"))
    assert devices_of(kubectl, "large") == ["device-1"]
    found = get(kubectl, "resourceclaim", "large")
    assert found["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    assert [one["name"] for one in found["status"]["reservedFor"]] == ["user"]


def test_a_claim_waits_until_others_give_back_what_it_needs(kubectl: Kubectl, driver: str) -> None:
    apply(kubectl, claim("one", driver), pod("first", "one"))
    eventually(lambda: is_placed(kubectl, "first"))
    apply(kubectl, claim("all", driver, allocationMode="All"), pod("second", "all"))
    eventually(
        lambda: any("cannot allocate all claims" in each for each in events(kubectl, "FailedScheduling"))
    )
    kubectl("delete", "pod", "first", "--force", "--grace-period=0")
    eventually(lambda: is_placed(kubectl, "second"))
    assert devices_of(kubectl, "all") == ["device-0", "device-1"]
    assert devices_of(kubectl, "one") == []


def test_a_node_without_the_driver_says_so(kubectl: Kubectl, driver: str) -> None:
    apply(kubectl, claim("one", driver), pod("first", "one"))
    told = f"DRA driver {driver} is not registered"
    eventually(lambda: any(told in each for each in events(kubectl, "FailedPrepareDynamicResources")))


def test_a_pod_leaves_a_device_that_breaks(kubectl: Kubectl, driver: str) -> None:
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    if int(version["minor"]) < TAINTS_SINCE:
        pytest.skip("needs taints of devices")
    apply(kubectl, claim("one", driver), pod("first", "one"))
    eventually(lambda: is_placed(kubectl, "first"))
    broken = {"key": "broken", "effect": "NoExecute"}
    devices = [{"name": name, "taints": [broken]} for name in ("device-0", "device-1")]
    patch = json.dumps({"spec": {"devices": devices}})
    kubectl("patch", "resourceslice", kubectl.namespace, "--type=merge", "-p", patch)
    eventually(lambda: kubectl.run("get", "pod", "first").returncode != 0)
    assert any("Marking for deletion" in each for each in events(kubectl, "DeviceTaintManagerEviction"))
