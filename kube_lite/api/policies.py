"""Expressions of admission: policies, and the conditions of policies and webhooks.

They see ``object`` and ``oldObject`` as they were sent, without types; ``request`` and ``namespaceObject``,
whose types count only when they are compiled; ``params``, if the policy has such; the ``authorizer``; and
``variables``, of which each sees those before it.

Source: ``k8s.io/apiserver/pkg/admission/plugin/cel/compile.go``, ``composition.go``.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from .cel import types
from .cel.checker import Fields
from .cel.environment import Environment, PlanError, Program
from .cel.errors import CompileError
from .cel.library import with_patches
from .cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK
from .cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Type, list_of, map_of, struct
from .cel.views import of_json

NAMESPACE, REQUEST, VARIABLES = "kubernetes.Namespace", "kubernetes.AdmissionRequest", "kubernetes.variables"

NO_TYPES: Mapping[str, Type] = {}
OPERATION: Mapping[str, Type] = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}

_KIND, _RESOURCE = "kubernetes.GroupVersionKind", "kubernetes.GroupVersionResource"
_TEXTS = list_of(STRING)

STRUCTS: Mapping[str, Mapping[str, Type]] = {
    _KIND: dict.fromkeys(("group", "version", "kind"), STRING),
    _RESOURCE: dict.fromkeys(("group", "version", "resource"), STRING),
    "kubernetes.UserInfo": {
        "username": STRING, "uid": STRING, "groups": _TEXTS, "extra": map_of(STRING, _TEXTS),
    },
    REQUEST: {
        "kind": struct(_KIND), "resource": struct(_RESOURCE), "subResource": STRING,
        "requestKind": struct(_KIND), "requestResource": struct(_RESOURCE), "requestSubResource": STRING,
        "name": STRING, "namespace": STRING, "operation": STRING, "userInfo": struct("kubernetes.UserInfo"),
        "dryRun": BOOL, "options": DYN,
    },
    "kubernetes.NamespaceSpec": {"finalizers": _TEXTS},
    "kubernetes.NamespaceCondition": {
        "status": STRING, "type": STRING, "lastTransitionTime": TIMESTAMP, "message": STRING,
        "reason": STRING,
    },
    "kubernetes.NamespaceStatus": {
        "conditions": list_of(struct("kubernetes.NamespaceCondition")), "phase": STRING,
    },
    "kubernetes.NamespaceMetadata": {
        "name": STRING, "generateName": STRING, "namespace": STRING, "labels": map_of(STRING, STRING),
        "annotations": map_of(STRING, STRING), "UID": STRING, "creationTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT, "deletionTimestamp": TIMESTAMP, "generation": INT,
        "resourceVersion": STRING, "finalizers": _TEXTS,
    },
    NAMESPACE: {
        "metadata": struct("kubernetes.NamespaceMetadata"), "spec": struct("kubernetes.NamespaceSpec"),
        "status": struct("kubernetes.NamespaceStatus"),
    },
}  # fmt: skip


JSON_PATCH, OBJECT = struct("JSONPatch"), struct("Object")


class AllStructs(Mapping[str, Fields]):
    """What several tables of structs have, which may grow."""

    def __init__(self, *tables: Mapping[str, Fields]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> Fields:
        for table in self._tables:
            if name in table:
                return table[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for table in self._tables for name in table)

    def __len__(self) -> int:
        return sum(map(len, self._tables))


class _AnyField(dict[str, Type]):
    """The fields of an object that a patch is made of: what they may be shows when it is applied."""

    def get(self, key: str, default: Any = None) -> Type:
        return DYN


class _Patches(dict[str, Fields]):
    """The structs of patches: ``JSONPatch``, ``Object`` and what is in it, ``Object.spec.template``."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or f"{name}.".startswith("Object.")

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if super().__contains__(name) else _AnyField() if name in self else default


class PolicyError(Exception):
    """An expression that cannot be used.

    Attributes:
        internal: it could be compiled, but not prepared.
    """

    def __init__(self, text: str, *, internal: bool = False) -> None:
        super().__init__(text)
        self.internal = internal


