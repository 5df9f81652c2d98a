"""Claims and volumes: found, made on demand, kept, and let go."""

import pytest

from conformance.api.objects import IMAGE
from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, events, get


def claim(name: str, size: str = "1Mi", **spec: object) -> Json:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    metadata = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {**asked, **spec},
    }


def user(name: str, script: str, volume: Json) -> Json:
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volumes = [{"name": "data", **volume}]
    spec: Json = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    spec |= {"containers": [container], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def of_claim(name: str) -> Json:
    return {"persistentVolumeClaim": {"claimName": name}}


@pytest.fixture
def storage(kubectl: Kubectl) -> Kubectl:
    """A cluster with a default class."""
    classes = get(kubectl, "storageclasses")["items"]
    marks = [one["metadata"].get("annotations") or {} for one in classes]
    if not any(mark.get("storageclass.kubernetes.io/is-default-class") == "true" for mark in marks):
        pytest.skip("needs a default storage class")
    return kubectl


def finished(kubectl: Kubectl, name: str) -> None:
    kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")


def test_what_one_pod_writes_the_next_one_reads(storage: Kubectl) -> None:
    apply(storage, claim("data"), user("writer", "echo hello > /data/x", of_claim("data")))
    finished(storage, "writer")
    storage("delete", "pod", "writer")
    apply(storage, user("reader", "cat /data/x", of_claim("data")))
    finished(storage, "reader")
    assert storage("logs", "reader") == "hello\n"
    assert get(storage, "pvc", "data")["status"]["phase"] == "Bound"


def test_a_volume_made_on_demand_goes_with_its_claim(storage: Kubectl) -> None:
    apply(storage, claim("data"), user("writer", "true", of_claim("data")))
    finished(storage, "writer")
    volume = get(storage, "pvc", "data")["spec"]["volumeName"]
    storage("delete", "pod", "writer")
    storage("delete", "pvc", "data")
    eventually(lambda: storage.run("get", "pv", volume).returncode == 1)


def test_a_claim_that_is_used_stays_until_it_is_not(storage: Kubectl) -> None:
    apply(storage, claim("data"), user("user", "sleep 600", of_claim("data")))
    storage("wait", "pod/user", "--for=condition=Ready", "--timeout=60s")
    storage("delete", "pvc", "data", "--wait=false")
    assert "deletionTimestamp" in get(storage, "pvc", "data")["metadata"]
    storage("delete", "pod", "user")
    eventually(lambda: storage.run("get", "pvc", "data").returncode == 1)


def test_an_ephemeral_volume_goes_with_its_pod(storage: Kubectl) -> None:
    template = {"spec": claim("x")["spec"]}
    apply(storage, user("user", "echo x > /data/x", {"ephemeral": {"volumeClaimTemplate": template}}))
    finished(storage, "user")
    assert get(storage, "pvc", "user-data")["status"]["phase"] == "Bound"
    storage("delete", "pod", "user")
    eventually(lambda: storage.run("get", "pvc", "user-data").returncode == 1)


def test_a_claim_without_a_class_takes_a_volume_that_fits(kubectl: Kubectl) -> None:
    label = kubectl.namespace
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{label}-v", "labels": {"of": label}},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/tmp", "type": ""},
        },
    }
    wanted = claim("data", storageClassName="", selector={"matchLabels": {"of": label}})
    apply(kubectl, wanted)
    told = "no persistent volumes available for this claim and no storage class is set"
    eventually(lambda: told in events(kubectl, "FailedBinding"))
    apply(kubectl, volume)
    try:
        eventually(lambda: get(kubectl, "pvc", "data")["status"]["phase"] == "Bound")
        assert get(kubectl, "pvc", "data")["status"]["capacity"] == {"storage": "1Gi"}
        kubectl("delete", "pvc", "data")
        eventually(lambda: get(kubectl, "pv", f"{label}-v")["status"]["phase"] == "Released")
    finally:
        kubectl("delete", "pv", f"{label}-v")
