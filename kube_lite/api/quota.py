"""What an object counts for in a ResourceQuota, and which quotas it concerns: pure.

Whoever keeps the status of quotas and whoever refuses what goes beyond them must count alike, so both count
here. Names of what is counted are those of ``spec.hard``: ``pods``, ``requests.cpu``,
``count/deployments.apps``, ``gold.storageclass.storage.k8s.io/requests.storage``.

Source: kubernetes/pkg/quota/v1/evaluator/core and apiserver/pkg/quota/v1/generic.
"""

from collections.abc import Callable, Iterable, Mapping

from . import meta
from .identity import GroupResource, Json
from .quantity import Quantity, parse_quantity
from .times import parse_time

Usage = dict[str, Quantity]

PODS = GroupResource("", "pods")
SERVICES = GroupResource("", "services")
CLAIMS = GroupResource("", "persistentvolumeclaims")
COUNTED_BY_NAME = ("configmaps", "replicationcontrollers", "resourcequotas", "secrets")
"""Kinds of the core group that are also counted without ``count/``."""
COUNT, CLASS_SUFFIX = "count/", ".storageclass.storage.k8s.io/"
COMPUTE = ("cpu", "memory", "ephemeral-storage")
ONE = Quantity.of(1)


def resource_of(name: str) -> GroupResource:
    """Objects of which resource a name in ``spec.hard`` speaks of.

    >>> str(resource_of("count/deployments.apps")), str(resource_of("limits.memory"))
    ('deployments.apps', 'pods')
    """
    if name.startswith(COUNT):
        plural, _, group = name.removeprefix(COUNT).partition(".")
        return GroupResource(group, plural)
    if name in COUNTED_BY_NAME:
        return GroupResource("", name)
    if name == "requests.storage" or name == CLAIMS.resource or CLASS_SUFFIX in name:
        return CLAIMS
    return SERVICES if name.split(".", 1)[0] == SERVICES.resource else PODS


def usage_of(resource: GroupResource, obj: Json, now: float) -> Usage:
    """What one object counts for."""
    usage = {f"{COUNT}{resource}": ONE}
    if resource == PODS:
        if _is_counted(obj, now):
            usage |= _pod_usage(obj)
    elif resource == SERVICES:
        usage |= _service_usage(obj)
    elif resource == CLAIMS:
        usage |= _claim_usage(obj)
    elif not resource.group and resource.resource in COUNTED_BY_NAME:
        usage[resource.resource] = ONE
    return usage


def total(usages: Iterable[Usage], names: Iterable[str]) -> Usage:
    """The sum of what the names speak of."""
    found = {name: Quantity.of(0) for name in names}
    for usage in usages:
        for name, amount in usage.items():
            if name in found:
                found[name] = found[name] + amount
    return found


def concerns(quota: Json, resource: GroupResource, obj: Json) -> bool:
    """Whether the scopes of a quota let it count an object; a quota with scopes counts Pods only."""
    spec = quota["spec"]
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return not scopes or (resource == PODS and all(_is_in_scope(obj, scope) for scope in scopes))


