"""Rules for HorizontalPodAutoscalers: ``pkg/apis/autoscaling/validation/validation.go``."""

from collections.abc import Callable, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    each,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_path_segment
from kube_lite.api.quantity import Quantity, parse_quantity

from .amounts import check_container_resource_name
from .values import check_amount

REPLICAS_MIN = 1
WINDOW_MAX, PERIOD_MAX = 3600, 1800
METRIC_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
TARGET_TYPES = ("Utilization", "Value", "AverageValue")
SELECT_POLICIES = ("Disabled", "Max", "Min")
POLICY_TYPES = ("Percent", "Pods")
POSITIVE = "must be greater than zero"


def check_autoscaler(autoscaler: Json) -> Iterator[Cause]:
    """A HorizontalPodAutoscaler."""
    spec = autoscaler.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < REPLICAS_MIN:
        yield invalid("spec.minReplicas", low, f"must be greater than or equal to {REPLICAS_MIN}")
    if high == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        yield invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _check_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", needs_group=True)
    metrics = spec.get("metrics") or ()
    for position, metric in enumerate(metrics):
        yield from _check_metric(metric, f"spec.metrics[{position}]")
    if low == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", why)
    for direction in ("scaleUp", "scaleDown"):
        rules = (spec.get("behavior") or {}).get(direction)
        if rules is not None:
            yield from _check_rules(rules, f"spec.behavior.{direction}")


def _check_reference(reference: Json, path: str, *, needs_group: bool) -> Iterator[Cause]:
    for field in ("kind", "name"):
        if not reference.get(field):
            yield required(f"{path}.{field}")
        else:
            yield from each(f"{path}.{field}", reference[field], check_path_segment(reference[field]))
    version = reference.get("apiVersion") or ""
    if version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    elif needs_group and not version.rpartition("/")[0]:
        yield invalid(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _check_rules(rules: Json, path: str) -> Iterator[Cause]:
    window, here = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        yield invalid(here, window, "must be greater than or equal to zero")
    elif window is not None and window > WINDOW_MAX:
        yield invalid(here, window, f"must be less than or equal to {WINDOW_MAX}")
    if rules.get("selectPolicy") is not None:
        yield from one_of(f"{path}.selectPolicy", rules["selectPolicy"], SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for position, policy in enumerate(policies):
        here = f"{path}.policies[{position}]"
        yield from one_of(f"{here}.type", policy.get("type") or "", POLICY_TYPES)
        for field in ("value", "periodSeconds"):
            if (policy.get(field) or 0) <= 0:
                yield invalid(f"{here}.{field}", policy.get(field) or 0, POSITIVE)
        if (policy.get("periodSeconds") or 0) > PERIOD_MAX:
            why = f"must be less than or equal to {PERIOD_MAX}"
            yield invalid(f"{here}.periodSeconds", policy["periodSeconds"], why)
    if rules.get("tolerance") is not None:
        yield from check_amount(f"{path}.tolerance", rules["tolerance"])


def _check_metric(metric: Json, path: str) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
    if kind not in METRIC_TYPES:
        yield not_supported(f"{path}.type", kind, METRIC_TYPES)
    present = [field for field in SOURCES if metric.get(field) is not None]
    if present:
        yield from SOURCES[present[0]](metric[present[0]], f"{path}.{present[0]}")
    expected = kind[:1].lower() + kind[1:]
    if kind not in METRIC_TYPES:
        yield not_supported(f"{path}.type", kind, METRIC_TYPES)  # the reference finds it twice
        expected = ""
    elif metric.get(expected) is None:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != expected:
                yield forbidden(f"{path}.{field}", "must populate the given metric source only")


def _check_name(metric: Json, path: str) -> Iterator[Cause]:
    name = metric.get("name") or ""
    if not name:
        yield required(f"{path}.name", "must specify a metric name")
    else:
        yield from each(f"{path}.name", name, check_path_segment(name))


def _check_target(target: Json, path: str) -> Iterator[Cause]:
    kind, utilization = target.get("type") or "", target.get("averageUtilization")
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in TARGET_TYPES:
        yield invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        text = target.get(field)
        if text is not None and parse_quantity(text) <= Quantity(0):
            yield invalid(f"{path}.{field}", text, "must be positive")
    if utilization is not None and utilization < 1:
        yield invalid(f"{path}.averageUtilization", utilization, "must be greater than 0")


def _check_object(source: Json, path: str) -> Iterator[Cause]:
    described = source.get("describedObject") or {}
    yield from _check_reference(described, f"{path}.describedObject", needs_group=False)
    yield from _check_value(source, path, "must set either a target value or averageValue")


def _check_external(source: Json, path: str) -> Iterator[Cause]:
    yield from _check_value(source, path, "must set either a target value for metric or a per-pod target")
    target = source.get("target") or {}
    if target.get("value") is not None and target.get("averageValue") is not None:
        why = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{path}.target.value", why)


def _check_value(source: Json, path: str, why: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    yield from _check_name(source.get("metric") or {}, f"{path}.metric")
    yield from _check_target(target, f"{path}.target")
    if target.get("value") is None and target.get("averageValue") is None:
        yield required(f"{path}.target.averageValue", why)


def _check_pods(source: Json, path: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    yield from _check_name(source.get("metric") or {}, f"{path}.metric")
    yield from _check_target(target, f"{path}.target")
    if target.get("averageValue") is None:
        yield required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _check_resource(source: Json, path: str) -> Iterator[Cause]:
    if not source.get("name"):
        yield required(f"{path}.name", "must specify a resource name")
    yield from _check_utilization(source, path)


def _check_container_resource(source: Json, path: str) -> Iterator[Cause]:
    name, container = source.get("name") or "", source.get("container") or ""
    if not name:
        yield required(f"{path}.name", "must specify a resource name")
    else:
        yield from check_container_resource_name(f"{path}.name", name)
    if not container:
        yield required(f"{path}.container", "must specify a container")
    else:
        yield from each(f"{path}.container", container, check_label(container))
    yield from _check_utilization(source, path)


def _check_utilization(source: Json, path: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    yield from _check_target(target, f"{path}.target")
    utilization, value = target.get("averageUtilization"), target.get("averageValue")
    if utilization is None and value is None:
        why = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", why)
    if utilization is not None and value is not None:
        why = "may not set both a target raw value and a target utilization"
        yield forbidden(f"{path}.target.averageValue", why)


SOURCES: dict[str, Callable[[Json, str], Iterator[Cause]]] = {
    "object": _check_object,
    "external": _check_external,
    "pods": _check_pods,
    "resource": _check_resource,
    "containerResource": _check_container_resource,
}
"""In the order in which the reference looks for them; only the first it finds is looked into."""
