"""Which nodes a pod asks for: its node selector, and the node affinity it requires or prefers."""

from collections.abc import Mapping, Sequence

from kube_lite.api.identity import Json

MISMATCH = "node(s) didn't match Pod's node affinity/selector"


def matches(pod_spec: Json, node: Json) -> bool:
    """Whether a node is one the pod asks for."""
    labels = node["metadata"].get("labels") or {}
    selector = pod_spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def preference(pod_spec: Json, node: Json) -> int:
    """The sum of the weights of the preferred terms that a node matches."""
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return sum(entry["weight"] for entry in preferred if term_matches(entry["preference"], node))


def term_matches(term: Json, node: Json) -> bool:
    """Whether every requirement of a term holds; a term without any holds nowhere."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels = node["metadata"].get("labels") or {}
    known = {"metadata.name": node["metadata"]["name"]}
    return _all_hold(expressions, labels) and _all_hold(fields, known)


def _all_hold(requirements: Sequence[Json], values: Mapping[str, str]) -> bool:
    return all(_holds(requirement, values) for requirement in requirements)


def _holds(requirement: Json, values: Mapping[str, str]) -> bool:
    operator, wanted = requirement["operator"], requirement.get("values") or ()
    present = values.get(requirement["key"])
    if operator == "In":
        return present in wanted
    if operator == "NotIn":
        return present not in wanted
    if operator == "Exists":
        return present is not None
    if operator == "DoesNotExist":
        return present is None
    return _compares(operator, present, wanted)


def _compares(operator: str, present: str | None, wanted: Sequence[str]) -> bool:
    """``Gt`` and ``Lt``: of whole numbers, one of which is the label."""
    if present is None or len(wanted) != 1:
        return False
    try:
        left, right = int(present), int(wanted[0])
    except ValueError:
        return False
    return left > right if operator == "Gt" else operator == "Lt" and left < right
