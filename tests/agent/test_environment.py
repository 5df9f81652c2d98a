"""The variables that a container finds."""

import base64

import pytest

from kube_lite.agent.downward import Surroundings
from kube_lite.agent.environment import ConfigError, Reference, environment, expand, references
from kube_lite.api.identity import Json

POD: Json = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u",
        "labels": {"b": "2", "a": '1"'},
        "annotations": {"x.io/y": "z"},
    },
    "spec": {"nodeName": "node-1", "serviceAccountName": "robot", "containers": []},
}
SOURCES = {
    Reference("configmap", "conf"): {"data": {"colour": "blue"}, "binaryData": {"logo": "AAAA"}},
    Reference("secret", "key"): {"data": {"password": base64.b64encode(b"s3cret").decode()}},
}
HERE = Surroundings(("192.0.2.1",), ("10.0.0.7", "fd00::7"), {"memory": "8Gi", "cpu": "4"})


def variables(container: Json, services: tuple[Json, ...] = (), pod: Json = POD) -> dict[str, str]:
    return environment(pod, container, sources=SOURCES, services=services, surroundings=HERE)


def value_from(**origin: Json) -> str:
    resources = {"limits": {"memory": "64Mi", "cpu": "1500m"}, "requests": {"cpu": "250m"}}
    return variables({"env": [{"name": "A", "valueFrom": origin}], "resources": resources})["A"]


@pytest.mark.parametrize(
    ("origin", "value"),
    [
        pytest.param({"fieldRef": {"fieldPath": "metadata.name"}}, "web", id="name"),
        pytest.param({"fieldRef": {"fieldPath": "metadata.labels['b']"}}, "2", id="a label"),
        pytest.param({"fieldRef": {"fieldPath": "metadata.annotations['x.io/y']"}}, "z", id="an annotation"),
        pytest.param({"fieldRef": {"fieldPath": "spec.nodeName"}}, "node-1", id="node"),
        pytest.param({"fieldRef": {"fieldPath": "spec.serviceAccountName"}}, "robot", id="account"),
        pytest.param({"fieldRef": {"fieldPath": "status.podIP"}}, "10.0.0.7", id="address"),
        pytest.param({"fieldRef": {"fieldPath": "status.podIPs"}}, "10.0.0.7,fd00::7", id="addresses"),
        pytest.param({"fieldRef": {"fieldPath": "status.hostIP"}}, "192.0.2.1", id="host"),
        pytest.param(
            {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "64", id="in mebibytes"
        ),
        pytest.param({"resourceFieldRef": {"resource": "limits.cpu"}}, "2", id="cores are rounded up"),
        pytest.param(
            {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250", id="in thousandths"
        ),
        pytest.param({"resourceFieldRef": {"resource": "requests.memory"}}, "0", id="no request"),
        pytest.param({"configMapKeyRef": {"name": "conf", "key": "colour"}}, "blue", id="a config map"),
        pytest.param({"secretKeyRef": {"name": "key", "key": "password"}}, "s3cret", id="a secret"),
    ],
)
def test_a_value_from_elsewhere(origin: Json, value: str) -> None:
    assert value_from(**origin) == value


def test_without_a_limit_there_is_as_much_as_the_node_has() -> None:
    origin = {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Gi"}}
    assert variables({"env": [{"name": "A", "valueFrom": origin}]}) == {"A": "8"}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}]},
            'configmap "none" not found',
            id="no config map",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}}]},
            "couldn't find key k in ConfigMap shop/conf",
            id="no such key",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "none"}}]}, 'secret "none" not found', id="no secret"
        ),
    ],
)
def test_what_is_missing_is_named(container: Json, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        variables(container)


def test_what_is_optional_may_be_missing() -> None:
    origin = {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}
    container = {
        "env": [{"name": "A", "valueFrom": origin}],
        "envFrom": [{"configMapRef": {"name": "none", "optional": True}}],
    }
    assert variables(container) == {}


def test_own_variables_win_over_those_of_sources_and_binary_entries_are_none() -> None:
    container = {
        "env": [{"name": "C_colour", "value": "red"}, {"name": "D", "value": "$(C_colour)-$(E)-$$(D)"}],
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "conf"}}],
    }
    assert variables(container) == {"C_colour": "red", "D": "red-$(E)-$(D)"}


def service(name: str, namespace: str, address: str = "10.96.0.5") -> Json:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": address, "ports": ports},
    }


def test_a_service_is_told_by_its_variables() -> None:
    assert variables({}, (service("my-db", "shop"),)) == {
        "MY_DB_SERVICE_HOST": "10.96.0.5",
        "MY_DB_SERVICE_PORT": "80",
        "MY_DB_SERVICE_PORT_HTTP": "80",
        "MY_DB_SERVICE_PORT_DNS": "53",
        "MY_DB_PORT": "tcp://10.96.0.5:80",
        "MY_DB_PORT_80_TCP": "tcp://10.96.0.5:80",
        "MY_DB_PORT_80_TCP_PROTO": "tcp",
        "MY_DB_PORT_80_TCP_PORT": "80",
        "MY_DB_PORT_80_TCP_ADDR": "10.96.0.5",
        "MY_DB_PORT_53_UDP": "udp://10.96.0.5:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp",
        "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.96.0.5",
    }


@pytest.mark.parametrize(
    ("links", "told"),
    [
        pytest.param(True, {"KUBERNETES_SERVICE_HOST", "DB_SERVICE_HOST"}, id="neighbours and the API"),
        pytest.param(False, {"KUBERNETES_SERVICE_HOST"}, id="the API alone"),
    ],
)
def test_a_pod_hears_of_its_own_namespace_and_of_the_api(links: bool, told: set[str]) -> None:
    services = (
        service("kubernetes", "default"),
        service("db", "shop"),
        service("far", "elsewhere"),
        service("headless", "shop", "None"),
    )
    pod = {**POD, "spec": {**POD["spec"], "enableServiceLinks": links}}
    assert {name for name in variables({}, services, pod) if name.endswith("_HOST")} == told


def test_expansion_leaves_alone_what_it_does_not_know() -> None:
    assert expand("$(A)$(B)$$(A)$ $x $(", {"A": "1"}) == "1$(B)$(A)$ $x $("


def test_references_are_found_in_every_place() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}],
    }
    assert references(container) == {
        Reference("configmap", "a"),
        Reference("secret", "b"),
        Reference("secret", "c"),
    }
