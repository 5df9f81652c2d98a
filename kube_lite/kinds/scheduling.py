"""PriorityClass."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of

CLASS = "scheduling.v1.PriorityClass"


class PriorityClassStrategy(Kind):
    """How important pods are."""

    table = (
        NAME,
        Described("Value", CLASS, "value", type="integer"),
        Described("Global-Default", CLASS, "globalDefault", type="boolean"),
        AGE,
        Described("PreemptionPolicy", CLASS, "preemptionPolicy"),
    )

    def prepare_for_create(self, obj: Json) -> None:
        """The first generation is the last."""
        obj["metadata"]["generation"] = 1

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a class."""
        return [
            obj["metadata"]["name"],
            obj.get("value", 0),
            bool(obj.get("globalDefault")),
            age_of(obj, now),
            obj.get("preemptionPolicy", ""),
        ]


SCHEDULING = (
    Row("PriorityClass", "priorityclasses", PriorityClassStrategy, namespaced=False, short_names=("pc",)),
)
