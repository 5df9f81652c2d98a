"""What a claim asks for, read once: its requests, the alternatives of each, and constraints over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kube_lite.api.device_selectors import SelectorError, compile_selector, matches, view_of
from kube_lite.api.identity import Json
from kube_lite.api.quantity import Quantity, parse_quantity

from .errors import Unworkable
from .records import Device

MAX_DEVICES = 32
"""How many devices a claim can be given."""

ClassOf = Callable[[str], Json | None]
KINDS = ("int", "bool", "string", "version")


@dataclass(frozen=True)
class Wish:
    """A request, or one alternative of a request.

    Attributes:
        claim: ``namespace/name``.
        base: the name of the request.
        alternative: the name of the alternative, or nothing.
        count: how many devices, unless it ``wants_all`` there are.
        asked: of capacities.
    """

    claim: str
    base: str
    alternative: str
    device_class: Json
    selectors: Sequence[tuple[str, str]]
    wants_all: bool
    count: int
    is_for_admin: bool
    tolerations: Sequence[Json]
    asked: Mapping[str, Quantity]

    @property
    def name(self) -> str:
        """As results spell it."""
        return f"{self.base}/{self.alternative}" if self.alternative else self.base

    @property
    def short_name(self) -> str:
        """As errors spell it."""
        return self.alternative or self.base

    def selects(self, device: Device, *, has_shares: bool) -> bool:
        """Whether the class and the request mean a device.

        Raises:
            Unworkable: a selector has no answer.
        """
        for owner, text in self.selectors:
            found = device.matches.get(text)
            if found is None:
                found = device.matches[text] = _ask(device, text, has_shares=has_shares)
            if isinstance(found, Exception):
                raise Unworkable(f"{owner}: {found}")
            if not found:
                return False
        return True


class Taken(NamedTuple):
    """A device for a request.

    Attributes:
        share: what is taken of its capacities, where several may have it; None where only one may.
    """

    wish: Wish
    device: Device
    share: dict[str, Quantity] | None


class Constraint(NamedTuple):
    """What the devices of some requests must have in common, or apart.

    Attributes:
        requests: names of requests or alternatives; none for all.
    """

    attribute: str
    requests: frozenset[str]
    is_distinct: bool

    def concerns(self, wish: Wish) -> bool:
        """Whether it is about the devices of a request."""
        return not self.requests or wish.base in self.requests or wish.name in self.requests

    def allows(self, value: Json | None, others: Sequence[Json]) -> bool:
        """Whether a device with such an attribute may join others."""
        if value is None or not any(kind in value for kind in KINDS):
            return False
        if self.is_distinct:
            return value not in others
        return not others or value == others[0]


class Wishes(NamedTuple):
    """A claim.

    Attributes:
        requests: of each request the alternatives; one for a request that has none.
    """

    document: Json
    name: str
    requests: Sequence[Sequence[Wish]]
    constraints: Sequence[Constraint]


def read_claim(claim: Json, class_of: ClassOf) -> Wishes:
    """A claim and the classes it names.

    Raises:
        Unworkable: a class is missing, or the claim asks for what nobody knows.
    """
    name = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
    devices = claim["spec"].get("devices") or {}
    requests = [_read_request(name, request, class_of) for request in devices.get("requests") or ()]
    constraints = [
        _read_constraint(name, number, entry) for number, entry in enumerate(devices.get("constraints") or ())
    ]
    return Wishes(claim, name, requests, constraints)


def _read_request(claim: str, request: Json, class_of: ClassOf) -> list[Wish]:
    if request.get("exactly") is not None:
        return [_read_wish(claim, request["name"], "", request["exactly"], class_of)]
    return [
        _read_wish(claim, request["name"], way["name"], way, class_of)
        for way in request.get("firstAvailable") or ()
    ]


def _read_wish(claim: str, base: str, alternative: str, way: Json, class_of: ClassOf) -> Wish:
    here = f"claim {claim}, request {alternative or base}"
    class_name = way.get("deviceClassName") or ""
    if not class_name:
        raise Unworkable(f"{here}: missing device class name (unsupported request type?)")
    found = class_of(class_name)
    if found is None:
        why = f'deviceclass.resource.k8s.io "{class_name}" not found'
        raise Unworkable(f"{here}: could not retrieve device class {class_name}: {why}")
    mode = way.get("allocationMode") or "ExactCount"
    if mode not in ("ExactCount", "All"):
        raise Unworkable(f"{here}: unsupported count mode {mode}")
    selectors = [
        *_selectors(f"class {class_name}", found["spec"].get("selectors") or ()),
        *_selectors(f"claim {claim}", way.get("selectors") or ()),
    ]
    asked = ((way.get("capacity") or {}).get("requests") or {}).items()
    return Wish(
        claim, base, alternative, found, selectors,
        mode == "All", way.get("count") or 1,
        bool(way.get("adminAccess")), way.get("tolerations") or (),
        {name: parse_quantity(amount) for name, amount in asked},
    )  # fmt: skip


def _selectors(owner: str, selectors: Sequence[Json]) -> list[tuple[str, str]]:
    """Whose each is, for errors, and its text."""
    texts = [(selector.get("cel") or {}).get("expression", "") for selector in selectors]
    return [(f"{owner}: selector #{number}", text) for number, text in enumerate(texts)]


def _read_constraint(claim: str, number: int, entry: Json) -> Constraint:
    attribute = entry.get("matchAttribute") or entry.get("distinctAttribute")
    if not attribute:
        why = "empty constraint (unsupported constraint type?)"
        raise Unworkable(f"claim {claim}, constraint #{number}: {why}")
    requests = frozenset(entry.get("requests") or ())
    return Constraint(attribute, requests, is_distinct=not entry.get("matchAttribute"))


def _ask(device: Device, text: str, *, has_shares: bool) -> bool | Exception:
    """What a selector says of a device; kept with it, errors too."""
    try:
        program = compile_selector(text, has_shares=has_shares)
    except SelectorError as error:
        return SelectorError(f"CEL compile error: {error}")
    try:
        if device.variables is None:
            device.variables = view_of(device.id.driver, device.facts)
        return matches(program, device.variables)
    except SelectorError as error:
        return SelectorError(f"CEL runtime error: {error}")
