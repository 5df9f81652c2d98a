"""HorizontalPodAutoscaler, Scale."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of
from .cells import NONE, UNSET
from .conversions import AUTOSCALER, convert

SHOWN_METRICS = 2  # before a cell says "+ n more..."
SPEC = "autoscaling.v2.HorizontalPodAutoscalerSpec"


class AutoscalerStrategy(Kind):
    """So many replicas as the load asks for. Stored as ``v2``."""

    initial_status = '{"desiredReplicas":0,"currentMetrics":null}'
    table = (
        NAME,
        Described("Reference", SPEC, "scaleTargetRef"),
        Described("Targets", SPEC, "metrics"),
        Described("MinPods", SPEC, "minReplicas"),
        Described("MaxPods", SPEC, "maxReplicas"),
        Described("Replicas", "autoscaling.v2.HorizontalPodAutoscalerStatus", "currentReplicas"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows an autoscaler."""
        spec, status = obj["spec"], obj.get("status", {})
        target = spec["scaleTargetRef"]
        least = spec.get("minReplicas")
        return [
            obj["metadata"]["name"],
            f"{target['kind']}/{target['name']}",
            metrics_text(spec.get("metrics") or [], status.get("currentMetrics") or ()),
            str(least) if least is not None else UNSET,
            spec["maxReplicas"],
            status.get("currentReplicas", 0),
            age_of(obj, now),
        ]


class AutoscalerV1Strategy(AutoscalerStrategy):
    """The version that knows only processor load."""

    initial_status = '{"currentReplicas":0,"desiredReplicas":0}'

    def bare(self, obj: Json) -> Json:
        """Without the annotations that carry what this version has no fields for."""
        return convert(obj, AUTOSCALER)

    def cells(self, obj: Json, now: float) -> list[object]:
        """All metrics, those among them that stand in annotations."""
        return super().cells(convert(obj, AUTOSCALER), now)


def metrics_text(specs: list[Json], statuses: tuple[Json, ...] | list[Json]) -> str:
    """``cpu: 12%/80%, 40/100 (avg) + 1 more...``: what is, of what should be."""
    if not specs:
        return NONE
    texts = [
        _metric_text(spec, statuses[place] if place < len(statuses) else {})
        for place, spec in enumerate(specs)
    ]
    shown = ", ".join(texts[:SHOWN_METRICS])
    more = len(texts) - SHOWN_METRICS
    return f"{shown} + {more} more..." if more > 0 else shown


_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric_text(spec: Json, status: Json) -> str:
    """One metric: its present value and its target, as its type has them.

    Source: ``formatHPAMetrics`` in kubernetes/pkg/printers/internalversion/printers.go.
    """
    type_ = spec.get("type", "")
    field = _SOURCES.get(type_)
    if field is None:
        return "<unknown type>"
    wanted = spec.get(field) or {}
    target, current = wanted.get("target") or {}, (status.get(field) or {}).get("current") or {}
    if type_ in ("Resource", "ContainerResource"):
        return f"{wanted.get('name', '')}: {_share(target, current)}"
    if type_ == "Pods":
        return f"{current.get('averageValue', '<unknown>')}/{target.get('averageValue', '')}"
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', '<unknown>')}/{target['averageValue']} (avg)"
    return f"{current.get('value', '<unknown>')}/{target.get('value', '')}"


def _share(target: Json, current: Json) -> str:
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', '<unknown>')}/{target['averageValue']}"
    now, wanted = current.get("averageUtilization"), target.get("averageUtilization")
    present = f"{now}%" if now is not None else "<unknown>"
    return f"{present}/{f'{wanted}%' if wanted is not None else '<auto>'}"


class ScaleStrategy(Kind):
    """How many there are of something; answered by ``scale`` subresources, never stored."""

    table = (
        NAME._replace(format=""),
        Described("Desired", "autoscaling.v1.ScaleSpec", "replicas", type="integer"),
        Described("Available", "autoscaling.v1.ScaleStatus", "replicas", type="integer"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Wanted and present replicas."""
        desired = obj.get("spec", {}).get("replicas", 0)
        present = obj.get("status", {}).get("replicas", 0)
        return [obj["metadata"]["name"], desired, present, age_of(obj, now)]


def autoscalers(strategy: type[Kind]) -> Row:
    """The row, for either version."""
    return Row(
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        strategy,
        short_names=("hpa",),
        categories=("all",),
        status=True,
        storage_version="v2",
    )


AUTOSCALING_V2 = (autoscalers(AutoscalerStrategy),)
AUTOSCALING_V1 = (autoscalers(AutoscalerV1Strategy),)
SCALE = Row("Scale", "scales", ScaleStrategy)
