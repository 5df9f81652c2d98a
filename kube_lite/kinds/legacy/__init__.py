"""The API versions of Kubernetes 1.12 to 1.22 that no release of today serves, beside those that it does.

``KINDS`` is the whole table: when a version of a kind was deprecated and removed, and what came after it.
A row of the API is made of it by way of its successor's row: the same names (but none that would make
``kubectl get all`` show an object twice), verbs and subresources, the same objects in the store. What differs
between a version and its successor stands in ``PECULIARITIES``, as the names of functions that are loaded
when the first object comes by, so that a server at rest has paid for a table and a few dozen rows.

Source: the ``prerelease-lifecycle-gen`` marks in k8s.io/api, of the last release that had each kind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.resource import Registry, Resource, Subresource

from ..base import Row, schema_name
from ..conversions import Way
from .strategy import Legacy

RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"


class Life(NamedTuple):
    """A version of a kind: the minor releases of its end, and what replaces it.

    Attributes:
        successor: group and version of the row it is another view of.
        told: the kind that warnings name as the successor; ``-`` where upstream names none.
    """

    kind: str
    deprecated: int
    removed: int
    successor: str
    told: str = ""


KINDS: Mapping[str, tuple[Life, ...]] = {
    "apps/v1beta2": tuple(
        Life(kind, 9, 16, "apps/v1")
        for kind in ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
    ),
    "apps/v1beta1": tuple(
        Life(kind, 8, 16, "apps/v1") for kind in ("ControllerRevision", "Deployment", "StatefulSet")
    ),
    "events.k8s.io/v1beta1": (Life("Event", 22, 25, "events.k8s.io/v1", "-"),),
    "authentication.k8s.io/v1beta1": (Life("TokenReview", 19, 22, "authentication.k8s.io/v1"),),
    "authorization.k8s.io/v1beta1": tuple(
        Life(kind, 19, 22, "authorization.k8s.io/v1")
        for kind in (
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        )
    ),
    "autoscaling/v2beta2": (Life("HorizontalPodAutoscaler", 23, 26, "autoscaling/v2"),),
    "autoscaling/v2beta1": (Life("HorizontalPodAutoscaler", 22, 25, "autoscaling/v2"),),
    "batch/v1beta1": (Life("CronJob", 21, 25, "batch/v1"),),
    "certificates.k8s.io/v1beta1": (Life("CertificateSigningRequest", 19, 22, "certificates.k8s.io/v1"),),
    "networking.k8s.io/v1beta1": (
        Life("Ingress", 19, 22, "networking.k8s.io/v1"),
        Life("IngressClass", 19, 22, "networking.k8s.io/v1", "IngressClassList"),  # upstream's slip
    ),
    "policy/v1beta1": (
        Life("PodDisruptionBudget", 21, 25, "policy/v1"),
        Life("PodSecurityPolicy", 21, 25, "", "-"),
    ),
    f"{RBAC}/v1beta1": tuple(
        Life(kind, 17, 22, f"{RBAC}/v1")
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    ),
    "storage.k8s.io/v1beta1": (
        Life("CSIDriver", 19, 22, "storage.k8s.io/v1"),
        Life("CSINode", 17, 22, "storage.k8s.io/v1"),
        Life("StorageClass", 19, 22, "storage.k8s.io/v1"),
        Life("VolumeAttachment", 19, 22, "storage.k8s.io/v1"),
    ),
    f"{ADMISSION}/v1beta1": tuple(
        Life(kind, 16, 22, f"{ADMISSION}/v1")
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    ),
    "apiextensions.k8s.io/v1beta1": (Life("CustomResourceDefinition", 16, 22, "apiextensions.k8s.io/v1"),),
    "apiregistration.k8s.io/v1beta1": (Life("APIService", 19, 22, "apiregistration.k8s.io/v1"),),
    "scheduling.k8s.io/v1beta1": (Life("PriorityClass", 14, 22, "scheduling.k8s.io/v1"),),
    "coordination.k8s.io/v1beta1": (Life("Lease", 19, 22, "coordination.k8s.io/v1"),),
    "node.k8s.io/v1beta1": (Life("RuntimeClass", 22, 25, "node.k8s.io/v1", "-"),),
    "discovery.k8s.io/v1beta1": (Life("EndpointSlice", 21, 25, "discovery.k8s.io/v1"),),
    "extensions/v1beta1": (
        Life("DaemonSet", 8, 16, "apps/v1"),
        Life("Deployment", 8, 16, "apps/v1"),
        Life("Ingress", 14, 22, "networking.k8s.io/v1"),
        Life("NetworkPolicy", 9, 16, "networking.k8s.io/v1"),
        Life("PodSecurityPolicy", 11, 16, "policy/v1beta1"),
        Life("ReplicaSet", 8, 16, "apps/v1"),
    ),
}
"""Group and version → what it has, in the order of discovery: newer versions first, ``extensions`` last."""


class Peculiarity(NamedTuple):
    """What a version does otherwise than its successor, as ``module.function`` below this package.

    Attributes:
        default: fills in what this version, and no other, has by default; before the successor's defaults.
        newer: an object of this version → one of the version that is stored.
        older: the way back.
        forgiven: causes that were none for this version, by the end of their field and a piece of their
            text.
        has_rules: it has rules for new objects of its own in ``checks``.
        orphans: a delete that does not say what becomes of dependents leaves them.
    """

    default: str = ""
    newer: str = ""
    older: str = ""
    forgiven: tuple[tuple[str, str], ...] = ()
    has_rules: bool = False
    orphans: bool = False


_SELECTOR_MAY_CHANGE = (("spec.selector", "field is immutable"),)
_OLD_EFFECTS = ((".sideEffects", 'Unsupported value: "Unknown"'), (".sideEffects", 'value: "Some"'))
_WEBHOOKS = Peculiarity("webhooks.default_webhooks", forgiven=_OLD_EFFECTS)
_INGRESS = Peculiarity("networking.default_ingress", "networking.newer_ingress", "networking.older_ingress")

PECULIARITIES: Mapping[tuple[str, str], Peculiarity] = {
    ("extensions/v1beta1", "Deployment"): Peculiarity(
        "workloads.default_extensions_deployment",
        "workloads.newer_deployment",
        "workloads.older_deployment",
        _SELECTOR_MAY_CHANGE,
        orphans=True,
    ),
    ("extensions/v1beta1", "DaemonSet"): Peculiarity(
        "workloads.default_daemonset",
        "workloads.newer_daemonset",
        "workloads.older_daemonset",
        _SELECTOR_MAY_CHANGE,
        orphans=True,
    ),
    ("extensions/v1beta1", "ReplicaSet"): Peculiarity(
        "workloads.default_labels", forgiven=_SELECTOR_MAY_CHANGE, orphans=True
    ),
    ("extensions/v1beta1", "Ingress"): _INGRESS,
    ("apps/v1beta1", "Deployment"): Peculiarity(
        "workloads.default_deployment",
        "workloads.newer_deployment",
        "workloads.older_deployment",
        _SELECTOR_MAY_CHANGE,
        orphans=True,
    ),
    ("apps/v1beta1", "StatefulSet"): Peculiarity("workloads.default_statefulset", orphans=True),
    ("apps/v1beta2", "Deployment"): Peculiarity(orphans=True),
    ("apps/v1beta2", "DaemonSet"): Peculiarity(orphans=True),
    ("apps/v1beta2", "ReplicaSet"): Peculiarity(orphans=True),
    ("apps/v1beta2", "StatefulSet"): Peculiarity(orphans=True),
    ("batch/v1beta1", "CronJob"): Peculiarity(orphans=True),
    ("networking.k8s.io/v1beta1", "Ingress"): _INGRESS,
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): Peculiarity(
        newer="networking.newer_slice", older="networking.older_slice"
    ),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Peculiarity(
        newer="autoscaling.newer_autoscaler", older="autoscaling.older_autoscaler"
    ),
    ("policy/v1beta1", "PodDisruptionBudget"): Peculiarity(
        newer="policy.newer_budget", older="policy.older_budget"
    ),
    ("policy/v1beta1", "PodSecurityPolicy"): Peculiarity("policy.default_pod_security"),
    ("extensions/v1beta1", "PodSecurityPolicy"): Peculiarity("policy.default_pod_security"),
    ("events.k8s.io/v1beta1", "Event"): Peculiarity(newer="events.core_event", older="events.newer_event"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): Peculiarity(
        "certificates.default_request",
        forgiven=(("spec.signerName", "the legacy signerName is not allowed"),),
    ),
    (f"{ADMISSION}/v1beta1", "MutatingWebhookConfiguration"): _WEBHOOKS,
    (f"{ADMISSION}/v1beta1", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Peculiarity(
        "definitions.default_definition",
        "definitions.newer_definition",
        "definitions.older_definition",
        has_rules=True,
    ),
    ("authorization.k8s.io/v1beta1", "SubjectAccessReview"): Peculiarity(
        newer="reviews.newer_review", older="reviews.older_review"
    ),
    ("authorization.k8s.io/v1beta1", "LocalSubjectAccessReview"): Peculiarity(
        newer="reviews.newer_review", older="reviews.older_review"
    ),
}
"""Versions that are more than their successors by another name; those of ``KINDS`` without a row are not."""

_ROLLBACK = Subresource("rollback", ("create",), "DeploymentRollback")
WITH_ROLLBACK = ("extensions/v1beta1", "apps/v1beta1")


def way(gvk: GroupVersionKind) -> Way | None:
    """The conversions of a version; None where it differs from what is stored in ``apiVersion`` alone."""
    own = PECULIARITIES.get((gvk.api_version, gvk.kind))
    return Way(_load(own.newer), _load(own.older)) if own is not None and own.newer else None


@cache
def _load(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(".")
    found: Callable[..., Any] = getattr(import_module(f".{module}", __name__), function)
    return found


def _later(name: str) -> Callable[[Json], None] | None:
    """The function of that name, loaded when it is called."""
    return (lambda obj: _load(name)(obj)) if name else None


def resources(registry: Registry, release: str) -> Iterator[Resource]:
    """The rows of the versions of old that a release's table has not, in the order of discovery."""
    made: dict[GroupVersionKind, Resource] = {}
    for api_version, lives in KINDS.items():
        group, version = parse_api_version(api_version)
        for life in lives:
            gvk = GroupVersionKind(group, version, life.kind)
            if registry.by_gvk(gvk) is not None:
                continue
            if not life.successor:
                made[gvk] = _pod_security(release)
                yield _row(gvk, life, made[gvk])
                continue
            followed = gvk._replace(**parse_api_version(life.successor)._asdict())
            successor = registry.by_gvk(followed) or made.get(followed)
            if successor is not None:
                yield _row(gvk, life, successor)


