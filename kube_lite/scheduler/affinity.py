"""Which nodes a pod asks for: its node selector, and the node affinity it requires or prefers."""

from kube_lite.api.identity import Json
from kube_lite.api.placement import matches, term_matches

__all__ = ["CONFLICT", "MISMATCH", "NOT_NAMED", "matches", "named_nodes", "preference", "term_matches"]

MISMATCH = "node(s) didn't match Pod's node affinity/selector"
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
"""What is said of the others where every term names its nodes, as a DaemonSet's does."""
CONFLICT = "pod affinity terms conflict"


def named_nodes(pod_spec: Json) -> frozenset[str] | None:
    """The nodes that the terms of a pod's affinity name; None where one of them names none.

    Source: ``PreFilter`` in pkg/scheduler/framework/plugins/nodeaffinity.
    """
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    named: frozenset[str] | None = None
    for term in required.get("nodeSelectorTerms") or ():
        values = [
            frozenset(field.get("values") or ())
            for field in term.get("matchFields") or ()
            if field.get("key") == "metadata.name" and field.get("operator") == "In"
        ]
        if not values:
            return None
        named = (named or frozenset()) | frozenset.intersection(*values)
    return named


def preference(pod_spec: Json, node: Json) -> int:
    """The sum of the weights of the preferred terms that a node matches."""
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(entry["weight"] for entry in preferred if term_matches(entry["preference"], node))
