"""Paths into objects as error messages write them: ``spec.containers[0].env[name="A"]``.

Paths are plain texts; these functions join them, and read one back into steps.
"""

import re
from typing import Any

from .identity import Json

Step = str | int
_STEP = re.compile(r"""\.?([A-Za-z_$][\w$-]*)|\[(\d+)\]|\[['"]?([^'"\]]+)['"]?\]""")


def child(path: str, name: str) -> str:
    """``spec`` and ``replicas`` → ``spec.replicas``."""
    return f"{path}.{name}" if path else name


def index(path: str, position: int) -> str:
    """``spec.containers`` and 0 → ``spec.containers[0]``."""
    return f"{path}[{position}]"


def key(path: str, name: str) -> str:
    """``data`` and ``a.b`` → ``data[a.b]``."""
    return f"{path}[{name}]"


def parse_path(text: str) -> list[Step]:
    """``spec.containers[0]['x']`` → ``["spec", "containers", 0, "x"]``.

    Raises:
        ValueError: the text is not a path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"not a field path: {text!r}")
        name, position, quoted = found.groups()
        steps.append(int(position) if position is not None else name or quoted)
        at = found.end()
    return steps


def lookup(obj: Json, *steps: Step, default: Any = None) -> Any:
    """The value at the steps, or ``default`` where one is missing or null on the way."""
    value: Any = obj
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return default
        if value is None:
            return default
    return value
