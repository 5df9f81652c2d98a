"""One object in another version of its kind: HorizontalPodAutoscaler ``v1`` ↔ ``v2``, Event core ↔
events.k8s.io. Those of versions that are going away or gone are in ``older`` and ``legacy``.

Nothing is lost on the way: what the older version has no field for travels in annotations, and comes back
from them. Results are new objects that share parts with the given one, which is left as it is. Source:
kubernetes/pkg/apis/autoscaling/v1/conversion.go and pkg/apis/events/v1/conversion.go.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.resource import Resource


class Way(NamedTuple):
    """How an object gets from a version to the one that is stored, and back; pure functions."""

    newer: Callable[[Json], Json]
    older: Callable[[Json], Json]


CORE_EVENT = GroupVersionKind("", "v1", "Event")
NEW_EVENT = GroupVersionKind("events.k8s.io", "v1", "Event")
OLD_AUTOSCALER = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")
AUTOSCALER = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")

ANNOTATION = "autoscaling.alpha.kubernetes.io/"
METRICS = f"{ANNOTATION}metrics"
CURRENT_METRICS = f"{ANNOTATION}current-metrics"
CONDITIONS = f"{ANNOTATION}conditions"
BEHAVIOR = f"{ANNOTATION}behavior"


def stored_as(row: Resource) -> GroupVersionKind:
    """In which group and version the objects of a row are stored."""
    group = row.alias_of.group if row.alias_of is not None else row.group
    return GroupVersionKind(group, row.storage_version or row.version, row.kind)


def convert(obj: Json, wanted: GroupVersionKind) -> Json:
    """The object as ``wanted`` has it, by way of the version that is stored; itself if that is what it is."""
    group, version = parse_api_version(obj["apiVersion"])
    given = GroupVersionKind(group, version, obj["kind"])
    if given == wanted:
        return obj
    there, back = _way(given), _way(wanted)
    if there is not None:
        obj = there.newer(obj)
    if back is not None:
        obj = back.older(obj)
    return {**obj, "apiVersion": wanted.api_version, "kind": wanted.kind}


def is_renaming(given: GroupVersionKind, wanted: GroupVersionKind) -> bool:
    """Whether two versions differ in ``apiVersion`` alone."""
    return given.kind == wanted.kind and _way(given) is None and _way(wanted) is None


@lru_cache(maxsize=256)
def _way(gvk: GroupVersionKind) -> Way | None:
    """How a version gets to the stored one and back; None if ``apiVersion`` is all that differs."""
    from . import legacy, older  # of kinds that are defined in terms of this file

    return _WAYS.get(gvk) or older.WAYS.get(gvk) or legacy.way(gvk)


_EVENT_FIELDS = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)
"""Names of the same field in the core group and in events.k8s.io."""
_UNTOLD = ("note", "reportingController", "reportingInstance", "deprecatedCount", "action", "type", "reason")
"""Fields of the newer form that are left out when they are empty."""
_ALWAYS_CORE: Json = {
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
_ALWAYS_NEWER: Json = {
    "eventTime": None,
    "deprecatedSource": {},
    "deprecatedFirstTimestamp": None,
    "deprecatedLastTimestamp": None,
}


def newer_event(event: Json) -> Json:
    """Core → events.k8s.io."""
    names = dict(_EVENT_FIELDS)
    newer = {**_ALWAYS_NEWER, **{names.get(field, field): value for field, value in event.items()}}
    return {field: value for field, value in newer.items() if value or field not in _UNTOLD}


def core_event(event: Json) -> Json:
    """The way back."""
    names = {newer: core for core, newer in _EVENT_FIELDS}
    return {**_ALWAYS_CORE, **{names.get(field, field): value for field, value in event.items()}}


class Fields(NamedTuple):
    """How a type of metric is written in ``v1``: its name, its selector, its amounts.

    ``{"metricName": "hits", "targetAverageValue": "1k"}`` is in ``v2``
    ``{"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1k"}}``.
    """

    field: str
    name: str
    selector: str = ""
    value: str = ""
    average: str = ""
    utilization: str = ""
    kept: str = ""


Forms = Mapping[str, Fields]
"""How the types of metrics are written, by type."""

TARGETS: Forms = {
    "Resource": Fields(
        "resource", "name", average="targetAverageValue", utilization="targetAverageUtilization"
    ),
    "ContainerResource": Fields(
        "containerResource",
        "name",
        average="targetAverageValue",
        utilization="targetAverageUtilization",
        kept="container",
    ),
    "Pods": Fields("pods", "metricName", "selector", average="targetAverageValue"),
    "Object": Fields("object", "metricName", "selector", value="targetValue", average="averageValue"),
    "External": Fields(
        "external", "metricName", "metricSelector", value="targetValue", average="targetAverageValue"
    ),
}
STATES: Forms = {
    type_: fields._replace(**{
        word: name.replace("target", "current")
        for word, name in fields._asdict().items()
        if word in ("value", "average", "utilization")
    })
    for type_, fields in TARGETS.items()
}  # fmt: skip
_AMOUNTS = (("value", "value"), ("average", "averageValue"), ("utilization", "averageUtilization"))
_TYPE_OF = {"value": "Value", "averageValue": "AverageValue", "averageUtilization": "Utilization"}


def _is_resource(type_: str) -> bool:
    return type_ in ("Resource", "ContainerResource")


def _parts(metric: Json, forms: Forms) -> tuple[str, Fields | None, Json]:
    """The type of a metric, its form (None for a type that is not known), and what it says."""
    type_ = metric.get("type")
    fields = forms.get(type_) if isinstance(type_, str) else None
    given = metric.get(fields.field) if fields is not None else None
    return (type_ or "", fields, given) if isinstance(given, dict) else ("", None, {})


def older_metric(metric: Json, forms: Forms, side: str) -> Json:
    """A metric as the versions before ``v2beta2`` have it; itself if its type is unknown.

    Args:
        side: ``target`` for what is wanted, with ``TARGETS``; ``current`` for what is, with ``STATES``.
    """
    type_, fields, given = _parts(metric, forms)
    if fields is None:
        return metric
    described = given if _is_resource(type_) else given.get("metric") or {}
    older: Json = {}
    if type_ == "Object":
        older["target"] = given.get("describedObject")
    older[fields.name] = described.get("name")
    if fields.selector and described.get("selector") is not None:
        older[fields.selector] = described["selector"]
    amounts = given.get(side) or {}
    for word, name in _AMOUNTS:
        if amounts.get(name) is not None:
            older[getattr(fields, word)] = amounts[name]
    if fields.kept:
        older[fields.kept] = given.get(fields.kept, "")
    return {"type": type_, fields.field: older}


def newer_metric(metric: Json, forms: Forms, side: str) -> Json:
    """The way back."""
    type_, fields, given = _parts(metric, forms)
    if fields is None:
        return metric
    amounts = {
        name: given[getattr(fields, word)]
        for word, name in _AMOUNTS
        if getattr(fields, word) and given.get(getattr(fields, word)) is not None
    }
    if side == "target":
        kinds = [kind for name, kind in _TYPE_OF.items() if name in amounts]
        otherwise = "Value" if fields.value else "AverageValue"
        amounts = {"type": kinds[-1] if kinds else otherwise, **amounts}
    newer: Json = {side: amounts}
    if _is_resource(type_):
        newer["name"] = given.get("name")
    else:
        newer["metric"] = {"name": given.get(fields.name)}
        if given.get(fields.selector) is not None:
            newer["metric"]["selector"] = given[fields.selector]
    if type_ == "Object":
        newer["describedObject"] = given.get("target")
    if fields.kept:
        newer[fields.kept] = given.get(fields.kept, "")
    return {"type": type_, fields.field: newer}


def _utilization(metric: Json, side: str) -> int | None:
    """The only amount for which ``v1`` has a field: the share of the processor."""
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    share: int | None = (resource.get(side) or {}).get("averageUtilization")
    return share


def _older_autoscaler(obj: Json) -> Json:
    metadata, spec, status = dict(obj["metadata"]), dict(obj["spec"]), dict(obj.get("status") or {})
    annotations = dict(metadata.get("annotations") or {})
    share = _move(spec.pop("metrics", None), TARGETS, "target", METRICS, annotations)
    if share is not None:
        spec["targetCPUUtilizationPercentage"] = share
    share = _move(status.pop("currentMetrics", None), STATES, "current", CURRENT_METRICS, annotations)
    if share is not None:
        status["currentCPUUtilizationPercentage"] = share
    behavior, conditions = spec.pop("behavior", None), status.pop("conditions", None)
    if behavior is not None:
        annotations[BEHAVIOR] = behavior_text(behavior)
    if conditions:
        annotations[CONDITIONS] = _text(conditions)
    status.setdefault("currentReplicas", 0)
    if annotations:
        metadata["annotations"] = annotations
    return {**obj, "metadata": metadata, "spec": spec, "status": status}


def _move(metrics: Iterable[Json] | None, forms: Forms, side: str, annotation: str, into: Json) -> int | None:
    """Put metrics into an annotation, but for the processor's share, which is returned."""
    share, others = None, []
    for metric in metrics or ():
        found = _utilization(metric, side)
        if found is None:
            others.append(older_metric(metric, forms, side))
        else:
            share = found
    if others:
        into[annotation] = _text(others)
    return share


