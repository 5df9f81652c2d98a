"""What wakes whom: which rules, having refused a pod, might think otherwise after a change.

A pod that no node could take waits until something changes that one of the rules against it looks at;
anything else would only cost a try. Source: ``EventsToRegister`` of upstream's plugins; KEP-4247.
"""

from kube_lite.api.identity import Json

from . import profiles as rules

ANY = ""  # the rule of a pod that found no nodes at all

POD_CAME = frozenset({rules.SPREAD, rules.POD_AFFINITY})
POD_LEFT = frozenset({
    rules.FIT, rules.PORTS, rules.SPREAD, rules.POD_AFFINITY, rules.RESTRICTIONS, rules.BINDING,
})  # fmt: skip
CLAIMS_CHANGED = frozenset({rules.CLAIMS})
DEVICES_CHANGED = frozenset({rules.CLAIMS, rules.FIT})  # classes may stand behind resources
NODE_CAME = rules.FILTERS | {ANY}
STORAGE_CHANGED = frozenset({rules.BINDING, rules.ZONES, rules.RESTRICTIONS})
NAMESPACE_CHANGED = frozenset({rules.POD_AFFINITY})
BY_LABELS = frozenset({
    rules.AFFINITY, rules.SPREAD, rules.POD_AFFINITY, rules.BINDING, rules.ZONES, rules.CLAIMS,
})  # fmt: skip


def node_changed(old: Json, new: Json) -> frozenset[str]:
    """The rules that a change of a node matters to; none for a heartbeat."""
    found: set[str] = set()
    if (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable"):
        found.add(rules.FIT)
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if before.get("taints") != after.get("taints"):
        found |= {rules.TAINTS, rules.SPREAD}
    if before.get("unschedulable") != after.get("unschedulable"):
        found |= {rules.UNSCHEDULABLE, rules.TAINTS}
    if old["metadata"].get("labels") != new["metadata"].get("labels"):
        found |= BY_LABELS
    return frozenset(found)
