"""PodDisruptionBudget; its counterpart Eviction is a subresource of pods."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME, Column

from .base import Kind, Row, age_of

NOT_SET = "N/A"


class DisruptionBudgetStrategy(Kind):
    """How many pods may be taken away at a time."""

    has_generation = True
    unconditional_update = False
    initial_status = '{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}'
    table = (
        NAME,
        Column("Min Available", description="The minimum number of pods that must be available."),
        Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
        Column(
            "Allowed Disruptions",
            "integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a budget."""
        spec = obj["spec"]
        return [
            obj["metadata"]["name"],
            str(spec.get("minAvailable", NOT_SET)),
            str(spec.get("maxUnavailable", NOT_SET)),
            obj.get("status", {}).get("disruptionsAllowed", 0),
            age_of(obj, now),
        ]


POLICY = (
    Row(
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        DisruptionBudgetStrategy,
        short_names=("pdb",),
        status=True,
    ),
)
