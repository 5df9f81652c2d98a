"""What an expression came to, as JSON.

Source: cel-go ``common/types`` (``ConvertToNative`` to ``structpb.Value``).
"""

from base64 import b64encode
from typing import Any

from .library.conversions import to_string
from .values import LISTS, MAPS, MISSING, Duration, Optional, Timestamp

EXACT = 1 << 53  # beyond it doubles skip integers, and texts are written


class NoJson(ValueError):
    """A value that JSON has no form for."""


def as_json(value: Any) -> Any:
    """The value as JSON, which shares nothing with it. Raises ``NoJson``."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if -EXACT < value < EXACT else str(int(value))
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, LISTS):
        return [as_json(item) for item in value]
    if isinstance(value, MAPS):
        return {_key(key): as_json(value.find(key)) for key in value.keys()}  # noqa: SIM118
    if isinstance(value, Optional):
        return None if value.value is MISSING else as_json(value.value)
    if isinstance(value, (Duration, Timestamp)):
        return to_string(value)
    raise NoJson(f"unsupported conversion of {type(value).__name__} to JSON")


def _key(key: Any) -> str:
    if key is True or key is False:
        return "true" if key else "false"
    return str(key)
