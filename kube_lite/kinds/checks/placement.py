"""Rules for where Pods may run: affinity, tolerations, spreading."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, invalid, not_supported, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_value, check_qualified_name

from .selectors import check_label_selector, check_node_selector, check_node_term

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")


def check_affinity(affinity: Json, path: str) -> Iterator[Cause]:
    """Affinity to nodes, to Pods, and its opposite."""
    node = affinity.get("nodeAffinity")
    if node is not None:
        here = f"{path}.nodeAffinity"
        if node.get(REQUIRED) is not None:
            yield from check_node_selector(node[REQUIRED], f"{here}.{REQUIRED}")
        for position, term in enumerate(node.get(PREFERRED) or ()):
            at = f"{here}.{PREFERRED}[{position}]"
            yield from _check_weight(term.get("weight", 0), at)
            yield from check_node_term(term.get("preference") or {}, f"{at}.preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind)
        if pods is None:
            continue
        for position, term in enumerate(pods.get(REQUIRED) or ()):
            yield from _check_term(term, f"{path}.{kind}.{REQUIRED}[{position}]")
        for position, weighted in enumerate(pods.get(PREFERRED) or ()):
            at = f"{path}.{kind}.{PREFERRED}[{position}]"
            yield from _check_weight(weighted.get("weight", 0), at)
            yield from _check_term(weighted.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")


def _check_weight(weight: int, path: str) -> Iterator[Cause]:
    if not 1 <= weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _check_term(term: Json, path: str) -> Iterator[Cause]:
    yield from check_label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from check_label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from each(f"{path}.topologyKey", key, check_qualified_name(key))


def check_tolerations(tolerations: list[Json], path: str) -> Iterator[Cause]:
    """Which taints are borne, and for how long."""
    for position, toleration in enumerate(tolerations):
        here = f"{path}[{position}]"
        key, operator = toleration.get("key") or "", toleration.get("operator") or ""
        value, effect = toleration.get("value") or "", toleration.get("effect") or ""
        if key:
            yield from each(f"{here}.key", key, check_qualified_name(key))
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{here}.operator", operator, why)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(f"{here}.effect", effect, why)
        if operator in ("Equal", ""):
            texts = check_label_value(value)
            if texts:
                yield invalid(f"{here}.operator", value, "; ".join(texts))
        elif operator == "Exists":
            if value:
                why = "value must be empty when `operator` is 'Exists'"
                yield invalid(f"{here}.operator", value, why)
        else:
            yield not_supported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect:
            yield from one_of(f"{here}.effect", effect, EFFECTS)


def check_spread(constraints: list[Json], path: str) -> Iterator[Cause]:
    """How Pods are spread over parts of the cluster."""
    seen: set[tuple[str, str]] = set()
    for position, constraint in enumerate(constraints):
        here = f"{path}[{position}]"
        skew, domains = constraint.get("maxSkew", 0), constraint.get("minDomains")
        if skew <= 0:
            yield invalid(f"{here}.maxSkew", skew, "must be greater than zero")
        key, when = constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""
        if not key:
            yield required(f"{here}.topologyKey", "can not be empty")
        else:
            yield from each(f"{here}.topologyKey", key, check_qualified_name(key))
        yield from one_of(f"{here}.whenUnsatisfiable", when, UNSATISFIABLE)
        if (key, when) in seen:
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}")
        seen.add((key, when))
        if domains is not None and domains <= 0:
            yield invalid(f"{here}.minDomains", domains, "must be greater than zero")
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(field) is not None:
                yield from one_of(f"{here}.{field}", constraint[field], ("Honor", "Ignore"))
        yield from check_label_selector(constraint.get("labelSelector"), f"{here}.labelSelector")
