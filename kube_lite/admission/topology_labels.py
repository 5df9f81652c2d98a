"""A Pod that gets a node gets the labels that say in which zone and region it is.

Source: ``plugin/pkg/admission/podtopologylabels``; on since 1.35.
"""

from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.meta import labels_of

from .chain import CREATE, Attempt, Rule

PODS = GroupResource("", "pods")
NODES = GroupResource("", "nodes")
COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
SINCE = 35


class PodTopologyLabels(Rule):
    """Copies the labels to bindings, which bring them to their Pods, and to Pods that name their node."""

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """New Pods and bindings."""
        return operation == CREATE and resource == PODS and subresource in ("", "binding")

    async def mutate(self, attempt: Attempt) -> None:
        """Over labels of the same name."""
        name = (
            _node_of(attempt.obj) if attempt.subresource else (attempt.obj.get("spec") or {}).get("nodeName")
        )
        node = attempt.objects.peek(NODES, ObjectKey("", name)) if name else None
        if node is None:
            return
        labels = labels_of(node)
        brought = {label: labels[label] for label in COPIED if label in labels}
        if brought:
            metadata = attempt.obj["metadata"]
            metadata["labels"] = {**(metadata.get("labels") or {}), **brought}


def _node_of(binding: Json) -> str:
    target = binding.get("target") or {}
    return target.get("name", "") if target.get("kind") == "Node" else ""
