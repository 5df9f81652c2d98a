"""Deployment, DaemonSet, ReplicaSet and StatefulSet before ``apps/v1``.

Two fields are gone since: what a Deployment is to be rolled back to, and how often a DaemonSet's template has
changed. ``apps/v1`` keeps them in annotations. Defaults differ more: selectors could be left out, and then
were the labels of the template, and so were the labels of the object.
Source: defaults.go and conversion.go of pkg/apis/{extensions,apps}/{v1beta1,v1beta2}.
"""

from kube_lite.api.identity import Json

from ..apps import TEMPLATE_GENERATION
from .parts import with_annotation, without_annotation

ROLLBACK_TO = "deprecated.deployment.rollback.to"
UNLIMITED = 2**31 - 1


def default_labels(obj: Json) -> None:
    """Selector and labels are those of the template."""
    spec = obj.setdefault("spec", {})
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if spec.get("selector") is None:
            spec["selector"] = {"matchLabels": dict(labels)}
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def default_extensions_deployment(deployment: Json) -> None:
    """One Pod at a time, everything remembered, no deadline."""
    default_labels(deployment)
    spec = deployment["spec"]
    strategy = spec["strategy"] = spec.get("strategy") or {}
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate" or strategy.get("rollingUpdate") is not None:
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 1)
    spec.setdefault("revisionHistoryLimit", UNLIMITED)
    spec.setdefault("progressDeadlineSeconds", UNLIMITED)


def default_deployment(deployment: Json) -> None:
    """As ``apps/v1``, but that it remembers two revisions."""
    default_labels(deployment)
    deployment["spec"].setdefault("revisionHistoryLimit", 2)


def default_daemonset(daemonset: Json) -> None:
    """Pods are replaced when they are deleted."""
    default_labels(daemonset)
    _on_delete(daemonset["spec"])


def default_statefulset(statefulset: Json) -> None:
    """The same."""
    default_labels(statefulset)
    _on_delete(statefulset["spec"])


def _on_delete(spec: Json) -> None:
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy["type"] = strategy.get("type") or "OnDelete"


def newer_deployment(deployment: Json) -> Json:
    """``rollbackTo`` → its annotation."""
    spec = deployment.get("spec") or {}
    if "rollbackTo" not in spec:
        return deployment
    target = spec["rollbackTo"]
    newer = {**deployment, "spec": {field: value for field, value in spec.items() if field != "rollbackTo"}}
    return newer if target is None else with_annotation(newer, ROLLBACK_TO, str(target.get("revision", 0)))


def older_deployment(deployment: Json) -> Json:
    """The annotation → ``rollbackTo``. One that is no number stays an annotation."""
    rest, text = without_annotation(deployment, ROLLBACK_TO)
    revision = _number(text)
    if revision is None:
        return deployment
    target = {"revision": revision} if revision else {}
    return {**rest, "spec": {**(deployment.get("spec") or {}), "rollbackTo": target}}


def newer_daemonset(daemonset: Json) -> Json:
    """``templateGeneration`` → its annotation."""
    spec = daemonset.get("spec") or {}
    if "templateGeneration" not in spec:
        return daemonset
    generation = spec["templateGeneration"]
    rest = {field: value for field, value in spec.items() if field != "templateGeneration"}
    newer = {**daemonset, "spec": rest}
    return with_annotation(newer, TEMPLATE_GENERATION, str(generation)) if generation else newer


def older_daemonset(daemonset: Json) -> Json:
    """The annotation → ``templateGeneration``."""
    rest, text = without_annotation(daemonset, TEMPLATE_GENERATION)
    generation = _number(text)
    if not generation:
        return daemonset
    return {**rest, "spec": {**(daemonset.get("spec") or {}), "templateGeneration": generation}}


def _number(text: str) -> int | None:
    """The number that a text is written as by these conversions; None for every other text."""
    if not (text.isascii() and text.isdecimal()) or (text != "0" and text.startswith("0")):
        return None
    number = int(text)
    return number if number < 2**63 else None
