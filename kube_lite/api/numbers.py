"""Numbers as Go writes them again: a whole one has no fraction, whatever its source said.

``1.0`` and ``1e3`` are read as float64 and written as ``1`` and ``1000``; so values without a type of their
own, as custom resources have them, come back changed. Source: ``encoding/json``.
"""

import re
from typing import Any

import orjson

from .meta import copy

WHOLE_MAX = 2.0**63  # what is greater no integer of ours can be written as

_WHOLE = re.compile(rb"[0-9](\.0|e\+?[0-9])")


def copy_as_written(value: Any) -> Any:
    """A deep copy with numbers as Go writes them."""
    if isinstance(value, float):
        return _written(value)
    if not isinstance(value, (dict, list)):
        return value
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:  # integers of more than 64 bits, or too deep
        copied, suspect = copy(value), True
    else:
        copied, suspect = orjson.loads(text), _WHOLE.search(text) is not None
    if suspect:
        _write(copied)
    return copied


def _write(value: Any) -> None:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in entries:
        if isinstance(item, float):
            value[key] = _written(item)
        elif isinstance(item, (dict, list)):
            _write(item)


def _written(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) < WHOLE_MAX else number
