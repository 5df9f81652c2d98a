"""Taints and tolerations, and nodes that take no new pods."""

from collections.abc import Sequence

from kube_lite.api.identity import Json
from kube_lite.api.placement import tolerates, untolerated

__all__ = ["UNSCHEDULABLE", "UNTOLERATED", "dislikes", "refusal", "tolerates", "untolerated"]

UNSCHEDULABLE_TAINT: Json = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint(s)"


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
