"""Expressions that say which devices are meant: the selectors of device claims and of device classes.

They see ``device``: its driver, whether several may have it at a time, and its attributes and capacities by
domain and name, those without a domain being in the driver's: ``device.attributes["gpu.example.com"].model``.
A domain of which the device has nothing is an empty map.

Source: ``cel/compile.go`` of k8s.io/dynamic-resource-allocation.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from .cel.costing import Path, Range
from .cel.environment import Environment, PlanError, Program
from .cel.errors import CompileError
from .cel.functions import QUANTITY
from .cel.library.quantities import Amount
from .cel.library.versions import SemanticVersion, parse_version
from .cel.types import BOOL, DYN, STRING, map_of, struct
from .cel.values import ABSENT, MapView
from .cel.views import MapOfView, of_json
from .identity import Json
from .quantity import parse_quantity

DEVICE = struct("kubernetes.DRADevice")
MAX_COST = 1_000_000
KEPT = 512  # compiled selectors; clusters have a handful of classes, and claims of a few templates


class SelectorError(Exception):
    """A selector that is none, or came to no truth; the message says why."""


@cache
def _environment(*, has_shares: bool) -> Environment:
    fields = {
        "driver": STRING,
        "attributes": map_of(STRING, map_of(STRING, DYN)),
        "capacity": map_of(STRING, map_of(STRING, QUANTITY)),
    }
    if has_shares:
        fields["allowMultipleAllocations"] = BOOL
    return Environment({"device": DEVICE}, {DEVICE.name: fields}, has_bind=True)


@lru_cache(maxsize=KEPT)
def compile_selector(text: str, *, has_shares: bool = True) -> Program:
    """A program over one device, as ``view_of`` makes it.

    Args:
        has_shares: devices tell whether several may have them.

    Raises:
        SelectorError: with the text of the reference.
    """
    try:
        program = _environment(has_shares=has_shares).compile(text)
    except CompileError as error:
        raise SelectorError(f"compilation failed: {error}") from error
    except PlanError as error:
        raise SelectorError(f"program instantiation failed: {error}") from error
    if program.type not in (BOOL, DYN):
        raise SelectorError(f"must evaluate to bool or the unknown type, not {program.type}")
    return program


def matches(program: Program, view: Any) -> bool:
    """Whether a device is meant.

    Raises:
        SelectorError: the selector has no answer for it.
    """
    outcome = program.run([view], MAX_COST)
    if outcome.error is not None:
        raise SelectorError(str(outcome.error)) from outcome.error
    if not isinstance(outcome.value, bool):
        raise SelectorError("CEL result of type could not be converted to bool: type conversion error")
    return outcome.value


def view_of(driver: str, device: Json) -> Any:
    """A device of a ResourceSlice as selectors see it.

    Raises:
        SelectorError: an attribute of it has no value.
    """
    attributes = {name: _value(name, entry) for name, entry in (device.get("attributes") or {}).items()}
    capacity = {
        name: Amount(parse_quantity(entry["value"])) for name, entry in (device.get("capacity") or {}).items()
    }
    return MapOfView(
        {
            "driver": driver,
            "allowMultipleAllocations": device.get("allowMultipleAllocations") is True,
            "attributes": _Domains(_by_domain(attributes, driver)),
            "capacity": _Domains(_by_domain(capacity, driver)),
        },
        lambda value: value,
    )


def _value(name: str, attribute: Json) -> Any:
    for kind in ("int", "bool", "string"):
        if attribute.get(kind) is not None:
            return attribute[kind]
    version = attribute.get("version")
    if version is None:
        raise SelectorError(f"attribute {name}: unsupported attribute value")
    try:
        return SemanticVersion(parse_version(version))
    except ValueError as error:
        raise SelectorError(f"attribute {name}: parse semantic version: {error}") from error


def _by_domain(values: Mapping[str, Any], driver: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for full, value in values.items():
        domain, slash, name = full.partition("/")
        if not slash:
            domain, name = driver, full
        found.setdefault(domain, {})[name] = value
    return found


class _Domains(MapView):
    """Domain → name → value."""

    __slots__ = ("_domains",)

    def __init__(self, domains: Mapping[str, Mapping[str, Any]]) -> None:
        self._domains = {domain: MapOfView(values, of_json) for domain, values in domains.items()}

    def find(self, key: Any) -> Any:
        """What there is of a domain, be it nothing."""
        return self._domains.get(key, ABSENT) if isinstance(key, str) else ABSENT

    def keys(self) -> Iterator[str]:
        """The domains of which there is something."""
        return iter(self._domains)

    def __len__(self) -> int:
        """How many."""
        return len(self._domains)


@lru_cache(maxsize=KEPT)
def is_too_complex(text: str) -> bool:
    """Whether a selector that can be compiled may cost more than one is allowed to."""
    return compile_selector(text).max_cost(_size_of) > MAX_COST


MAX_ENTRIES, MAX_DOMAIN, MAX_NAME, MAX_TEXT = 32, 63, 32, 64
"""How many attributes or capacities a device has at most, and how long its texts are."""


def _size_of(path: Path) -> Range | None:
    """The size of what a path leads to: ``("device", "attributes", "@values", "model")``."""
    field, rest = (path[1], path[2:]) if len(path) > 1 else ("", ())
    if field == "driver":
        return Range(0, MAX_DOMAIN)
    if field not in ("attributes", "capacity") or len(rest) > 2:
        return None
    if rest[-1:] == ("@keys",):
        return Range(0, MAX_DOMAIN if len(rest) == 1 else MAX_NAME)
    if len(rest) < 2:
        return Range(0, MAX_ENTRIES)
    return Range(0, MAX_TEXT) if field == "attributes" else Range(0, 0)
