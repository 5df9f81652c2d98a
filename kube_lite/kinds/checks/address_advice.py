"""Warnings about addresses that are written in a way of their own.

Source: ``GetWarningsForIP`` and ``GetWarningsForCIDR`` in ``apimachinery/pkg/util/validation/ip.go``.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_FOUR = re.compile(r"\d+(\.\d+){3}")


def advise_address(path: str, value: str) -> Iterator[str]:
    """What is odd about an IP address; nothing about what is none."""
    address = _parse(value)
    if address is None:
        return
    told = str(address)
    if isinstance(address, IPv4Address):
        if told != value:
            yield f'{path}: non-standard IP address "{value}" is invalid: use "{told}"'
    elif told != value:
        yield f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{told}")'


def advise_block(path: str, value: str) -> Iterator[str]:
    """What is odd about a block of addresses, ``10.0.0.0/8``."""
    text, _, length = value.partition("/")
    address = _parse(text)
    if address is None or not length.isdigit() or int(length) > _limit(text):
        return
    bits = int(length) - (96 if ":" in text and isinstance(address, IPv4Address) else 0)
    if bits < 0:
        return
    block = str(ip_network(f"{address}/{bits}", strict=False))
    told = False
    if block.partition("/")[0] != str(address):
        single = f"{address}/{address.max_prefixlen}"
        told = True
        yield (
            f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{block}" or "{single}"?)'
        )
    is_four = isinstance(address, IPv4Address)
    if is_four and f"{address}/{bits}" != value:
        told = True
        yield f'{path}: non-standard CIDR value "{value}" is invalid: use "{block}"'
    if not told and not is_four and f"{address}/{bits}" != value:
        best = f"{address}/{bits}"
        yield f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{best}")'


def _parse(value: str) -> IPv4Address | IPv6Address | None:
    """An address; leading zeros are passed over, and one of four in the form of six is one of four."""
    if _FOUR.fullmatch(value):
        value = ".".join(str(int(part)) for part in value.split("."))
    try:
        address = ip_address(value)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _limit(text: str) -> int:
    return 128 if ":" in text else 32
