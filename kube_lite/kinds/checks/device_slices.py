"""Rules for ResourceSlices: what drivers say of their devices.

Source: ``pkg/apis/resource/validation/validation.go``.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    each,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_label_value, check_qualified_name, check_subdomain
from kube_lite.api.quantity import parse_quantity

from .devices import EFFECTS, check_all, check_attribute_name, check_binding_conditions, check_pool_name
from .selectors import check_node_selector
from .values import check_csi_driver_name

MAX_DEVICES, MAX_ADVANCED_DEVICES = 128, 64
MAX_COUNTER_SETS, MAX_COUNTERS, MAX_CONSUMPTIONS = 8, 32, 2
MAX_FACTS, MAX_TAINTS, MAX_VALUE, MAX_OPTIONS = 32, 16, 64, 10
PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_IS_SET = "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
ONE_OWN_PLACE = f"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when {_IS_SET}"
NO_PLACE = f"`nodeName`, `nodeSelector` and `allNodes` can only be set if {_IS_SET}"
ONE_POLICY = (
    'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
)
NOT_TRUE = "must be either unset or set to true"
_NUMBER = r"(0|[1-9]\d*)"
_BEFORE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_BEFORE}(\.{_BEFORE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


def check_slice(resource_slice: Json) -> Iterator[Cause]:
    """A ResourceSlice."""
    spec = resource_slice.get("spec") or {}
    yield from check_csi_driver_name("spec.driver", spec.get("driver") or "")
    pool = spec.get("pool") or {}
    yield from check_pool_name(pool.get("name") or "", "spec.pool.name")
    if (pool.get("resourceSliceCount") or 0) <= 0:
        why = "must be greater than zero"
        yield invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount") or 0, why)
    if (pool.get("generation") or 0) < 0:
        yield invalid("spec.pool.generation", pool["generation"], "must be greater than or equal to zero")
    chosen: list[str] = []
    yield from _check_places(spec, "spec", PLACES, chosen)
    if not chosen:
        yield required("spec", ONE_PLACE)
    elif len(chosen) > 1:
        yield invalid("spec", _listed(chosen), f"{ONE_PLACE}, but multiple fields are set")
    if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
        yield invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    devices = [{**one, **(one.get("basic") or {})} for one in spec.get("devices") or ()]  # as v1beta1 has it
    is_advanced = any(one.get("taints") or one.get("consumesCounters") for one in devices)
    is_mixed = spec.get("perDeviceNodeSelection") is True
    yield from check_all(
        devices, "spec.devices", MAX_ADVANCED_DEVICES if is_advanced else MAX_DEVICES,
        lambda device, path: _check_device(device, path, is_mixed=is_mixed), key="name",
    )  # fmt: skip
    counters = spec.get("sharedCounters") or ()
    yield from check_all(counters, "spec.sharedCounters", MAX_COUNTER_SETS, _check_counter_set, key="name")


def check_slice_update(new: Json, old: Json) -> Iterator[Cause]:
    """Whose it is, and on which node, stays."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    pools = ((one.get("pool") or {}).get("name") for one in (spec, before))
    yield from immutable("spec.pool.name", *pools)
    for field in ("driver", "nodeName"):
        yield from immutable(f"spec.{field}", spec.get(field), before.get(field))


def _check_places(placed: Json, path: str, fields: Sequence[str], chosen: list[str]) -> Iterator[Cause]:
    """On which nodes something is; what says so is added to ``chosen``."""
    for field in fields:
        value, here = placed.get(field), f"{path}.{field}"
        if value is None:
            continue
        if value is False:
            yield invalid(here, value, NOT_TRUE)
            continue
        if value == "":
            is_device = path != "spec"
            why = "must not be empty" if is_device else "must be either unset or set to a non-empty string"
            yield invalid(here, value, why)
            continue
        chosen.append(f"`{field}`")
        if field == "nodeName":
            yield from each(here, value, check_subdomain(value))
        elif field == "nodeSelector":
            yield from check_node_selector(value, here)
            terms = value.get("nodeSelectorTerms") or []
            if path == "spec" and len(terms) != 1:
                yield invalid(f"{here}.nodeSelectorTerms", terms, "must have exactly one node selector term")


def _listed(chosen: Sequence[str]) -> str:
    return f"{{{', '.join(chosen)}}}"


def _check_device(device: Json, path: str, *, is_mixed: bool) -> Iterator[Cause]:
    yield from each(f"{path}.name", device.get("name") or "", check_label(device.get("name") or ""))
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    count = len(attributes) + len(capacity)
    if count > MAX_FACTS:
        yield invalid(
            path, count, f"the total number of attributes and capacities must not exceed {MAX_FACTS}"
        )
    for name, attribute in attributes.items():
        yield from check_attribute_name(name, f"{path}.attributes")
        yield from _check_attribute(attribute, f"{path}.attributes[{name}]")
    is_shared = device.get("allowMultipleAllocations") is True
    for name, entry in capacity.items():
        yield from check_attribute_name(name, f"{path}.capacity")
        yield from _check_capacity(entry, f"{path}.capacity[{name}]", is_shared=is_shared)
    yield from check_all(device.get("taints") or (), f"{path}.taints", MAX_TAINTS, _check_taint)
    consumed = device.get("consumesCounters") or ()
    here = f"{path}.consumesCounters"
    yield from check_all(consumed, here, MAX_CONSUMPTIONS, _check_consumption, key="counterSet")
    yield from _check_own_place(device, path, is_mixed=is_mixed)
    yield from check_binding_conditions(device, path)


