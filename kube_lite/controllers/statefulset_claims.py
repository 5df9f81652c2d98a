"""The claims of a StatefulSet's Pods: their names, and by whom they are owned, which decides when they go.

Every Pod has a claim per template, named ``<template>-<set>-<ordinal>``. Claims outlive Pods, so a Pod that
comes back finds its volume again. ``persistentVolumeClaimRetentionPolicy`` is carried out by owner references
alone: a claim that the set owns goes with the set, one that a spare Pod owns goes with the Pod. All functions
are pure.

Source: kubernetes/pkg/controller/statefulset/stateful_set_utils.go.
"""

import re

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionKind, Json

from .resources import STATEFUL_SET

POD = GroupVersionKind("", "v1", "Pod")
POD_NAME = re.compile(r"(.*)-([0-9]+)", re.DOTALL)


def ordinal_of(owner: Json, name: str) -> int | None:
    """The number in the name of a Pod of this set, None for any other Pod.

    >>> ordinal_of({"metadata": {"name": "web"}}, "web-12")
    12
    """
    found = POD_NAME.fullmatch(name)
    if found is None or found[1] != owner["metadata"]["name"] or len(found[2]) > 9:
        return None
    return int(found[2])


def is_wanted(owner: Json, ordinal: int) -> bool:
    """Whether the set asks for a Pod of that number now."""
    start = first_ordinal(owner)
    return start <= ordinal < start + int(owner["spec"].get("replicas", 1))


def first_ordinal(owner: Json) -> int:
    """``spec.ordinals.start``."""
    return int((owner["spec"].get("ordinals") or {}).get("start", 0))


def templates_of(owner: Json) -> list[Json]:
    """The set's claim templates."""
    templates: list[Json] = owner["spec"].get("volumeClaimTemplates") or []
    return templates


def claim_name(owner: Json, template: Json, ordinal: int) -> str:
    """What the claim of a Pod is called."""
    return f"{template['metadata']['name']}-{owner['metadata']['name']}-{ordinal}"


def is_claim_of(owner: Json, name: str) -> bool:
    """Whether a claim of that name would be one of the set's."""
    for template in templates_of(owner):
        prefix = f"{template['metadata']['name']}-"
        if name.startswith(prefix) and ordinal_of(owner, name.removeprefix(prefix)) is not None:
            return True
    return False


def claims_for(owner: Json, ordinal: int) -> list[Json]:
    """The claims that a Pod needs, as they are to be created."""
    claims = []
    selected = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in templates_of(owner):
        metadata = {**template["metadata"], "name": claim_name(owner, template, ordinal)}
        metadata["namespace"] = owner["metadata"]["namespace"]
        metadata["labels"] = {**(metadata.get("labels") or {}), **selected}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
        claims.append({**claim, "spec": template["spec"]})
    return claims


def is_left_over(claim: Json, pod_name: str) -> bool:
    """Whether it still belongs to an earlier Pod of that name, and so is about to go with it."""
    return any(_refers(entry, POD, pod_name) for entry in meta.owner_references(claim))


def plan_owners(owner: Json, pod: Json, claim: Json) -> list[Json]:
    """The owner references that the claim should have.

    With ``whenDeleted: Delete`` the set owns it; with ``whenScaled: Delete`` the Pod owns it once the set
    no longer asks for the Pod. A claim that somebody else manages is left to them.
    """
    name, set_name = pod["metadata"]["name"], owner["metadata"]["name"]
    others = [
        entry
        for entry in meta.owner_references(claim)
        if not _refers(entry, POD, name) and not _refers(entry, STATEFUL_SET, set_name)
    ]
    if any(entry.get("controller") for entry in others):
        return others
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    ordinal = ordinal_of(owner, name)
    is_spare = ordinal is None or not is_wanted(owner, ordinal)
    if is_spare and policy.get("whenScaled") == "Delete":
        return [*others, meta.owner_reference(pod, POD)]
    if policy.get("whenDeleted") == "Delete":
        return [*others, meta.owner_reference(owner, STATEFUL_SET)]
    return others


def _refers(reference: Json, kind: GroupVersionKind, name: str) -> bool:
    same_kind = reference.get("apiVersion") == kind.api_version and reference.get("kind") == kind.kind
    return same_kind and reference.get("name") == name
