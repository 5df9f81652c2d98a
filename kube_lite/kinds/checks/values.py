"""Rules for small values that many kinds share: ports, addresses, amounts, percentages, paths."""

import ipaddress
import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import NOT_NEGATIVE, each, invalid, required, too_long
from kube_lite.api.names import LABEL_MAX, check_label, check_qualified_name, check_subdomain, regex_error
from kube_lite.api.quantity import Quantity, parse_quantity

PORT_NAME_MAX = 15
PERCENT = "[0-9]+%"
HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
BAD_PORT = "must be between 1 and 65535, inclusive"
WHOLE = "must be an integer"
_LEADING_ZEROS = re.compile(r"(?<![0-9A-Fa-f:])0+(?=[0-9])")


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


def parse_sloppy_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as older software reads it: ``010.0.0.1`` is ``10.0.0.1``."""
    found = parse_ip(_LEADING_ZEROS.sub("", text))
    return None if "%" in text else found


def check_ip(path: str, text: str) -> Iterator[Cause]:
    """An IP address."""
    found = parse_ip(text)
    if found is None or "%" in text:
        yield invalid(path, text, BAD_IP if parse_sloppy_ip(text) is None else "must not have leading 0s")
    elif isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        yield invalid(path, text, "must not be an IPv4-mapped IPv6 address")


def check_canonical_ip(path: str, text: str) -> Iterator[Cause]:
    """An IP address, written as everybody writes it."""
    wrong = list(check_ip(path, text))
    yield from wrong
    if not wrong and str(parse_ip(text)) != text:
        yield invalid(path, text, f'must be in canonical form ("{parse_ip(text)}")')


def check_cidr(path: str, text: str) -> Iterator[Cause]:
    """An IP range, without bits beyond its prefix."""
    address, slash, length = text.partition("/")
    found, sloppy = parse_ip(address), parse_sloppy_ip(address)
    limit = 32 if isinstance(sloppy, ipaddress.IPv4Address) else 128
    if sloppy is None or not slash or not re.fullmatch("[0-9]+", length) or int(length) > limit:
        yield invalid(path, text, BAD_CIDR)
    elif found is None or str(int(length)) != length:
        yield invalid(path, text, "must not have leading 0s in IP or prefix length")
    elif isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        yield invalid(path, text, "must not have an IPv4-mapped IPv6 address")
    elif not _is_whole_network(text):
        yield invalid(path, text, "must not have bits set beyond the prefix length")


def check_canonical_cidr(path: str, text: str) -> Iterator[Cause]:
    """An IP range, written as everybody writes it."""
    wrong = list(check_cidr(path, text))
    yield from wrong
    if not wrong and str(parse_network(text)) != text:
        yield invalid(path, text, f'must be in canonical form ("{parse_network(text)}")')


def _is_whole_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


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


def check_positive_amount(path: str, text: str) -> Iterator[Cause]:
    """A quantity that is more than nothing."""
    if parse_quantity(text) <= Quantity(0):
        yield invalid(path, text, "must be greater than zero")


def check_basic_amount(path: str, text: str) -> Iterator[Cause]:
    """A quantity that is not negative, told in whole units."""
    amount = parse_quantity(text)
    if amount < Quantity(0):
        yield invalid(path, amount.value, "must be a valid resource quantity")


def is_native(name: str) -> bool:
    """Whether a resource is one of Kubernetes' own."""
    return "/" not in name or "kubernetes.io/" in name


def is_whole(text: str) -> bool:
    """Whether a quantity has no fraction."""
    return parse_quantity(text).milli_value % 1000 == 0


def check_resource_name(path: str, name: str, standard: frozenset[str]) -> Iterator[Cause]:
    """The name of a resource: qualified, or one that everybody knows."""
    for text in check_qualified_name(name):
        yield invalid(path, name, text)
    if "/" not in name and name not in standard and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def check_descending_path(path: str, value: str) -> Iterator[Cause]:
    """A path inside a volume."""
    if value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    yield from check_no_backsteps(path, value)


def check_inner_path(path: str, value: str) -> Iterator[Cause]:
    """A path inside a volume whose files the kubelet writes: names with two dots are its own."""
    yield from check_descending_path(path, value)
    if value.startswith("..") and not value.startswith("../"):
        yield invalid(path, value, "must not start with '..'")


def check_csi_driver_name(path: str, name: str) -> Iterator[Cause]:
    """A domain of no more than 63 characters, in any case."""
    if not name:
        yield required(path)
        return
    if len(name) > LABEL_MAX:
        yield too_long(path, LABEL_MAX)
    yield from each(path, name, check_subdomain(name.lower()))


def check_domain_name(path: str, name: str) -> Iterator[Cause]:
    """A name with a dot, ``example.com``; one at its end does not count."""
    if not name:
        yield required(path)
        return
    name = name.removesuffix(".")
    texts = check_subdomain(name)
    if texts:
        yield invalid(path, name, ",".join(texts))
    elif "." not in name:
        yield invalid(path, name, "should be a domain with at least two segments separated by dots")
    else:
        for label in name.split("."):
            if check_label(label):
                yield invalid(path, label, ",".join(check_label(label)))
                return


def check_domain_prefixed_path(path: str, value: str) -> Iterator[Cause]:
    """``example.com/anything``."""
    host, _, rest = value.partition("/")
    if not value:
        yield required(path)
    elif not host or not rest:
        yield invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from each(path, host, check_subdomain(host))
        if not re.fullmatch(HTTP_PATH, rest):
            yield invalid(path, rest, regex_error("Invalid path", HTTP_PATH))


def check_domain_prefixed_key(path: str, value: str) -> Iterator[Cause]:
    """``example.com/name``."""
    if not value:
        yield required(path)
        return
    texts = check_qualified_name(value)
    yield from each(path, value, texts)
    if not texts and "/" not in value:
        yield invalid(path, value, 'must be a domain-prefixed key (such as "acme.io/foo")')


def check_no_backsteps(path: str, value: str) -> Iterator[Cause]:
    """A path that does not lead out."""
    if ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
