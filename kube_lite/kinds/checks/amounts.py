"""Rules for the resources that containers and whole Pods ask for."""

from collections.abc import Callable, Collection, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, not_supported, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_qualified_name
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.quota import pod_total

from .values import WHOLE, check_amount, is_native, is_whole

INTEGER_RESOURCES = frozenset([
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
])  # fmt: skip
STANDARD_RESOURCES = INTEGER_RESOURCES | {
    "cpu", "memory", "ephemeral-storage", "storage", "requests.cpu", "requests.memory",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
    "requests.storage",
}  # fmt: skip
CONTAINER_RESOURCES = frozenset(["cpu", "memory", "ephemeral-storage"])
POD_RESOURCES = ("cpu", "memory")
HUGE_PAGES = "hugepages-"
REQUESTS = "requests."

NameCheck = Callable[[str, str], Iterator[Cause]]


def is_extended(name: str) -> bool:
    """Whether a resource is one that somebody else has brought: ``example.com/gpu``."""
    if is_native(name) or name.startswith(REQUESTS):
        return False
    return not check_qualified_name(REQUESTS + name)


def check_resource_name(path: str, name: str) -> Iterator[Cause]:
    """The name of a resource: qualified, or one that everybody knows."""
    texts = check_qualified_name(name)
    yield from each(path, name, texts)
    if texts or "/" in name or name in STANDARD_RESOURCES:
        return
    if not name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES)):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_container_resource_name(path: str, name: str) -> Iterator[Cause]:
    """The name of a resource that containers use."""
    yield from check_resource_name(path, name)
    if "/" not in name:
        if name not in CONTAINER_RESOURCES and not name.startswith(HUGE_PAGES):
            yield invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(path, name, "doesn't follow extended resource name standard")


def _check_pod_resource_name(path: str, name: str) -> Iterator[Cause]:
    wrong = list(check_resource_name(path, name))
    yield from wrong
    if not wrong and name not in POD_RESOURCES and not name.startswith(HUGE_PAGES):
        yield not_supported(path, name, ("cpu", HUGE_PAGES, "memory"))


def check_resource_amount(path: str, name: str, text: str) -> Iterator[Cause]:
    """How much of a resource: never less than nothing, and of some things only whole ones."""
    yield from check_amount(path, text)
    if (name in INTEGER_RESOURCES or is_extended(name)) and not is_whole(text):
        yield invalid(path, text, WHOLE)


def check_resources(
    resources: Json,
    path: str,
    claims: Collection[str] = (),
    check_name: NameCheck = check_container_resource_name,
) -> Iterator[Cause]:
    """Amounts, and that nobody asks for more than the limit.

    Args:
        claims: names of the claims of the Pod, which may be used.
    """
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, text in limits.items():
        here = f"{path}.limits[{name}]"
        yield from check_name(here, name)
        yield from check_resource_amount(here, name, text)
        yield from _check_pages(here, name, text)
    for name, text in requests.items():
        here = f"{path}.requests[{name}]"
        yield from check_name(here, name)
        yield from check_resource_amount(here, name, text)
        yield from _check_limit(name, text, limits.get(name), path)
        yield from _check_pages(here, name, text)
    names = {*limits, *requests}
    if any(name.startswith(HUGE_PAGES) for name in names) and not names & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")
    if resources.get("claims"):
        yield from _check_claims(resources["claims"], claims, f"{path}.claims")


def _check_limit(name: str, text: str, limit: str | None, path: str) -> Iterator[Cause]:
    may_overcommit = is_native(name) and not name.startswith(HUGE_PAGES)
    if limit is None:
        if not may_overcommit:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif not may_overcommit and parse_quantity(text) != parse_quantity(limit):
        yield invalid(f"{path}.requests", text, f"must be equal to {name} limit of {limit}")
    elif parse_quantity(text) > parse_quantity(limit):
        yield invalid(f"{path}.requests", text, f"must be less than or equal to {name} limit of {limit}")


def _check_pages(path: str, name: str, text: str) -> Iterator[Cause]:
    if not name.startswith(HUGE_PAGES):
        return
    try:
        size = parse_quantity(name.removeprefix(HUGE_PAGES))
    except ValueError:
        size = Quantity(0)
    whole = size > Quantity(0) and size.milli_value % 1000 == 0
    if not whole or parse_quantity(text).value % size.value:
        yield invalid(path, text, f"{text} is not positive integer multiple of {name}")


def _check_claims(uses: list[Json], claims: Collection[str], path: str) -> Iterator[Cause]:
    seen: list[str] = []
    for position, use in enumerate(uses):
        here, name, request = f"{path}[{position}]", use.get("name") or "", use.get("request") or ""
        if not name:
            yield required(here)
            continue
        if name in seen:
            yield duplicate(here, name)
        else:
            if request:
                yield from each(f"{here}.request", request, check_label(request))
            key = f"{name}/{request}" if request else name
            if key in seen:
                yield duplicate(here, key)
            elif not request:
                for other in seen:
                    if other.startswith(f"{name}/"):
                        yield duplicate(here, name)
            seen.append(key)
        if name not in claims:
            known = f": {', '.join(sorted(claims))}" if claims else " which is empty"
            why = f'Not found: "{name}": must be one of the names in pod.spec.resourceClaims{known}'
            yield Cause("FieldValueNotFound", why, here)


def check_pod_resources(spec: Json, path: str, claims: Collection[str], *, windows: bool) -> Iterator[Cause]:
    """What a Pod asks for as a whole, and that its containers keep to it."""
    resources, here = spec["resources"], f"{path}.resources"
    if windows:
        yield forbidden(here, "may not be set for a windows pod")
        return
    if resources.get("claims") is not None:
        yield forbidden(f"{here}.claims", "claims may not be set for Resources at pod-level")
    yield from check_resources(resources, here, claims, _check_pod_resource_name)
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    parts = {kind: spec.get(kind) or () for kind in ("containers", "initContainers")}
    for name, amount in pod_total(parts, "requests").items():
        if name in requests and amount > parse_quantity(requests[name]):
            why = f"must be greater than or equal to aggregate container requests of {amount}"
            yield invalid(f"{here}.requests[{name}]", requests[name], why)
    for name, amount in pod_total(parts, "limits").items():
        if name.startswith(HUGE_PAGES) and name in limits and amount > parse_quantity(limits[name]):
            why = f"must be greater than or equal to aggregate container limits of {amount}"
            yield invalid(f"{here}.limits[{name}]", limits[name], why)
    for position, container in enumerate(parts["containers"]):
        for name, text in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and parse_quantity(text) > parse_quantity(limits[name]):
                why = f"must be less than or equal to pod limits of {limits[name]}"
                yield invalid(f"{here}.containers[{position}][{name}].limits", text, why)
