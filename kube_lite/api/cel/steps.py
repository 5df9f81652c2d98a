"""How one part of a planned expression is worked out: see ``planner``."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .expressions import Expression

Frame = list[Any]
Run = Callable[[Frame], Any]

UNKNOWN: Any = object()
"""In place of the value of what is not always the same."""


class Step(NamedTuple):
    """How a part is worked out.

    ``cost`` is spent whenever it is. ``base`` is set for variables and what is selected from them: the part
    of the cost that is not counted where a branch begins with it. ``constant`` is the value if it is always
    the same.
    """

    run: Run
    cost: int = 0
    base: int | None = None
    constant: Any = UNKNOWN

    @property
    def is_constant(self) -> bool:
        """Whether the value is known."""
        return self.constant is not UNKNOWN

    @property
    def branch_cost(self) -> int:
        """What it costs where the variable it begins with is not counted."""
        return self.cost - (self.base or 0)


class Planning(Protocol):
    """What the parts of an expression ask of the one who plans it."""

    def step(self, part: Expression) -> Step:
        """How a part is worked out."""
        ...

    def bind(self, name: str) -> int:
        """A slot for a variable of a loop, until ``release``."""
        ...

    def release(self, name: str) -> None:
        """The variable is not seen any longer."""
        ...