class PolicyCompiler:
    """Compiles the expressions of one policy, its variables first.

    Args:
        types: of ``object``, ``oldObject`` and ``params``, where they are known; ``structs`` have the fields.
    """

    def __init__(
        self,
        *,
        has_params: bool = False,
        has_variables: bool = False,
        has_patches: bool = False,
        types: Mapping[str, Type] = NO_TYPES,
        structs: Sequence[Mapping[str, Fields]] = (),
    ) -> None:
        self._types = types
        self._structs = structs
        self._has_params = has_params
        self._has_patches = has_patches
        self._variables: dict[str, Type] | None = {} if has_variables else None
        self._environments: dict[bool, Environment] = {}

    def compile(self, text: str, *returns: Type, has_authorizer: bool = True) -> Program:
        """A program, to be run with the values of ``variables_of`` in that order, JSON made by ``of_json``.

        Args:
            returns: what it may come to; none for anything.
            has_authorizer: it may ask what users are allowed to do.

        Raises:
            PolicyError: with the text of the reference.
        """
        try:
            program = self._environment(has_authorizer=has_authorizer).compile(text)
        except CompileError as error:
            raise PolicyError(f"compilation failed: {error}") from error
        except PlanError as error:
            raise PolicyError(f"program instantiation failed: {error}", internal=True) from error
        if returns and program.type not in returns:
            expected = spell(returns[0]) if len(returns) == 1 else f"one of [{' '.join(map(spell, returns))}]"
            raise PolicyError(f"must evaluate to {expected} but got {spell(program.type)}")
        return program

    def check(self, text: str) -> None:
        """Find out whether there is anything wrong with the types of an expression.

        Raises:
            PolicyError: with all that is, in the words of the language.
        """
        try:
            self._environment(has_authorizer=True).compile(text)
        except CompileError as error:
            raise PolicyError(str(error)) from error
        except PlanError:
            return  # which is not about types

    def add_variable(self, name: str, text: str) -> Program:
        """Compile a variable, which those that follow see; also when it is wrong, as anything.

        Raises:
            PolicyError: with the text of the reference.
        """
        assert self._variables is not None  # the compiler was made for variables
        self._variables[name] = DYN
        program = self.compile(text)
        self._variables[name] = _known(program.type)
        return program

    def _environment(self, *, has_authorizer: bool) -> Environment:
        if self._variables is None and not self._has_patches:
            return _plain(self._has_params, has_authorizer)
        found = self._environments.get(has_authorizer)
        if found is None:
            seen = variables_of(
                has_params=self._has_params,
                has_authorizer=has_authorizer,
                has_variables=self._variables is not None,
            )
            seen |= {name: type for name, type in self._types.items() if name in seen}
            structs: dict[str, Fields] = {**STRUCTS}
            if self._variables is not None:
                structs[VARIABLES] = self._variables  # which come one by one
            found = self._environments[has_authorizer] = (
                Environment(seen, _Patches(structs | {"JSONPatch": OPERATION}), with_patches())
                if self._has_patches
                else Environment(seen, AllStructs(structs, *self._structs))
            )
        return found


def variables_of(*, has_params: bool, has_authorizer: bool, has_variables: bool) -> dict[str, Type]:
    """What an expression sees, in the order in which its program takes the values."""
    seen = {"object": DYN, "oldObject": DYN, "namespaceObject": struct(NAMESPACE), "request": struct(REQUEST)}
    if has_params:
        seen["params"] = DYN
    if has_authorizer:
        seen |= {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
    if has_variables:
        seen["variables"] = struct(VARIABLES)
    return seen


@cache
def _plain(has_params: bool, has_authorizer: bool) -> Environment:
    seen = variables_of(has_params=has_params, has_authorizer=has_authorizer, has_variables=False)
    return Environment(seen, STRUCTS)


def _known(type: Type) -> Type:
    """As much of a variable's type as those that follow are told."""
    if type.kind in ("list", "map"):
        return Type(type.kind, type.name, tuple([_known(inner) for inner in type.parameters]))
    return type if type.kind in types.SCALARS or type.kind == "null" else DYN


def spell(type: Type) -> str:
    """A type by the name it has in Go: ``null_type``, ``google.protobuf.Duration``, ``list(dyn)``."""
    if not type.parameters:
        return type.name
    return f"{type.name}({', '.join(map(spell, type.parameters))})"


__all__ = ["STRUCTS", "PolicyCompiler", "PolicyError", "Program", "of_json", "variables_of"]
