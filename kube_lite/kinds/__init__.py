"""Every kind that is built in. To add one, write its row in the file of its group.

The order is that of discovery: the core group first, the others as upstream ranks them.
"""

from functools import cache, lru_cache

from kube_lite.api.identity import GroupVersion
from kube_lite.api.resource import Registry, Resource

from .base import Row

__all__ = ["builtin", "rows", "scale_resource"]

LAST_WITH_OLDER = 32  # the last minor release that serves otherwise than by its definitions, see ``older``


def rows() -> dict[GroupVersion, tuple[Row, ...]]:
    """Every group and version with its rows, in the order of discovery."""
    from . import (
        admission,
        aggregation,
        apps,
        autoscaling,
        batch,
        certificates,
        claims,
        coordination,
        endpoints,
        events,
        extensions,
        flowcontrol,
        networking,
        nodes,
        policy,
        rbac,
        reviews,
        scheduling,
        volumes,
    )

    return {
        GroupVersion("", "v1"): _core(),
        GroupVersion("apiregistration.k8s.io", "v1"): aggregation.AGGREGATION,
        GroupVersion("apps", "v1"): apps.APPS,
        GroupVersion("events.k8s.io", "v1"): (events.NEWER_EVENT,),
        GroupVersion("authentication.k8s.io", "v1"): reviews.AUTHENTICATION,
        GroupVersion("authorization.k8s.io", "v1"): reviews.AUTHORIZATION,
        GroupVersion("autoscaling", "v2"): autoscaling.AUTOSCALING_V2,
        GroupVersion("autoscaling", "v1"): autoscaling.AUTOSCALING_V1,
        GroupVersion("batch", "v1"): batch.BATCH,
        GroupVersion("certificates.k8s.io", "v1"): certificates.CERTIFICATES,
        GroupVersion("networking.k8s.io", "v1"): networking.NETWORKING,
        GroupVersion("policy", "v1"): policy.POLICY,
        GroupVersion("rbac.authorization.k8s.io", "v1"): rbac.RBAC,
        GroupVersion("storage.k8s.io", "v1"): volumes.STORAGE,
        GroupVersion("admissionregistration.k8s.io", "v1"): admission.ADMISSION,
        GroupVersion("apiextensions.k8s.io", "v1"): extensions.EXTENSIONS,
        GroupVersion("scheduling.k8s.io", "v1"): scheduling.SCHEDULING,
        GroupVersion("coordination.k8s.io", "v1"): coordination.COORDINATION,
        GroupVersion("node.k8s.io", "v1"): (nodes.RUNTIME_CLASS,),
        GroupVersion("discovery.k8s.io", "v1"): (endpoints.ENDPOINT_SLICE,),
        GroupVersion("resource.k8s.io", "v1"): claims.CLAIMS,
        GroupVersion("flowcontrol.apiserver.k8s.io", "v1"): flowcontrol.FLOW_CONTROL,
    }


def _core() -> tuple[Row, ...]:
    from . import apps, config, endpoints, events, namespaces, nodes, pods, quotas, reviews, services, volumes

    return (
        pods.BINDING,
        reviews.COMPONENT_STATUS,
        config.CONFIG_MAP,
        endpoints.ENDPOINTS,
        events.EVENT,
        quotas.LIMIT_RANGE,
        namespaces.NAMESPACE,
        nodes.NODE,
        volumes.PERSISTENT_VOLUME_CLAIM,
        volumes.PERSISTENT_VOLUME,
        pods.POD,
        pods.POD_TEMPLATE,
        apps.REPLICATION_CONTROLLER,
        quotas.RESOURCE_QUOTA,
        config.SECRET,
        config.SERVICE_ACCOUNT,
        services.SERVICE,
    )


def builtin(version: str = "1.36", *, legacy: bool = False) -> Registry:
    """A new table of the kinds that a release serves.

    Args:
        legacy: with the API versions of 1.12 to 1.22, which no release of today has.

    Raises:
        ReleaseUnknown: there are no definitions for the release.
    """
    return Registry(_resources(version, legacy))


@lru_cache(maxsize=8)
def _resources(version: str, legacy: bool) -> tuple[Resource, ...]:
    """What a table begins with; the clusters of a process share it."""
    from .schemas import definitions

    known = definitions(version)
    found = tuple(
        resource
        for group_version, group_rows in _rows_of(version).items()
        for row in group_rows
        if (resource := row.resource(*group_version, version)).schema in known
    )
    if not legacy:
        return found
    from . import legacy as old  # only who serves them needs it

    return (*found, *old.resources(Registry(found), version))


def _rows_of(version: str) -> dict[GroupVersion, tuple[Row, ...]]:
    minor = int(version.split(".")[1])
    if minor > LAST_WITH_OLDER:
        return rows()
    from . import older  # which releases of today do without

    return older.rows_of(rows(), minor)


@cache
def scale_resource(version: str = "1.36") -> Resource:
    """The kind of ``scale`` subresources; it has columns like any other and no path of its own."""
    from .autoscaling import SCALE

    return SCALE.resource("autoscaling", "v1", version)
