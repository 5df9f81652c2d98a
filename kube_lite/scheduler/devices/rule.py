"""Where the scheduler meets device claims; everything behind it is imported when a pod has some."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.informers import Informers
from kube_lite.kit.clock import Clock

from .errors import Nowhere
from .known import Known
from .records import Features

if TYPE_CHECKING:
    from .claims import Attempt

NO_NEW = "no new claims to deallocate"
DEALLOCATED = "deallocation of ResourceClaim completed"
DELETED = "deletion of ResourceClaim completed"
NOTHING_HELPS = "still not schedulable"


class ClaimRule:
    """Judges pods with claims, and remembers the last of them.

    Args:
        features: what of device allocation the release has switched on.
        source: names shares of devices.
    """

    def __init__(
        self, informers: Informers, clock: Clock, features: Features, source: random.Random | None = None
    ) -> None:
        self.known = Known(informers, features)
        self.source = source or random.SystemRandom()
        self._clock = clock
        self._last: tuple[Json, int, Attempt | None] | None = None

    def hold(self, pod: Json) -> str:
        """Why a pod need not be tried yet, or an empty text: its claims are not all there."""
        try:
            self._claims_of(pod)
        except Nowhere as error:
            return str(error)
        return ""

    def delegated(self, amounts: Mapping[str, int]) -> frozenset[str]:
        """The resources that nodes need not offer by themselves, as devices may stand in for them."""
        if not self.known.features.extended_resources:
            return frozenset()
        return frozenset(name for name in amounts if self._is_delegated(name))

    def attempt(self, pod: Json, amounts: Mapping[str, int]) -> "Attempt | None":
        """The try for a pod, the same until something changes; None for a pod without claims.

        Raises:
            Nowhere: it cannot go anywhere.
        """
        last, generation = self._last, self.known.generation
        if last is not None and last[0] is pod and last[1] == generation:
            return last[2]
        attempt = self._begin(pod, amounts)
        self._last = (pod, generation, attempt)
        return attempt

    def is_waited_for(self, pod: Json, old: Json | None, new: Json | None) -> bool:
        """Whether a change of a claim may help a pod.

        Source: ``isSchedulableAfterClaimChange``.
        """
        if new is None:
            return False
        before, after = (old or {}).get("status") or {}, new.get("status") or {}
        if self.hold(pod):
            return False
        if before.get("allocation") and not after.get("allocation"):
            return True  # what it held is free
        if new["metadata"]["name"] not in self._names_of(pod):
            return False
        return old is None or before != after

    def _begin(self, pod: Json, amounts: Mapping[str, int]) -> "Attempt | None":
        claims = self._claims_of(pod)
        delegated = self.delegated(amounts)
        if not claims and not delegated:
            return None
        from . import extended
        from .claims import Attempt

        if delegated:
            claims.append(extended.find_claim(pod, self.known.claims.list()) or extended.plan_claim(pod))
        wanted = {name: amounts[name] for name in delegated}
        return Attempt(pod, claims, wanted, self.known, self._clock.now())

    def _is_delegated(self, name: str) -> bool:
        return "/" in name and self.known.class_of_resource(name) is not None

    def _claims_of(self, pod: Json) -> list[Json]:
        """The claims a pod names.

        Raises:
            Nowhere: one of them is not there.
        """
        return [self._claim_of(pod, name, is_own=is_own) for name, is_own in self._named(pod)]

    def _claim_of(self, pod: Json, name: str, *, is_own: bool) -> Json:
        namespace = pod["metadata"]["namespace"]
        claim = self.known.claim(ObjectKey(namespace, name))
        if claim is None:
            raise Nowhere(f'resourceclaim.resource.k8s.io "{name}" not found')
        if meta.is_being_deleted(claim):
            raise Nowhere(f'resourceclaim "{name}" is being deleted')
        if is_own and not meta.is_controlled_by(claim, pod):
            words = f"ResourceClaim {namespace}/{name} was not created for Pod {namespace}"
            raise Nowhere(f"{words}/{pod['metadata']['name']} (Pod is not owner)")
        return claim

    def _named(self, pod: Json) -> list[tuple[str, bool]]:
        """The names of the claims, and whether each has to be the pod's own."""
        entries = pod["spec"].get("resourceClaims")
        if not entries:
            return []
        statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
        told = {entry["name"]: entry.get("resourceClaimName") for entry in statuses}
        named: list[tuple[str, bool]] = []
        for entry in entries:
            if entry.get("resourceClaimName"):
                named.append((entry["resourceClaimName"], False))
            elif entry["name"] not in told:
                metadata = pod["metadata"]
                name = f"{metadata['namespace']}/{metadata['name']}"
                raise Nowhere(f'pod "{name}": ResourceClaim not created yet')
            elif told[entry["name"]]:  # else none was needed
                named.append((told[entry["name"]], True))
        return named

    def _names_of(self, pod: Json) -> list[str]:
        return [name for name, _ in self._named(pod)]


def help_of(attempt: "Attempt | None") -> tuple[str, Json | None]:
    """What is done for a pod that fits nowhere, before others leave for it: words, and the claim to free."""
    if attempt is None:
        return NO_NEW, None
    obstacle = attempt.obstacle()
    if obstacle is not None:
        return DEALLOCATED, obstacle
    leftover = attempt.leftover()
    return (DELETED, leftover) if leftover is not None else (NOTHING_HELPS, None)
