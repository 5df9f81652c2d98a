"""Rules for the expressions of admission policies and webhooks.

Source: ``kubernetes/pkg/apis/admissionregistration/validation/validation.go``.
"""

import re
from collections.abc import Iterable, Iterator

from kube_lite.api.cel.types import BOOL, NULL, STRING, Type, list_of
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, invalid, one_of, required, too_many
from kube_lite.api.identity import Json
from kube_lite.api.names import check_qualified_name
from kube_lite.api.policies import JSON_PATCH, OBJECT, PolicyCompiler, PolicyError

PATCHES = {
    "ApplyConfiguration": ("applyConfiguration", OBJECT),
    "JSONPatch": ("jsonPatch", list_of(JSON_PATCH)),
}
"""Sort of a mutation → where its expression stands, and what that comes to."""
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
MAX_CONDITIONS = 64
MAX_ANNOTATIONS = 20
MAX_ANNOTATION_BYTES = 5 * 1024

_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
    "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip


def check_conditions(conditions: Iterable[Json], path: str, *, has_params: bool = False) -> Iterator[Cause]:
    """The ``matchConditions`` of a policy or a webhook."""
    conditions = list(conditions)
    if len(conditions) > MAX_CONDITIONS:
        yield too_many(path, len(conditions), MAX_CONDITIONS)
    compiler = PolicyCompiler(has_params=has_params)
    names: set[str] = set()
    for position, condition in enumerate(conditions):
        here = f"{path}[{position}]"
        text = (condition.get("expression") or "").strip()
        if text:
            yield from _check(compiler, text, f"{here}.expression", BOOL)
        else:
            yield required(f"{here}.expression")
        name = condition.get("name") or ""
        if not name:
            yield required(f"{here}.name")
            continue
        yield from each(f"{here}.name", name, check_qualified_name(name))
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)


class PolicyExpressions:
    """The variables, validations and audit annotations of a policy, to be checked in this order.

    Args:
        has_patches: its expressions come to patches, as those of a MutatingAdmissionPolicy.
    """

    def __init__(self, policy: Json, *, has_patches: bool = False) -> None:
        self._name: str = policy["metadata"].get("name") or ""
        self._spec: Json = policy.get("spec") or {}
        self._compiler = PolicyCompiler(
            has_params=self._spec.get("paramKind") is not None,
            has_variables=bool(self._spec.get("variables")),
            has_patches=has_patches,
        )

    def check_variables(self) -> Iterator[Cause]:
        """Names and expressions; what one comes to is known to those that follow."""
        for position, variable in enumerate(self._spec.get("variables") or ()):
            path = f"spec.variables[{position}]"
            name, text = variable.get("name") or "", variable.get("expression") or ""
            if not name.strip():
                yield required(f"{path}.name", "name is not specified")
            elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
                yield invalid(f"{path}.name", name, "must be a valid CEL identifier")
            if not text.strip():
                yield required(f"{path}.expression", "expression is not specified")
                continue
            try:
                self._compiler.add_variable(name, text)
            except PolicyError as error:
                yield _told(error, f"{path}.expression", text)

    def check_validations(self) -> Iterator[Cause]:
        """What a request must satisfy, and what is said if it does not."""
        for position, validation in enumerate(self._spec.get("validations") or ()):
            path = f"spec.validations[{position}]"
            text = validation.get("expression") or ""
            if text.strip():
                yield from _check(self._compiler, text, f"{path}.expression", BOOL)
            else:
                yield required(f"{path}.expression", "expression is not specified")
            yield from self._check_message(validation, path)
            if validation.get("reason") is not None:
                yield from one_of(f"{path}.reason", validation["reason"], REASONS)

    def _check_message(self, validation: Json, path: str) -> Iterator[Cause]:
        text = validation.get("messageExpression") or ""
        if text.strip():
            here = f"{path}.messageExpression"
            yield from _check(self._compiler, text, here, STRING, has_authorizer=False)
        elif text:
            yield invalid(f"{path}.messageExpression", text, "must be non-empty if specified")
        message = validation.get("message") or ""
        if message and not message.strip():
            yield invalid(f"{path}.message", message, "must be non-empty if specified")
        elif "\n" in message.strip() or "\r" in message.strip():
            yield invalid(f"{path}.message", message, "must not contain line breaks")

    def check_mutations(self) -> Iterator[Cause]:
        """How a request is changed."""
        for position, mutation in enumerate(self._spec.get("mutations") or ()):
            path = f"spec.mutations[{position}]"
            sort = mutation.get("patchType") or ""
            if not sort:
                yield required(f"{path}.patchType")
            elif sort not in PATCHES:
                yield from one_of(f"{path}.patchType", sort, tuple(sorted(PATCHES)))
            else:
                field, returns = PATCHES[sort]
                told = mutation.get(field)
                text = (told or {}).get("expression") or ""
                if told is None:
                    yield required(f"{path}.{field}", f"must be specified when patchType is {sort}")
                elif text.strip():
                    yield from _check(self._compiler, text, f"{path}.{field}.expression", returns)
                else:
                    yield required(f"{path}.{field}.expression")
                for other in (name for name, _ in PATCHES.values() if name != field and name in mutation):
                    why = f"must not be specified when patchType is {sort}"
                    yield invalid(f"{path}.{other}", f"{{{other}}}", why)

    def check_annotations(self) -> Iterator[Cause]:
        """What is noted in the audit log."""
        annotations = self._spec.get("auditAnnotations") or ()
        if len(annotations) > MAX_ANNOTATIONS:
            shown = [
                {"Key": annotation.get("key", ""), "ValueExpression": annotation.get("valueExpression", "")}
                for annotation in annotations
            ]
            why = f"must not have more than {MAX_ANNOTATIONS} auditAnnotations"
            yield invalid("spec.auditAnnotations", shown, why)
        keys: set[str] = set()
        for position, annotation in enumerate(annotations):
            path = f"spec.auditAnnotations[{position}]"
            key = annotation.get("key") or ""
            if self._name:
                qualified = f"{self._name}/{key}"
                yield from each(f"{path}.key", qualified, check_qualified_name(qualified))
            else:
                yield invalid(f"{path}.key", key, "requires metadata.name be non-empty")
            yield from self._check_value(annotation.get("valueExpression") or "", f"{path}.valueExpression")
            if key in keys:
                yield duplicate(f"{path}.key", key)
            keys.add(key)

    def _check_value(self, text: str, path: str) -> Iterator[Cause]:
        trimmed = text.strip()
        if not trimmed:
            yield required(path, "valueExpression is not specified")
        elif len(trimmed.encode()) > MAX_ANNOTATION_BYTES:
            yield required(path, f"must not exceed {MAX_ANNOTATION_BYTES} bytes in length")
        else:
            try:
                self._compiler.compile(trimmed, STRING, NULL)
            except PolicyError as error:
                yield _told(error, path, text)


def _check(
    compiler: PolicyCompiler, text: str, path: str, returns: Type, *, has_authorizer: bool = True
) -> Iterator[Cause]:
    try:
        compiler.compile(text, returns, has_authorizer=has_authorizer)
    except PolicyError as error:
        yield _told(error, path, text)


def _told(error: PolicyError, path: str, text: str) -> Cause:
    if error.internal:
        return Cause("InternalError", f"Internal error: {error}", path)
    return invalid(path, text, str(error))
