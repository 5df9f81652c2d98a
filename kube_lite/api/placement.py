"""Which nodes a Pod may be on, as far as labels, names, taints and tolerations say.

The scheduler asks this of Pods, the DaemonSet controller of templates. All functions are pure.
"""

from collections.abc import Iterable, Mapping, Sequence

from .identity import Json

REPELLING = ("NoSchedule", "NoExecute")
"""The effects of taints that keep Pods away."""


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


def tolerates(toleration: Json, taint: Json) -> bool:
    """Whether one toleration covers one taint.

    An empty key with ``Exists`` covers every taint, an empty effect every effect.
    Source: ``ToleratesTaint`` in k8s.io/api/core/v1/toleration.go.
    """
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint.get("effect"):
        return False
    if key and key != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    value, present = toleration.get("value", ""), taint.get("value", "")
    if operator == "Exists":
        return True
    if operator in ("Gt", "Lt"):
        return _exceeds(operator, present, value)
    return bool(operator == "Equal" and value == present)


def _exceeds(operator: str, present: str, value: str) -> bool:
    try:
        return int(present) > int(value) if operator == "Gt" else int(present) < int(value)
    except ValueError:
        return False


def untolerated(
    taints: Iterable[Json], tolerations: Sequence[Json], effects: Sequence[str] = REPELLING
) -> Json | None:
    """The first taint with one of the effects that no toleration covers."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(entry, taint) for entry in tolerations):
            return taint
    return None
