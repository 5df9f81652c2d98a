"""Which nodes a pod asks for: its node selector, and the node affinity it requires or prefers."""

from kube_lite.api.identity import Json
from kube_lite.api.placement import matches, term_matches

__all__ = ["MISMATCH", "matches", "preference", "term_matches"]

MISMATCH = "node(s) didn't match Pod's node affinity/selector"


def preference(pod_spec: Json, node: Json) -> int:
    """The sum of the weights of the preferred terms that a node matches."""
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(entry["weight"] for entry in preferred if term_matches(entry["preference"], node))
