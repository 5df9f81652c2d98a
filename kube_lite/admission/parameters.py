"""The objects that the binding of a policy gives it as parameters.

Source: ``CollectParams`` in ``apiserver/pkg/admission/plugin/policy/generic/policy_matcher.go``.
"""

from kube_lite.api.identity import GroupVersionKind, Json, ObjectKey, parse_api_version
from kube_lite.api.resource import Resource
from kube_lite.api.selectors import label_selector
from kube_lite.registry.listing import Scope, list_objects

from .chain import Attempt
from .matching import namespace_of

NOT_FOUND = "no params found for policy binding with `Deny` parameterNotFoundAction"


class Misconfigured(Exception):
    """A policy or binding that cannot be used as it is; says why."""


def row_of_params(attempt: Attempt, kind: Json) -> Resource:
    """The row of a ``paramKind``. Raises ``Misconfigured``."""
    gvk = GroupVersionKind(*parse_api_version(kind["apiVersion"]), kind["kind"])
    row = attempt.registry.by_gvk(gvk)
    if row is None:
        raise Misconfigured(f"failed to find resource referenced by paramKind: '{gvk}'")
    return row


async def parameters(attempt: Attempt, row: Resource | None, reference: Json | None) -> list[Json | None]:
    """The parameters for which a policy is worked out, one by one; None for a turn without.

    Args:
        row: of the ``paramKind``, None where the policy has none.
        reference: the binding's ``paramRef``.

    Raises:
        Misconfigured: they cannot be had.
    """
    if row is None or reference is None:
        return [None]
    namespace = reference.get("namespace") or ""
    if not row.namespaced:
        if namespace:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    elif not namespace:
        namespace = namespace_of(attempt)
        if not namespace:
            why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise Misconfigured(why)
    found = await _find(attempt, row, namespace, reference)
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured(NOT_FOUND)
    return found


async def _find(attempt: Attempt, row: Resource, namespace: str, reference: Json) -> list[Json | None]:
    objects, name = attempt.objects, reference.get("name")
    if name:
        stored = await objects.resolved(lambda: objects.find(row, ObjectKey(namespace, name)))
        return [] if stored is None else [stored.object]
    selector = label_selector(reference.get("selector") or {})
    scope = Scope(row, namespace)
    listed = await objects.resolved(lambda: list_objects(objects, scope))
    return [stored.object for stored in listed.items if selector.matches(stored.facts.labels)]
