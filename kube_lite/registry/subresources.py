"""What the subresources mean: pure functions from an object to its next version, or to what is shown of it.

Source: ``pkg/registry/apps/*/storage`` (scale), ``pkg/registry/core/pod/storage`` (binding, eviction).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kube_lite.api.errors import ApiError, Cause, TooManyRequests, conflict, details_of, invalid
from kube_lite.api.identity import GroupResource, GroupVersionKind, Json
from kube_lite.api.meta import annotations_of, is_condition_true, labels_of, with_condition
from kube_lite.api.selectors import label_selector, selector_of_labels
from kube_lite.api.times import format_time

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")
BINDING = GroupResource("", "pods/binding")
UNOBSERVED_SECONDS = 10  # after which an eviction may be tried again whose budget was not looked at yet
MAX_DISRUPTED = 2000  # pods on their way out that one budget keeps a list of
ENDED = ("Succeeded", "Failed")


def scale_of(obj: Json, paths: Mapping[str, str] | None = None) -> Json:
    """The ``Scale`` of a workload; ``paths`` are those of ``Strategy.scale``."""
    if paths is not None:
        from .custom_scale import custom_scale_of  # which nothing that is built in needs

        return custom_scale_of(obj, paths)
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    selector = spec.get("selector") or {}
    is_plain = "matchLabels" not in selector and "matchExpressions" not in selector
    chosen = selector_of_labels(selector) if is_plain else label_selector(selector)
    replicas = spec.get("replicas", 1)
    shown = {"replicas": status.get("replicas", 0)}
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {
            field: metadata[field]
            for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if field in metadata
        },
        "spec": {"replicas": replicas} if replicas else {},
        "status": shown | ({"selector": str(chosen)} if str(chosen) else {}),
    }


def scaled(obj: Json, scale: Json, paths: Mapping[str, str] | None = None) -> Json:
    """The workload with the replicas that a ``Scale`` asks for.

    Raises:
        Invalid: they are less than none.
    """
    if paths is not None:
        from .custom_scale import custom_scaled

        return custom_scaled(obj, scale, paths)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = Cause("FieldValueInvalid", why, "spec.replicas")
        raise invalid(SCALE.group, SCALE.kind, obj["metadata"]["name"], [cause])
    return {
        **obj,
        "metadata": dict(obj["metadata"]),
        "spec": {**(obj.get("spec") or {}), "replicas": replicas},
    }


def check_binding(binding: Json) -> None:
    """Refuse a binding to nothing, or to something that is no node. Raises ``ApiError``."""
    target = binding.get("target") or {}
    wrong = []
    if target.get("kind") not in (None, "", "Node"):
        wrong.append(
            f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        )
    if not target.get("name"):
        wrong.append("target.name: Required value")
    if wrong:
        raise ApiError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")


def bound(pod: Json, binding: Json, now: float) -> Json:
    """The Pod on the node that a binding names.

    Raises:
        Conflict: it is on its way out, has a node already, or is held back by a gate.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    if metadata.get("deletionTimestamp"):
        raise conflict(BINDING, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise conflict(BINDING, name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise conflict(BINDING, name, f"pod {name} has non-empty .spec.schedulingGates")
    changed = dict(metadata)
    for field, before in (("annotations", annotations_of(pod)), ("labels", labels_of(pod))):
        brought = (binding.get("metadata") or {}).get(field)
        if brought:
            changed[field] = {**before, **brought}
    status = pod.get("status") or {}
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    conditions = with_condition(status.get("conditions") or [], scheduled, now)
    status = {field: value for field, value in status.items() if field != "nominatedNodeName"}
    return {
        **pod,
        "metadata": changed,
        "spec": {**spec, "nodeName": binding["target"]["name"]},
        "status": {**status, "conditions": conditions},
    }


class Budget(NamedTuple):
    """The disruption budget that an eviction is to be charged to, as it will be afterwards."""

    name: str
    charged: Json


def plan_eviction(pod: Json, budgets: Sequence[Json], now: float) -> Budget | None:
    """Decide whether a Pod may be evicted now; the budget to charge, or None where none has a say.

    Args:
        budgets: all of the namespace.

    Raises:
        TooManyRequests: not now.
        ApiError: two budgets have a say.
    """
    if not _counts(pod):
        return None
    concerned = [budget for budget in budgets if _selects(budget, pod)]
    if not concerned:
        return None
    if len(concerned) > 1:
        raise ApiError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    budget = concerned[0]
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _not_now(why, retry_after=UNOBSERVED_SECONDS)
    allowed = status.get("disruptionsAllowed", 0)
    if allowed <= 0:
        if _is_unhealthy_and_free(pod, budget):
            return None
        needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _not_now(
            f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
        )
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > MAX_DISRUPTED:
        raise _not_now("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    charged = {**status, "disruptionsAllowed": allowed - 1}
    charged["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: format_time(now)}
    return Budget(name, {**budget, "metadata": dict(budget["metadata"]), "status": charged})


def _counts(pod: Json) -> bool:
    """Whether a Pod's end is a disruption: it runs, and nobody asked for its end yet."""
    phase = (pod.get("status") or {}).get("phase", "Pending")
    return phase not in (*ENDED, "Pending") and not pod["metadata"].get("deletionTimestamp")


def _selects(budget: Json, pod: Json) -> bool:
    return label_selector((budget.get("spec") or {}).get("selector")).matches(labels_of(pod))


def _is_unhealthy_and_free(pod: Json, budget: Json) -> bool:
    if is_condition_true(pod, "Ready"):
        return False
    status = budget.get("status") or {}
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def _not_now(why: str, retry_after: int | None = None) -> TooManyRequests:
    return TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        details=details_of(GroupResource("", ""), causes=[])
        | {"causes": [{"reason": "DisruptionBudget", "message": why}]},
        retry_after=retry_after,
    )