def _pod_security(release: str) -> Resource:
    from .policy import PodSecurityStrategy

    row = Row(
        "PodSecurityPolicy",
        "podsecuritypolicies",
        PodSecurityStrategy,
        namespaced=False,
        short_names=("psp",),
    )
    return row.resource("policy", "v1beta1", release)


def _row(gvk: GroupVersionKind, life: Life, successor: Resource) -> Resource:
    """The successor's row as this version's."""
    api_version = gvk.api_version
    own = PECULIARITIES.get((api_version, gvk.kind), Peculiarity())
    alias = successor.alias_of
    if alias is None and successor.group != gvk.group:
        alias = successor.group_resource
    is_itself = successor.gvk == gvk
    subresources = successor.subresources
    if gvk.kind == "Deployment" and api_version in WITH_ROLLBACK:
        subresources = tuple(sorted((*subresources, _ROLLBACK), key=lambda sub: sub.name))
    return replace(
        successor,
        group=gvk.group,
        version=gvk.version,
        short_names=successor.short_names if is_itself else (),
        categories=(),
        subresources=subresources,
        schema=schema_name(gvk),
        storage_version=successor.storage_version or ("" if is_itself else successor.version),
        alias_of=alias,
        strategy=Legacy(
            gvk,
            (successor.strategy, successor.gvk),
            default=_later(own.default),
            forgiven=own.forgiven,
            has_rules=own.has_rules,
            orphans=own.orphans,
            deprecation=deprecation(gvk, life),
        ),
    )


def deprecation(gvk: GroupVersionKind, life: Life) -> str:
    """The warning of every answer.

    Source: ``WarningMessage`` in apiserver's ``endpoints/deprecation``.
    """
    told = f"{gvk.api_version} {gvk.kind} is deprecated in v1.{life.deprecated}+"
    told += f", unavailable in v1.{life.removed}+"
    if life.told == "-":
        return told
    return f"{told}; use {life.successor} {life.told or gvk.kind}"
