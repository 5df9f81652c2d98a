"""The resources that a node reads and writes, and the directories that it keeps for a pod."""

from dataclasses import dataclass
from pathlib import Path

from kube_lite.api.identity import GroupVersionResource, Json

PODS = GroupVersionResource("", "v1", "pods")
NODES = GroupVersionResource("", "v1", "nodes")
SERVICES = GroupVersionResource("", "v1", "services")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
CSI_DRIVERS = GroupVersionResource("storage.k8s.io", "v1", "csidrivers")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
PERSISTENT_VOLUMES = GroupVersionResource("", "v1", "persistentvolumes")
SECRETS = GroupVersionResource("", "v1", "secrets")
SERVICE_ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")


def pod_words(pod: Json) -> str:
    """How logs and messages name a pod, ``name_namespace(uid)``."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


@dataclass(frozen=True, slots=True)
class Directories:
    """Where on this host things of a pod are; the layout is the kubelet's."""

    root: Path

    def pod(self, uid: str) -> Path:
        """Everything of one pod except its logs."""
        return self.root / "pods" / uid

    def volumes(self, uid: str) -> Path:
        """One directory below it for each volume."""
        return self.pod(uid) / "volumes"

    def termination_message(self, uid: str, container: str, attempt: int) -> Path:
        """The file that a container may leave its last words in."""
        return self.pod(uid) / "containers" / container / f"{attempt}.message"

    def pod_logs(self, namespace: str, name: str, uid: str) -> Path:
        """The log files of one pod."""
        return self.root / "logs" / f"{namespace}_{name}_{uid}"

    def log(self, pod: Json, container: str, attempt: int) -> Path:
        """The CRI log file of one life of a container."""
        metadata = pod["metadata"]
        logs = self.pod_logs(metadata["namespace"], metadata["name"], metadata["uid"])
        return logs / container / f"{attempt}.log"
