"""Lease."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of


class LeaseStrategy(Kind):
    """Who holds something, and until when."""

    create_on_update = True
    unconditional_update = False
    table = (NAME, Described("Holder", "coordination.v1.LeaseSpec", "holderIdentity"), AGE)

    def prepare_for_create(self, obj: Json) -> None:
        """Leaders are not elected by the server."""
        _drop_election(obj, {})

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Leaders are not elected by the server; what was stored already stays."""
        _drop_election(obj, old.get("spec") or {})

    def cells(self, obj: Json, now: float) -> list[object]:
        """Who holds it."""
        return [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity") or "", age_of(obj, now)]


def _drop_election(lease: Json, before: Json) -> None:
    """The gate ``CoordinatedLeaderElection`` is off by default."""
    spec = lease.get("spec") or {}
    for field in ("strategy", "preferredHolder"):
        if field in spec and before.get(field) is None:
            del spec[field]


COORDINATION = (Row("Lease", "leases", LeaseStrategy),)
