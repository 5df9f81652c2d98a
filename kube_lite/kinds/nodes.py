"""Node and RuntimeClass."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.resource import Subresource
from kube_lite.api.strategy import AGE, NAME, Column

from .base import Described, Kind, Row, age_of
from .cells import NONE
from .pods import PROXY

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"
UNKNOWN = "<unknown>"

_NODE_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
    "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip


class NodeStrategy(Kind):
    """A node is registered by its agent together with its first status."""

    labels = ("spec.unschedulable",)
    table = (
        NAME,
        Column("Status", description="The status of the node"),
        Column("Roles", description="The roles of the node"),
        AGE,
        Described("Version", "core.v1.NodeSystemInfo", "kubeletVersion"),
        Described("Internal-IP", "core.v1.NodeStatus", "addresses", priority=1),
        Described("External-IP", "core.v1.NodeStatus", "addresses", priority=1),
        Described("OS-Image", "core.v1.NodeSystemInfo", "osImage", priority=1),
        Described("Kernel-Version", "core.v1.NodeSystemInfo", "kernelVersion", priority=1),
        Described("Container-Runtime", "core.v1.NodeSystemInfo", "containerRuntimeVersion", priority=1),
    )

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Agents are no longer configured through the API."""
        (obj.get("spec") or {}).pop("configSource", None)

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """Agents are no longer configured through the API."""
        super().prepare_for_status_update(obj, old, now)
        (obj.get("status") or {}).pop("config", None)

    def prepare_for_create(self, obj: Json) -> None:
        """Keep the status that the agent sends along."""
        self.prepare_for_update(obj, {})
        status = obj.setdefault("status", {})
        status.pop("config", None)
        status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
        status.setdefault("nodeInfo", dict.fromkeys(_NODE_INFO, ""))

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """Whether it takes new pods."""
        return {"spec.unschedulable": "true" if obj.get("spec", {}).get("unschedulable") else "false"}

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a node."""
        status = obj.get("status", {})
        info = status.get("nodeInfo", {})
        return [
            obj["metadata"]["name"],
            _status(obj),
            ",".join(roles(obj)) or NONE,
            age_of(obj, now),
            info.get("kubeletVersion", ""),
            _address(status, "InternalIP"),
            _address(status, "ExternalIP"),
            info.get("osImage") or UNKNOWN,
            _kernel(info),
            info.get("containerRuntimeVersion") or UNKNOWN,
        ]


def _kernel(info: Json) -> str:
    version, architecture = info.get("kernelVersion") or UNKNOWN, info.get("architecture")
    return f"{version} ({architecture})" if architecture else version


def _status(node: Json) -> str:
    words = [
        "Ready" if entry["status"] == "True" else "NotReady"
        for entry in node.get("status", {}).get("conditions", ())
        if entry["type"] == "Ready"
    ][-1:] or ["Unknown"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def roles(node: Json) -> list[str]:
    """The roles that a node's labels give it, sorted."""
    labels = node["metadata"].get("labels") or {}
    found = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)}
    found.add(labels.get(ROLE_LABEL, ""))
    return sorted(found - {""})


def _address(status: Json, type_: str) -> str:
    addresses = status.get("addresses") or ()
    return next((entry["address"] for entry in addresses if entry["type"] == type_), NONE)


class RuntimeClassStrategy(Kind):
    """How a pod's containers are to be run."""

    create_on_update = True
    unconditional_update = False
    table = (NAME, Column("Handler"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """Name and handler."""
        return [obj["metadata"]["name"], obj["handler"], age_of(obj, now)]


NODE = Row(
    "Node",
    "nodes",
    NodeStrategy,
    namespaced=False,
    short_names=("no",),
    status=True,
    subresources=(Subresource("proxy", PROXY, "NodeProxyOptions"),),
)
RUNTIME_CLASS = Row("RuntimeClass", "runtimeclasses", RuntimeClassStrategy, namespaced=False)
