"""HorizontalPodAutoscaler ``v2beta1`` ↔ ``v2``: other names for metrics, no field for scaling rules.

The names are those that ``v1`` uses in its annotations. Source: pkg/apis/autoscaling/v2beta1/conversion.go.
"""

from collections.abc import Callable

from kube_lite.api.identity import Json

from ..conversions import (
    BEHAVIOR,
    STATES,
    TARGETS,
    Forms,
    behavior_of,
    behavior_text,
    newer_metric,
    older_metric,
)
from .parts import changed, with_annotation, without_annotation


def newer_autoscaler(obj: Json) -> Json:
    """``v2beta1`` → ``v2``."""
    spec: Json = dict(obj.get("spec") or {})
    if spec.get("metrics"):
        spec["metrics"] = [newer_metric(metric, TARGETS, "target") for metric in spec["metrics"]]
    obj, text = without_annotation(obj, BEHAVIOR)
    behavior = behavior_of(text)
    if behavior is not None:
        spec["behavior"] = behavior
    return changed(obj, spec=spec, status=_status(obj, newer_metric))


def older_autoscaler(obj: Json) -> Json:
    """``v2`` → ``v2beta1``."""
    spec: Json = dict(obj.get("spec") or {})
    if spec.get("metrics"):
        spec["metrics"] = [older_metric(metric, TARGETS, "target") for metric in spec["metrics"]]
    behavior = spec.pop("behavior", None)
    if behavior is not None:
        obj = with_annotation(obj, BEHAVIOR, behavior_text(behavior))
    return changed(obj, spec=spec, status=_status(obj, older_metric))


def _status(obj: Json, convert: Callable[[Json, Forms, str], Json]) -> Json | None:
    status: Json | None = obj.get("status")
    if not status or not status.get("currentMetrics"):
        return status
    metrics = [convert(metric, STATES, "current") for metric in status["currentMetrics"]]
    return {**status, "currentMetrics": metrics}
