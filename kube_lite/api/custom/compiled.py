"""One rule of a schema, compiled: its condition, its message, and where its failure is told.

Source: ``apiextensions-apiserver/pkg/apiserver/schema/cel/compilation.go``.
"""

import re
from typing import NamedTuple

from kube_lite.api.cel import types
from kube_lite.api.cel.declared import MAX_REQUEST_BYTES, Declared
from kube_lite.api.cel.environment import Environment, PlanError, Program
from kube_lite.api.cel.errors import CompileError
from kube_lite.api.fieldpath import child, key
from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Schema

OLD = "oldSelf"
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)")


class Compiled(NamedTuple):
    """A rule that can be evaluated, or why it cannot.

    Attributes:
        program: None for an empty rule, or with ``error``.
        message: what makes the text of a failure, or None; with ``message_error`` for the reason.
        path: of the field a failure is told of, below that of the rule.
    """

    rule: Json
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""
    path: str = ""

    @property
    def uses_old(self) -> bool:
        """Whether it speaks of the value before."""
        return self.program is not None and OLD in self.program.names

    @property
    def text(self) -> str:
        """What names the rule in errors: its message, else itself."""
        return str(self.rule.get("message") or self.rule.get("rule") or "").strip()


class RuleCompiler:
    """Compiles the rules of one part of a schema."""

    def __init__(self, declared: Declared, schema: Schema) -> None:
        self.declared = declared
        self._schema = schema
        self._environments: dict[bool, Environment] = {}

    def compile(self, rule: Json) -> Compiled:
        """A rule with all that belongs to it."""
        if not (rule.get("rule") or "").strip():
            return Compiled(rule)
        environment = self._environment(is_optional=bool(rule.get("optionalOldSelf")))
        program, error = _compile(environment, rule["rule"], "compilation failed", "program")
        if program is None:
            return Compiled(rule, error=error)
        if program.type != types.BOOL:
            return Compiled(rule, error="cel expression must evaluate to a bool")
        message, message_error = None, ""
        if rule.get("messageExpression"):
            message, message_error = _compile_message(environment, rule["messageExpression"])
        path = self._normalized(rule.get("fieldPath") or "")
        return Compiled(rule, program, "", message, message_error, path)

    def max_cost(self, program: Program) -> int:
        """What one evaluation can cost."""
        return program.max_cost(self.declared.size_of)

    @property
    def max_count(self) -> int:
        """How often such a value fits into a request."""
        return MAX_REQUEST_BYTES // (self.declared.min_bytes + 1)

    def _environment(self, *, is_optional: bool) -> Environment:
        found = self._environments.get(is_optional)
        if found is None:
            own = self.declared.type
            old = types.optional_of(own) if is_optional else own
            found = self._environments[is_optional] = Environment(
                {"self": own, OLD: old}, self.declared.objects()
            )
        return found

    def _normalized(self, path: str) -> str:
        """``.spec['a-b']`` as paths of errors are written; the path has been checked."""
        schema: Schema | None = self._schema
        found = ""
        for step in _STEP.finditer(path):
            name = step[1] if step[1] is not None else _ESCAPED.sub(r"\1", step[2])
            if schema is not None and schema.properties:
                found, schema = child(found, name), schema.properties.get(name)
            else:
                found, schema = key(found, name), schema.additional if schema is not None else None
        return found


def _compile(environment: Environment, text: str, failed: str, what: str) -> tuple[Program | None, str]:
    try:
        return environment.compile(text), ""
    except CompileError as error:
        return None, f"{failed}: {error}"
    except PlanError as error:
        return None, f"{what} instantiation failed: {error}"


def _compile_message(environment: Environment, text: str) -> tuple[Program | None, str]:
    program, error = _compile(environment, text, "messageExpression compilation failed", "messageExpression")
    if program is not None and program.type != types.STRING:
        return None, "messageExpression must evaluate to a string"
    return program, error
