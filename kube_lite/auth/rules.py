"""Policy rules: whether some cover others, and how those that are missing are told.

A rule is a ``PolicyRule`` of a role, of one of two forms:

    {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["web"]}
    {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}

What it grants is the product of its lists; here it is broken into rules that grant one thing each, so that
one can be held against the other.
Source: ``k8s.io/component-helpers/auth/rbac/validation`` and ``pkg/registry/rbac/validation``.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from kube_lite.api.identity import Json

ANY = "*"
FIELDS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)
EVERYTHING: Sequence[Json] = (
    {"verbs": [ANY], "apiGroups": [ANY], "resources": [ANY]},
    {"verbs": [ANY], "nonResourceURLs": [ANY]},
)


def quoted(text: str) -> str:
    """In Go's double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def quoted_list(texts: Iterable[str]) -> str:
    """As Go prints a list of quoted texts: ``["a" "b"]``."""
    return "[" + " ".join(quoted(text) for text in texts) + "]"


def missing_rules(owned: Sequence[Json], wanted: Iterable[Json]) -> list[Json]:
    """What ``wanted`` grants and ``owned`` does not, each rule granting one thing."""
    return [
        single
        for rule in wanted
        for single in _singles(rule)
        if not any(_covers(mine, single) for mine in owned)
    ]


def _singles(rule: Json) -> Iterator[Json]:
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ()
    for group, resource, verb in product(rule.get("apiGroups") or (), rule.get("resources") or (), verbs):
        single = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        if names:
            yield from ({**single, "resourceNames": [name]} for name in names)
        else:
            yield single
    for path, verb in product(rule.get("nonResourceURLs") or (), verbs):
        yield {"nonResourceURLs": [path], "verbs": [verb]}


def _covers(mine: Json, single: Json) -> bool:
    """Whether a rule grants the one thing that another does."""
    names, wanted_names = mine.get("resourceNames") or (), single.get("resourceNames") or ()
    resources, paths = mine.get("resources") or (), mine.get("nonResourceURLs") or ()
    return (
        _has(mine.get("verbs"), single["verbs"])
        and _has(mine.get("apiGroups"), single.get("apiGroups"))
        and all(covers_resource(resources, name) for name in single.get("resources") or ())
        and all(covers_path(paths, path) for path in single.get("nonResourceURLs") or ())
        and (not names or (bool(wanted_names) and set(wanted_names) <= set(names)))
    )


def _has(mine: Sequence[str] | None, wanted: Sequence[str] | None) -> bool:
    return ANY in (mine or ()) or set(wanted or ()) <= set(mine or ())


def covers_resource(mine: Sequence[str], wanted: str) -> bool:
    """Whether ``["*"]``, ``["pods/log"]`` or ``["*/log"]`` covers ``pods/log``."""
    if ANY in mine or wanted in mine:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in mine


def covers_path(mine: Iterable[str], wanted: str) -> bool:
    """Whether ``["/metrics"]`` or ``["/logs/*"]`` covers a path."""
    return any(
        path in (ANY, wanted) or (path.endswith(ANY) and wanted.startswith(path.rstrip(ANY))) for path in mine
    )


def describe_rules(rules: Iterable[Json]) -> list[str]:
    """``{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}``: one for a resource, sorted."""
    return sorted({_describe(rule) for rule in _compacted(rules)})


def _compacted(rules: Iterable[Json]) -> Iterator[Json]:
    together: dict[tuple[str, str, tuple[str, ...]], Json] = {}
    for rule in rules:
        if "nonResourceURLs" in rule:
            yield rule
            continue
        key = (rule["apiGroups"][0], rule["resources"][0], tuple(rule.get("resourceNames") or ()))
        if key in together:
            together[key]["verbs"] = [*together[key]["verbs"], *rule["verbs"]]
        else:
            together[key] = dict(rule)
    yield from together.values()


def _describe(rule: Json) -> str:
    return "{" + ", ".join(f"{name}:{quoted_list(rule[key])}" for name, key in FIELDS if rule.get(key)) + "}"