def _is_counted(pod: Json, now: float) -> bool:
    """Pods that are over, or should be long since, use nothing any more."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    asked = pod["metadata"].get("deletionTimestamp")
    grace = pod["metadata"].get("deletionGracePeriodSeconds")
    return not asked or grace is None or parse_time(asked) + grace >= now


def _is_in_scope(pod: Json, scope: Json) -> bool:
    test = SCOPES.get(scope["scopeName"])
    if test is not None:
        return test(pod)
    return scope["scopeName"] == "PriorityClass" and _has_priority(pod, scope)


def _is_terminating(pod: Json) -> bool:
    deadline = pod["spec"].get("activeDeadlineSeconds")
    return deadline is not None and deadline >= 0


def _is_best_effort(pod: Json) -> bool:
    """By its spec, which does not wait for a status."""
    containers = [*pod["spec"].get("containers", ()), *(pod["spec"].get("initContainers") or ()), pod["spec"]]
    named = {
        name for owner in containers for kind in ("requests", "limits") for name in _amounts(owner, kind)
    }
    return not named & {"cpu", "memory"}


def _crosses_namespaces(pod: Json) -> bool:
    affinity = pod["spec"].get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [entry["podAffinityTerm"] for entry in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


SCOPES: Mapping[str, Callable[[Json], bool]] = {
    "Terminating": _is_terminating,
    "NotTerminating": lambda pod: not _is_terminating(pod),
    "BestEffort": _is_best_effort,
    "NotBestEffort": lambda pod: not _is_best_effort(pod),
    "CrossNamespacePodAffinity": _crosses_namespaces,
}


def _has_priority(pod: Json, scope: Json) -> bool:
    name, values = pod["spec"].get("priorityClassName") or "", scope.get("values") or ()
    operator = scope.get("operator")
    if operator == "In":
        return name in values
    if operator == "NotIn":
        return name not in values
    return bool(name) == (operator == "Exists")


def _pod_usage(pod: Json) -> Usage:
    usage = {"pods": ONE}
    for name, amount in pod_total(pod["spec"], "requests").items():
        usage[f"requests.{name}"] = amount
        if name in COMPUTE or name.startswith("hugepages-"):
            usage[name] = amount
    for name, amount in pod_total(pod["spec"], "limits").items():
        if name in COMPUTE:
            usage[f"limits.{name}"] = amount
    return usage


def pod_total(spec: Json, kind: str) -> Usage:
    """The ``requests`` or ``limits`` of a whole Pod.

    Init containers run one after the other before the others, so the largest counts; sidecars count like
    containers, and with every init container after them.
    Source: ``PodRequests`` and ``PodLimits`` in kubernetes' ``component-helpers/resource``.
    """
    running: Usage = {}
    for container in spec.get("containers", ()):
        _add(running, _amounts(container, kind))
    started: Usage = {}
    highest: Usage = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, kind)
        if container.get("restartPolicy") == "Always":
            _add(running, amounts)
            _add(started, amounts)
            _raise_to(highest, started)
        else:
            _add(amounts, started)
            _raise_to(highest, amounts)
    _raise_to(running, highest)
    running.update(_amounts(spec, kind))
    overhead = {name: parse_quantity(text) for name, text in (spec.get("overhead") or {}).items()}
    _add(
        running, {name: amount for name, amount in overhead.items() if kind == "requests" or name in running}
    )
    return running


def _amounts(owner: Json, kind: str) -> Usage:
    named = (owner.get("resources") or {}).get(kind) or {}
    return {name: parse_quantity(text) for name, text in named.items()}


def _add(sums: Usage, amounts: Usage) -> None:
    for name, amount in amounts.items():
        sums[name] = sums[name] + amount if name in sums else amount


def _raise_to(sums: Usage, least: Usage) -> None:
    for name, amount in least.items():
        if name not in sums or sums[name] < amount:
            sums[name] = amount


def _service_usage(service: Json) -> Usage:
    spec = service["spec"]
    usage = {SERVICES.resource: ONE}
    ports = spec.get("ports") or ()
    if spec.get("type") == "NodePort":
        usage["services.nodeports"] = Quantity.of(len(ports))
    elif spec.get("type") == "LoadBalancer":
        usage["services.loadbalancers"] = ONE
        usage["services.nodeports"] = Quantity.of(sum(bool(port.get("nodePort")) for port in ports))
    return usage


def _claim_usage(claim: Json) -> Usage:
    usage = {CLAIMS.resource: ONE}
    texts = [
        named.get("storage")
        for named in (
            (claim["spec"].get("resources") or {}).get("requests") or {},
            (claim.get("status") or {}).get("allocatedResources") or {},
        )
    ]
    amounts = [parse_quantity(text) for text in texts if text is not None]
    if amounts:
        usage["requests.storage"] = max(amounts, key=lambda amount: amount.nanos)
    name = meta.annotations_of(claim).get("volume.beta.kubernetes.io/storage-class")
    name = name or claim["spec"].get("storageClassName")
    if name:
        usage |= {f"{name}{CLASS_SUFFIX}{counted}": amount for counted, amount in list(usage.items())}
    return usage
