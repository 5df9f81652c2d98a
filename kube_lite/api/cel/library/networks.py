"""IP addresses and networks.

Source: ``k8s.io/apiserver/pkg/cel/library/ip.go``, ``cidr.go``; Go's ``net/netip`` for what is wrong.
"""

import ipaddress
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import CIDR, IP, function, method, remembering
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import Opaque
from kube_lite.api.gotext import go_quote

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LOCAL_MULTICAST_4 = ipaddress.IPv4Network("224.0.0.0/24")
_LINK_LOCAL_6 = ipaddress.IPv6Network("fe80::/10")


class Prefix(NamedTuple):
    """An address and how many of its bits name the network; the others need not be zero."""

    address: Address
    bits: int

    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The network itself."""
        return ipaddress.ip_network((self.address, self.bits), strict=False)


class IpAddress(Opaque):
    """An IP address."""

    __slots__ = ()
    type: ClassVar[Type] = IP
    value: Address


class Cidr(Opaque):
    """An address with a prefix length."""

    __slots__ = ()
    type: ClassVar[Type] = CIDR
    value: Prefix


def _parse_address(text: str) -> Address:
    """As ``netip.ParseAddr``.

    Raises:
        ValueError: with Go's text.
    """
    sign = next((letter for letter in text if letter in ".:%"), "")
    try:
        if sign == ".":
            return ipaddress.IPv4Address(text)
        if sign == ":":
            return ipaddress.IPv6Address(text)
    except ValueError as error:
        why = _why_not_4(text) if sign == "." else _why_not_6(text)
        raise ValueError(f"ParseAddr({go_quote(text)}): {why}") from error
    why = "missing IPv6 address" if sign == "%" else "unable to parse IP"
    raise ValueError(f"ParseAddr({go_quote(text)}): {why}")


def _why_not_4(text: str) -> str:
    at = 0
    fields = text.split(".")
    for field in fields:
        bad = next((index for index, letter in enumerate(field) if letter not in "0123456789"), None)
        if bad is not None:
            return f"unexpected character (at {go_quote(text[at + bad :])})"
        if not field:
            return f"IPv4 field must have at least one digit (at {go_quote(text[at:] or '.')})"
        if len(field) > 1 and field[0] == "0":
            return "IPv4 field has octet with leading zero"
        if int(field[:4]) > 255:
            return "IPv4 field has value >255"
        at += len(field) + 1
    return "IPv4 address too short" if len(fields) < 4 else "IPv4 address too long"


def _why_not_6(text: str) -> str:
    bad = next((index for index, letter in enumerate(text) if letter not in "0123456789abcdefABCDEF:."), None)
    if bad is not None:
        return f"unexpected character, want colon (at {go_quote(text[bad:])})"
    for field in text.split(":"):
        if len(field) > 4 and "." not in field:
            return f"each group must have 4 or less digits (at {go_quote(text[text.index(field) :])})"
    if text.count("::") > 1:
        return "multiple :: in address"
    if text.endswith(":") and not text.endswith("::"):
        return 'colon must be followed by more characters (at ":")'
    return "address string too short" if text.count(":") < 7 else "trailing garbage after address"


@remembering
def _checked_address(text: str) -> Address:
    try:
        address = _parse_address(text)
    except ValueError as error:
        raise EvaluationError(
            f"IP Address {go_quote(text)} parse error during conversion from string: {error}"
        ) from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise EvaluationError(f"IP address {go_quote(text)} with zone value is not allowed")
        if address.ipv4_mapped is not None:
            raise EvaluationError(f"IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return address


def _parse_prefix(text: str) -> Prefix:
    name, slash, bits = text.rpartition("/")
    quoted = f"netip.ParsePrefix({go_quote(text)})"
    if not slash:
        raise ValueError(f"{quoted}: no '/'")
    try:
        address = _parse_address(name)
    except ValueError as error:
        raise ValueError(f"{quoted}: {error}") from error
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError(f"{quoted}: IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise ValueError(f"{quoted}: bad bits after slash: {go_quote(bits)}")
    if len(bits) > 3 or int(bits) > address.max_prefixlen:
        raise ValueError(f"{quoted}: prefix length out of range")
    return Prefix(address, int(bits))


@remembering
def _checked_prefix(text: str) -> Prefix:
    why = "network address parse error during conversion from string: "
    try:
        prefix = _parse_prefix(text)
    except ValueError as error:
        raise EvaluationError(f"{why}{why}{error}") from error
    if isinstance(prefix.address, ipaddress.IPv6Address) and prefix.address.ipv4_mapped is not None:
        raise EvaluationError(f"{why}IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return prefix


def _passes(check: Callable[[str], object]) -> Callable[[str], bool]:
    def passes(text: str) -> bool:
        try:
            check(text)
        except EvaluationError:
            return False
        return True

    return passes


def _is_local_multicast(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in _LOCAL_MULTICAST_4
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 2


def _is_local_unicast(address: Address) -> bool:
    return address.is_link_local if isinstance(address, ipaddress.IPv4Address) else address in _LINK_LOCAL_6


def _is_global(address: Address) -> bool:
    special = (
        address.is_unspecified or address.is_loopback or address.is_multicast or _is_local_unicast(address)
    )
    return not special and str(address) != "255.255.255.255"


def _contains(prefix: Prefix, address: Address) -> bool:
    own = prefix.address
    if own.version != address.version:
        return False
    return (int(own) ^ int(address)) >> (own.max_prefixlen - prefix.bits) == 0


def _contains_prefix(outer: Prefix, inner: Prefix) -> bool:
    return outer.bits <= inner.bits and _contains(outer, inner.address)


def _masked(cidr: Cidr) -> Cidr:
    return Cidr(Prefix(cidr.value.network().network_address, cidr.value.bits))


OVERLOADS = (
    function("ip", "string_to_ip", "string -> ip", lambda text: IpAddress(_checked_address(text))),
    method("family", "ip_family", "ip -> int", lambda ip: ip.value.version),
    function(
        "ip.isCanonical",
        "ip_is_canonical",
        "string -> bool",
        lambda text: str(_checked_address(text)) == text,
    ),
    method("isUnspecified", "ip_is_unspecified", "ip -> bool", lambda ip: ip.value.is_unspecified),
    method("isLoopback", "ip_is_loopback", "ip -> bool", lambda ip: ip.value.is_loopback),
    method(
        "isLinkLocalMulticast",
        "ip_is_link_local_multicast",
        "ip -> bool",
        lambda ip: _is_local_multicast(ip.value),
    ),
    method(
        "isLinkLocalUnicast", "ip_is_link_local_unicast", "ip -> bool", lambda ip: _is_local_unicast(ip.value)
    ),
    method("isGlobalUnicast", "ip_is_global_unicast", "ip -> bool", lambda ip: _is_global(ip.value)),
    function("isIP", "is_ip", "string -> bool", _passes(_checked_address)),
    function("string", "ip_to_string", "ip -> string", lambda ip: str(ip.value)),
    function("cidr", "string_to_cidr", "string -> cidr", lambda text: Cidr(_checked_prefix(text))),
    method(
        "containsIP",
        "cidr_contains_ip_string",
        "cidr, string -> bool",
        lambda cidr, text: _contains(cidr.value, _checked_address(text)),
    ),
    method(
        "containsIP",
        "cidr_contains_ip_ip",
        "cidr, ip -> bool",
        lambda cidr, ip: _contains(cidr.value, ip.value),
    ),
    method(
        "containsCIDR",
        "cidr_contains_cidr_string",
        "cidr, string -> bool",
        lambda cidr, text: _contains_prefix(cidr.value, _checked_prefix(text)),
    ),
    method(
        "containsCIDR",
        "cidr_contains_cidr",
        "cidr, cidr -> bool",
        lambda cidr, other: _contains_prefix(cidr.value, other.value),
    ),
    method("ip", "cidr_ip", "cidr -> ip", lambda cidr: IpAddress(cidr.value.address)),
    method("prefixLength", "cidr_prefix_length", "cidr -> int", lambda cidr: cidr.value.bits),
    method("masked", "cidr_masked", "cidr -> cidr", _masked),
    function("isCIDR", "is_cidr", "string -> bool", _passes(_checked_prefix)),
    function(
        "string", "cidr_to_string", "cidr -> string", lambda cidr: f"{cidr.value.address}/{cidr.value.bits}"
    ),
)
