"""This host as a Node object: registered, kept alive by its Lease, its status told when it changes.

The Lease is renewed every 10 s; the status is written when it differs, and every 5 minutes in any case. What
the runtime cannot do on this host stands in a condition of its own, which is only there if there is something
to say. Source: kubernetes/pkg/kubelet/nodestatus, ``component-helpers/apimachinery/lease``.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from kube_lite_runtime.driver import Driver

from kube_lite.api.errors import AlreadyExists, ApiError, NotFound
from kube_lite.api.identity import Json
from kube_lite.api.storage import CONTROLLER_ATTACHES
from kube_lite.api.times import format_micro_time, format_time
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

from .machine import Pressure, architecture, capacity, pressure, system_facts
from .resources import LEASES, NODES

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
REPORT_SECONDS = 300.0
RESTRICTED = "RuntimeRestricted"
MAX_IMAGES = 50  # upstream's limit for the list in the status


def plan_conditions(
    now: float, found: Pressure, restrictions: Mapping[str, str], before: Sequence[Json]
) -> list[Json]:
    """The node's conditions; ``restrictions`` are what the runtime cannot do, with the reasons."""
    wanted = [
        (
            "MemoryPressure",
            found.memory,
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ),
        (
            "DiskPressure",
            found.disk,
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ),
        (
            "PIDPressure",
            found.pids,
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ),
        ("Ready", True, ("KubeletReady", "kubelet is posting ready status"), ("", "")),
    ]
    if restrictions:
        told = "; ".join(f"{ability}: {why}" for ability, why in sorted(restrictions.items()))
        wanted.append((RESTRICTED, True, ("HostLimits", told), ("", "")))
    known = {condition["type"]: condition for condition in before}
    conditions = []
    for type, is_true, if_true, if_false in wanted:
        status = "True" if is_true else "False"
        reason, message = if_true if is_true else if_false
        old = known.get(type)
        since = old["lastTransitionTime"] if old and old.get("status") == status else format_time(now)
        conditions.append(
            {
                "type": type,
                "status": status,
                "lastHeartbeatTime": format_time(now),
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            }
        )
    return conditions


def plan_report(before: Json, wanted: Json, *, now: float, reported_at: float) -> bool:
    """Whether the status must be written: it differs, heartbeats apart, or it was last written long ago.

    Conditions that others have set are not looked at.
    """
    if now - reported_at >= REPORT_SECONDS:
        return True

    ours = {one["type"] for one in wanted["conditions"]}

    def facts(status: Json) -> Json:
        conditions = {
            one["type"]: {key: value for key, value in one.items() if key != "lastHeartbeatTime"}
            for one in status.get("conditions") or ()
            if one["type"] in ours
        }
        return {**status, "conditions": conditions}

    return facts({key: before.get(key) for key in wanted}) != facts(wanted)


class NodeKeeper:
    """Keeps the Node and its Lease.

    Args:
        directory: where the files of pods are; its disk is the node's ephemeral storage.
    """

    def __init__(
        self,
        client: Client,
        driver: Driver,
        clock: Clock,
        *,
        name: str,
        directory: Path,
        addresses: Sequence[str],
        version: str,
    ) -> None:
        self._client = client
        self._driver = driver
        self._clock = clock
        self._name = name
        self._directory = directory
        self._addresses = addresses
        self._version = version
        self._reported_at = 0.0
        self._known: Json = {}
        self._lease: Json | None = None
        self.port = 0
        self.capacity = capacity(directory)

    async def register(self) -> None:
        """Make the Node if there is none, set its labels, and tell its status."""
        labels = {
            "beta.kubernetes.io/arch": architecture(),
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
        }
        annotations = {CONTROLLER_ATTACHES: "true"}
        node: Json = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._name, "labels": labels, "annotations": annotations},
            "spec": {},
        }
        try:
            self._known = await self._client.create(NODES, node)
        except AlreadyExists:
            patch = {"metadata": {"labels": labels, "annotations": annotations}}
            self._known = await self._client.patch(NODES, self._name, patch)
        await self._report(0.0)
        await self._renew()

    async def run(self) -> None:
        """Renew and report until cancelled."""
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                await self._renew()
                # Whoever heard nothing of us for a while may have said that we are lost.
                self._known = await self._client.get(NODES, self._name)
                await self._report(self._reported_at)
            except NotFound:  # somebody deleted the node while we live
                await self._register_again()
            except ApiError as error:
                log.warning("node not renewed", extra={"node": self._name, "why": error.message})

    async def _register_again(self) -> None:
        try:
            await self.register()
        except ApiError as error:
            log.warning("node not registered", extra={"node": self._name, "why": error.message})

    async def _status(self) -> Json:
        abilities = self._driver.abilities()
        status: Json = {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in self._addresses),
                {"type": "Hostname", "address": self._name},
            ],
            "nodeInfo": system_facts(abilities, self._version),
            "conditions": plan_conditions(
                self._clock.now(),
                pressure(self._directory),
                abilities.reasons,
                (self._known.get("status") or {}).get("conditions") or (),
            ),
        }
        if self.port:
            status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": self.port}}
        images = [
            {"names": list(image.names), "sizeBytes": image.size_bytes}
            for image in (await self._driver.list_images())[:MAX_IMAGES]
        ]
        if images:
            status["images"] = images
        return status

    async def _report(self, reported_at: float) -> None:
        status, now = await self._status(), self._clock.now()
        if plan_report(self._known.get("status") or {}, status, now=now, reported_at=reported_at):
            patch = {"status": status}
            self._known = await self._client.patch(NODES, self._name, patch, subresource="status")
            self._reported_at = now

    async def _renew(self) -> None:
        moment = format_micro_time(self._clock.now())
        if self._lease is None:
            self._lease = await self._find_lease(moment)
            return
        patch = {"spec": {"renewTime": moment, "holderIdentity": self._name}}
        try:
            await self._client.patch(LEASES, self._name, patch, namespace=LEASE_NAMESPACE)
        except NotFound:
            self._lease = None
            self._lease = await self._find_lease(moment)

    async def _find_lease(self, moment: str) -> Json:
        metadata = self._known["metadata"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": metadata["uid"]}
        spec = {
            "holderIdentity": self._name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": moment,
        }
        lease: Json = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                "namespace": LEASE_NAMESPACE,
                "ownerReferences": [owner],
            },
            "spec": spec,
        }
        try:
            return await self._client.create(LEASES, lease, namespace=LEASE_NAMESPACE)
        except AlreadyExists:
            patch = {"metadata": {"ownerReferences": [owner]}, "spec": spec}
            return await self._client.patch(LEASES, self._name, patch, namespace=LEASE_NAMESPACE)
