"""Rules for LimitRanges and ResourceQuotas."""

from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import IMMUTABLE, Shown, duplicate, each, forbidden, invalid, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_qualified_name
from kube_lite.api.quantity import Quantity, parse_quantity

from .amounts import (
    HUGE_PAGES,
    REQUESTS,
    STANDARD_RESOURCES,
    check_container_resource_name,
    check_resource_amount,
    check_resource_name,
)
from .go_struct import go_struct
from .values import is_native

LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
LIMIT_FIELDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
QUOTA_RESOURCES = STANDARD_RESOURCES - {"storage"}
SCOPES = (
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
)  # fmt: skip
CONFLICTING_SCOPES = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
WITHOUT_VALUES = SCOPES[:4] + SCOPES[6:]
POD_RESOURCES = frozenset([
    "pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory",
])  # fmt: skip
"""What quotas with a scope may count; of Pods without requests and limits only their number."""
CLAIM_RESOURCES = frozenset(["persistentvolumeclaims", "requests.storage"])
EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)
NULL = Shown("null")


def check_quota(quota: Json) -> Iterator[Cause]:
    """A ResourceQuota."""
    spec = quota.get("spec") or {}
    hard = spec.get("hard") or {}
    yield from _check_counts(hard, "spec.hard")
    scopes, here = spec.get("scopes") or [], "spec.scopes"
    for scope in scopes:
        if scope not in SCOPES:
            yield invalid(here, scopes, "unsupported scope")
        for _ in _uncountable(scope, hard):
            yield invalid(here, scopes, "unsupported scope applied to resource")
    for pair in CONFLICTING_SCOPES:
        if set(pair) <= set(scopes):
            yield invalid(here, scopes, "conflicting scopes")
    if spec.get("scopeSelector") is not None:
        yield from _check_selector(spec, hard, "spec.scopeSelector.matchExpressions")
    yield from check_quota_status(quota, {})


def _check_counts(amounts: Json, path: str) -> Iterator[Cause]:
    for name, text in amounts.items():
        here = f"{path}[{name}]"
        yield from check_resource_name(here, name)
        if "/" not in name and not _is_counted(name):
            yield invalid(here, name, "must be a standard resource for quota")
        yield from check_resource_amount(here, name, text)


def _is_counted(name: str) -> bool:
    return name in QUOTA_RESOURCES or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES))


def _uncountable(scope: str, hard: Json) -> Iterator[str]:
    """What a scope says nothing about."""
    if scope not in SCOPES:
        return
    known: frozenset[str] = POD_RESOURCES
    if scope == "BestEffort":
        known = frozenset(["pods"])
    elif scope == "VolumeAttributesClass":
        known = CLAIM_RESOURCES
    for name in sorted(hard):
        if _is_counted(name) and name not in known:
            yield name


def _check_selector(spec: Json, hard: Json, path: str) -> Iterator[Cause]:
    expressions = spec["scopeSelector"].get("matchExpressions") or ()
    scopes = [expression.get("scopeName") or "" for expression in expressions]
    for scope, expression in zip(scopes, expressions, strict=True):
        operator, values = expression.get("operator") or "", expression.get("values") or []
        if scope not in SCOPES:
            yield invalid(f"{path}.scopeName", scope, "unsupported scope")
        for _ in _uncountable(scope, hard):
            shown = go_struct(spec["scopeSelector"], "core.v1.ScopeSelector")
            yield invalid(path, shown, "unsupported scope applied to resource")
        if scope in WITHOUT_VALUES and operator != "Exists":
            yield invalid(f"{path}.operator", operator, EXISTS)
        yield from _check_operator(operator, values, path)
    for pair in CONFLICTING_SCOPES:
        if set(pair) <= set(scopes):
            yield invalid("spec.scopes", spec.get("scopes") or NULL, "conflicting scopes")


def _check_operator(operator: str, values: Sequence[str], path: str) -> Iterator[Cause]:
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", why)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", values, why)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def check_quota_update(new: Json, old: Json) -> Iterator[Cause]:
    """What it counts stays."""
    scopes = (new.get("spec") or {}).get("scopes") or []
    if set(scopes) != set((old.get("spec") or {}).get("scopes") or []):
        yield invalid("spec.scopes", scopes or NULL, IMMUTABLE)


