"""Services: which Pods are behind them, as EndpointSlices and Endpoints tell."""

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, get, pods, template, workload


def service(name: str, **spec: object) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


def addresses(kubectl: Kubectl, name: str) -> dict[str, bool]:
    """Address → whether it is ready, of all slices of a Service."""
    slices = get(kubectl, "endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    return {
        entry["addresses"][0]: entry["conditions"]["ready"]
        for one in slices
        for entry in one.get("endpoints") or ()
    }


def test_pods_that_are_ready_are_behind_a_service(kubectl: Kubectl) -> None:
    apply(kubectl, service("web"), workload("Deployment", "web", replicas=2))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    ips = {pod["status"]["podIP"]: True for pod in pods(kubectl, "web")}
    eventually(lambda: addresses(kubectl, "web") == ips)
    [subset] = get(kubectl, "endpoints", "web")["subsets"]
    assert {entry["ip"] for entry in subset["addresses"]} == set(ips)
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_one_that_is_not_ready_is_told_as_such(kubectl: Kubectl) -> None:
    never = template("web", readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    apply(kubectl, service("web"), workload("Deployment", "web", replicas=1, template=never))
    eventually(lambda: list(addresses(kubectl, "web").values()) == [False])


def test_one_that_is_deleted_leaves(kubectl: Kubectl) -> None:
    apply(kubectl, service("web"), workload("Deployment", "web", replicas=1))
    eventually(lambda: list(addresses(kubectl, "web").values()) == [True])
    kubectl("scale", "deployment/web", "--replicas=0")
    eventually(lambda: addresses(kubectl, "web") == {})


def test_endpoints_that_somebody_wrote_are_mirrored(kubectl: Kubectl) -> None:
    written = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "outside"},
        "subsets": [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"name": "http", "port": 80}]}],
    }
    apply(kubectl, service("outside", selector=None), written)
    eventually(lambda: addresses(kubectl, "outside") == {"192.0.2.7": True})
