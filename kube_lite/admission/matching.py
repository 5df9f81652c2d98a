"""Which requests a policy or a webhook is about.

Rules name resources as requests do, and where ``matchPolicy`` is Equivalent also as other rows of the same
resource: a rule about ``autoscaling/v1`` meets a write of ``autoscaling/v2``, whose object is converted then.

Source: ``apiserver/pkg/admission/plugin/policy/matching/matching.go``, ``webhook/predicates``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kube_lite.api.identity import GroupResource, GroupVersionKind, GroupVersionResource, Json, ObjectKey
from kube_lite.api.meta import copy
from kube_lite.api.resource import Resource
from kube_lite.api.selectors import label_selector
from kube_lite.registry.converting import in_version, spoken_as
from kube_lite.registry.stored import made_up

from .chain import CREATE, DELETE, UPDATE, Attempt
from .namespaces import NAMESPACES

GROUP = "admissionregistration.k8s.io"
EXEMPT = frozenset(
    GroupResource(GROUP, plural)
    for plural in (
        "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
        "validatingadmissionpolicies", "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
    )
)  # fmt: skip
"""What neither policies nor webhooks are asked about, so that a wrong one can be taken back."""

Candidate = tuple[frozenset[str], Resource]
"""Names that a rule is limited to, none for all; and the row by which it matched."""


class Match:
    """Which requests are meant; asks for what it needs of a request only.

    Args:
        told: ``matchPolicy``, ``namespaceSelector``, ``objectSelector``, ``excludeResourceRules``.
        rules: ``resourceRules`` of a policy, ``rules`` of a webhook.
        everything: what no rules at all mean.
    """

    def __init__(self, told: Json, rules: Sequence[Json], *, everything: bool = False) -> None:
        self._rules = rules
        self._excluded: Sequence[Json] = told.get("excludeResourceRules") or ()
        self._namespaces = label_selector(told.get("namespaceSelector") or {})
        self._objects = label_selector(told.get("objectSelector") or {})
        self._is_exact = (told.get("matchPolicy") or "Equivalent") == "Exact"
        self._means_all = everything and not rules
        self._generation = -1
        self._candidates: dict[tuple[str, GroupVersionResource, str, bool], tuple[Candidate, ...]] = {}

    def row_of(self, attempt: Attempt) -> Resource | None:
        """The row as which a request is meant; None when it is not."""
        if self._means_all:
            row: Resource | None = attempt.resource
        else:
            row = self._chosen(attempt, is_excluding=False)
        if row is None or not self._is_selected(attempt):
            return None
        return None if self._excluded and self._chosen(attempt, is_excluding=True) else row

    def _chosen(self, attempt: Attempt, *, is_excluding: bool) -> Resource | None:
        registry = attempt.registry
        if registry.generation != self._generation:
            self._candidates.clear()
            self._generation = registry.generation
        key = (attempt.operation, attempt.resource.gvr, attempt.subresource, is_excluding)
        found = self._candidates.get(key)
        if found is None:
            rules = self._excluded if is_excluding else self._rules
            found = self._candidates[key] = tuple(self._search(attempt, rules))
        return next((row for names, row in found if not names or attempt.name in names), None)

    def _search(self, attempt: Attempt, rules: Iterable[Json]) -> Iterator[Candidate]:
        """Every rule that can mean requests of this sort: by their own row first."""
        rows = [attempt.resource]
        if not self._is_exact:
            home = attempt.resource.home
            rows += [row for row in attempt.registry if row.home == home and row != attempt.resource]
        for row in rows:
            for rule in rules:
                if _is_meant(rule, attempt.operation, row, attempt.subresource):
                    yield frozenset(rule.get("resourceNames") or ()), row

    def _is_selected(self, attempt: Attempt) -> bool:
        if not self._namespaces.is_everything:
            labels = _labels_of_namespace(attempt)
            if labels is not None and not self._namespaces.matches(labels):
                return False
        if self._objects.is_everything:
            return True
        new, old = sides(attempt)
        return any(side is not None and self._objects.matches_object(side) for side in (new, old))


def _is_meant(rule: Json, operation: str, row: Resource, subresource: str) -> bool:
    scope = rule.get("scope") or "*"
    return (
        (scope == "*" or (scope == "Namespaced") == row.namespaced)
        and _is_among(rule.get("operations"), operation)
        and _is_among(rule.get("apiGroups"), row.group)
        and _is_among(rule.get("apiVersions"), row.version)
        and any(_is_named(name, row.plural, subresource) for name in rule.get("resources") or ())
    )


def _is_among(words: Sequence[str] | None, word: str) -> bool:
    return words is not None and (word in words or "*" in words)


def _is_named(name: str, plural: str, subresource: str) -> bool:
    """Whether ``pods``, ``pods/*``, ``*/scale``, ``*`` or ``*/*`` means it."""
    resource, _, part = name.partition("/")
    return resource in ("*", plural) and part in ("*", subresource)


def sides(attempt: Attempt) -> tuple[Json | None, Json | None]:
    """The object as it is to be, and as it was; what is to go only was."""
    return (None if attempt.operation == DELETE else attempt.obj), attempt.old


def namespace_of(attempt: Attempt) -> str:
    """Where a request happens; a namespace is in itself, as upstream has it."""
    if attempt.resource.group_resource == NAMESPACES:
        return attempt.name or str((attempt.obj.get("metadata") or {}).get("name") or "")
    return attempt.namespace


def _labels_of_namespace(attempt: Attempt) -> Mapping[str, str] | None:
    """Of the namespace of a request; None for what is in none, which selectors do not exempt."""
    if attempt.resource.group_resource == NAMESPACES and attempt.operation in (CREATE, UPDATE):
        labels: Mapping[str, str] = attempt.obj["metadata"].get("labels") or {}
        return labels
    name = namespace_of(attempt)
    if not name:
        return None
    namespace = attempt.objects.peek(NAMESPACES, ObjectKey("", name))
    return {} if namespace is None else namespace["metadata"].get("labels") or {}


def kind_of(row: Resource, subresource: str) -> GroupVersionKind:
    """Of what a request carries: the row's, or the subresource's."""
    part = row.subresource(subresource) if subresource else None
    if part is None:
        return row.gvk
    return GroupVersionKind(part.group or row.group, part.version or row.version, part.kind)


async def as_row_has_it(attempt: Attempt, row: Resource, obj: Json | None) -> Json | None:
    """An object of a request as another row of the same resource has it; may be shared."""
    if obj is None or row.gvk == attempt.resource.gvk or obj.get("kind") != row.kind:
        return obj
    return await _spoken(attempt, row, obj)


async def spoken_back(attempt: Attempt, row: Resource, obj: Json) -> Json:
    """What another row had as ``obj``, and has changed, as the request has it; a private copy."""
    if row.gvk == attempt.resource.gvk or obj.get("kind") != row.kind:
        return obj
    spoken: Json = copy(await _spoken(attempt, attempt.resource, obj))
    return spoken


async def _spoken(attempt: Attempt, row: Resource, obj: Json) -> Json:
    if row.definition:
        return await attempt.objects.resolved(lambda: spoken_as(row, obj))
    return in_version(made_up(obj, 0), row.gvk).object
