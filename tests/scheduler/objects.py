"""Pods and nodes as rules see them, and where a pod goes."""

from typing import Any

from kube_lite.api.identity import Json
from kube_lite.scheduler.deciding import Decider, failure_message
from kube_lite.scheduler.preempt import plan_preemption
from kube_lite.scheduler.profiles import Profile
from kube_lite.scheduler.snapshot import Snapshot, needs_of

from .storage import Stored


def pod(name: str = "p", cpu: str = "", labels: Json | None = None, **spec: Any) -> Json:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    container = {"name": "app", "resources": resources}
    return {
        "metadata": {"name": name, "namespace": "n", "uid": name, "labels": labels or {}},
        "spec": {"containers": [container], **spec},
    }


def node(name: str = "n1", cpu: str = "2", labels: Json | None = None, **spec: Any) -> Json:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "10"}},
    }


def zone(name: str, where: str, **more: Any) -> Json:
    """A node in a zone."""
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": where}
    return node(name, labels=labels, **more)


def snapshot(*nodes: Json, placed: list[tuple[str, Json]] | None = None) -> Snapshot:
    """Nodes, and pods on them."""
    made = Snapshot()
    for entry in nodes:
        made.set_node(entry)
    for place, entry in placed or ():
        made.place(entry, place)
    return made


def choose(
    given: Json, nodes: Snapshot, *, storage: Stored | None = None, profile: Profile | None = None,
    selector: Json | None = None,
) -> str:  # fmt: skip
    """The node a pod gets, or what is said when it gets none."""
    decider = Decider(nodes, storage or Stored(), profile or Profile(), lambda pod: selector)
    placement = decider.place(given, needs_of(given))
    if placement.node:
        return placement.node
    hopes = plan_preemption(given, needs_of(given), placement, nodes, decider, ()).hopes
    return failure_message(given, placement, hopes, count=len(nodes.nodes()))
