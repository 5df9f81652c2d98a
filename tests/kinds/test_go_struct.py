import json

import pytest

from kube_lite.kinds.checks.go_struct import go_name, go_struct


@pytest.mark.parametrize(
    ("wire", "go"),
    [
        ("name", "Name"), ("dnsPolicy", "DNSPolicy"), ("hostPID", "HostPID"), ("os", "OS"),
        ("osImage", "OSImage"), ("seLinuxOptions", "SELinuxOptions"), ("fsGroup", "FSGroup"),
        ("tcpSocket", "TCPSocket"),
        ("ips", "IPs"), ("idempotent", "Idempotent"), ("cephfs", "CephFS"), ("selector", "Selector"),
    ],
)  # fmt: skip
def test_fields_have_gos_names(wire: str, go: str) -> None:
    assert go_name(wire) == go


def test_nothing_is_left_out_and_pointers_are_null() -> None:
    shown = json.loads(go_struct({"requests": [{"name": "a"}]}, "resource.v1.DeviceClaim"))
    assert shown == {
        "Requests": [{"Name": "a", "Exactly": None, "FirstAvailable": None}],
        "Constraints": None,
        "Config": None,
    }


def test_a_pod_is_shown_as_it_lies_in_memory() -> None:
    template = {
        "metadata": {"labels": {"b": "1", "a": "2"}, "creationTimestamp": None},
        "spec": {
            "hostNetwork": True,
            "containers": [
                {"name": "c", "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"exec": {}}}
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    }
    text = go_struct(template, "core.v1.PodTemplateSpec")
    assert text.startswith('{"labels":{"a":"2","b":"1"},"Spec":{"Volumes":[{"Name":"v","HostPath":null,')
    shown = json.loads(text)["Spec"]
    assert shown["SecurityContext"]["HostNetwork"] is True
    assert "HostNetwork" not in shown
    [container] = shown["Containers"]
    assert list(container)[:3] == ["Name", "Image", "Command"]
    assert container["Resources"] == {"Limits": {"cpu": "1"}, "Requests": None, "Claims": None}
    assert container["LivenessProbe"]["Exec"] == {"Command": None}
    assert container["TTY"] is False
