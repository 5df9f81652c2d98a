"""Webhook configurations, admission policies and their bindings."""

from collections.abc import Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.selectors import label_selector
from kube_lite.api.strategy import AGE, NAME, Column

from .base import OWN_METADATA, Kind, Row, age_of
from .cells import UNSET

OLD_EFFECTS = ("Some", "Unknown")


def is_of_old_effects(cause: Cause) -> bool:
    """Whether all that is wrong is that a webhook has side effects."""
    return cause.field.endswith(".sideEffects") and any(f'"{word}"' in cause.message for word in OLD_EFFECTS)


class WebhooksStrategy(Kind):
    """Whom to ask before something is stored."""

    has_generation = True
    unconditional_update = False
    table = (
        NAME,
        Column(
            "Webhooks",
            "integer",
            description="Webhooks indicates the number of webhooks registered in this configuration",
        ),
        AGE,
    )

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """Webhooks with side effects, as ``v1beta1`` allowed them, may stay where there were any."""
        causes = super().validate_next(obj, old)
        if not any(webhook.get("sideEffects") in OLD_EFFECTS for webhook in old.get("webhooks") or ()):
            return causes
        return [cause for cause in causes if not is_of_old_effects(cause)]

    def cells(self, obj: Json, now: float) -> list[object]:
        """How many there are."""
        return [obj["metadata"]["name"], len(obj.get("webhooks") or ()), age_of(obj, now)]


PARAM_KIND = Column(
    "ParamKind", description="ParamKind specifies the kind of resources used to parameterize this policy"
)


class ValidatingPolicyStrategy(Kind):
    """Rules, in the API itself, for what may be stored."""

    has_generation = True
    unconditional_update = False
    initial_status = "{}"
    kept_by_status = OWN_METADATA
    rules = "validations"
    table = (
        NAME,
        Column(
            "Validations",
            "integer",
            description="Validations indicates the number of validation rules defined in this configuration",
        ),
        PARAM_KIND,
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """How many rules there are, and what they take parameters from."""
        spec = obj.get("spec", {})
        kind = spec.get("paramKind")
        parameters = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
        return [obj["metadata"]["name"], len(spec.get(self.rules) or ()), parameters, age_of(obj, now)]


class MutatingPolicyStrategy(ValidatingPolicyStrategy):
    """Changes, in the API itself, to what is stored."""

    initial_status = ""
    rules = "mutations"
    table = (
        NAME,
        Column(
            "Mutations",
            "integer",
            description="Mutation indicates the number of mutations rules defined in this configuration",
        ),
        PARAM_KIND,
        AGE,
    )


class PolicyBindingStrategy(Kind):
    """Where a policy holds."""

    has_generation = True
    unconditional_update = False
    table = (
        NAME,
        Column(
            "PolicyName",
            description="PolicyName indicates the policy definition which the policy binding binded to",
        ),
        Column(
            "ParamRef", description="ParamRef indicates the param resource which sets the configuration param"
        ),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Which policy, with which parameters."""
        spec = obj.get("spec", {})
        reference = spec.get("paramRef") or {}
        parameters = UNSET
        if reference.get("name"):
            parameters = "/".join(filter(None, (reference.get("namespace"), reference["name"])))
        elif reference.get("selector") is not None:
            parameters = str(label_selector(reference["selector"]))
        return [obj["metadata"]["name"], spec.get("policyName", ""), parameters, age_of(obj, now)]


_EXTENSIONS = ("api-extensions",)
ADMISSION = (
    Row(
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        MutatingPolicyStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Row(
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        PolicyBindingStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Row(
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        WebhooksStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Row(
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        ValidatingPolicyStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
        status=True,
    ),
    Row(
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        PolicyBindingStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
    ),
    Row(
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        WebhooksStrategy,
        namespaced=False,
        categories=_EXTENSIONS,
    ),
)
