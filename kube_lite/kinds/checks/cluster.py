"""Rules for roles, priorities, leases, budgets, autoscalers and other small kinds."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import (
    Shown,
    duplicate,
    each,
    forbidden,
    immutable,
    invalid,
    not_negative,
    not_supported,
    one_of,
    required,
)
from kube_lite.api.gotext import go_json, go_quote
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import check_labels
from kube_lite.api.names import check_label, check_path_segment, check_subdomain

from .amounts import check_resources
from .go_struct import go_struct
from .placement import check_tolerations
from .selectors import as_selector, check_label_selector, show_selector
from .values import check_at_most_all, check_count_or_percent

RBAC = "rbac.authorization.k8s.io"
PRIORITY_MAX = 1_000_000_000
SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def check_role(role: Json) -> Iterator[Cause]:
    """Rules that say what, on what."""
    namespaced = role.get("kind") == "Role"
    if role.get("aggregationRule") is not None:
        yield from _check_aggregation(role["aggregationRule"])
    for position, rule in enumerate(role.get("rules") or ()):
        here = f"rules[{position}]"
        if not rule.get("verbs"):
            yield required(f"{here}.verbs", "verbs must contain at least one value")
        urls = rule.get("nonResourceURLs")
        if urls:
            if namespaced:
                why = "namespaced rules cannot apply to non-resource URLs"
                yield invalid(f"{here}.nonResourceURLs", urls, why)
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid(f"{here}.nonResourceURLs", urls, why)
            continue
        if not rule.get("apiGroups"):
            yield required(f"{here}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield required(f"{here}.resources", "resource rules must supply at least one resource")


def _check_aggregation(aggregation: Json) -> Iterator[Cause]:
    selectors = aggregation.get("clusterRoleSelectors") or ()
    if not selectors:
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required("aggregationRule.clusterRoleSelectors", why)
    for position, selector in enumerate(selectors):
        here = f"aggregationRule.clusterRoleSelectors[{position}]"
        yield from check_label_selector(selector, here)
        if as_selector(selector) is None:
            yield invalid(here, Shown("null"), "invalid label selector.")


def check_binding(binding: Json) -> Iterator[Cause]:
    """A role, and who has it."""
    namespaced = binding.get("kind") == "RoleBinding"
    reference = binding.get("roleRef") or {}
    if reference.get("apiGroup") != RBAC:
        yield not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", (RBAC,))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    yield from one_of("roleRef.kind", reference.get("kind") or "", kinds)
    name = reference.get("name") or ""
    if not name:
        yield required("roleRef.name")
    else:
        yield from each("roleRef.name", name, check_path_segment(name))
    for position, subject in enumerate(binding.get("subjects") or ()):
        yield from _check_subject(subject, f"subjects[{position}]", namespaced)


def _check_subject(subject: Json, path: str, namespaced: bool) -> Iterator[Cause]:
    kind, group = subject.get("kind") or "", subject.get("apiGroup") or ""
    if not subject.get("name"):
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if subject.get("name"):
            yield from each(f"{path}.name", subject["name"], check_subdomain(subject["name"]))
        if group:
            yield not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != RBAC:
            yield not_supported(f"{path}.apiGroup", group, (RBAC,))
    else:
        yield not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def check_binding_update(new: Json, old: Json) -> Iterator[Cause]:
    """Another role is another binding."""
    reference = new.get("roleRef") or {}
    if reference != old.get("roleRef"):
        shown = ",".join(
            f'"{name}":{go_quote(reference.get(field) or "")}'
            for name, field in (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
        )
        yield invalid("roleRef", Shown("{" + shown + "}"), "cannot change roleRef")


def check_priority_class(priority: Json) -> Iterator[Cause]:
    """Values that leave room for the system's own."""
    name, value = priority["metadata"].get("name") or "", priority.get("value", 0)
    if name.startswith("system-"):
        if name not in SYSTEM_PRIORITIES:
            why = (
                "priority class names with 'system-' prefix are reserved for system use only. error: "
                f"{name} is not a known system priority class"
            )
            yield forbidden("metadata.name", why)
    elif value > PRIORITY_MAX:
        why = f"maximum allowed value of a user defined priority is {PRIORITY_MAX}"
        yield forbidden("value", why)
    policy = priority.get("preemptionPolicy")
    if policy == "":
        yield required("preemptionPolicy")
    elif policy is not None:
        yield from one_of("preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))


def check_priority_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """Pods have copied the value."""
    if new.get("value", 0) != old.get("value", 0):
        yield forbidden("value", "may not be changed in an update.")
    yield from immutable("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))


def check_lease(lease: Json) -> Iterator[Cause]:
    """A Lease."""
    spec = lease.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    yield from not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))


def check_budget(budget: Json) -> Iterator[Cause]:
    """A PodDisruptionBudget."""
    spec = budget.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        policy = go_json(spec.get("unhealthyPodEvictionPolicy"))
        shown = (
            f'{{"MinAvailable":{go_json(low)},"Selector":{show_selector(spec.get("selector") or {})},'
            f'"MaxUnavailable":{go_json(high)},"UnhealthyPodEvictionPolicy":{policy}}}'
        )
        yield invalid("spec", Shown(shown), "minAvailable and maxUnavailable cannot be both set")
    for field, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            yield from check_count_or_percent(f"spec.{field}", value)
            yield from check_at_most_all(f"spec.{field}", value)
    yield from check_label_selector(spec.get("selector"), "spec.selector")
    eviction = spec.get("unhealthyPodEvictionPolicy")
    if eviction is not None:
        yield from one_of("spec.unhealthyPodEvictionPolicy", eviction, ("AlwaysAllow", "IfHealthyBudget"))


def check_runtime_class(runtime_class: Json) -> Iterator[Cause]:
    """A RuntimeClass."""
    handler = runtime_class.get("handler") or ""
    if not handler:
        yield required("handler")
    else:
        yield from each("handler", handler, check_label(handler))
    if runtime_class.get("overhead") is not None:
        yield from check_resources({"limits": runtime_class["overhead"].get("podFixed")}, "overhead")
    scheduling = runtime_class.get("scheduling") or {}
    yield from check_labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
    tolerations = scheduling.get("tolerations") or []
    yield from check_tolerations(tolerations, "scheduling.tolerations")
    seen: list[Json] = []
    for position, toleration in enumerate(tolerations):
        key = {field: value for field, value in toleration.items() if field != "tolerationSeconds"}
        if key in seen:
            shown = go_struct(toleration, "core.v1.Toleration")
            yield duplicate(f"scheduling.tolerations[{position}]", shown)
        seen.append(key)


def check_runtime_class_update(new: Json, old: Json) -> Iterator[Cause]:
    """The handler stays."""
    yield from immutable("handler", new.get("handler"), old.get("handler"))


def check_revision(revision: Json) -> Iterator[Cause]:
    """A ControllerRevision."""
    if revision.get("data") is None:
        yield required("data", "data is mandatory")
    yield from not_negative("revision", revision.get("revision"))


def check_revision_update(new: Json, old: Json) -> Iterator[Cause]:
    """History does not change."""
    yield from immutable("data", new.get("data"), old.get("data"))


def check_event(event: Json) -> Iterator[Cause]:
    """An Event of the core group is where its object is; one of an object without namespace, in default."""
    involved = (event.get("involvedObject") or event.get("regarding") or {}).get("namespace") or ""
    namespace = event["metadata"].get("namespace") or ""
    if namespace != involved and (involved or namespace != "default"):
        yield invalid("involvedObject.namespace", involved, "does not match event.namespace")
