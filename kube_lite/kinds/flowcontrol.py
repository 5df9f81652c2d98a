"""FlowSchema, PriorityLevelConfiguration."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import OWN_METADATA, Described, Kind, Row, age_of
from .cells import NONE

PACKAGE = "flowcontrol.v1"


class FlowSchemaStrategy(Kind):
    """Which requests belong together."""

    has_generation = True
    initial_status = "{}"
    kept_by_status = OWN_METADATA
    table = (
        NAME,
        Described("PriorityLevel", f"{PACKAGE}.PriorityLevelConfigurationReference", "name"),
        Described("MatchingPrecedence", f"{PACKAGE}.FlowSchemaSpec", "matchingPrecedence"),
        Described("DistinguisherMethod", f"{PACKAGE}.FlowSchemaSpec", "distinguisherMethod"),
        AGE,
        Column("MissingPL", description="references a broken or non-existent PriorityLevelConfiguration"),
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a schema."""
        spec = obj["spec"]
        missing = "?"
        for entry in obj.get("status", {}).get("conditions") or ():
            if entry["type"] == "Dangling":
                missing = entry["status"]
        return [
            obj["metadata"]["name"],
            spec["priorityLevelConfiguration"]["name"],
            spec.get("matchingPrecedence", 0),
            (spec.get("distinguisherMethod") or {}).get("type") or NONE,
            age_of(obj, now),
            missing,
        ]


class PriorityLevelStrategy(Kind):
    """How much of the server a level of requests may use."""

    has_generation = True
    initial_status = "{}"
    kept_by_status = OWN_METADATA
    table = (
        NAME,
        Described("Type", f"{PACKAGE}.PriorityLevelConfigurationSpec", "type"),
        Described(
            "NominalConcurrencyShares",
            f"{PACKAGE}.LimitedPriorityLevelConfiguration",
            "nominalConcurrencyShares",
        ),
        Described("Queues", f"{PACKAGE}.QueuingConfiguration", "queues"),
        Described("HandSize", f"{PACKAGE}.QueuingConfiguration", "handSize"),
        Described("QueueLengthLimit", f"{PACKAGE}.QueuingConfiguration", "queueLengthLimit"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a level."""
        spec = obj["spec"]
        level = spec.get("limited") or spec.get("exempt") or {}
        queuing = (level.get("limitResponse") or {}).get("queuing") or {}
        return [
            obj["metadata"]["name"],
            spec.get("type", ""),
            level.get("nominalConcurrencyShares", NONE),
            queuing.get("queues", NONE),
            queuing.get("handSize", NONE),
            queuing.get("queueLengthLimit", NONE),
            age_of(obj, now),
        ]


FLOW_CONTROL = (
    Row("FlowSchema", "flowschemas", FlowSchemaStrategy, namespaced=False, status=True),
    Row(
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        PriorityLevelStrategy,
        namespaced=False,
        status=True,
    ),
)