def _newer_autoscaler(obj: Json) -> Json:
    metadata, spec, status = dict(obj["metadata"]), dict(obj["spec"]), dict(obj.get("status") or {})
    annotations = dict(metadata.pop("annotations", None) or {})
    metrics = [newer_metric(entry, TARGETS, "target") for entry in _list(annotations.pop(METRICS, ""))]
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    behavior = behavior_of(annotations.pop(BEHAVIOR, ""))
    if behavior is not None:
        spec["behavior"] = behavior
    current = [
        newer_metric(entry, STATES, "current") for entry in _list(annotations.pop(CURRENT_METRICS, ""))
    ]
    share = status.pop("currentCPUUtilizationPercentage", None)
    if share is not None:
        present = {"averageUtilization": share}
        current.append({"type": "Resource", "resource": {"name": "cpu", "current": present}})
    status["currentMetrics"] = current or None
    conditions = _list(annotations.pop(CONDITIONS, ""))
    if conditions:
        status["conditions"] = conditions
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**obj, "metadata": metadata, "spec": spec, "status": status}


_SIDES = {"ScaleUp": "scaleUp", "ScaleDown": "scaleDown"}
_RULES = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY = ("Type", "Value", "PeriodSeconds")


def behavior_text(behavior: Json) -> str:
    """Scaling rules as versions without a field for them keep them in an annotation."""
    return _text({side: _rules(behavior.get(field)) for side, field in _SIDES.items()})


