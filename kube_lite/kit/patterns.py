"""Regular expressions that are compiled when they are first used.

Compiling one takes a tenth to half a millisecond. The modules that a start imports have dozens, most of them
for input that no start sees.
"""

import re
from typing import Any, cast


class _Pattern:
    """Has the attributes of a compiled pattern once it has been asked for one of them."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling look for what a pattern does not have either
            raise AttributeError(name)
        compiled = re.compile(self._text, self._flags)
        found = getattr(compiled, name)
        self.__dict__[name] = found  # from now on nobody comes here for it
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """As ``re.compile``, but what is wrong with the text is told when the pattern is first used."""
    return cast(re.Pattern[str], _Pattern(text, flags))  # to those who call its methods
