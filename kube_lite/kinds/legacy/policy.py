"""PodDisruptionBudget before ``v1``, and PodSecurityPolicy, which has no ``v1``.

To select nothing, a budget of old said ``{}``, by which ``v1`` selects everything; what the one means is said
in the other by a selector that nobody would write. Source: pkg/apis/policy/{helper.go,v1beta1/conversion.go}.

PodSecurityPolicies are kept and shown, so that charts which bring them can be installed. They admit and
refuse nothing, as on a server whose PodSecurityPolicy admission is off, which it was by default.
"""

from kube_lite.api.identity import Json
from kube_lite.api.strategy import NAME, Column

from ..base import Kind
from .parts import changed

EMPTY_MATCH = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"


def _by_mark(operator: str) -> Json:
    return {"matchExpressions": [{"key": EMPTY_MATCH, "operator": operator}]}


MATCH_NOTHING, MATCH_ALL = _by_mark("Exists"), _by_mark("DoesNotExist")
"""What an empty selector means in ``v1beta1``, said in ``v1``; and the other way round."""


def newer_budget(budget: Json) -> Json:
    """``v1beta1`` → ``v1``."""
    return _with_selector(budget, empty=MATCH_NOTHING, mark=MATCH_ALL)


def older_budget(budget: Json) -> Json:
    """``v1`` → ``v1beta1``."""
    return _with_selector(budget, empty=MATCH_ALL, mark=MATCH_NOTHING)


def _with_selector(budget: Json, *, empty: Json, mark: Json) -> Json:
    spec = budget.get("spec") or {}
    selector = spec.get("selector")
    if selector is None:
        return budget
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return changed(budget, spec={**spec, "selector": empty})
    if selector == mark:
        return changed(budget, spec={**spec, "selector": {}})
    return budget


def default_pod_security(policy: Json) -> None:
    """What it does not mention is allowed, as it was before it could be mentioned."""
    policy.setdefault("spec", {}).setdefault("allowPrivilegeEscalation", True)


class PodSecurityStrategy(Kind):
    """What Pods of old were allowed to do."""

    table = (
        NAME,
        Column("Priv", description="Whether privileged containers may run"),
        Column("Caps", description="Capabilities that may be added"),
        Column("SELinux", description="How SELinux labels are chosen"),
        Column("RunAsUser", description="How users are chosen"),
        Column("FsGroup", description="How groups of volumes are chosen"),
        Column("SupGroup", description="How supplemental groups are chosen"),
        Column("ReadOnlyRootFs", description="Whether root file systems must be read-only"),
        Column("Volumes", description="Sorts of volumes that may be used"),
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl showed a policy."""
        spec = obj.get("spec") or {}
        rules = [
            (spec.get(field) or {}).get("rule", "")
            for field in ("seLinux", "runAsUser", "fsGroup", "supplementalGroups")
        ]
        return [
            obj["metadata"]["name"],
            _word(spec.get("privileged")),
            ",".join(spec.get("allowedCapabilities") or ()),
            *rules,
            _word(spec.get("readOnlyRootFilesystem")),
            ",".join(spec.get("volumes") or ()),
        ]


def _word(value: object) -> str:
    return "true" if value else "false"
