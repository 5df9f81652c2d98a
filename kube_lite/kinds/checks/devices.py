"""Rules for devices that are claimed: ResourceClaims, their templates and statuses, DeviceClasses.

Source: ``pkg/apis/resource/validation/validation.go``.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import orjson

from kube_lite.api.device_selectors import SelectorError, compile_selector, is_too_complex
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    IMMUTABLE,
    Shown,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from kube_lite.api.identity import Json
from kube_lite.api.meta import is_being_deleted
from kube_lite.api.names import check_label, check_label_value, check_qualified_name, check_subdomain

from .go_struct import go_struct
from .selectors import check_node_selector
from .values import check_csi_driver_name

MAX_REQUESTS = MAX_CONSTRAINTS = MAX_CONFIG = MAX_SELECTORS = MAX_RESULTS = 32
MAX_ALTERNATIVES, MAX_TOLERATIONS, MAX_CONSUMERS, MAX_CONDITIONS = 8, 16, 256, 8
MAX_EXPRESSION, MAX_PARAMETERS = 10 * 1024, 10 * 1024  # bytes
MAX_POOL, MAX_NAME = 253, 32
MODES, OPERATORS = ("All", "ExactCount"), ("Equal", "Exists")
EFFECTS = ("NoExecute", "NoSchedule", "None")
SOURCES = ("FromClaim", "FromClass")
ONE_WAY = "exactly one of `exactly` or `firstAvailable` is required"
NO_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
NOT_QUALIFIED = "a fully qualified name must be a domain and a name separated by a slash"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
    "'[A-Za-z_][A-Za-z0-9_]*')"
)
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Check = Callable[[Any, str], Iterator[Cause]]
Names = Mapping[str, Collection[str]]
"""Requests, with the names of their alternatives."""


def check_claim(claim: Json) -> Iterator[Cause]:
    """A ResourceClaim."""
    yield from _check_devices((claim.get("spec") or {}).get("devices") or {}, "spec.devices")


def check_claim_update(new: Json, old: Json) -> Iterator[Cause]:
    """What was asked for stays asked for."""
    if new.get("spec") != old.get("spec"):
        shown = go_struct(new.get("spec") or {}, "resource.v1.ResourceClaimSpec")
        yield invalid("spec", shown, IMMUTABLE)


def check_template(template: Json) -> Iterator[Cause]:
    """A ResourceClaimTemplate."""
    spec = (template.get("spec") or {}).get("spec") or {}
    yield from _check_devices(spec.get("devices") or {}, "spec.spec.devices")


def check_template_update(new: Json, old: Json) -> Iterator[Cause]:
    """Claims that were made of it stay as they are, and so does it."""
    if new.get("spec") != old.get("spec"):
        shown = go_struct(new.get("spec") or {}, "resource.v1.ResourceClaimTemplateSpec")
        yield invalid("spec", shown, IMMUTABLE)


def check_class(device_class: Json) -> Iterator[Cause]:
    """A DeviceClass."""
    spec = device_class.get("spec") or {}
    yield from check_all(spec.get("selectors") or (), "spec.selectors", MAX_SELECTORS, _check_selector)
    yield from check_all(spec.get("config") or (), "spec.config", MAX_CONFIG, _check_configuration)
    name = spec.get("extendedResourceName")
    if name is not None and not _is_extended(name):
        yield invalid("spec.extendedResourceName", name, "must be a valid extended resource name")


def _is_extended(name: str) -> bool:
    domain, slash, _ = name.partition("/")
    is_native = domain == "kubernetes.io" or domain.endswith(".kubernetes.io") or not slash
    return not is_native and not name.startswith("requests.") and not check_qualified_name(f"requests.{name}")


def _check_devices(devices: Json, path: str) -> Iterator[Cause]:
    requests = devices.get("requests") or ()
    names = _names_of(devices)
    yield from check_all(requests, f"{path}.requests", MAX_REQUESTS, _check_request, key="name")
    yield from check_all(
        devices.get("constraints") or (), f"{path}.constraints", MAX_CONSTRAINTS,
        lambda constraint, here: _check_constraint(constraint, here, names),
    )  # fmt: skip
    yield from check_all(
        devices.get("config") or (), f"{path}.config", MAX_CONFIG,
        lambda config, here: _check_named_configuration(config, here, names),
    )  # fmt: skip


def _names_of(devices: Json) -> Names:
    return {
        request.get("name", ""): {way.get("name", "") for way in request.get("firstAvailable") or ()}
        for request in devices.get("requests") or ()
    }


def _check_request(request: Json, path: str) -> Iterator[Cause]:
    yield from _check_name(request.get("name") or "", f"{path}.name")
    exactly, ways = request.get("exactly"), request.get("firstAvailable") or ()
    if exactly is None and not ways:
        if "deviceClassName" not in request:  # as the older versions have it
            yield required(path, ONE_WAY)
        return
    if exactly is not None and ways:
        yield invalid(path, None, f"{ONE_WAY}, but multiple fields are set")
    elif exactly is not None:
        yield from _check_way(exactly, f"{path}.exactly")
    else:
        here = f"{path}.firstAvailable"
        yield from check_all(ways, here, MAX_ALTERNATIVES, _check_alternative, key="name")


def _check_alternative(way: Json, path: str) -> Iterator[Cause]:
    yield from _check_name(way.get("name") or "", f"{path}.name")
    yield from _check_way(way, path)


def _check_way(way: Json, path: str) -> Iterator[Cause]:
    name, mode, count = (
        way.get("deviceClassName") or "",
        way.get("allocationMode") or "",
        way.get("count") or 0,
    )
    if name:
        yield from each(f"{path}.deviceClassName", name, check_subdomain(name))
    else:
        yield required(f"{path}.deviceClassName")
    yield from check_all(way.get("selectors") or (), f"{path}.selectors", MAX_SELECTORS, _check_selector)
    if mode not in MODES:
        yield not_supported(f"{path}.allocationMode", mode, MODES)
    elif mode == "All" and count:
        yield invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield invalid(f"{path}.count", count, "must be greater than zero")
    tolerations = way.get("tolerations") or ()
    yield from check_all(tolerations, f"{path}.tolerations", MAX_TOLERATIONS, _check_toleration)


def _check_name(name: str, path: str) -> Iterator[Cause]:
    yield from each(path, name, check_label(name)) if name else [required(path)]


def _check_selector(selector: Json, path: str) -> Iterator[Cause]:
    cel = selector.get("cel")
    if cel is None:
        yield required(f"{path}.cel")
        return
    here, text = f"{path}.cel.expression", cel.get("expression") or ""
    if len(text.encode()) > MAX_EXPRESSION:
        yield too_long(here, MAX_EXPRESSION)
        return
    try:
        compile_selector(text)
    except SelectorError as error:
        yield invalid(here, text, str(error))
        return
    if is_too_complex(text):
        yield forbidden(here, "too complex, exceeds cost limit")


def _check_toleration(toleration: Json, path: str) -> Iterator[Cause]:
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    value, effect = toleration.get("value") or "", toleration.get("effect") or ""
    if key:
        yield from each(f"{path}.key", key, check_qualified_name(key))
    if operator == "Exists" and value:
        yield invalid(f"{path}.value", value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        yield from each(f"{path}.value", value, check_label_value(value))
    elif not operator:
        yield required(f"{path}.operator")
    elif operator not in OPERATORS:
        yield not_supported(f"{path}.operator", operator, OPERATORS)
    if effect and effect not in EFFECTS:
        yield not_supported(f"{path}.effect", effect, EFFECTS)


def _check_constraint(constraint: Json, path: str, names: Names) -> Iterator[Cause]:
    yield from _check_references(constraint.get("requests") or (), f"{path}.requests", names)
    for field in ("matchAttribute", "distinctAttribute"):
        if constraint.get(field) is not None:
            yield from _check_full_name(constraint[field], f"{path}.{field}")
            return
    why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    yield required(path, why)


def _check_full_name(name: str, path: str) -> Iterator[Cause]:
    yield from check_attribute_name(name, path)
    if "/" not in name:
        yield invalid(path, name, NOT_QUALIFIED)


def check_attribute_name(name: str, path: str) -> Iterator[Cause]:
    """An attribute or capacity: ``model`` or ``gpu.example.com/model``."""
    domain, slash, short = name.rpartition("/")
    if "/" in domain:
        yield invalid(path, name, "must not contain more than one slash")
        return
    if slash and not domain:
        yield invalid(path, "", "the domain must not be empty")
    elif slash:
        yield from check_csi_driver_name(path, domain)
    if slash and not short:
        yield invalid(path, "", "the name must not be empty")
        return
    if len(short.encode()) > MAX_NAME:
        yield too_long(path, MAX_NAME)
    if not _IDENTIFIER.fullmatch(short):
        yield invalid(path, short, _NOT_IDENTIFIER)


def _check_references(requests: Sequence[str], path: str, names: Names) -> Iterator[Cause]:
    yield from check_all(
        requests, path, MAX_REQUESTS, lambda name, here: _check_reference(name, here, names), key=""
    )


def _check_reference(name: str, path: str, names: Names) -> Iterator[Cause]:
    parts = name.split("/")
    if len(parts) > 2:
        yield invalid(path, name, NO_REQUEST)
        return
    for part in parts:
        yield from _check_name(part, path)
    if parts[0] not in names or (len(parts) == 2 and parts[1] not in names[parts[0]]):
        yield invalid(path, name, NO_REQUEST)


def _check_named_configuration(config: Json, path: str, names: Names) -> Iterator[Cause]:
    yield from _check_references(config.get("requests") or (), f"{path}.requests", names)
    yield from _check_configuration(config, path)


def _check_configuration(config: Json, path: str) -> Iterator[Cause]:
    opaque = config.get("opaque")
    if opaque is None:
        yield required(f"{path}.opaque")
        return
    yield from check_csi_driver_name(f"{path}.opaque.driver", opaque.get("driver") or "")
    parameters, here = opaque.get("parameters"), f"{path}.opaque.parameters"
    if parameters is None:
        yield required(here)
    elif len(orjson.dumps(parameters)) > MAX_PARAMETERS:
        yield too_long(here, MAX_PARAMETERS)
    elif not isinstance(parameters, dict):
        yield invalid(here, "<value omitted>", "must be a valid JSON object")


def check_claim_status(new: Json, old: Json) -> Iterator[Cause]:
    """What a ResourceClaim was given, and who uses it."""
    names = _names_of((new.get("spec") or {}).get("devices") or {})
    status, before = new.get("status") or {}, old.get("status") or {}
    consumers, allocation = status.get("reservedFor") or [], status.get("allocation")
    yield from check_all(consumers, "status.reservedFor", MAX_CONSUMERS, _check_consumer, key="uid")
    given = {_device_of(result) for result in ((allocation or {}).get("devices") or {}).get("results") or ()}
    for position, device in enumerate(status.get("devices") or ()):
        yield from _check_device_status(device, f"status.devices[{position}]", given)
    if consumers and allocation is None:
        yield forbidden("status.reservedFor", "may not be specified when `allocated` is not set")
    elif is_being_deleted(new) and any(one not in (before.get("reservedFor") or ()) for one in consumers):
        why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        yield forbidden("status.reservedFor", why)
    if allocation is None:
        return
    if before.get("allocation") is None:
        yield from _check_allocation(allocation, "status.allocation", names)
    elif allocation != before["allocation"]:
        yield invalid("status.allocation", go_struct(allocation, "resource.v1.AllocationResult"), IMMUTABLE)


def _check_consumer(consumer: Json, path: str) -> Iterator[Cause]:
    for field in ("resource", "name", "uid"):
        if not consumer.get(field):
            yield required(f"{path}.{field}")


def _device_of(result: Json) -> str:
    share = [result["shareID"]] if result.get("shareID") else []
    return "/".join([*(result.get(field) or "" for field in ("driver", "pool", "device")), *share])


def _check_device_status(device: Json, path: str, given: Collection[str]) -> Iterator[Cause]:
    yield from _check_device_name(device, path)
    if _device_of(device) not in given:
        yield invalid(path, Shown(_device_of(device)), "must be an allocated device in the claim")
    conditions = device.get("conditions") or ()
    if len(conditions) > MAX_CONDITIONS:
        yield too_many(f"{path}.conditions", len(conditions), MAX_CONDITIONS)


def _check_device_name(result: Json, path: str) -> Iterator[Cause]:
    yield from check_csi_driver_name(f"{path}.driver", result.get("driver") or "")
    yield from check_pool_name(result.get("pool") or "", f"{path}.pool")
    yield from each(f"{path}.device", result.get("device") or "", check_label(result.get("device") or ""))
    share = result.get("shareID")
    if share is not None and not _UID.fullmatch(share):
        why = (
            "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
        )
        yield invalid(f"{path}.shareID", share, f"{why}hexadecimal characters")


def check_pool_name(name: str, path: str) -> Iterator[Cause]:
    """The name of a pool: names of domains with slashes between them."""
    if not name:
        yield required(path)
        return
    if len(name) > MAX_POOL:
        yield too_long(path, MAX_POOL)
    for part in name.split("/"):
        yield from each(path, part, check_subdomain(part))


def _check_allocation(allocation: Json, path: str, names: Names) -> Iterator[Cause]:
    devices = allocation.get("devices") or {}
    yield from check_all(
        devices.get("results") or (), f"{path}.devices.results", MAX_RESULTS,
        lambda result, here: _check_result(result, here, names),
    )  # fmt: skip
    yield from check_all(
        devices.get("config") or (), f"{path}.devices.config", 2 * MAX_CONFIG,
        lambda config, here: _check_allocated_configuration(config, here, names),
    )  # fmt: skip
    if allocation.get("nodeSelector") is not None:
        yield from check_node_selector(allocation["nodeSelector"], f"{path}.nodeSelector")


def _check_result(result: Json, path: str, names: Names) -> Iterator[Cause]:
    yield from _check_reference(result.get("request") or "", f"{path}.request", names)
    yield from _check_device_name(result, path)
    yield from check_binding_conditions(result, path)
    for position, toleration in enumerate(result.get("tolerations") or ()):
        yield from _check_toleration(toleration, f"{path}.tolerations[{position}]")


def _check_allocated_configuration(config: Json, path: str, names: Names) -> Iterator[Cause]:
    source = config.get("source") or ""
    if not source:
        yield required(f"{path}.source")
    elif source not in SOURCES:
        yield not_supported(f"{path}.source", source, SOURCES)
    yield from _check_named_configuration(config, path, names)


def check_binding_conditions(device: Json, path: str) -> Iterator[Cause]:
    """What tells that a device is ready, and what that it will never be: both, or neither."""
    ready, failed = (device.get(field) or [] for field in ("bindingConditions", "bindingFailureConditions"))
    for field, conditions in (("bindingConditions", ready), ("bindingFailureConditions", failed)):
        yield from check_all(
            conditions,
            f"{path}.{field}",
            4,
            lambda name, here: each(here, name, check_qualified_name(name)),
            key="",
        )
    for position, name in enumerate(failed):
        if name in ready:
            why = "bindingFailureConditions must not overlap with bindingConditions"
            yield invalid(f"{path}.bindingFailureConditions[{position}]", name, why)
    if failed and not ready:
        why = "bindingConditions are required to use bindingFailureConditions"
        yield invalid(f"{path}.bindingConditions", device.get("bindingConditions"), why)
    if ready and not failed:
        why = "bindingFailureConditions are required to use bindingConditions"
        yield invalid(f"{path}.bindingFailureConditions", device.get("bindingFailureConditions"), why)


def check_all(
    items: Sequence[Any], path: str, most: int, check: Check, *, key: str | None = None
) -> Iterator[Cause]:
    """Every item of a list that is not too long.

    Args:
        key: the field that may have each value once; empty for the items themselves.
    """
    if len(items) > most:
        yield too_many(path, len(items), most)
        return
    for position, item in enumerate(items):
        yield from check(item, f"{path}[{position}]")
    if key is None:
        return
    seen: set[str] = set()
    for position, item in enumerate(items):
        value = (item.get(key) or "") if key else item
        if value in seen:
            yield duplicate(f"{path}[{position}]", value)
        seen.add(value)
