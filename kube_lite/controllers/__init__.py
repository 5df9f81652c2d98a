"""Everything that turns what is asked for into what is there, except placing and running Pods."""

from typing import TYPE_CHECKING

from kube_lite.api.resource import Registry
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock
from kube_lite.kit.service import Service

if TYPE_CHECKING:
    from kube_lite.api.identity import GroupVersionResource
    from kube_lite.api.policy_types import SchemaOf
    from kube_lite.client.recorder import Recorder

    from .certificates import Sign
    from .token_secrets import Issue

TOKENS_GO_SINCE = 29  # the minor release in which unused tokens without end first went by default
DEVICE_TAINTS_SINCE = 36  # and that in which taints of devices drive Pods away


def controllers(
    client: Client,
    informers: Informers,
    clock: Clock,
    *,
    resources: Registry,
    ca_pem: str,
    sign: "Sign | None" = None,
    issue: "Issue | None" = None,
    version: str = "1.36",
    schema_of: "SchemaOf | None" = None,
) -> list[Service]:
    """The controllers of a cluster, in the order in which to start them.

    Args:
        resources: the rows that are served; a collection, iterated anew whenever it matters.
        ca_pem: whom Pods should trust when they talk to the API.
        sign: the cluster's authority, which signs requests for certificates; without it nobody does here.
        issue: the cluster's issuer of tokens for Secrets; without it nobody issues any here.
        version: the release.
        schema_of: what objects of a kind look like; without it nobody checks the types in policies.
    """
    from kube_lite.client.recorder import Recorder

    from .autoscaling import Autoscalers
    from .certificates import CertificateCleanup, CertificateSigning
    from .cronjob import CronJobs
    from .daemonset import DaemonSets
    from .deployment import Deployments
    from .disruption import DisruptionBudgets
    from .endpoints import EndpointsController
    from .endpointslices import EndpointSlices
    from .finished_jobs import FinishedJobs
    from .garbage import Garbage
    from .job import Jobs
    from .mirroring import EndpointMirroring
    from .namespace import Namespaces
    from .pod_cleanup import PodCleanup
    from .policy_types import POLICIES, PolicyTypes
    from .quota import Quotas
    from .replicaset import REPLICATION_CONTROLLER_KIND, ReplicaSets
    from .resources import SERVICE_CIDRS
    from .role_aggregation import RoleAggregation
    from .rootca import RootCertificates
    from .service_cidrs import ServiceCIDRs
    from .serviceaccounts import DefaultAccounts
    from .statefulset import StatefulSets

    recorder = Recorder(client, clock, "controllers")
    garbage = Garbage(client, clock, resources)
    served = {row.gvr for row in resources}
    services: list[Service] = [
        recorder,
        *_for_nodes(client, informers, clock, recorder, version),
        DefaultAccounts(client, informers, clock),
        RootCertificates(client, informers, clock, ca_pem),
        *_for_tokens(client, informers, clock, ca_pem, issue, version),
        EndpointSlices(client, informers, clock),
        EndpointsController(client, informers, clock),
        EndpointMirroring(client, informers, clock),
        ReplicaSets(client, informers, clock, recorder),
        ReplicaSets(client, informers, clock, recorder, REPLICATION_CONTROLLER_KIND),
        Deployments(client, informers, clock, recorder),
        StatefulSets(client, informers, clock, recorder),
        DaemonSets(client, informers, clock, recorder),
        Jobs(client, informers, clock, recorder),
        CronJobs(client, informers, clock, recorder),
        FinishedJobs(client, informers, clock),
        PodCleanup(client, informers, clock),
        DisruptionBudgets(client, informers, clock, recorder, resources),
        Quotas(client, informers, clock, resources),
        RoleAggregation(client, informers, clock),
        CertificateCleanup(client, informers, clock),
        Autoscalers(client, informers, clock, recorder, resources),
        *_for_volumes(client, informers, clock, recorder, served),
        garbage,
        Namespaces(client, informers, clock, resources, garbage),
    ]
    if SERVICE_CIDRS in served:
        services.append(ServiceCIDRs(client, informers, clock, recorder))
    if sign is not None:
        services.append(CertificateSigning(client, informers, clock, sign))
    if schema_of is not None and POLICIES in served:
        services.append(PolicyTypes(client, informers, clock, resources, schema_of))
    services += _for_devices(client, informers, clock, recorder, served, version)
    return services


def _for_devices(
    client: Client,
    informers: Informers,
    clock: Clock,
    recorder: "Recorder",
    served: "set[GroupVersionResource]",
    version: str,
) -> list[Service]:
    from .resource_claims import CLAIMS, ClaimReservations, PodClaims

    if CLAIMS not in served:
        return []
    services: list[Service] = [
        PodClaims(client, informers, clock, recorder),
        ClaimReservations(client, informers, clock),
    ]
    if int(version.split(".")[1]) >= DEVICE_TAINTS_SINCE:
        from .device_taints import DeviceTaintEviction

        services.append(DeviceTaintEviction(client, informers, clock, recorder))
    return services


def _for_tokens(
    client: Client, informers: Informers, clock: Clock, ca_pem: str, issue: "Issue | None", version: str
) -> list[Service]:
    from .token_secrets import TokenSecrets

    services: list[Service] = []
    if issue is not None:
        services.append(TokenSecrets(client, informers, clock, ca_pem, issue))
    if int(version.split(".")[1]) >= TOKENS_GO_SINCE:
        from .token_cleanup import TokenCleanup

        services.append(TokenCleanup(client, informers, clock))
    return services


def _for_nodes(
    client: Client, informers: Informers, clock: Clock, recorder: "Recorder", version: str
) -> list[Service]:
    from .node_health import grace_seconds
    from .node_lifecycle import NodeLifecycle
    from .node_monitor import NodeMonitor
    from .taint_eviction import TaintEviction

    monitor = NodeMonitor(client, informers, clock, recorder, grace_seconds(version))
    return [
        monitor,
        NodeLifecycle(client, informers, clock, monitor),
        TaintEviction(client, informers, clock, recorder),
    ]


def _for_volumes(
    client: Client,
    informers: Informers,
    clock: Clock,
    recorder: "Recorder",
    served: "set[GroupVersionResource]",
) -> list[Service]:
    from .attachments import Attachments
    from .ephemeral_volumes import EphemeralVolumes
    from .volume_binding import ClaimBinding, VolumePhases
    from .volume_protection import (
        ATTRIBUTES_CLASSES,
        AttributesClassProtection,
        ClaimProtection,
        VolumeProtection,
    )

    services: list[Service] = [
        ClaimBinding(client, informers, clock, recorder),
        VolumePhases(client, informers, clock, recorder),
        EphemeralVolumes(client, informers, clock, recorder),
        Attachments(client, informers, clock, recorder),
        ClaimProtection(client, informers, clock),
        VolumeProtection(client, informers, clock),
    ]
    if ATTRIBUTES_CLASSES in served:
        services.append(AttributesClassProtection(client, informers, clock))
    return services