def check_quota_status(new: Json, old: Json) -> Iterator[Cause]:
    """What is used, and what was allowed when that was counted."""
    status = new.get("status") or {}
    for field in ("hard", "used"):
        yield from _check_counts(status.get(field) or {}, f"status.{field}")


def check_limit_range(limits: Json) -> Iterator[Cause]:
    """minimum ≤ default request ≤ default ≤ maximum."""
    types: set[str] = set()
    for position, item in enumerate((limits.get("spec") or {}).get("limits") or ()):
        here, type_ = f"spec.limits[{position}]", item.get("type") or ""
        texts = check_qualified_name(type_)
        yield from each(f"{here}.type", type_, texts)
        if not texts and "/" not in type_ and type_ not in LIMIT_TYPES:
            yield invalid(f"{here}.type", type_, "must be a standard limit type or fully qualified")
        if type_ in types:
            yield duplicate(f"{here}.type", type_)
        types.add(type_)
        yield from _check_item(item, type_, here)


def _check_item(item: Json, type_: str, path: str) -> Iterator[Cause]:
    check_name = check_container_resource_name if type_ in LIMIT_TYPES[:2] else check_resource_name
    names: dict[str, None] = {}
    for field in LIMIT_FIELDS:
        amounts = item.get(field) or {}
        if type_ == "Pod" and field in ("default", "defaultRequest"):
            if amounts:
                yield forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        if field == "maxLimitRequestRatio" and type_ == "PersistentVolumeClaim":
            yield from _check_storage(item, path)
        for name in amounts:
            yield from check_name(f"{path}.{field}[{name}]", name)
            names[name] = None
    for name in names:
        yield from _check_order(item, name, path, is_pod=type_ == "Pod")


def _check_storage(item: Json, path: str) -> Iterator[Cause]:
    if not any("storage" in (item.get(bound) or {}) for bound in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{path}.limits", why)


def _check_order(item: Json, name: str, path: str, *, is_pod: bool) -> Iterator[Cause]:
    low, high = (item.get("min") or {}).get(name), (item.get("max") or {}).get(name)
    default = None if is_pod else (item.get("default") or {}).get(name)
    request = None if is_pod else (item.get("defaultRequest") or {}).get(name)
    for field, left, left_words, right, right_words, shown in (
        ("min", low, "min value", high, "max value", low),
        ("defaultRequest", low, "min value", request, "default request value", request),
        ("defaultRequest", request, "default request value", high, "max value", request),
        ("defaultRequest", request, "default request value", default, "default limit value", request),
        ("default", low, "min value", default, "default value", low),
        ("default", default, "default value", high, "max value", high),
    ):
        if left is not None and right is not None and parse_quantity(left) > parse_quantity(right):
            why = f"{left_words} {left} is greater than {right_words} {right}"
            yield invalid(f"{path}.{field}[{name}]", shown, why)
    ratio = (item.get("maxLimitRequestRatio") or {}).get(name)
    if ratio is not None:
        yield from _check_ratio(ratio, low, high, f"{path}.maxLimitRequestRatio[{name}]")
    overcommits = is_native(name) and not name.startswith(HUGE_PAGES)
    if overcommits or default is None or request is None:
        return
    if parse_quantity(default) != parse_quantity(request):
        why = f"default value {default} must equal to defaultRequest value {request} in {name}"
        yield invalid(f"{path}.defaultRequest[{name}]", request, why)


def _check_ratio(ratio: str, low: str | None, high: str | None, path: str) -> Iterator[Cause]:
    amount = parse_quantity(ratio)
    if amount < Quantity.of(1):
        yield invalid(path, ratio, f"ratio {ratio} is less than 1")
    if low is None or high is None:
        return
    least = parse_quantity(low).milli_value
    most = parse_quantity(high).milli_value / least if least else float("inf")
    if amount.milli_value / 1000 > most:
        yield invalid(path, ratio, f"ratio {ratio} is greater than max/min = {most:f}")