def _check_own_place(device: Json, path: str, *, is_mixed: bool) -> Iterator[Cause]:
    own = PLACES[:3]
    if not is_mixed:
        if any(device.get(field) is not None for field in own):
            yield invalid(path, None, NO_PLACE)
        return
    chosen: list[str] = []
    yield from _check_places(device, path, own, chosen)
    if not chosen:
        yield required(path, ONE_OWN_PLACE)
    elif len(chosen) > 1:
        yield invalid(path, _listed(chosen), ONE_OWN_PLACE)


def _check_attribute(attribute: Json, path: str) -> Iterator[Cause]:
    given = [field for field in ("int", "bool", "string", "version") if attribute.get(field) is not None]
    for field in given:
        value = attribute[field]
        if field == "version" and not _VERSION.fullmatch(value):
            yield invalid(f"{path}.version", value, "must be a string compatible with semver.org spec 2.0.0")
        if isinstance(value, str) and len(value.encode()) > MAX_VALUE:
            yield too_long(f"{path}.{field}", MAX_VALUE)
    if len(given) != 1:
        yield invalid(path, "" if not given else attribute, "exactly one value must be specified")


def _check_capacity(entry: Json, path: str, *, is_shared: bool) -> Iterator[Cause]:
    policy, here = entry.get("requestPolicy"), f"{path}.requestPolicy"
    if policy is None:
        return
    values, span, default = policy.get("validValues") or (), policy.get("validRange"), policy.get("default")
    if not is_shared:
        yield forbidden(here, "allowMultipleAllocations must be true")
    elif values and span is not None:
        yield forbidden(here, ONE_POLICY)
    elif (values or span is not None) and default is None:
        yield required(
            f"{here}.default", f"required when {'validValues' if values else 'validRange'} is defined"
        )
    elif values:
        yield from _check_values(values, default, entry["value"], f"{here}.validValues")
    elif span is not None:
        yield from _check_span(span, default, entry["value"], f"{here}.validRange")


def _check_values(values: Sequence[str], default: str, most: str, path: str) -> Iterator[Cause]:
    amounts = [parse_quantity(text) for text in values]
    for position, (one, following) in enumerate(pairwise(amounts)):
        if one > following:
            yield invalid(
                f"{path}[{position + 1}]", values[position + 1], "values must be sorted in ascending order"
            )
    if len(values) > MAX_OPTIONS:
        yield too_many(path, len(values), MAX_OPTIONS)
    for position, amount in enumerate(amounts):
        if amount > parse_quantity(most):
            yield invalid(
                f"{path}[{position}]", values[position], f"option is larger than capacity value: {most}"
            )
    if parse_quantity(default) not in amounts:
        yield invalid(path, default, "default value is not valid according to the requestPolicy")


def _check_span(span: Json, default: str, most: str, path: str) -> Iterator[Cause]:
    least, top, step = span.get("min"), span.get("max"), span.get("step")
    if least is None:
        yield required(f"{path}.min", "required when validRange is defined")
        return
    if parse_quantity(least) > parse_quantity(most):
        yield invalid(f"{path}.min", least, f"min is larger than capacity value: {most}")
    if parse_quantity(default) < parse_quantity(least):
        yield invalid(f"{path}.default", default, f"default is less than min: {least}")
    if top is not None:
        if parse_quantity(least) > parse_quantity(top):
            yield invalid(f"{path}.max", least, f"min is larger than max: {top}")
        if parse_quantity(top) > parse_quantity(most):
            yield invalid(f"{path}.max", top, f"max is larger than capacity value: {most}")
        if parse_quantity(default) > parse_quantity(top):
            yield invalid(f"{path}.default", default, f"default is more than max: {top}")
    if step is not None:
        yield from _check_steps(
            [text for text in (default, top) if text is not None], least, step, most, path
        )


def _check_steps(texts: Sequence[str], least: str, step: str, most: str, path: str) -> Iterator[Cause]:
    width, begin = parse_quantity(step), parse_quantity(least)
    if width.value <= 0:
        yield invalid(f"{path}.step", step, "must be greater than zero")
        return
    if begin + width > parse_quantity(most):
        why = f"one step {begin + width} is larger than capacity value: {most}"
        yield invalid(f"{path}.step", step, why)
    for text in texts:
        if (parse_quantity(text).value - begin.value) % width.value:
            yield invalid(
                f"{path}.step", text, f"value is not a multiple of a given step ({step}) from ({least})"
            )


def _check_taint(taint: Json, path: str) -> Iterator[Cause]:
    key, value, effect = (taint.get(field) or "" for field in ("key", "value", "effect"))
    yield from each(f"{path}.key", key, check_qualified_name(key))
    if value:
        yield from each(f"{path}.value", value, check_label_value(value))
    if not effect:
        yield required(f"{path}.effect")
    elif effect not in EFFECTS:
        yield not_supported(f"{path}.effect", effect, EFFECTS)


def _check_counter_set(entry: Json, path: str) -> Iterator[Cause]:
    yield from _check_counters(entry, path, "name")


def _check_consumption(entry: Json, path: str) -> Iterator[Cause]:
    yield from _check_counters(entry, path, "counterSet")


def _check_counters(entry: Json, path: str, field: str) -> Iterator[Cause]:
    name, counters = entry.get(field) or "", entry.get("counters") or {}
    yield from each(f"{path}.{field}", name, check_label(name)) if name else [required(f"{path}.{field}")]
    if not counters:
        yield required(f"{path}.counters")
    elif len(counters) > MAX_COUNTERS:
        yield too_many(f"{path}.counters", len(counters), MAX_COUNTERS)
    else:
        for counter in counters:
            yield from each(f"{path}.counters", counter, check_label(counter))
