"""Lease."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of


class LeaseStrategy(Kind):
    """Who holds something, and until when."""

    create_on_update = True
    unconditional_update = False
    table = (NAME, Described("Holder", "coordination.v1.LeaseSpec", "holderIdentity"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """Who holds it."""
        return [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity") or "", age_of(obj, now)]


COORDINATION = (Row("Lease", "leases", LeaseStrategy),)
