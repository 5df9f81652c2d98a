"""Pods that want certain pods beside them, or do not; beside means in the same domain of a label of nodes.

Wishes hold both ways: a pod that does not want others of a sort near it keeps them away when it was there
first. What pods prefer is summed up over each domain, the wishes of pods that are there included.

Source: kubernetes/pkg/scheduler/framework/plugins/interpodaffinity.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from kube_lite.api.identity import Json

from .snapshot import NodeInfo, Snapshot, Sort, sort_of

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
FULL_SCORE = 100


class Term(NamedTuple):
    """Pods of a sort, in the same domain of a label."""

    key: str
    sort: Sort
    weight: int = 0


def terms(pod: Json, kind: str, strength: str) -> tuple[Term, ...]:
    """The terms of a pod: ``podAffinity`` or ``podAntiAffinity``, ``REQUIRED`` or ``PREFERRED``."""
    affinity = pod["spec"].get("affinity")
    wishes = (affinity or {}).get(kind)
    if not wishes:
        return ()
    return _read(orjson.dumps(wishes), pod["metadata"]["namespace"], strength)


@lru_cache(maxsize=1024)  # pods of one template say the same
def _read(wishes: bytes, namespace: str, strength: str) -> tuple[Term, ...]:
    found = orjson.loads(wishes).get(strength) or ()
    if strength == REQUIRED:
        return tuple(_term(namespace, entry) for entry in found)
    return tuple(_term(namespace, entry["podAffinityTerm"], entry["weight"]) for entry in found)


def _term(namespace: str, entry: Json, weight: int = 0) -> Term:
    names, chosen = frozenset(entry.get("namespaces") or ()), entry.get("namespaceSelector")
    if not names and chosen is None:
        names = frozenset({namespace})
    return Term(entry["topologyKey"], sort_of(entry.get("labelSelector"), names, chosen), weight)


def is_of(sort: Sort, pod: Json, snapshot: Snapshot) -> bool:
    """Whether a pod is of a sort."""
    return snapshot.tally(sort).matches(pod)


class Limits:
    """Where one pod must not go for the sake of others, and where it has to, as things are now."""

    def __init__(self, pod: Json, snapshot: Snapshot) -> None:
        self._forbidden = set(_kept_away(pod, snapshot))
        wanted = terms(pod, "podAffinity", REQUIRED)
        self._wanted = [(term.key, _by_domain(term, snapshot)) for term in wanted]
        self._is_first = not any(domains for _, domains in self._wanted) and all(
            is_of(term.sort, pod, snapshot) for term in wanted
        )
        unwanted = terms(pod, "podAntiAffinity", REQUIRED)
        self._unwanted = [(term.key, _by_domain(term, snapshot)) for term in unwanted]

    def is_idle(self) -> bool:
        """Whether nothing speaks against any node."""
        return not (self._forbidden or self._wanted or self._unwanted)

    def refusal(self, labels: Mapping[str, str]) -> tuple[str, bool] | None:
        """Why not a node with these labels, and whether it could help that others leave; None if it may."""
        for key, domains in self._wanted:
            domain = labels.get(key)
            if domain is None or not (self._is_first or domains.get(domain)):
                return AFFINITY, False
        for key, domains in self._unwanted:
            if domains.get(labels.get(key, "")):
                return ANTI_AFFINITY, True
        if any(labels.get(key) == domain for key, domain in self._forbidden):
            return EXISTING, True
        return None


def _kept_away(pod: Json, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The domains from which pods that are there keep this one away, as label and value."""
    for placed in snapshot.choosy.values():
        for term in terms(placed.pod, "podAntiAffinity", REQUIRED):
            domain = _domain(placed.node, term.key, snapshot)
            if domain is not None and is_of(term.sort, pod, snapshot):
                yield term.key, domain


def _domain(node: str, key: str, snapshot: Snapshot) -> str | None:
    info = snapshot.node(node)
    return info.labels.get(key) if info is not None else None


def _by_domain(term: Term, snapshot: Snapshot) -> dict[str, int]:
    """Domain → how many pods of the sort are in it; only those that have some."""
    counts = snapshot.tally(term.sort).by_domain(term.key)
    return {domain: count for domain, count in counts.items() if count}


def scores(pod: Json, infos: Sequence[NodeInfo], snapshot: Snapshot, hard_weight: int) -> list[float] | None:
    """0 to 100 for each node: how much is wanted there and how little is not; None when nobody cares.

    Args:
        hard_weight: what it is worth to a pod that requires others beside it that this is one of them.
    """
    worth: dict[tuple[str, str], int] = {}
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for term in terms(pod, kind, PREFERRED):
            for domain, count in _by_domain(term, snapshot).items():
                _add(worth, term.key, domain, sign * term.weight * count)
    for placed in snapshot.choosy.values():
        for term, sign in _wishes(placed.pod, hard_weight):
            there = _domain(placed.node, term.key, snapshot)
            if there is not None and is_of(term.sort, pod, snapshot):
                _add(worth, term.key, there, sign * term.weight)
    if not worth:
        return None
    keys = {key for key, _ in worth}
    raw = [sum(worth.get((key, info.labels.get(key, "")), 0) for key in keys) for info in infos]
    least, most = min(raw), max(raw)
    return [FULL_SCORE * (value - least) / (most - least) if most > least else 0.0 for value in raw]


def _wishes(pod: Json, hard_weight: int) -> Iterable[tuple[Term, int]]:
    for term in terms(pod, "podAffinity", REQUIRED):
        yield term._replace(weight=hard_weight), 1
    for term in terms(pod, "podAffinity", PREFERRED):
        yield term, 1
    for term in terms(pod, "podAntiAffinity", PREFERRED):
        yield term, -1


def _add(worth: dict[tuple[str, str], int], key: str, domain: str, value: int) -> None:
    worth[key, domain] = worth.get((key, domain), 0) + value
