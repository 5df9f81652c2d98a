"""A node writes its own objects only: its Node, its Pods' statuses, its lease.

Without this a stolen node could draw privileged Pods to itself with labels, or act on Pods of others.
Source: ``plugin/pkg/admission/noderestriction``.
"""

from collections.abc import Callable, Iterator, Mapping

from kube_lite.api.identity import GroupResource, Json, ObjectKey
from kube_lite.api.references import ACCOUNTS, CLAIMS, CONFIG_MAPS, SECRETS, references_of
from kube_lite.auth.nodes import LEASES_NAMESPACE, MIRROR, node_name

from .chain import CREATE, DELETE, PODS, UPDATE, Attempt, Rule

NODES = GroupResource("", "nodes")
LEASES = GroupResource("coordination.k8s.io", "leases")
CSI_NODES = GroupResource("storage.k8s.io", "csinodes")
SLICES = GroupResource("resource.k8s.io", "resourceslices")
RESTRICTED = "node-restriction.kubernetes.io"
KUBERNETES = ("kubernetes.io", "k8s.io")
OWN_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
    "beta.kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
})  # fmt: skip
OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")

Check = Callable[[str, Attempt], Iterator[str]]
"""The node, and what it attempts → why it may not; nothing for it may."""


class NodeRestriction(Rule):
    """Refuses what a node does to others."""

    def __init__(self) -> None:
        self._checks: Mapping[GroupResource, Check] = {
            PODS: _check_pod,
            NODES: _check_node,
            CLAIMS: _check_claim,
            ACCOUNTS: _check_token,
            LEASES: _check_lease,
            CSI_NODES: _check_csi_node,
            SLICES: _check_slice,
        }

    def handles(self, operation: str, resource: GroupResource, subresource: str) -> bool:
        """Every write of what nodes write."""
        return resource in self._checks and operation in (CREATE, UPDATE, DELETE)

    async def mutate(self, attempt: Attempt) -> None:
        """Refuse before anything else is done."""
        node = node_name(attempt.user)
        if node is None:
            return
        if not node:
            raise attempt.refuse(f'could not determine node from user "{attempt.user.name}"')
        for why in self._checks[attempt.resource.group_resource](node, attempt):
            raise attempt.refuse(why)


def _check_pod(node: str, attempt: Attempt) -> Iterator[str]:
    known = (attempt.old or attempt.obj).get("spec") or {}
    if attempt.subresource == "status":
        if known.get("nodeName") != node:
            yield f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
        if _labels(attempt.old) != _labels(attempt.obj):
            yield f'node "{node}" cannot update labels through pod status'
    elif attempt.subresource == "eviction":
        pod = attempt.objects.peek(PODS, ObjectKey(attempt.namespace, attempt.name))
        if pod is not None and pod["spec"].get("nodeName") != node:
            yield f"node {node} can only evict pods with spec.nodeName set to itself"
    elif attempt.subresource:
        allowed = "only 'status' and 'eviction' are allowed"
        yield f'unexpected pod subresource "{attempt.subresource}", {allowed}'
    elif attempt.operation == CREATE:
        yield from _check_mirror(node, attempt)
    elif attempt.operation == DELETE:
        if known.get("nodeName") != node:
            yield f'node "{node}" can only delete pods with spec.nodeName set to itself'
    else:
        allowed = f'node "{node}" can only create and delete mirror pods'
        yield f'unexpected operation "{attempt.operation}", {allowed}'


