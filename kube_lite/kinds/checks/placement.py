"""Rules for where Pods may run: affinity, tolerations, spreading."""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, not_supported, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label, check_label_value, check_qualified_name

from .selectors import check_label_selector, check_node_selector, check_node_term

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
POSITIVE = "must be greater than zero"
COMPARISONS = ("Lt", "Gt")
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
            yield from check_node_term(term.get("preference") or {}, f"{at}.preference", any_value=True)
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
    for name in term.get("namespaces") or ():
        yield from each(f"{path}.namespace", name, check_label(name))
    yield from _check_label_keys(term, path)
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from each(f"{path}.topologyKey", key, check_qualified_name(key))


def _check_label_keys(term: Json, path: str) -> Iterator[Cause]:
    """Labels of the Pod itself whose values others have to share, or not to share."""
    selector = term.get("labelSelector")
    for field in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(field)
        if keys and selector is None:
            yield forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
            continue
        for position, key in enumerate(keys or ()):
            yield from each(f"{path}.{field}[{position}]", key, check_qualified_name(key))
    matched = term.get("matchLabelKeys") or ()
    if not matched:
        return
    positions = {key: position for position, key in enumerate(matched)}
    seen = set((selector or {}).get("matchLabels") or ())
    for expression in (selector or {}).get("matchExpressions") or ():
        key = expression.get("key") or ""
        if key in positions and key in seen:
            yield invalid(f"{path}[{positions[key]}]", key, "exists in both matchLabelKeys and labelSelector")
        seen.add(key)
    others = set(term.get("mismatchLabelKeys") or ())
    for position, key in enumerate(matched):
        if key in others:
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{path}.matchLabelKeys[{position}]", key, why)


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
                yield invalid(f"{here}.operator", value, ";".join(texts))
        elif operator == "Exists":
            if value:
                why = "value must be empty when `operator` is 'Exists'"
                yield invalid(f"{here}.operator", value, why)
        else:
            known = ("Equal", "Exists", *(COMPARISONS if operator in COMPARISONS else ()))
            yield not_supported(f"{here}.operator", operator, known)
        if effect:
            yield from one_of(f"{here}.effect", effect, EFFECTS)


def check_spread(constraints: list[Json], path: str) -> Iterator[Cause]:
    """How Pods are spread over parts of the cluster."""
    kinds = [(each_.get("topologyKey") or "", each_.get("whenUnsatisfiable") or "") for each_ in constraints]
    for position, constraint in enumerate(constraints):
        here, (key, when) = f"{path}[{position}]", kinds[position]
        skew, domains = constraint.get("maxSkew", 0), constraint.get("minDomains")
        if skew <= 0:
            yield invalid(f"{here}.maxSkew", skew, POSITIVE)
        if not key:
            yield required(f"{here}.topologyKey", "can not be empty")
        yield from one_of(f"{here}.whenUnsatisfiable", when, UNSATISFIABLE)
        if (key, when) in kinds[position + 1 :]:
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}")
        if domains is not None and domains <= 0:
            yield invalid(f"{here}.minDomains", domains, POSITIVE)
        if domains is not None and when != "DoNotSchedule":
            why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            yield invalid(f"{here}.minDomains", domains, why)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(field) is not None:
                yield from one_of(f"{here}.{field}", constraint[field], ("Honor", "Ignore"))
        if constraint.get("matchLabelKeys"):
            yield from _check_label_keys(constraint, here)
        yield from check_label_selector(constraint.get("labelSelector"), f"{here}.labelSelector")
