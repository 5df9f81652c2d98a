"""How many Pods of each revision may run: the arithmetic of rolling updates, without a cluster.

A Deployment may have at most ``replicas + surge`` Pods and must keep ``replicas - unavailable`` available.
Each plan says what sizes its ReplicaSets should get *now*; after every change of the real counts the plan is
made again, so that a rollout advances in steps of what has become available.

Source: kubernetes/pkg/controller/deployment/rolling.go, sync.go and util/deployment_util.go.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Sizes = Mapping[str, int]
"""ReplicaSet name → the ``spec.replicas`` it should get; those that stay are left out."""


class Limits(NamedTuple):
    """How far a rollout may go beyond or below the wanted number of Pods."""

    surge: int
    unavailable: int


class Revision(NamedTuple):
    """One ReplicaSet of a Deployment, as far as arithmetic is concerned.

    ``replicas`` is what its spec asks for, ``available`` what its status reports. ``desired`` and ``maximum``
    are what the Deployment wanted in all when it last sized this set (annotations), None if never.
    ``created`` orders revisions by age.
    """

    name: str
    replicas: int
    available: int = 0
    created: str = ""
    desired: int | None = None
    maximum: int | None = None


def resolve_limits(replicas: int, surge: int | str, unavailable: int | str) -> Limits:
    """Turn ``maxSurge`` and ``maxUnavailable``, numbers or percentages, into numbers of Pods.

    Surge is rounded up, unavailable down; when both come to nothing one Pod may be unavailable, since a
    rollout could not move otherwise.

    >>> resolve_limits(10, "25%", "25%")
    Limits(surge=3, unavailable=2)
    """
    up = math.ceil(share_of(surge, replicas))
    down = math.floor(share_of(unavailable, replicas))
    if up == 0 and down == 0:
        down = 1
    return Limits(up, min(down, replicas) if replicas else 0)


def share_of(value: int | str, of: int) -> float:
    """A number, or a percentage of ``of``, neither rounded nor limited."""
    if isinstance(value, int):
        return value
    return int(value.removesuffix("%")) * of / 100


def plan_new_size(wanted: int, limits: Limits, new: int, total: int) -> int:
    """How large the new revision may be while all revisions together ask for ``total`` Pods.

    >>> plan_new_size(10, Limits(3, 2), new=0, total=10)
    3
    """
    if new >= wanted:
        return wanted
    return min(wanted, new + max(0, wanted + limits.surge - total))


def plan_shrinking(wanted: int, limits: Limits, new: Revision, old: Sequence[Revision]) -> Sizes:
    """Which old revisions give up Pods so that enough stay available.

    Pods that are not available anyway go first, oldest revision first: they would only hold up the rollout.
    Then available ones go as far as new ones have become available. Pods of the new revision that are not
    available yet count against what may go, as they may never be.

    >>> plan_shrinking(10, Limits(3, 2), Revision("new", 3, 0), [Revision("old", 10, 10)])
    {'old': 8}
    """
    active = sorted((revision for revision in old if revision.replicas > 0), key=_age)
    minimum = wanted - limits.unavailable
    total = new.replicas + sum(revision.replicas for revision in active)
    budget = total - minimum - (new.replicas - new.available)
    if not active or budget <= 0:
        return {}
    sizes = {revision.name: revision.replicas for revision in active}
    for revision in active:
        broken = max(0, revision.replicas - revision.available)
        gone = min(budget, broken)
        sizes[revision.name] -= gone
        budget -= gone
    spare = new.available + sum(revision.available for revision in active) - minimum
    for revision in active:
        gone = min(max(0, spare), sizes[revision.name])
        sizes[revision.name] -= gone
        spare -= gone
    return {
        revision.name: sizes[revision.name]
        for revision in active
        if sizes[revision.name] != revision.replicas
    }


def is_scaling(wanted: int, revisions: Iterable[Revision]) -> bool:
    """The Deployment's size was changed since its active revisions were sized."""
    return any(
        revision.replicas > 0 and revision.desired is not None and revision.desired != wanted
        for revision in revisions
    )


def plan_scaling(wanted: int, limits: Limits, new: Revision | None, old: Sequence[Revision]) -> Sizes:
    """Give the revisions their share of a changed size, without advancing the rollout.

    With one active revision, that one gets everything. When the new one is complete the old ones get
    nothing. In the middle of a rollout every revision grows or shrinks in proportion to its size, so that
    the risk stays as it was; what rounding leaves over goes to the largest.
    """
    newest_first = sorted(old, key=_age, reverse=True)
    everyone = [*newest_first, *([new] if new is not None else [])]
    active = [revision for revision in everyone if revision.replicas > 0]
    if len(active) <= 1:
        only = active[0] if active else new if new is not None else next(iter(newest_first), None)
        return {only.name: wanted} if only is not None and only.replicas != wanted else {}
    if new is not None and new.desired == new.replicas == new.available == wanted:
        return {revision.name: 0 for revision in active if revision is not new}
    return _proportions(wanted, limits, active)


def _proportions(wanted: int, limits: Limits, active: list[Revision]) -> Sizes:
    allowed = wanted + limits.surge if wanted > 0 else 0
    to_add = allowed - sum(revision.replicas for revision in active)
    if to_add == 0:
        return {}
    newest_first = sorted(active, key=_age, reverse=True)
    ordered = newest_first if to_add > 0 else list(reversed(newest_first))
    ordered.sort(
        key=lambda revision: -revision.replicas
    )  # stable: among equals the newer grow, the older shrink
    sizes: dict[str, int] = {}
    added = 0
    for revision in ordered:
        share = _fraction(wanted, limits, revision)
        left = to_add - added
        share = min(share, left) if to_add > 0 else max(share, left)
        sizes[revision.name] = revision.replicas + share
        added += share
    first = ordered[0].name
    sizes[first] = max(0, sizes[first] + to_add - added)
    return {
        revision.name: sizes[revision.name]
        for revision in ordered
        if sizes[revision.name] != revision.replicas
    }


def _fraction(wanted: int, limits: Limits, revision: Revision) -> int:
    """By how much a revision grows (negative: shrinks) to keep its part of the whole."""
    if wanted == 0:
        return -revision.replicas
    if not revision.maximum:
        return 0
    exact = revision.replicas * (wanted + limits.surge) / revision.maximum
    return math.floor(exact + 0.5) - revision.replicas


def _age(revision: Revision) -> tuple[str, str]:
    return (revision.created, revision.name)
