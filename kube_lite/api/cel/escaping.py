"""Names of fields as expressions can spell them: ``a-b`` is ``a__dash__b``, ``if`` is ``__if__``.

Source: ``k8s.io/apiserver/pkg/cel/escaping.go``.
"""

import re
from functools import lru_cache

RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
    "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip
"""Words of the language; a field of such a name may also be spelled as it is where that can be read."""

_ESCAPED = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_TO_ESCAPE = re.compile(r"__|[-./]")
_ESCAPABLE = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*", re.ASCII)


@lru_cache(maxsize=4096)
def escape(name: str) -> str | None:
    """The name of a field in expressions; None where it has none."""
    if name in RESERVED:
        return f"__{name}__"
    if not _ESCAPABLE.fullmatch(name):
        return None
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], name)
