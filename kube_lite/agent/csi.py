"""Volumes of CSI drivers: a pod waits until they are attached to its node, and then for their driver.

This agent registers no drivers, so that is where it ends, and it says what a kubelet says on a node without
them. Under the runtime that runs nothing such a volume is an empty directory.
Source: ``WaitForAttachAndMount`` in ``pkg/kubelet/volumemanager``, ``pkg/volume/csi``.
"""

from collections.abc import Iterable
from contextlib import suppress

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json
from kube_lite.api.storage import attached_name
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .payloads import VolumeFailed
from .resources import CSI_DRIVERS, NODES

LOOK_SECONDS = 1.0  # until it is looked again whether a volume is attached
PATIENCE = 123.0  # seconds until somebody is told that it is not; upstream's podAttachAndMountTimeout


class VolumeUnusable(VolumeFailed):
    """A volume that the node has no way to use; the message is all of what should be told."""


class NotAttached(VolumeUnusable):
    """A volume that is still to be attached; the message is empty when there is nothing new to tell."""


def unregistered(driver: str) -> str:
    """Why a driver cannot be asked."""
    return f"driver name {driver} not found in the list of registered CSI drivers"


def plan_volume(volume: Json, bound: Json, *, is_played: bool) -> Json:
    """A pod's volume that is attached → one that this node can make.

    Args:
        is_played: nothing is run, so nothing is mounted.

    Raises:
        VolumeUnusable: there is no driver for it.
    """
    if is_played:
        return {"name": volume["name"], "emptyDir": {}}
    why = unregistered(bound["spec"]["csi"]["driver"])
    raise VolumeUnusable(
        f'MountVolume.MountDevice failed for volume "{bound["metadata"]["name"]}" : kubernetes.io/csi: '
        f"attacher.MountDevice failed to create newCsiDriverClient: {why}"
    )


class CsiVolumes:
    """Finds out whether volumes are attached.

    Args:
        node: the name of this node.
        is_played: nothing is run here.
    """

    def __init__(self, client: Client, clock: Clock, node: str, *, is_played: bool) -> None:
        self.is_played = is_played
        self._client = client
        self._clock = clock
        self._node = node
        self._waits_since: dict[str, float] = {}

    def forget(self, uid: str) -> None:
        """The pod is gone, or has its volumes."""
        self._waits_since.pop(uid, None)

    async def require(self, pod: Json, volumes: Iterable[tuple[str, Json]]) -> None:
        """Raise ``NotAttached`` unless all these volumes are attached, by their names in the pod's spec."""
        missing = [name for name, bound in volumes if not await self._is_attached(bound)]
        if not missing:
            return
        now, uid = self._clock.monotonic(), pod["metadata"]["uid"]
        if now - self._waits_since.setdefault(uid, now) < PATIENCE:
            raise NotAttached
        self._waits_since[uid] = now
        names = " ".join(missing)
        raise NotAttached(
            f"Unable to attach or mount volumes: unmounted volumes=[{names}], unattached volumes=[{names}], "
            "failed to process volumes=[]: context deadline exceeded"
        )

    async def _is_attached(self, bound: Json) -> bool:
        driver: Json | None = None
        with suppress(NotFound):
            driver = await self._client.get(CSI_DRIVERS, bound["spec"]["csi"]["driver"])
        name = attached_name(bound, driver)
        if not name:
            return True
        node = await self._client.get(NODES, self._node)
        attached = (node.get("status") or {}).get("volumesAttached") or ()
        return any(entry["name"] == name for entry in attached)
