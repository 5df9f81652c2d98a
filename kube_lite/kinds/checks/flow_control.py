"""Rules for FlowSchemas and PriorityLevelConfigurations: ``pkg/apis/flowcontrol/validation``."""

import math
from collections.abc import Iterator, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_subdomain

from .go_struct import go_struct

PRECEDENCE_MAX = 10000
EXEMPT = "exempt"
DISTINGUISHERS = ("ByNamespace", "ByUser")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
QUEUES_MAX = 10_000_000
ENTROPY_MAX = 60  # bits of a hash that choose a request's queues
PRESERVE_ZERO = "flowcontrol.k8s.io/preserve-zero-concurrency-shares"
NOT_NEGATIVE = "must be a non-negative integer"
POSITIVE = "must be positive"


def check_flow_schema(schema: Json) -> Iterator[Cause]:
    """A FlowSchema."""
    spec, name = schema.get("spec") or {}, schema["metadata"].get("name") or ""
    precedence, here = spec.get("matchingPrecedence", 0), "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(here, precedence, "must be a positive value")
    if precedence > PRECEDENCE_MAX:
        yield invalid(here, precedence, f"must not be greater than {PRECEDENCE_MAX}")
    if precedence == 1 and name != EXEMPT:
        yield invalid(here, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and (method.get("type") or "") not in DISTINGUISHERS:
        shown = go_struct(method, "flowcontrol.v1.FlowDistinguisherMethod")
        yield not_supported("spec.distinguisherMethod.type", shown, DISTINGUISHERS)
    level = (spec.get("priorityLevelConfiguration") or {}).get("name") or ""
    if level:
        yield from each("spec.priorityLevelConfiguration.name", level, check_subdomain(level))
    else:
        yield required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for position, rule in enumerate(spec.get("rules") or ()):
        yield from _check_rule(rule, f"spec.rules[{position}]")
    yield from check_conditions(schema, {})


def _check_rule(rule: Json, path: str) -> Iterator[Cause]:
    subjects = rule.get("subjects") or ()
    for position, subject in enumerate(subjects):
        yield from _check_subject(subject, f"{path}.subjects[{position}]")
    if not subjects:
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    resources, others = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resources and not others:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for position, entry in enumerate(resources):
        yield from _check_resource_rule(entry, f"{path}.resourceRules[{position}]")
    for position, entry in enumerate(others):
        yield from _check_other_rule(entry, f"{path}.nonResourceRules[{position}]")


def _check_subject(subject: Json, path: str) -> Iterator[Cause]:
    kind = subject.get("kind") or ""
    if kind not in SUBJECTS:
        yield not_supported(f"{path}.kind", kind, sorted(SUBJECTS))
        return
    field = SUBJECTS[kind]
    value, here = subject.get(field), f"{path}.{field}"
    if value is None:
        yield required(here, f"{field} is required when subject kind is '{kind}'")
    else:
        name = value.get("name") or ""
        if not name:
            yield required(f"{here}.name")
        if kind == "ServiceAccount":
            yield from _check_account(name, value.get("namespace") or "", here)
    for other in ("ServiceAccount", "User", "Group"):
        if other != kind and subject.get(SUBJECTS[other]) is not None:
            why = f"{SUBJECTS[other]} is forbidden when subject kind is not '{other}'"
            yield forbidden(f"{path}.{SUBJECTS[other]}", why)


def _check_account(name: str, namespace: str, path: str) -> Iterator[Cause]:
    if name and name != "*":
        yield from each(f"{path}.name", name, check_subdomain(name))
    if namespace:
        yield from each(f"{path}.namespace", namespace, check_label(namespace))
    else:
        yield required(f"{path}.namespace", "must specify namespace for service account")


def _check_verbs(verbs: Sequence[str], path: str) -> Iterator[Cause]:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            yield invalid(path, verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(VERBS):
        yield not_supported(path, verbs, VERBS)


def _check_resource_rule(rule: Json, path: str) -> Iterator[Cause]:
    yield from _check_verbs(rule.get("verbs") or (), f"{path}.verbs")
    for field, one, many in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        values = rule.get(field) or ()
        if not values:
            yield required(f"{path}.{field}", f"resource rules must supply at least one {one}")
        elif len(values) > 1 and "*" in values:
            yield invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {many}")
    namespaces, here = rule.get("namespaces") or (), f"{path}.namespaces"
    if not namespaces and not rule.get("clusterScope"):
        why = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(here, why)
    elif "*" in namespaces:
        if len(namespaces) > 1:
            yield invalid(here, namespaces, "if '*' is present, must not specify other namespaces")
    else:
        for position, name in enumerate(namespaces):
            for text in check_label(name):
                why = f"each member of this list must be '*' or a DNS-1123 label; {text}"
                yield invalid(f"{here}[{position}]", name, why)


def _check_other_rule(rule: Json, path: str) -> Iterator[Cause]:
    yield from _check_verbs(rule.get("verbs") or (), f"{path}.verbs")
    urls, here = rule.get("nonResourceURLs") or (), f"{path}.nonResourceURLs"
    if not urls:
        yield required(here, "nonResourceURLs must contain at least one value")
    elif "*" in urls:
        if len(urls) > 1:
            yield invalid(here, urls, "if '*' is present, must not specify other non-resource URLs")
    else:
        for position, url in enumerate(urls):
            why = _wrong_url(url)
            if why:
                yield invalid(f"{here}[{position}]", url, why)


def _wrong_url(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def check_priority_level(level: Json) -> Iterator[Cause]:
    """A PriorityLevelConfiguration."""
    metadata, spec = level["metadata"], level.get("spec") or {}
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if PRESERVE_ZERO in (metadata.get("annotations") or {}):
        yield forbidden("metadata.annotations", f"annotation '{PRESERVE_ZERO}' is forbidden")
    if (metadata.get("name") == EXEMPT) != (kind == "Exempt"):
        yield invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    if kind == "Exempt":
        if limited is not None:
            yield forbidden("spec.limited", "must be nil if the type is not Limited")
        if exempt is not None:
            yield from _check_shares(exempt, "spec.exempt")
    elif kind == "Limited":
        if exempt is not None:
            yield forbidden("spec.exempt", "must be nil if the type is Limited")
        if limited is None:
            yield required("spec.limited", "must not be empty when type is Limited")
        else:
            yield from _check_limited(limited, "spec.limited")
    else:
        yield not_supported("spec.type", kind, ("Exempt", "Limited"))
    yield from check_conditions(level, {})


def _check_shares(level: Json, path: str) -> Iterator[Cause]:
    shares = level.get("nominalConcurrencyShares")
    if shares is not None and shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, NOT_NEGATIVE)
    yield from _check_lendable(level, path)


def _check_lendable(level: Json, path: str) -> Iterator[Cause]:
    percent = level.get("lendablePercent")
    if percent is not None and not 0 <= percent <= 100:
        yield invalid(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive")


def _check_limited(limited: Json, path: str) -> Iterator[Cause]:
    shares = limited.get("nominalConcurrencyShares") or 0
    if shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, NOT_NEGATIVE)
    response, here = limited.get("limitResponse") or {}, f"{path}.limitResponse"
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            why = "must be nil if limited.limitResponse.type is not Limited"
            yield forbidden(f"{here}.queuing", why)
    elif kind == "Queue":
        if queuing is None:
            why = "must not be empty if limited.limitResponse.type is Limited"
            yield required(f"{here}.queuing", why)
        else:
            yield from _check_queuing(queuing, f"{here}.queuing")
    else:
        yield from one_of(f"{here}.type", kind, ("Queue", "Reject"))
    yield from _check_lendable(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        yield invalid(f"{path}.borrowingLimitPercent", borrowing, f"if specified, {NOT_NEGATIVE}")


def _check_queuing(queuing: Json, path: str) -> Iterator[Cause]:
    length, queues, hand = (queuing.get(field) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    if length <= 0:
        yield invalid(f"{path}.queueLengthLimit", length, POSITIVE)
    if queues <= 0:
        yield invalid(f"{path}.queues", queues, POSITIVE)
    elif queues > QUEUES_MAX:
        yield invalid(f"{path}.queues", queues, f"must not be greater than {QUEUES_MAX}")
    if hand <= 0:
        yield invalid(f"{path}.handSize", hand, POSITIVE)
    elif hand > queues:
        yield invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > ENTROPY_MAX:
        why = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than "
            f"{ENTROPY_MAX}"
        )
        yield invalid(f"{path}.handSize", hand, why)


def check_conditions(new: Json, old: Json) -> Iterator[Cause]:
    """The conditions of either kind: each has a type, and no two the same."""
    types: set[str] = set()
    for position, condition in enumerate((new.get("status") or {}).get("conditions") or ()):
        here, type_ = f"status.conditions[{position}].type", condition.get("type") or ""
        if type_ in types:
            yield duplicate(here, type_)
        types.add(type_)
        if not type_:
            yield required(here)
