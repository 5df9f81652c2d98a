"""A store, the whole API, a scheduler that knows of device claims, and the controllers of claims."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.errors import AlreadyExists, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.meta import condition
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.informers import Informers
from kube_lite.client.recorder import Recorder
from kube_lite.client.series import SeriesRecorder
from kube_lite.controllers.resource_claims import ClaimReservations, PodClaims
from kube_lite.kinds.schemas import definitions
from kube_lite.kit.clock import RealClock
from kube_lite.kit.service import running
from kube_lite.scheduler.devices.known import CLAIMS, CLASSES, SLICES
from kube_lite.scheduler.devices.records import Features
from kube_lite.scheduler.scheduler import NODES, PODS, Scheduler
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

CORE = ("namespaces", "serviceaccounts", "events")
NAMESPACES, ACCOUNTS, EVENTS = (GroupVersionResource("", "v1", name) for name in CORE)
TEMPLATES = CLAIMS._replace(resource="resourceclaimtemplates")
SECONDS = 20.0  # how long a condition may take before a test fails
HASTE = 20.0


class FastClock(RealClock):
    """Time for back-off, so that a second of it does not cost the tests one."""

    def monotonic(self) -> float:
        return super().monotonic() * HASTE

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / HASTE)


class Cluster:
    """What a test does, in ``default``."""

    def __init__(self, client: LocalClient, store: Store) -> None:
        self.client = client
        self._store = store

    @property
    def revision(self) -> int:
        """Of the last write by anybody."""
        return self._store.revision

    async def add_node(self, name: str, labels: Json | None = None, **allocatable: str) -> None:
        amounts = {"cpu": "8", "memory": "8Gi", "pods": "110", **allocatable}
        status = {"capacity": amounts, "allocatable": amounts}
        made = await self.client.create(
            NODES, {"metadata": {"name": name, "labels": labels or {}}, "spec": {}, "status": status}
        )
        await self.client.update(NODES, {**made, "spec": {}})

    async def add(self, resource: GroupVersionResource, obj: Json) -> Json:
        """Create something of ours; cluster-scoped resources of device claims are."""
        namespace = "" if resource in (SLICES, CLASSES) else "default"
        return await self.client.create(resource, obj, namespace=namespace)

    async def add_pod(self, name: str, *claims: Json, requests: Json | None = None, **spec: Any) -> Json:
        """Example: ``add_pod("p", {"resourceClaimName": "c"})``."""
        container: Json = {"name": "c", "image": "i"}
        if requests:
            container["resources"] = {"requests": requests, "limits": requests}
        entries = [{"name": f"claim-{number}", **claim} for number, claim in enumerate(claims)]
        obj = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
        if entries:
            obj["spec"]["resourceClaims"] = entries
        return await self.add(PODS, obj)

    async def get(self, resource: GroupVersionResource, name: str) -> Json:
        namespace = "" if resource in (SLICES, CLASSES) else "default"
        return await self.client.get(resource, name, namespace=namespace)

    async def list(self, resource: GroupVersionResource) -> list[Json]:
        return (await self.client.list(resource)).items

    async def end(self, name: str) -> None:
        """A pod has come to its end."""
        status = {"status": {"phase": "Succeeded"}}
        await self.client.patch(PODS, name, status, namespace="default", subresource="status")

    async def node_of(self, name: str) -> str:
        return str((await self.get(PODS, name))["spec"].get("nodeName", ""))

    async def why(self, name: str) -> str:
        """What the condition says that tells why a pod has no node."""
        found = condition(await self.get(PODS, name), "PodScheduled") or {}
        return str(found.get("message", ""))

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(SECONDS):
            while not await holds():
                await asyncio.sleep(0.002)

    async def until_bound(self, name: str) -> str:
        """Wait for a pod's node."""

        async def is_bound() -> bool:
            return bool(await self.node_of(name))

        await self.until(is_bound)
        return await self.node_of(name)

    async def until_refused(self, name: str, words: str) -> None:
        """Wait until a pod says such a thing."""

        async def is_refused() -> bool:
            return words in await self.why(name)

        await self.until(is_refused)

    async def until_claim(self, name: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until a claim is so."""

        async def is_so() -> bool:
            try:
                return holds(await self.get(CLAIMS, name))
            except NotFound:
                return False

        await self.until(is_so)
        return await self.get(CLAIMS, name)

    async def messages(self, reason: str) -> set[str]:
        return {event["message"] for event in await self.list(EVENTS) if event["reason"] == reason}


@asynccontextmanager
async def cluster(path: Path, *, features: Features | None = Features()) -> AsyncIterator[Cluster]:  # noqa: B008
    """Where the store is, a second call goes on from there."""
    clock = RealClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(path / "store", durable=False))
        pipeline = Pipeline(
            store=store,
            registry=kinds.builtin(),
            definitions=definitions(),
            clock=clock,
            admission=default_chain(),
        )
        client = LocalClient(pipeline, User("test", groups=(MASTERS, AUTHENTICATED)))
        try:
            await client.create(NAMESPACES, {"metadata": {"name": "default"}})
            await client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        except AlreadyExists:
            pass
        informers = Informers(client, clock)
        recorder = Recorder(client, clock, "resourceclaim-controller")
        series = SeriesRecorder(client, clock, "default-scheduler", "host")
        for service in (
            informers,
            recorder,
            series,
            PodClaims(client, informers, clock, recorder),
            ClaimReservations(client, informers, clock),
            Scheduler(client, informers, FastClock(), series, devices=features),
        ):
            await stack.enter_async_context(running(service))
        yield Cluster(client, store)
