"""The roles and bindings that are there from the start, and what later starts do about them.

What is missing is made. A role or binding also gets back the rules and subjects that it has lost, unless it
says otherwise (``autoupdate: "false"``); what somebody added stays. Usually that means to write nothing.
Source: ``pkg/registry/rbac/rest/storage_rbac.go``, ``k8s.io/component-helpers/auth/rbac/reconciliation``.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.rules import missing_rules

from . import policy_facts as facts

GROUP, VERSION = "rbac.authorization.k8s.io", "v1"
CLUSTER_ROLES = GroupVersionResource(GROUP, VERSION, "clusterroles")
CLUSTER_ROLE_BINDINGS = GroupVersionResource(GROUP, VERSION, "clusterrolebindings")
ROLES = GroupVersionResource(GROUP, VERSION, "roles")
ROLE_BINDINGS = GroupVersionResource(GROUP, VERSION, "rolebindings")
KINDS = {
    CLUSTER_ROLES: "ClusterRole",
    CLUSTER_ROLE_BINDINGS: "ClusterRoleBinding",
    ROLES: "Role",
    ROLE_BINDINGS: "RoleBinding",
}
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
CONTROLLER = "system:controller:"
SYSTEM = "kube-system"
VERBS = {
    "READ": "get list watch",
    "CHANGE": "create delete deletecollection patch update",
    "ALL": "create delete deletecollection get list patch update watch",
}
EVENTS = "create patch update | - events.k8s.io | events"
HOLDERS = {"user": "User", "group": "Group", "account": "ServiceAccount"}


@lru_cache(maxsize=4)
def plan_policy(version: str) -> Sequence[tuple[GroupVersionResource, Json]]:
    """What a release has, ``1.36``, complete but for what the server fills in; kept and shared."""
    return tuple(_policy(version))


def _policy(version: str) -> Iterator[tuple[GroupVersionResource, Json]]:
    controllers = list(_roles(facts.CONTROLLER_ROLES, version, CONTROLLER))
    for role in _roles(facts.CLUSTER_ROLES, version):
        yield CLUSTER_ROLES, role
    for role in controllers:
        yield CLUSTER_ROLES, role
    for binding in _bindings(facts.CLUSTER_BINDINGS, "ClusterRole"):
        yield CLUSTER_ROLE_BINDINGS, binding
    for role in controllers:
        name = role["metadata"]["name"]
        account = _subject(f"account:{name.removeprefix(CONTROLLER)}")
        yield CLUSTER_ROLE_BINDINGS, _binding(name, "ClusterRole", name, [account])
    for role in _roles(facts.ROLES, version):
        yield ROLES, role
    for binding in _bindings(facts.BINDINGS, "Role"):
        yield ROLE_BINDINGS, binding


def plan_reconciled(wanted: Json, found: Json) -> Json | None:
    """What a role or binding that is there should be; None where it is that, or wants to be left alone.

    Labels and annotations that are missing come back, and so do rules and subjects; who takes in the rules of
    others keeps whatever those gave it.
    """
    if (found["metadata"].get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    changes: Json = {}
    for field in ("labels", "annotations"):
        there = found["metadata"].get(field) or {}
        lost = {key: value for key, value in wanted["metadata"].get(field, {}).items() if key not in there}
        if lost:
            changes[field] = {**there, **lost}
    metadata = {**found["metadata"], **changes}
    parts: Json = {}
    if "roleRef" in wanted:
        there = found.get("subjects") or []
        missing = [subject for subject in wanted.get("subjects") or () if subject not in there]
        if missing:
            parts["subjects"] = [*there, *missing]
    elif "aggregationRule" in wanted:
        if found.get("aggregationRule") != wanted["aggregationRule"]:
            parts["aggregationRule"] = wanted["aggregationRule"]
    elif found.get("rules") != wanted["rules"]:
        missing = missing_rules(found.get("rules") or [], wanted["rules"])
        if missing:
            parts["rules"] = [*(found.get("rules") or ()), *missing]
    return {**found, "metadata": metadata, **parts} if changes or parts else None


def _roles(text: str, version: str, prefix: str = "") -> Iterator[Json]:
    role: Json | None = None
    for line in text.strip("\n").splitlines():
        line, _, releases = line.partition("  @")
        is_wanted = _has(releases.strip(), version)
        if not line.startswith(" "):
            if role is not None:
                yield role
            role = _role(prefix, line) if is_wanted else None
        elif role is not None and is_wanted:
            role["rules"].append(_rule(line.strip()))
    if role is not None:
        yield role


def _role(prefix: str, line: str) -> Json:
    """``edit = edit > admin``, without its rules."""
    line, _, feeds = line.partition(" > ")
    line, _, takes = line.partition(" = ")
    namespace, _, name = line.rpartition("/")
    role = _object("Role" if namespace else "ClusterRole", namespace, prefix + name)
    if feeds:
        role["metadata"]["labels"][AGGREGATE + feeds] = "true"
    if takes:
        selector = {"matchLabels": {AGGREGATE + takes: "true"}}
        return {**role, "rules": None, "aggregationRule": {"clusterRoleSelectors": [selector]}}
    return {**role, "rules": []}


def _rule(line: str) -> Json:
    verbs, groups, resources, *names = (EVENTS if line == "EVENTS" else line).split(" | ")
    rule: Json = {"verbs": VERBS.get(verbs, verbs).split()}
    if groups == "paths":
        return {**rule, "nonResourceURLs": resources.split()}
    rule["apiGroups"] = ["" if group == "-" else group for group in groups.split()]
    rule["resources"] = resources.split()
    return {**rule, "resourceNames": names[0].split()} if names else rule


def _bindings(text: str, kind: str) -> Iterator[Json]:
    for line in text.strip().splitlines():
        place, role, holders = (part.strip() for part in line.split("|"))
        namespace, _, name = place.rpartition("/")
        subjects = [_subject(holder) for holder in holders.split()]
        yield _binding(name, kind, role or name, subjects, namespace)


def _binding(name: str, kind: str, role: str, subjects: Sequence[Json], namespace: str = "") -> Json:
    binding = _object("RoleBinding" if namespace else "ClusterRoleBinding", namespace, name)
    if subjects:
        binding["subjects"] = list(subjects)
    return {**binding, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}}


def _subject(holder: str) -> Json:
    word, _, name = holder.partition(":")
    if word == "account":
        return {"kind": HOLDERS[word], "name": name, "namespace": SYSTEM}
    return {"kind": HOLDERS[word], "apiGroup": GROUP, "name": name}


def _object(kind: str, namespace: str, name: str) -> Json:
    metadata: Json = {"name": name, "namespace": namespace} if namespace else {"name": name}
    metadata["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    metadata["annotations"] = {AUTOUPDATE: "true"}
    return {"kind": kind, "apiVersion": f"{GROUP}/{VERSION}", "metadata": metadata}


def _has(releases: str, version: str) -> bool:
    if not releases:
        return True
    first, _, last = releases.rpartition("..") if ".." in releases else (releases, "", "")
    number = _number(version)
    return (not first or number >= _number(first)) and (not last or number <= _number(last))


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
