"""What a cluster with a real node has beside its control plane: volumes on demand.

An addon sees only the ``Client``, as a program of its own would; here it is given what it needs of the host.
"""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from kube_lite.api.errors import AlreadyExists
from kube_lite.api.identity import Json
from kube_lite.kit.service import running

if TYPE_CHECKING:
    from kube_lite.client.informers import Informers

    from .compose import Cluster

VOLUMES_DIRECTORY = "volumes"


async def start_addons(cluster: "Cluster", stack: AsyncExitStack, informers: "Informers") -> None:
    """Start the addons, and make the storage class whose volumes are directories here, the default one."""
    from kube_lite.addons.provisioner import CLASSES, NAME, ClaimProvisioner, VolumeRemover
    from kube_lite.client.recorder import Recorder

    client = cluster.client_for("system:addons")
    recorder = Recorder(client, cluster.clock, "addons")
    directory = cluster.directory / VOLUMES_DIRECTORY
    for service in (
        recorder,
        ClaimProvisioner(client, informers, cluster.clock, recorder, directory),
        VolumeRemover(client, informers, cluster.clock, directory),
    ):
        await stack.enter_async_context(running(service))
    try:
        await client.create(CLASSES, default_class(NAME))
    except AlreadyExists:
        return


def default_class(provisioner: str) -> Json:
    """``standard``: the class of claims that say nothing of a class."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }
