"""Expressions of policies and webhooks, compiled once and worked out for each request.

Source: ``apiserver/pkg/admission/plugin/cel`` (``condition.go``, ``composition.go``), and
``plugin/webhook/matchconditions``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.library.authorizer import Answer, Asking, Authorizer, Question, ResourceCheck
from kube_lite.api.cel.types import BOOL
from kube_lite.api.cel.values import MISSING, MapView
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.policies import PolicyCompiler, PolicyError, Program, of_json
from kube_lite.api.resource import Resource
from kube_lite.auth.authorize import Attributes
from kube_lite.auth.service_accounts import account_groups, user_name
from kube_lite.auth.user import AUTHENTICATED, User

from .asking import request_of
from .chain import Attempt
from .matching import as_row_has_it, sides
from .namespaces import NAMESPACES

BUDGET = 10_000_000  # what the expressions of one policy may cost together
CONDITIONS_BUDGET = BUDGET // 4  # and its match conditions
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
SHOWN_OF_NAMESPACES: Mapping[str, tuple[str, ...]] = {
    "metadata": (
        "name", "generateName", "namespace", "labels", "annotations", "uid", "creationTimestamp",
        "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "resourceVersion", "finalizers",
    ),
    "spec": ("finalizers",),
    "status": ("phase", "conditions"),
}  # fmt: skip


class Failed(Exception):
    """An expression that came to no value; says why."""


class OutOfBudget(Exception):
    """The expressions have cost more than they may."""

    def __init__(self) -> None:
        super().__init__(OUT_OF_BUDGET)


class Compiled(NamedTuple):
    """An expression; one that was stored but cannot be compiled has an error instead of a program."""

    text: str
    program: Program | None
    error: str = ""


def compiled(text: str, compile: Callable[[str], Program]) -> Compiled:
    """An expression of an object that was validated, though maybe by another release."""
    try:
        return Compiled(text, compile(text))
    except PolicyError as error:
        return Compiled(text, None, str(error))


@dataclass(slots=True)
class Budget:
    """What may still be spent."""

    left: int = BUDGET

    def spend(self, cost: int) -> None:
        """Take it away. Raises ``OutOfBudget``."""
        if cost > self.left:
            raise OutOfBudget
        self.left -= cost


class Variables(MapView):
    """The variables of a policy; each is worked out when first asked for, on the account of who asks."""

    __slots__ = ("_budget", "_known", "_programs", "_values")

    def __init__(self, programs: Mapping[str, Compiled], values: Sequence[Any], budget: Budget) -> None:
        self._programs = programs
        self._values = (*values, self)
        self._budget = budget
        self._known: dict[str, Any] = {}

    def find(self, key: Any) -> Any:
        """The value of a variable. Raises ``EvaluationError`` and ``OutOfBudget``."""
        if key not in self._programs:
            return MISSING
        found = self._known.get(key, MISSING)
        if found is MISSING:
            found = self._known[key] = self._work_out(key)
        if isinstance(found, EvaluationError):
            raise found
        return found

    def _work_out(self, name: str) -> Any:
        variable = self._programs[name]
        if variable.program is None:
            return EvaluationError(f'composited variable "{name}" fails to compile: {variable.error}')
        value, error, cost = variable.program.run(self._values)
        self._budget.spend(cost)
        if error is not None:
            return EvaluationError(f'composited variable "{name}" fails to evaluate: {error}')
        return value

    def keys(self) -> Iterator[str]:
        """Their names."""
        return iter(self._programs)

    def __len__(self) -> int:
        """How many."""
        return len(self._programs)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the expressions about a request see; ``params`` are those of the turn."""

    object: Any
    old: Any
    namespace: Any
    request: Any
    authorizer: Authorizer
    resource: ResourceCheck
    params: Any = field(default=None)

    def values(self, *, has_params: bool, has_authorizer: bool = True) -> list[Any]:
        """In the order of ``policies.variables_of``, all but the variables."""
        values = [self.object, self.old, self.namespace, self.request]
        if has_params:
            values.append(self.params)
        if has_authorizer:
            values += (self.authorizer, self.resource)
        return values


async def inputs_of(attempt: Attempt, row: Resource) -> Inputs:
    """What is seen of a request as ``row`` has it."""
    new, old = sides(attempt)
    asking = Asking(lambda question: _answer(attempt, question))
    here = asking.with_(
        group=row.group, resource=row.plural, subresource=attempt.subresource,
        namespace=attempt.namespace, name=attempt.name,
    )  # fmt: skip
    return Inputs(
        of_json(await as_row_has_it(attempt, row, new)),
        of_json(await as_row_has_it(attempt, row, old)),
        of_json(_namespace_of(attempt)),
        of_json(request_of(attempt, row)),
        Authorizer(asking),
        ResourceCheck(here),
    )


def _namespace_of(attempt: Attempt) -> Json | None:
    if not attempt.namespace or attempt.resource.group_resource == NAMESPACES:
        return None
    namespace = attempt.objects.peek(NAMESPACES, ObjectKey("", attempt.namespace)) or {}
    shown: Json = {}
    for part, fields in SHOWN_OF_NAMESPACES.items():
        told = namespace.get(part) or {}
        shown[part] = {name: told[name] for name in fields if name in told}
    return shown


def _answer(attempt: Attempt, question: Question) -> Answer:
    user = attempt.user
    namespace, account = question.service_account
    if account:
        groups = (*account_groups(namespace), AUTHENTICATED)
        user = User(user_name(namespace, account), groups=groups)
    if question.path:
        wish = Attributes(user, question.verb, path=question.path)
    else:
        wish = Attributes(
            user, question.verb, question.group, "*", question.resource, question.subresource,
            question.namespace, question.name, field_selector=question.field_selector,
        )  # fmt: skip
    decision = attempt.authorizer.authorize(wish)
    return Answer(bool(decision.allowed), decision.reason)


def evaluate(expression: Compiled, values: Sequence[Any], budget: Budget) -> Any:
    """The value of an expression.

    Raises:
        Failed: it has none.
        OutOfBudget: it, or the variables it looks at, cost too much.
    """
    if expression.program is None:
        raise Failed(f"compilation error: {expression.error}")
    value, error, cost = expression.program.run(values)
    budget.spend(cost)
    if error is not None:
        raise Failed(f"expression '{expression.text}' resulted in error: {error}")
    return value


class Conditions:
    """The ``matchConditions`` of a policy or webhook."""

    def __init__(self, conditions: Sequence[Json], *, ignores: bool, has_params: bool = False) -> None:
        compiler = PolicyCompiler(has_params=has_params)
        self._ignores = ignores
        self._has_params = has_params
        self._expressions = [
            compiled(condition["expression"], lambda text: compiler.compile(text, BOOL))
            for condition in conditions
        ]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._expressions)

    def hold(self, inputs: Inputs) -> bool:
        """Whether a request meets all of them; one that does not decides, whatever fails.

        Raises:
            Failed: some fail, and the failure policy does not ignore that.
        """
        values, budget = inputs.values(has_params=self._has_params), Budget(CONDITIONS_BUDGET)
        failures: list[str] = []
        for expression in self._expressions:
            try:
                if evaluate(expression, values, budget) is False:
                    return False
            except OutOfBudget as error:
                failures = [str(error)]
                break
            except Failed as error:
                failures.append(str(error))
        if not failures:
            return True
        if self._ignores:
            return False
        failures = list(dict.fromkeys(failures))
        raise Failed(failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]")
