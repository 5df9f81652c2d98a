"""ResourceQuota, LimitRange."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import Kind, Row, age_of


class ResourceQuotaStrategy(Kind):
    """How much a namespace may use; the status says how much it does."""

    returns_deleted = True
    initial_status = "{}"
    table = (
        NAME,
        Column(
            "Request",
            description="Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        Column(
            "Limit",
            description="Limits control the maximum amount of cpu/memory that a container may use "
            "independent of contention on the node.",
        ),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """``pods: 3/10`` for each resource, limits apart."""
        status = obj.get("status", {})
        hard, used = status.get("hard") or {}, status.get("used") or {}
        requests: list[str] = []
        limits: list[str] = []
        for resource in sorted(hard):
            entry = f"{resource}: {used.get(resource, '0')}/{hard[resource]}"
            (limits if resource.startswith("limits") else requests).append(entry)
        return [obj["metadata"]["name"], ", ".join(requests), ", ".join(limits), age_of(obj, now)]


class LimitRangeStrategy(Kind):
    """Bounds and defaults for single objects."""

    create_on_update = True


RESOURCE_QUOTA = Row(
    "ResourceQuota", "resourcequotas", ResourceQuotaStrategy, short_names=("quota",), status=True
)
LIMIT_RANGE = Row("LimitRange", "limitranges", LimitRangeStrategy, short_names=("limits",))
