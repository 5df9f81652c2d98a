"""Values as Go prints them; error texts that clients compare with contain such values.

``go_text`` is ``%v`` of what Go decodes JSON into, ``go_quote`` is ``%q``.
"""

import json
from typing import Any

_PLAIN_MIN, _PLAIN_MAX = 1e-4, 1e21  # exponents at which %v of a float64 changes to 1e+21


def go_text(value: Any) -> str:
    """``{"b": [1, None], "a": "x"}`` → ``map[a:x b:[1 <nil>]]``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(go_text, value)) + "]"
    if isinstance(value, float):
        return go_float(value)
    return str(value)


def go_float(value: float) -> str:
    """``1.5`` → ``1.5``, ``1e21`` → ``1e+21``, ``3.0`` → ``3``."""
    if value == 0 or _PLAIN_MIN <= abs(value) < _PLAIN_MAX:
        return str(int(value)) if value.is_integer() else repr(value)
    mantissa, _, exponent = f"{value!r}e".partition("e")
    power = int(exponent.rstrip("e") or 0)
    return f"{mantissa.removesuffix('.0')}e{'-' if power < 0 else '+'}{abs(power):02d}"


def go_quote(text: str) -> str:
    """A text in double quotes, with Go's escapes."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def go_json(value: Any) -> str:
    """A value as ``encoding/json`` writes it: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


_SHORT = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_SHORT |= {'"': '\\"', "\\": "\\\\"}


def _escaped(letter: str) -> str:
    if letter in _SHORT:
        return _SHORT[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_selector(selector: Any) -> str:
    """A label selector as the ``String`` of its Go type: ``&LabelSelector{MatchLabels:…,}``."""
    if selector is None:
        return "nil"
    labels = "".join(
        f"{name}: {value}," for name, value in sorted((selector.get("matchLabels") or {}).items())
    )
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
