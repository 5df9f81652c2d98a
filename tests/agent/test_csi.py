from pathlib import Path

import pytest
from kube_lite_runtime.fake import FakeDriver

from kube_lite.agent.csi import PATIENCE, VolumeUnusable, plan_volume
from kube_lite.agent.resources import CLAIMS, NODES, PERSISTENT_VOLUMES
from kube_lite.api.identity import Json
from kube_lite.api.storage import attached_name
from kube_lite.client.protocol import PatchType
from kube_lite.kit.clock import ManualClock

from .world import NODE, is_ready, whole

DRIVER = "disk.example"
BOUND: Json = {
    "metadata": {"name": "v"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": DRIVER, "volumeHandle": "h"},
    },
}
CLAIM: Json = {
    "metadata": {"name": "mine"},
    "spec": {
        "volumeName": "v",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
}
VOLUME: Json = {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}


def test_a_volume_without_a_driver_is_told_as_on_a_node_without_drivers() -> None:
    with pytest.raises(VolumeUnusable) as caught:
        plan_volume(VOLUME, BOUND, is_played=False)
    assert str(caught.value) == (
        'MountVolume.MountDevice failed for volume "v" : kubernetes.io/csi: attacher.MountDevice failed to '
        "create newCsiDriverClient: driver name disk.example not found in the list of registered CSI drivers"
    )


async def test_a_pod_waits_for_its_volume_and_says_so_after_a_while(tmp_path: Path) -> None:
    clock = ManualClock()
    async with whole(tmp_path, FakeDriver(clock), clock) as world:
        await world.client.create(PERSISTENT_VOLUMES, BOUND)
        await world.client.create(CLAIMS, CLAIM, namespace="default")
        bound = {"status": {"phase": "Bound"}}
        await world.client.patch(CLAIMS, "mine", bound, namespace="default", subresource="status")
        await world.create({"containers": [{"name": "c", "image": "nginx"}], "volumes": [VOLUME]})
        await clock.advance(PATIENCE - 5)
        assert not await world.events("FailedMount")
        await clock.advance(10)
        assert await world.events("FailedMount") == [
            "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data], "
            "failed to process volumes=[]: context deadline exceeded"
        ]
        attached = {"volumesAttached": [{"name": attached_name(BOUND, None), "devicePath": ""}]}
        await world.client.patch(
            NODES, NODE, {"status": attached}, subresource="status", patch_type=PatchType.MERGE
        )
        await world.until(is_ready, ticks=1.0)