def _check_mirror(node: str, attempt: Attempt) -> Iterator[str]:
    """The only Pods that a node makes tell of those it runs from files."""
    metadata, spec = attempt.obj.get("metadata") or {}, attempt.obj.get("spec") or {}
    if MIRROR not in (metadata.get("annotations") or {}):
        yield f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if spec.get("nodeName") != node:
        yield f'node "{node}" can only create pods with spec.nodeName set to itself'
    owners = metadata.get("ownerReferences") or []
    if len(owners) > 1:
        yield f'node "{node}" can only create pods with a single owner reference set to itself'
    there = attempt.objects.peek(NODES, ObjectKey("", node)) or {"metadata": {}}
    for owner in owners or [{}]:
        is_itself = (owner.get("kind"), owner.get("apiVersion"), owner.get("name")) == ("Node", "v1", node)
        if not is_itself or owner.get("uid") != there["metadata"].get("uid"):
            yield f'node "{node}" can only create pods with an owner reference set to itself'
    if spec.get("serviceAccountName"):
        yield f'node "{node}" can not create pods that reference a service account'
    found = {resource for resource, _ in references_of(attempt.obj)} if spec else set()
    for resource in (SECRETS, CONFIG_MAPS, CLAIMS):
        if resource in found:
            yield f'node "{node}" can not create pods that reference {resource.resource}'


def _check_node(node: str, attempt: Attempt) -> Iterator[str]:
    name = attempt.name or (attempt.obj.get("metadata") or {}).get("name", "")
    if name != node:
        yield f'node "{node}" is not allowed to modify node "{name}"'
    labels = ", ".join(forbidden_labels(_labels(attempt.old), _labels(attempt.obj)))
    if attempt.operation == CREATE:
        if labels:
            yield f'node "{node}" is not allowed to set the following labels: {labels}'
    elif attempt.operation == UPDATE and attempt.old is not None:
        if _taints(attempt.old) != _taints(attempt.obj):
            yield f'node "{node}" is not allowed to modify taints'
        if labels:
            yield f'node "{node}" is not allowed to modify labels: {labels}'


def forbidden_labels(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Labels that differ and are not a node's to set: restricted ones, and Kubernetes' own but a few."""
    changed = sorted(label for label in {*old, *new} if old.get(label) != new.get(label))
    return [label for label in changed if _is_forbidden(label)]


def _is_forbidden(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    domain = domain if slash else ""
    if _is_in(domain, RESTRICTED):
        return True
    is_kubernetes = any(_is_in(domain, own) for own in KUBERNETES)
    return is_kubernetes and label not in OWN_LABELS and not any(_is_in(domain, own) for own in OWN_DOMAINS)


def _is_in(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _check_claim(node: str, attempt: Attempt) -> Iterator[str]:
    if attempt.subresource != "status":
        yield "may only update PVC status"


def _check_token(node: str, attempt: Attempt) -> Iterator[str]:
    if attempt.operation != CREATE or attempt.subresource != "token":
        return
    bound = (attempt.obj.get("spec") or {}).get("boundObjectRef") or {}
    if (bound.get("apiVersion"), bound.get("kind")) != ("v1", "Pod") or not bound.get("name"):
        yield "node requested token not bound to a pod"
    if not bound.get("uid"):
        yield "node requested token with a pod binding without a uid"
    pod = attempt.objects.peek(PODS, ObjectKey(attempt.namespace, bound.get("name", "")))
    if pod is None or pod["spec"].get("nodeName") != node:
        yield "node requested token bound to a pod scheduled on a different node"


def _check_lease(node: str, attempt: Attempt) -> Iterator[str]:
    if attempt.namespace != LEASES_NAMESPACE:
        yield f'can only access leases in the "{LEASES_NAMESPACE}" system namespace'
    if _name(attempt) != node:
        yield "can only access node lease with the same name as the requesting node"


def _check_csi_node(node: str, attempt: Attempt) -> Iterator[str]:
    if _name(attempt) != node:
        yield "can only access CSINode with the same name as the requesting node"


def _check_slice(node: str, attempt: Attempt) -> Iterator[str]:
    for obj in (attempt.obj, attempt.old):
        if obj is not None and (obj.get("spec") or {}).get("nodeName") != node:
            verb = {CREATE: "create", DELETE: "delete"}.get(attempt.operation, "update")
            yield f"can only {verb} ResourceSlice with the same NodeName as the requesting node"


def _name(attempt: Attempt) -> str:
    return attempt.name or str((attempt.obj.get("metadata") or {}).get("name", ""))


def _labels(obj: Json | None) -> Mapping[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _taints(node: Json) -> list[Json]:
    return (node.get("spec") or {}).get("taints") or []
