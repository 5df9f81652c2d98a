"""The formats that texts of custom resources can be held to.

Names are compared without their dashes. A format that is not here says nothing; those of numbers are the
business of ``values.fits``. Source: ``kube-openapi/pkg/validation/strfmt`` and its copy of ``govalidator``,
``apiextensions-apiserver/pkg/apiserver/validation/formats.go``.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from kube_lite.api.regex import tester

from .mail import is_mail_address

Check = Callable[[str], bool]

NUMBER_FORMATS = {"integer": ("int32", "int64"), "number": ("float", "double")}

HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}"
    r"([a-zA-Z\p{L}]){2,63})$"
)
HOSTNAME_MAX, LABEL_MAX, NAME_MAX = 255, 63, 253  # bytes
HEX4, HEX12 = "-?[0-9a-f]{4}", "-?[0-9a-f]{12}"
COLOR = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
COLOR_GAP = r"[\t\n\f\r ]*"

_BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})", re.ASCII
)
_CARD = re.compile(
    r"4[0-9]{12}([0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})")
_AMOUNT = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
_GO_DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
    "h": 3600 * 10**9,
}  # fmt: skip
_UNIT_NAMES = ("ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk")
_UNIT_BEGINNINGS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:<>\"\[\]-]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
INT64_MAX = 2**63 - 1


def check_of(name: str) -> Check | None:
    """What tells whether a text has a format; None for a format that says nothing."""
    return FORMATS.get(name.replace("-", ""))


def _matches(pattern: str) -> Check:
    """Against the whole text; only for patterns whose matching is plainly linear."""
    fullmatch = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: fullmatch(text) is not None


def _uuid(third: str = HEX4, fourth: str = HEX4) -> Check:
    fullmatch = re.compile(f"[0-9a-f]{{8}}{HEX4}{third}{fourth}{HEX12}", re.ASCII | re.IGNORECASE).fullmatch
    return lambda text: fullmatch(text) is not None


def _is_hostname(text: str) -> bool:
    if not tester(HOSTNAME)(text) or len(text.encode()) > HOSTNAME_MAX:
        return False
    return all(len(label.encode()) <= LABEL_MAX for label in text.split("."))


def is_ip(text: str, *, sloppy: bool = False) -> bool:
    """An address as Go reads it; ``sloppy`` allows leading zeros."""
    try:
        if ":" in text:
            if "%" in text:
                return False
            head, colon, tail = text.rpartition(":")
            if sloppy and "." in tail:
                text = head + colon + _without_zeros(tail)
            IPv6Address(text)
        else:
            IPv4Address(_without_zeros(text) if sloppy else text)
    except ValueError:
        return False
    return True


def _without_zeros(address: str) -> str:
    return ".".join(
        part.lstrip("0") or "0" if part.isascii() and part.isdigit() else part for part in address.split(".")
    )


def _is_ipv4(text: str) -> bool:
    return "." in text and is_ip(text, sloppy=True)


def _is_ipv6(text: str) -> bool:
    return ":" in text and is_ip(text)


def is_cidr(text: str) -> bool:
    """A range, leading zeros and bits beyond the prefix allowed."""
    address, slash, prefix = text.partition("/")
    if not slash or not is_ip(address, sloppy=True) or not re.fullmatch("[0-9]+", prefix):
        return False
    return len(prefix) < 10 and int(prefix) <= (128 if ":" in address else 32)


def _is_mac(text: str) -> bool:
    for separator, width, counts in ((":", 2, (6, 8, 20)), ("-", 2, (6, 8, 20)), (".", 4, (3, 4, 10))):
        parts = text.split(separator)
        if len(parts) in counts:
            return all(len(part) == width and re.fullmatch("[0-9a-fA-F]+", part) for part in parts)
    return False


def _is_isbn10(text: str) -> bool:
    bare = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{9}X|[0-9]{10}", bare):
        return False
    last = 10 if bare[9] == "X" else int(bare[9])
    return (sum(place * int(digit) for place, digit in enumerate(bare[:9], 1)) + 10 * last) % 11 == 0


def _is_isbn13(text: str) -> bool:
    bare = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{13}", bare):
        return False
    total = sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(bare[:12]))
    return int(bare[12]) == (10 - total % 10) % 10


def _is_card(text: str) -> bool:
    bare = re.sub("[^0-9]+", "", text)
    if not _CARD.fullmatch(bare):
        return False
    total = 0
    for place, digit in enumerate(reversed(bare)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_date(text: str) -> bool:
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    return 1 <= month <= 12 and 1 <= day <= monthrange(year or 4, month)[1]  # the year 0 is a leap year


def _is_moment(text: str) -> bool:
    date, *rest = text.lower().split("t")
    if not rest or not _is_date(date):
        return False
    clock = _CLOCK.fullmatch(rest[0])
    return clock is not None and clock[1] <= "23" and clock[2] <= "59" and clock[3] <= "59"


def _is_duration(text: str) -> bool:
    """As Go writes it, or as Scala does: ``1h30m``, ``22 ns``, ``3 days``."""
    if _GO_DURATION.fullmatch(text) and _nanoseconds(text) <= INT64_MAX:
        return True
    known = False
    for amount, unit in _AMOUNT.findall(text):
        if len(amount) > 19 or int(amount) > INT64_MAX:
            return False
        unit = unit.lower()
        known = known or unit in _UNIT_NAMES or unit.startswith(_UNIT_BEGINNINGS)
    return known


def _nanoseconds(text: str) -> float:
    parts = re.findall(r"([0-9.]+)([^0-9.+-]+)", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def is_request_uri(text: str) -> bool:
    """An absolute URI or an absolute path (``net/url.ParseRequestURI``)."""
    if not text or any(letter < " " or letter == "\x7f" for letter in text):
        return False
    if text == "*":
        return True
    scheme = _SCHEME.match(text)
    if scheme is None and text[0] == ":":
        return False
    rest = (text[scheme.end() :] if scheme else text).partition("?")[0]
    if not rest.startswith("/"):
        return scheme is not None
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        if not _is_authority(authority):
            return False
    return _PERCENT.search(rest) is None


def _is_authority(text: str) -> bool:
    user, at, host = text.rpartition("@")
    if at and (not _USER.fullmatch(user) or _PERCENT.search(user)):
        return False
    if host.startswith("["):
        inside, bracket, after = host[1:].rpartition("]")
        if not bracket or not re.fullmatch("(:[0-9]*)?", after):
            return False
        address, _, zone = inside.partition("%25")
        return not _PERCENT.search(zone) and _HOST.fullmatch(address) is not None
    name, colon, port = host.rpartition(":")
    if colon and not re.fullmatch("[0-9]*", port):
        return False
    return _HOST.fullmatch(name if colon else host) is not None and not re.search("%[0-7]", host)


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SHORT_NAME = _matches(_LABEL)
_LONG_NAME = _matches(rf"{_LABEL}(\.{_LABEL})*")
FORMATS: dict[str, Check] = {
    "bsonobjectid": _matches("[0-9a-fA-F]{24}"),
    "uri": is_request_uri,
    "email": is_mail_address,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "cidr": is_cidr,
    "mac": _is_mac,
    "uuid": _uuid(),
    "uuid3": _uuid("-?3[0-9a-f]{3}"),
    "uuid4": _uuid("-?4[0-9a-f]{3}", "-?[89ab][0-9a-f]{3}"),
    "uuid5": _uuid("-?5[0-9a-f]{3}", "-?[89ab][0-9a-f]{3}"),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_card,
    "ssn": _matches("[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}"),
    "hexcolor": _matches("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _matches(rf"rgb\({COLOR_GAP}{COLOR}{f'{COLOR_GAP},{COLOR_GAP}{COLOR}' * 2}{COLOR_GAP}\)"),
    "byte": lambda text: _BASE64.fullmatch(text) is not None,
    "password": lambda text: True,
    "date": _is_date,
    "duration": _is_duration,
    "datetime": _is_moment,
    "k8sshortname": lambda text: len(text) <= LABEL_MAX and _SHORT_NAME(text),
    "k8slongname": lambda text: len(text) <= NAME_MAX and _LONG_NAME(text),
}
