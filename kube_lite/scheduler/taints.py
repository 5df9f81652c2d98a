"""Taints and tolerations, and nodes that take no new pods."""

from collections.abc import Iterable, Sequence

from kube_lite.api.identity import Json

UNSCHEDULABLE_TAINT: Json = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint(s)"
REPELLING = ("NoSchedule", "NoExecute")


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
        return _compares(operator, present, value)
    return bool(operator == "Equal" and value == present)


def _compares(operator: str, present: str, value: str) -> bool:
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


def refusal(node: Json, tolerations: Sequence[Json]) -> str:
    """Why a node keeps a pod away; empty when it does not."""
    spec = node.get("spec", {})
    if spec.get("unschedulable") and not any(tolerates(entry, UNSCHEDULABLE_TAINT) for entry in tolerations):
        return UNSCHEDULABLE
    return UNTOLERATED if untolerated(spec.get("taints") or (), tolerations) is not None else ""


def dislikes(node: Json, tolerations: Sequence[Json]) -> int:
    """How many ``PreferNoSchedule`` taints of a node the pod does not tolerate."""
    covering = [entry for entry in tolerations if entry.get("effect") in (None, "", "PreferNoSchedule")]
    return sum(
        taint.get("effect") == "PreferNoSchedule" and not any(tolerates(entry, taint) for entry in covering)
        for taint in node.get("spec", {}).get("taints") or ()
    )
