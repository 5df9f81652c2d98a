"""APIService: who serves a group and version."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import Kind, Row, age_of


class APIServiceStrategy(Kind):
    """This server itself (``Local``), or a service that requests are passed on to."""

    unconditional_update = False
    initial_status = "{}"
    table = (
        NAME,
        Column("Service", description="The reference to the service that hosts this API endpoint."),
        Column("Available", description="Whether this service is available."),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Who serves it, and whether they do."""
        service = obj.get("spec", {}).get("service")
        reference = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
        available = "Unknown"
        for entry in obj.get("status", {}).get("conditions") or ():
            if entry["type"] == "Available":
                reason = entry.get("reason", "")
                available = entry["status"]
                if available != "True" and reason:
                    available = f"{available} ({reason})"
        return [obj["metadata"]["name"], reference, available, age_of(obj, now)]


AGGREGATION = (
    Row(
        "APIService",
        "apiservices",
        APIServiceStrategy,
        namespaced=False,
        categories=("api-extensions",),
        status=True,
    ),
)
