"""Named formats: ``format.dns1123Label().validate(name)`` gives what is wrong, or nothing.

Source: ``k8s.io/apiserver/pkg/cel/library/format.go``.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any, ClassVar, NamedTuple

from kube_lite.api import names
from kube_lite.api.cel.functions import FORMAT, Overload, function, method
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import NONE, Opaque, Optional

from . import times
from .urls import why_no_uri

UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class NamedFormat(NamedTuple):
    """What a text is held against; ``pattern_size`` is what a check costs."""

    name: str
    check: Callable[[str], list[str]]
    pattern_size: int


class Format(Opaque):
    """A format."""

    __slots__ = ()
    type: ClassVar[Type] = FORMAT
    value: NamedFormat


def is_base64(text: str) -> bool:
    """Whether it can be decoded as a whole."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        times.parse_timestamp(text.upper())
    except ValueError:
        return False
    return True


def _test(is_good: Callable[[str], Any], complaint: str) -> Callable[[str], list[str]]:
    return lambda text: [] if is_good(text) else [complaint]


FORMATS = {
    "dns1123Label": NamedFormat("DNS1123Label", names.check_label, 30),
    "dns1123Subdomain": NamedFormat("DNS1123Subdomain", names.check_subdomain, 60),
    "dns1035Label": NamedFormat("DNS1035Label", names.check_label_1035, 30),
    "qualifiedName": NamedFormat("QualifiedName", names.check_qualified_name, 60),
    "dns1123LabelPrefix": NamedFormat("DNS1123LabelPrefix", names.for_prefix(names.check_label), 30),
    "dns1123SubdomainPrefix": NamedFormat(
        "DNS1123SubdomainPrefix", names.for_prefix(names.check_subdomain), 60
    ),
    "dns1035LabelPrefix": NamedFormat("DNS1035LabelPrefix", names.for_prefix(names.check_label_1035), 30),
    "labelValue": NamedFormat("LabelValue", names.check_label_value, 40),
    "uri": NamedFormat("URI", lambda text: [why] if (why := why_no_uri(text)) else [], 1103),
    "uuid": NamedFormat("uuid", _test(UUID.fullmatch, "does not match the UUID format"), 84),
    "byte": NamedFormat("byte", _test(is_base64, "invalid base64"), 84),
    "date": NamedFormat("date", _test(_is_date, "invalid date"), 83),
    "datetime": NamedFormat("datetime", _test(_is_moment, "invalid datetime"), 83),
}
"""Name in expressions → format."""


def _validate(format: Format, text: str) -> Optional:
    causes = format.value.check(text)
    return Optional(causes) if causes else NONE


def _named(name: str) -> Optional:
    found = FORMATS.get(name)
    return NONE if found is None else Optional(Format(found))


def _constants() -> Iterator[Overload]:
    for name, format in FORMATS.items():
        yield function(f"format.{name}", f"format.{name}", "-> format", partial(Format, format))


OVERLOADS = (
    method("validate", "format-validate", "format, string -> optional(list(string))", _validate),
    function("format.named", "format-named", "string -> optional(format)", _named),
    *_constants(),
)
