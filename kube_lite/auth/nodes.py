"""What nodes may: their own objects, and of others what their Pods need.

A node is the user ``system:node:NAME`` in the group ``system:nodes``. Secrets, ConfigMaps, claims, volumes,
accounts and the like it may read where one of its Pods refers to them; Pods where they are its own; for all
other resources the rules of the role ``system:node`` count. Which objects belong together is looked up in the
store when a node asks, from the headers of the Pods of one namespace, so that nothing has to be kept.
Source: ``plugin/pkg/auth/authorizer/node`` (``node_authorizer.go``, ``graph.go``).
"""

from collections.abc import Callable, Iterator

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.references import CLAIMS, claim_of, references_of, secrets_of_volume
from kube_lite.api.selectors import EQUALS, parse_field_selector
from kube_lite.registry.objects import Objects

from .authorize import NO_OPINION, Attributes, Decision, Grants
from .rbac import CLUSTER_ROLES
from .rules import ANY, covers_resource
from .user import User

PREFIX = "system:node:"
GROUP = "system:nodes"
ROLE = "system:node"
LEASES_NAMESPACE = "kube-node-lease"
MIRROR = "kubernetes.io/config.mirror"
PODS = GroupResource("", "pods")
VOLUMES = GroupResource("", "persistentvolumes")
ATTACHMENTS = GroupResource("storage.k8s.io", "volumeattachments")
SLICES = GroupResource("resource.k8s.io", "resourceslices")
READ = ("get", "list", "watch")
OWNED = ("get", "create", "update", "patch", "delete")
ALLOWED = Decision(True)


def node_name(user: User) -> str | None:
    """Which node a user is; None for those that are none, empty where it does not say which."""
    if not user.name.startswith(PREFIX) or GROUP not in user.groups:
        return None
    return user.name.removeprefix(PREFIX)