def behavior_of(text: str) -> Json | None:
    """The scaling rules of such an annotation; None where it has none."""
    told = _parsed(text)
    if not isinstance(told, dict):
        return None
    return {
        field: _newer_rules(told[side]) for side, field in _SIDES.items() if isinstance(told.get(side), dict)
    }


def _rules(rules: Json | None) -> Json | None:
    """Scaling rules with the names of Go's fields, nulls included, as upstream has them in the annotation."""
    if rules is None:
        return None
    told: Json = {name: rules.get(_lower(name)) for name in _RULES}
    if told["Policies"] is not None:
        told["Policies"] = [
            {name: policy.get(_lower(name)) for name in _POLICY} for policy in told["Policies"]
        ]
    return told


def _newer_rules(rules: Json) -> Json:
    told = {_lower(name): rules[name] for name in _RULES if rules.get(name) is not None}
    if "policies" in told:
        policies = told["policies"] if isinstance(told["policies"], list) else []
        told["policies"] = [
            {_lower(name): policy.get(name) for name in _POLICY}
            for policy in policies
            if isinstance(policy, dict)
        ]
    return told


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _parsed(text: str) -> Any:
    """What an annotation says; None where a user has written something else into it."""
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _list(text: str) -> list[Json]:
    parsed = _parsed(text)
    return [entry for entry in parsed if isinstance(entry, dict)] if isinstance(parsed, list) else []


_WAYS = {
    NEW_EVENT: Way(core_event, newer_event),
    OLD_AUTOSCALER: Way(_newer_autoscaler, _older_autoscaler),
}
