"""Questions that are answered and never stored: TokenReview, SubjectAccessReview, ComponentStatus."""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import NAME, Column

from .base import Kind, Row

ASK = ("create",)


class ReviewStrategy(Kind):
    """The answer is in the status, so whatever the client put there is dropped like any other status."""


class ComponentStatusStrategy(Kind):
    """What is left of an API that told the health of the control plane's parts."""

    table = (
        NAME,
        Column("Status", description="Status of the component conditions"),
        Column("Message", description="Message of the component conditions"),
        Column("Error", description="Error of the component conditions"),
    )

    def deprecation(self) -> str:
        """Nothing has taken its place."""
        return "v1 ComponentStatus is deprecated in v1.19+"

    def cells(self, obj: Json, now: float) -> list[object]:
        """The condition ``Healthy``."""
        healthy: Json = next(
            (entry for entry in obj.get("conditions") or () if entry["type"] == "Healthy"), {}
        )
        status = {"True": "Healthy", "": "Unknown"}.get(healthy.get("status", ""), "Unhealthy")
        return [obj["metadata"]["name"], status, healthy.get("message", ""), healthy.get("error", "")]


COMPONENT_STATUS = Row(
    "ComponentStatus",
    "componentstatuses",
    ComponentStatusStrategy,
    namespaced=False,
    short_names=("cs",),
    verbs=("get", "list"),
)
AUTHENTICATION = (
    Row("SelfSubjectReview", "selfsubjectreviews", ReviewStrategy, namespaced=False, verbs=ASK),
    Row("TokenReview", "tokenreviews", ReviewStrategy, namespaced=False, verbs=ASK),
)
AUTHORIZATION = (
    Row("LocalSubjectAccessReview", "localsubjectaccessreviews", ReviewStrategy, verbs=ASK),
    Row("SelfSubjectAccessReview", "selfsubjectaccessreviews", ReviewStrategy, namespaced=False, verbs=ASK),
    Row("SelfSubjectRulesReview", "selfsubjectrulesreviews", ReviewStrategy, namespaced=False, verbs=ASK),
    Row("SubjectAccessReview", "subjectaccessreviews", ReviewStrategy, namespaced=False, verbs=ASK),
)
