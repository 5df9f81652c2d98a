"""Volumes that a CSI driver would attach; the test stands in for its external attacher, and for a node."""

import json
import uuid
from collections.abc import Iterator

import pytest

from conformance.api.objects import IMAGE
from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, events, get

ATTACHED = json.dumps({"status": {"attached": True}})


@pytest.fixture
def mark(kubectl: Kubectl) -> Iterator[str]:
    """A node, a driver and a volume of that name, and a claim that has the volume."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    room = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    whose = {"namespace": kubectl.namespace, "name": "data"}
    source = {"csi": {"driver": f"{name}.example", "volumeHandle": name}}
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    objects = [
        ("v1", "Node", {"name": name, "annotations": annotations}, {}),
        ("storage.k8s.io/v1", "CSIDriver", {"name": f"{name}.example"}, {"attachRequired": True}),
        (
            "v1",
            "PersistentVolume",
            {"name": name},
            {**room, **source, "storageClassName": "", "claimRef": whose},
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            {"name": "data"},
            {**asked, "storageClassName": "", "volumeName": name},
        ),
    ]
    apply(kubectl, *[
        {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        for version, kind, metadata, spec in objects
    ])  # fmt: skip
    kubectl("wait", "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=30s")
    yield name
    kubectl.run("delete", "pod", "--all", "--force", "--grace-period=0")
    kubectl.run("delete", "pvc", "data", "--wait=false")
    for kind, called in (("node", name), ("csidriver", f"{name}.example"), ("pv", name)):
        kubectl.run("delete", kind, called, "--wait=false")


def attachment(kubectl: Kubectl, node: str) -> Json | None:
    """The VolumeAttachment for a node, if there is one."""
    found = [one for one in get(kubectl, "volumeattachments")["items"] if one["spec"]["nodeName"] == node]
    return found[0] if found else None


def test_a_volume_is_asked_to_be_attached_while_a_pod_of_the_node_needs_it(
    kubectl: Kubectl, mark: str
) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    spec = {"nodeName": mark, "containers": [{"name": "c", "image": IMAGE}], "volumes": volumes}
    apply(kubectl, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec})
    eventually(lambda: attachment(kubectl, mark) is not None)
    asked = attachment(kubectl, mark) or {}
    assert asked["spec"] == {
        "attacher": f"{mark}.example", "nodeName": mark, "source": {"persistentVolumeName": mark},
    }  # fmt: skip
    name = asked["metadata"]["name"]
    kubectl("patch", "volumeattachment", name, "--subresource=status", "--type=merge", "-p", ATTACHED)
    words = f'AttachVolume.Attach succeeded for volume "{mark}" '
    eventually(lambda: words in events(kubectl, "SuccessfulAttachVolume"))
    told = get(kubectl, "node", mark)["status"]["volumesAttached"]
    assert told == [{"name": f"kubernetes.io/csi/{mark}.example^{mark}", "devicePath": ""}]
    kubectl("delete", "pod", "user", "--force", "--grace-period=0")
    eventually(lambda: attachment(kubectl, mark) is None)
    assert not get(kubectl, "node", mark)["status"].get("volumesAttached")
