"""The rule for pods with ResourceClaims: may the pod go to a node, and with which devices?

Claims that are allocated are usable where their allocation says; the others must find devices there. What a
try finds out of a node is kept, so that preemption and the scores ask for nothing twice, and the devices of
the chosen node are at hand when it is reserved.

Source: ``dynamicresources.go`` of kubernetes/pkg/scheduler/framework/plugins/dynamicresources.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.identity import Json

from . import extended, readiness
from .allocating import Effort, plan_allocation
from .errors import Failed, Nowhere, Unavailable, Unworkable
from .known import Known
from .pools import selects
from .wishes import Taken, Wishes, read_claim

NOT_ENOUGH = "cannot allocate all claims"
NOT_HERE = "resourceclaim not available on the node"
STALE = "cannot schedule extended resource claim"
MOST_ALTERNATIVES = 8


class Given(NamedTuple):
    """What a claim would be given on a node."""

    claim: Json
    wishes: Wishes
    taken: Sequence[Taken]


class Found(NamedTuple):
    """What a node has for the pod.

    Attributes:
        mappings: which container's extended resource is which request.
    """

    given: Sequence[Given] = ()
    mappings: Sequence[Json] = ()


class Attempt:
    """One try to find a node for a pod with claims.

    Args:
        claims: of the pod, the one for its extended resources last.
        amounts: what the pod requests of each resource.
        now: seconds since 1970.

    Attributes:
        unavailable: those that stood against a node although they are allocated.

    Raises:
        Nowhere: on making it.
    """

    def __init__(
        self, pod: Json, claims: Sequence[Json], amounts: Mapping[str, int], known: Known, now: float
    ) -> None:
        self.pod = pod
        self.claims = claims
        self.unavailable: list[Json] = []
        self._amounts = amounts
        self._known = known
        self._now = now
        self._effort = Effort()
        self._found: dict[str, Found | str] = {}
        self._waiting = [claim for claim in claims if not _allocation(claim)]
        for claim in self._waiting:
            self._check(claim)

    def _check(self, claim: Json) -> None:
        if self._known.is_pending(meta.uid_of(claim)):
            name = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
            raise Nowhere(f"resource claim {name} is in the process of being allocated")
        for name, class_name in _classes_of(claim):
            if self._known.device_class(class_name) is None:
                raise Nowhere(f"request {name}: device class {class_name} does not exist")

    def on(self, node: Json) -> Found | str:
        """What a node has, or why nothing.

        Raises:
            Failed: something is wrong with a claim, whatever the node.
        """
        name = node["metadata"]["name"]
        found = self._found.get(name)
        if found is None:
            try:
                found = self._found[name] = self._look(node)
            except Unworkable as error:
                raise Failed(f'running "DynamicResources" filter plugin: {error}') from error
        return found

    def score(self, node: Json) -> int:
        """Greater where earlier alternatives are to be had."""
        found = self.on(node)
        return 0 if isinstance(found, str) else sum(map(_preference, found.given))

    def obstacle(self) -> Json | None:
        """A claim that nobody else uses and whose allocation stands in the way."""
        for claim in self.unavailable:
            consumers = (claim.get("status") or {}).get("reservedFor") or ()
            if all(entry["uid"] == meta.uid_of(self.pod) for entry in consumers):
                return claim
        return None

    def leftover(self) -> Json | None:
        """The claim for extended resources that an earlier try has written."""
        last = self.claims[-1]
        return last if extended.is_for_resources(last) and not extended.is_unwritten(last) else None

    def _look(self, node: Json) -> Found | str:
        if self.leftover() is not None:
            return STALE
        waiting, mappings = list(self._waiting), []
        if waiting and extended.is_unwritten(waiting[-1]):
            claim, planned = waiting.pop(), self._extended_on(node)
            if planned.requests:
                waiting.append({**claim, "spec": {"devices": {"requests": planned.requests}}})
                mappings = planned.mappings
        given = self._allocate(waiting, node) if waiting else []
        if isinstance(given, str):
            return given
        obstacles = [claim for claim in self.claims if self._is_unusable(claim, node)]
        if obstacles:
            self.unavailable += [claim for claim in obstacles if claim not in self.unavailable]
            return NOT_HERE
        return Found(given, mappings)

    def _allocate(self, waiting: Sequence[Json], node: Json) -> list[Given] | str:
        known = self._known
        wishes = [read_claim(claim, known.device_class) for claim in waiting]
        try:
            found = plan_allocation(wishes, node, known.catalogue, known.in_use, self._effort)
        except Unavailable as error:
            return str(error)
        if found is None:
            return NOT_ENOUGH
        return list(map(Given, waiting, wishes, found))

    def _is_unusable(self, claim: Json, node: Json) -> bool:
        """Whether an allocation cannot be used on the node, or its devices were not made ready."""
        allocation = _allocation(claim)
        if allocation is None:
            return False
        selector = allocation.get("nodeSelector")
        if selector is not None and not selects(selector, node):
            return True
        if not self._known.features.binding_conditions:
            return False
        overdue = readiness.is_overdue(claim, self._now) and not readiness.is_ready(claim)
        return overdue or bool(readiness.fault(claim))

    def _extended_on(self, node: Json) -> extended.Planned:
        """The requests for the extended resources that the node does not offer by itself."""
        offered = (node.get("status") or {}).get("allocatable") or {}
        wanted = [name for name in self._amounts if str(offered.get(name, "0")) == "0"]
        return extended.plan_requests(self.pod, wanted, self._known.class_of_resource)


def _allocation(claim: Json) -> Json | None:
    return (claim.get("status") or {}).get("allocation")


def _classes_of(claim: Json) -> Iterator[tuple[str, str]]:
    """The classes that a claim names, with the requests that do."""
    for request in claim["spec"].get("devices", {}).get("requests") or ():
        if request.get("exactly") is not None:
            yield request["name"], request["exactly"].get("deviceClassName", "")
        for way in request.get("firstAvailable") or ():
            yield f"{request['name']}/{way['name']}", way.get("deviceClassName", "")


def _preference(given: Given) -> int:
    """Of each request with alternatives: how early the one that was taken stands."""
    names = {taken.wish.name for taken in given.taken}
    return sum(
        MOST_ALTERNATIVES - place
        for request in given.wishes.requests
        for place, wish in enumerate(request)
        if wish.alternative and wish.name in names
    )