class NodeAuthorizer:
    """Judges nodes; of others it has no opinion."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._judges: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): self._read_related,
            ("", "configmaps"): self._read_related,
            ("", "persistentvolumeclaims"): self._judge_claim,
            ("", "persistentvolumes"): self._get_related,
            ("resource.k8s.io", "resourceclaims"): self._get_related,
            ("storage.k8s.io", "volumeattachments"): self._get_related,
            ("", "serviceaccounts"): self._judge_account,
            ("coordination.k8s.io", "leases"): _judge_lease,
            ("storage.k8s.io", "csinodes"): _judge_csi_node,
            ("resource.k8s.io", "resourceslices"): self._judge_slice,
            ("", "nodes"): _judge_node,
            ("", "pods"): self._judge_pod,
        }

    def authorize(self, attributes: Attributes) -> Decision:
        """Look at what is asked for, and whether it concerns one of the node's Pods."""
        name = node_name(attributes.user)
        if name is None:
            return NO_OPINION
        if not name:
            return Decision(None, f'unknown node for user "{attributes.user.name}"')
        judge = None if attributes.path else self._judges.get((attributes.group, attributes.resource))
        return self._by_role(attributes) if judge is None else judge(name, attributes)

    def grants(self, user: User, namespace: str) -> Grants:
        """Of nodes it cannot be said in rules."""
        if node_name(user) is None:
            return Grants(())
        return Grants((), is_complete=False, error="node authorizer does not support user rule resolution")

    def _by_role(self, asked: Attributes) -> Decision:
        role = self._objects.peek(CLUSTER_ROLES, ObjectKey("", ROLE)) or {}
        resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        for rule in role.get("rules") or ():
            verbs, groups, names = rule["verbs"], rule.get("apiGroups") or (), rule.get("resourceNames")
            if (
                (asked.verb in verbs or ANY in verbs)
                and (asked.group in groups or ANY in groups)
                and covers_resource(rule.get("resources") or (), resource)
                and (not names or asked.name in names)
            ):
                return ALLOWED
        return NO_OPINION

    def _read_related(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in READ:
            return Decision(None, "can only read resources of this type")
        if asked.subresource:
            return Decision(None, "cannot read subresource")
        if not asked.namespace:
            return Decision(None, "can only read namespaced object of this type")
        return self._if_related(node, asked)

    def _get_related(self, node: str, asked: Attributes) -> Decision:
        if asked.verb != "get":
            return Decision(None, "can only get individual resources of this type")
        if asked.subresource:
            return Decision(None, "cannot get subresource")
        return self._if_related(node, asked)

    def _judge_claim(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource != "status":
            return self._get_related(node, asked)
        if asked.verb not in ("update", "patch"):
            return Decision(None, "can only get/update/patch this type")
        return self._if_related(node, asked)

    def _judge_account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._get_related(node, asked)
        if asked.verb != "create" or not asked.name:
            return Decision(None, "can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return Decision(None, "can only create token subresource of serviceaccount")
        return self._if_related(node, asked)

    def _judge_slice(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return Decision(None, "cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return ALLOWED  # for its own node, which admission sees to
        if asked.verb in ("get", "update", "patch", "delete"):
            return self._if_related(node, asked)
        if asked.verb in ("watch", "list", "deletecollection"):
            if _selects(asked, "nodeName", node) or _selects(asked, "spec.nodeName", node):
                return ALLOWED
            why = "can only list/watch/deletecollection resourceslices with nodeName field selector"
            return Decision(None, why)
        why = "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, "
        return Decision(None, f"{why}patch, delete, deletecollection")

    def _judge_pod(self, node: str, asked: Attributes) -> Decision:
        verb = asked.verb
        if not asked.subresource:
            if verb == "get":
                return self._get_related(node, asked)
            if verb in ("list", "watch"):
                if _selects(asked, "spec.nodeName", node):
                    return ALLOWED
                if asked.name:
                    return self._if_related(node, asked)
                return Decision(None, "can only list/watch pods with spec.nodeName field selector")
            return ALLOWED if verb in ("create", "delete") else NO_OPINION
        writes = {"status": ("update", "patch"), "eviction": ("create",)}
        return ALLOWED if verb in writes.get(asked.subresource, ()) else NO_OPINION

    def _if_related(self, node: str, asked: Attributes) -> Decision:
        if not asked.name:
            return Decision(None, "No Object name found")
        wanted = ObjectKey(asked.namespace, asked.name)
        if self._is_related(node, GroupResource(asked.group, asked.resource), wanted):
            return ALLOWED
        return Decision(None, f"no relationship found between node '{node}' and this object")

    def _is_related(self, node: str, resource: GroupResource, key: ObjectKey) -> bool:
        if resource == PODS:
            pod = self._objects.peek(PODS, key)
            return pod is not None and pod["spec"].get("nodeName") == node
        if resource in (ATTACHMENTS, SLICES):
            spec = (self._objects.peek(resource, key) or {}).get("spec") or {}
            return bool(spec.get("nodeName") == node)
        if resource == VOLUMES:
            claim = claim_of(self._objects.peek(VOLUMES, key))
            return claim is not None and self._is_related(node, CLAIMS, claim)
        if any((resource, key.name) in set(references_of(pod)) for pod in self._pods_of(node, key.namespace)):
            return True
        return resource.resource == "secrets" and self._is_secret_of_volume(node, key)

    def _pods_of(self, node: str, namespace: str) -> Iterator[Json]:
        """The node's Pods in a namespace that did not come from itself."""
        for pod in self._objects.selected(PODS, namespace, "spec.nodeName", node):
            if MIRROR not in (pod["metadata"].get("annotations") or {}):
                yield pod

    def _is_secret_of_volume(self, node: str, key: ObjectKey) -> bool:
        """Whether a volume that a Pod of the node has in that namespace is mounted with a Secret."""
        claims = {
            name
            for pod in self._pods_of(node, key.namespace)
            for resource, name in references_of(pod)
            if resource == CLAIMS
        }
        for name in claims:
            claim = self._objects.peek(CLAIMS, ObjectKey(key.namespace, name)) or {}
            volume = self._objects.peek(VOLUMES, ObjectKey("", claim.get("spec", {}).get("volumeName") or ""))
            if volume is not None and key in set(secrets_of_volume(volume, key.namespace)):
                return True
        return False


def _selects(asked: Attributes, field: str, value: str) -> bool:
    """Whether a list is limited to one value of a field."""
    if not asked.field_selector:
        return False
    try:
        wanted = parse_field_selector(asked.field_selector).requirements
    except BadRequest:
        return False
    return any(entry.field == field and entry.operator == EQUALS and entry.value == value for entry in wanted)


def _judge_lease(node: str, asked: Attributes) -> Decision:
    if asked.verb not in OWNED:
        return Decision(None, "can only get, create, update, patch, or delete a node lease")
    if asked.namespace != LEASES_NAMESPACE:
        return Decision(None, f'can only access leases in the "{LEASES_NAMESPACE}" system namespace')
    if asked.verb != "create" and asked.name != node:
        return Decision(None, "can only access node lease with the same name as the requesting node")
    return ALLOWED


def _judge_csi_node(node: str, asked: Attributes) -> Decision:
    if asked.verb not in OWNED:
        return Decision(None, "can only get, create, update, patch, or delete a CSINode")
    if asked.subresource:
        return Decision(None, "cannot authorize CSINode subresources")
    if asked.verb != "create" and asked.name != node:
        return Decision(None, "can only access CSINode with the same name as the requesting node")
    return ALLOWED


def _judge_node(node: str, asked: Attributes) -> Decision:
    if asked.subresource == "status" and asked.verb in ("update", "patch"):
        return ALLOWED  # of its own, which admission sees to, as below
    if asked.subresource:
        return NO_OPINION
    if asked.verb in ("create", "update", "patch"):
        return ALLOWED
    if asked.verb not in READ:
        return NO_OPINION
    if asked.name == node:
        return ALLOWED
    whose = f"'{asked.name}'" if asked.name else "all nodes"
    return Decision(None, f"node '{node}' cannot read {whose}, only its own Node object")
