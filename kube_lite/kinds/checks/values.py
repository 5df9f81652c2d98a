"""Rules for small values that many kinds share: ports, addresses, amounts, percentages, paths."""

import ipaddress
import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import NOT_NEGATIVE, invalid, required
from kube_lite.api.names import check_qualified_name, regex_error
from kube_lite.api.quantity import Quantity, parse_quantity

PORT_NAME_MAX = 15
PERCENT = "[0-9]+%"
BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
BAD_PORT = "must be between 1 and 65535, inclusive"
WHOLE = "must be an integer"


def is_port(number: object) -> bool:
    """Whether it is a port number."""
    return isinstance(number, int) and 1 <= number <= 65535


def check_port(path: str, number: object) -> Iterator[Cause]:
    """A port number."""
    if not is_port(number):
        yield invalid(path, number, BAD_PORT)


def check_port_name(path: str, name: str) -> Iterator[Cause]:
    """An IANA service name."""
    if len(name) > PORT_NAME_MAX:
        yield invalid(path, name, f"must be no more than {PORT_NAME_MAX} characters")
    if not re.fullmatch("[-a-z0-9]+", name):
        yield invalid(path, name, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        yield invalid(path, name, "must contain at least one letter (a-z)")
    if "--" in name:
        yield invalid(path, name, "must not contain consecutive hyphens")
    if name[:1] == "-" or name[-1:] == "-":
        yield invalid(path, name, "must not begin or end with a hyphen")


def check_port_or_name(path: str, port: int | str | None) -> Iterator[Cause]:
    """A port by number or by name."""
    if isinstance(port, str):
        yield from check_port_name(path, port)
    else:
        yield from check_port(path, port or 0)


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, or None; ``010.0.0.1`` is not one."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def check_ip(path: str, text: str) -> Iterator[Cause]:
    """An IP address."""
    if parse_ip(text) is None or "%" in text:
        yield invalid(path, text, BAD_IP)


def check_cidr(path: str, text: str) -> Iterator[Cause]:
    """An IP range; bits beyond the prefix are allowed."""
    if "/" not in text or parse_network(text) is None:
        yield invalid(path, text, BAD_CIDR)


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A range, or None."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def check_count_or_percent(path: str, value: int | str) -> Iterator[Cause]:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        if not re.fullmatch(PERCENT, value):
            why = regex_error(
                "a valid percent string must be a numeric string followed by an ending '%'",
                PERCENT,
                "1%",
                "93%",
            )
            yield invalid(path, value, why)
    elif value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_at_most_all(path: str, value: int | str) -> Iterator[Cause]:
    """A percentage of no more than everything."""
    if isinstance(value, str) and re.fullmatch(PERCENT, value) and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def check_amount(path: str, text: str) -> Iterator[Cause]:
    """A quantity that is not negative."""
    if parse_quantity(text) < Quantity(0):
        yield invalid(path, text, NOT_NEGATIVE)


def is_whole(text: str) -> bool:
    """Whether a quantity has no fraction."""
    return parse_quantity(text).milli_value % 1000 == 0


def check_resource_name(path: str, name: str, standard: frozenset[str]) -> Iterator[Cause]:
    """The name of a resource: qualified, or one that everybody knows."""
    for text in check_qualified_name(name):
        yield invalid(path, name, text)
    if "/" not in name and name not in standard and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_relative_path(path: str, value: str, *, empty: bool = False) -> Iterator[Cause]:
    """A path inside a volume."""
    if not value:
        if not empty:
            yield required(path)
        return
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from check_no_backsteps(path, value)


def check_no_backsteps(path: str, value: str) -> Iterator[Cause]:
    """A path that does not lead out."""
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
