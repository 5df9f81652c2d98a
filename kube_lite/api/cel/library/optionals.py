"""Values that may be missing.

``or`` and ``orValue`` do not look at their argument when there is a value, so the planner works them out;
likewise ``a.?b`` and ``a[?b]``.
Source: cel-go ``cel/library.go`` (optionalLib).
"""

from typing import Any

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import function, method
from kube_lite.api.cel.values import LISTS, MAPS, MISSING, NONE, Duration, Optional, Timestamp, text_of

YEAR_ONE = -62135596800 * 10**9  # Go's zero moment


def _is_zero(value: Any) -> bool:
    if isinstance(value, (*LISTS, *MAPS)):
        return len(value) == 0
    if isinstance(value, Duration):
        return value.nanoseconds == 0
    if isinstance(value, Timestamp):
        return value.nanoseconds == YEAR_ONE
    return value is None or (isinstance(value, (bool, int, float, str, bytes)) and not value)


def _of_non_zero(value: Any) -> Optional:
    return NONE if _is_zero(value) else Optional(value)


def _value(optional: Optional) -> Any:
    if optional.value is MISSING:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _unwrap(items: Any) -> list[Any]:
    found = []
    for item in items:
        if not isinstance(item, Optional):
            raise EvaluationError(f"value {text_of(item)} is not optional")
        if item.value is not MISSING:
            found.append(item.value)
    return found


OVERLOADS = (
    function("optional.of", "optional_of", "V -> optional(V)", Optional),
    function("optional.ofNonZeroValue", "optional_ofNonZeroValue", "V -> optional(V)", _of_non_zero),
    function("optional.none", "optional_none", "-> optional(V)", lambda: NONE),
    method("value", "optional_value", "optional(V) -> V", _value),
    method(
        "hasValue", "optional_hasValue", "optional(V) -> bool", lambda optional: optional.value is not MISSING
    ),
    method("or", "optional_or_optional", "optional(V), optional(V) -> optional(V)"),
    method("orValue", "optional_orValue_value", "optional(V), V -> V"),
    function("_[?_]", "list_optindex_optional_int", "list(V), int -> optional(V)"),
    function("_[?_]", "optional_list_optindex_optional_int", "optional(list(V)), int -> optional(V)"),
    function("_[?_]", "map_optindex_optional_value", "map(K, V), K -> optional(V)"),
    function("_[?_]", "optional_map_optindex_optional_value", "optional(map(K, V)), K -> optional(V)"),
    method(
        "last",
        "list_last",
        "list(V) -> optional(V)",
        lambda items: Optional(items[len(items) - 1]) if len(items) else NONE,
    ),
    method(
        "first",
        "list_first",
        "list(V) -> optional(V)",
        lambda items: Optional(items[0]) if len(items) else NONE,
    ),
    function("optional.unwrap", "optional_unwrap", "list(optional(V)) -> list(V)", _unwrap),
    method("unwrapOpt", "optional_unwrapOpt", "list(optional(V)) -> list(V)", _unwrap),
)
