"""From a pod's spec to what a driver is told."""

from pathlib import Path

import pytest
from kube_lite_runtime.types import DnsConfig, Limits

from kube_lite.agent.containers import (
    Resolver,
    container_spec,
    dns_config,
    hostname,
    limits_of,
    parse_resolv_conf,
    runs_as_root_against_its_will,
    security_of,
)
from kube_lite.agent.resources import Directories
from kube_lite.api.identity import Json

HOST = DnsConfig(["198.51.100.1"], ["example.com"], ["timeout:2"])
CLUSTER = Resolver(["10.96.0.10"], "cluster.local", HOST)


def pod(**spec: object) -> Json:
    metadata = {"name": "web", "namespace": "shop", "uid": "u"}
    return {"metadata": metadata, "spec": {"containers": [], **spec}}


@pytest.mark.parametrize(
    ("resources", "limits"),
    [
        pytest.param({}, Limits(cpu_shares=2), id="nothing asked"),
        pytest.param({"requests": {"cpu": "250m"}}, Limits(cpu_shares=256), id="a request"),
        pytest.param(
            {"limits": {"cpu": "500m", "memory": "64Mi"}},
            Limits(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=64 * 2**20),
            id="limits stand in for requests",
        ),
        pytest.param(
            {"limits": {"cpu": "1m"}},
            Limits(cpu_shares=2, cpu_quota_us=1000),
            id="the least the kernel takes",
        ),
    ],
)
def test_resources_become_limits(resources: Json, limits: Limits) -> None:
    assert limits_of({"resources": resources}) == limits


def test_variables_are_filled_into_commands() -> None:
    container = {"name": "c", "image": "i", "command": ["run", "$(A)"], "args": ["$(B)", "$$(A)", "$(none)"]}
    log = Directories(Path("/d")).log(pod(), "c", 2)
    spec = container_spec(pod(), container, 2, environment={"A": "1", "B": "2"}, mounts=[], log_path=log)
    assert (spec.command, spec.args) == (["run", "1"], ["2", "$(A)", "$(none)"])
    assert str(spec.log_path) == "/d/logs/shop_web_u/c/2.log"
    assert spec.labels["io.kubernetes.pod.uid"] == "u"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {},
            DnsConfig(
                ["10.96.0.10"],
                ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"],
                ["ndots:5"],
            ),
            id="cluster first",
        ),
        pytest.param({"dnsPolicy": "Default"}, HOST, id="as the host"),
        pytest.param({"hostNetwork": True}, HOST, id="on the host's network as the host"),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "1"}]},
            },
            DnsConfig(["1.1.1.1"], [], ["ndots:1"]),
            id="only what is wished",
        ),
    ],
)
def test_names_are_looked_up_as_the_policy_says(spec: Json, expected: DnsConfig) -> None:
    assert dns_config(pod(**spec), CLUSTER) == expected


def test_the_hosts_own_settings_are_read() -> None:
    text = "# written by hand\nnameserver 198.51.100.1 # first\nsearch a b\nsearch example.com\n"
    text += "options timeout:2\n"
    assert parse_resolv_conf(text) == HOST


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        pytest.param({}, "web", id="the pod's name"),
        pytest.param({"hostname": "box"}, "box", id="its own"),
        pytest.param(
            {"hostname": "box", "subdomain": "sub", "setHostnameAsFQDN": True},
            "box.sub.shop.svc.cluster.local",
            id="with its domain",
        ),
    ],
)
def test_a_pod_has_a_host_name(spec: Json, name: str) -> None:
    assert hostname(pod(**spec), "cluster.local") == name


def test_a_container_takes_from_the_pods_security_what_it_does_not_say_itself() -> None:
    outer = pod(securityContext={"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 3000})
    own = {"runAsUser": 5, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    security = security_of(outer, {"securityContext": own})
    assert (security.user, security.group, security.supplemental_groups) == (5, 2000, [3000])
    assert (security.no_new_privileges, security.drop_capabilities) == (True, ["ALL"])


@pytest.mark.parametrize(
    ("context", "image_user", "refused"),
    [
        pytest.param({}, "", False, id="it does not mind"),
        pytest.param({"runAsNonRoot": True}, "", True, id="the image runs as root"),
        pytest.param({"runAsNonRoot": True}, "1000:1000", False, id="the image does not"),
        pytest.param({"runAsNonRoot": True, "runAsUser": 1}, "", False, id="it has a user"),
        pytest.param({"runAsNonRoot": True, "runAsUser": 0}, "1000", True, id="its user is root"),
    ],
)
def test_root_is_refused_where_it_must_not_run(context: Json, image_user: str, refused: bool) -> None:
    assert runs_as_root_against_its_will(pod(securityContext=context), {}, image_user) is refused
