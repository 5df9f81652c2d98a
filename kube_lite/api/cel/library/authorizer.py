"""Questions about what somebody may do: ``authorizer.group('apps').resource('deployments').check('create')``.

Only admission has a variable of this type. What decides is behind ``Ask``, so that nothing here knows how.
Source: ``k8s.io/apiserver/pkg/cel/library/authz.go``.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from kube_lite.api.cel import types
from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import method
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import Opaque
from kube_lite.api.names import check_label, check_subdomain

_PREFIX = "kubernetes.authorization."
AUTHORIZER = types.struct(f"{_PREFIX}Authorizer")
PATH_CHECK = types.struct(f"{_PREFIX}PathCheck")
GROUP_CHECK = types.struct(f"{_PREFIX}GroupCheck")
RESOURCE_CHECK = types.struct(f"{_PREFIX}ResourceCheck")
DECISION = types.struct(f"{_PREFIX}Decision")


class Question(NamedTuple):
    """May the user of the request, or the named service account, do this?"""

    verb: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] = ("", "")


class Answer(NamedTuple):
    """What was decided; ``error`` when that was not possible."""

    is_allowed: bool
    reason: str = ""
    error: str = ""


Ask = Callable[[Question], Answer]


class Asking(NamedTuple):
    """A question that is being put together, and who will answer it."""

    ask: Ask
    question: Question = Question()

    def with_(self, **parts: Any) -> "Asking":
        """The question with more said."""
        return Asking(self.ask, self.question._replace(**parts))


class Authorizer(Opaque):
    """Where questions begin; ``value`` is an ``Asking``."""

    __slots__ = ()
    type: ClassVar[Type] = AUTHORIZER
    value: Asking


class PathCheck(Authorizer):
    """About a path."""

    __slots__ = ()
    type: ClassVar[Type] = PATH_CHECK


class GroupCheck(Authorizer):
    """About an API group."""

    __slots__ = ()
    type: ClassVar[Type] = GROUP_CHECK


class ResourceCheck(Authorizer):
    """About a resource."""

    __slots__ = ()
    type: ClassVar[Type] = RESOURCE_CHECK


class Decision(Opaque):
    """The answer."""

    __slots__ = ()
    type: ClassVar[Type] = DECISION
    value: Answer


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip():
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer.value.with_(path=path))


def _resource(group: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip():
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(group.value.with_(resource=resource))


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if check_subdomain(name):
        raise EvaluationError("Invalid service account name")
    if check_label(namespace):
        raise EvaluationError("Invalid service account namespace")
    return Authorizer(authorizer.value.with_(service_account=(namespace, name)))


def _narrowed(part: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    return lambda check, value: ResourceCheck(check.value.with_(**{part: value}))


def _check(check: Authorizer, verb: str) -> Decision:
    asking = check.value.with_(verb=verb)
    return Decision(asking.ask(asking.question))


def _form(left: Type, rest: str, result: Type | str) -> str:
    return f"{left.name}{rest} -> {result if isinstance(result, str) else result.name}"


OVERLOADS = (
    method("path", "authorizer_path", _form(AUTHORIZER, ", string", PATH_CHECK), _path),
    method(
        "group",
        "authorizer_group",
        _form(AUTHORIZER, ", string", GROUP_CHECK),
        lambda authorizer, group: GroupCheck(authorizer.value.with_(group=group)),
    ),
    method(
        "serviceAccount",
        "authorizer_serviceaccount",
        _form(AUTHORIZER, ", string, string", AUTHORIZER),
        _service_account,
    ),
    method("resource", "groupcheck_resource", _form(GROUP_CHECK, ", string", RESOURCE_CHECK), _resource),
    *(
        method(name, id, _form(RESOURCE_CHECK, ", string", RESOURCE_CHECK), _narrowed(part))
        for name, id, part in (
            ("subresource", "resourcecheck_subresource", "subresource"),
            ("namespace", "resourcecheck_namespace", "namespace"),
            ("name", "resourcecheck_name", "name"),
            ("fieldSelector", "authorizer_fieldselector", "field_selector"),
            ("labelSelector", "authorizer_labelselector", "label_selector"),
        )
    ),
    method("check", "pathcheck_check", _form(PATH_CHECK, ", string", DECISION), _check),
    method("check", "resourcecheck_check", _form(RESOURCE_CHECK, ", string", DECISION), _check),
    method(
        "errored",
        "decision_errored",
        _form(DECISION, "", "bool"),
        lambda decision: bool(decision.value.error),
    ),
    method("error", "decision_error", _form(DECISION, "", "string"), lambda decision: decision.value.error),
    method(
        "allowed", "decision_allowed", _form(DECISION, "", "bool"), lambda decision: decision.value.is_allowed
    ),
    method(
        "reason", "decision_reason", _form(DECISION, "", "string"), lambda decision: decision.value.reason
    ),
)
