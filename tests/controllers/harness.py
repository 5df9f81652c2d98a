"""A cluster without nodes: a real store, the whole API, and controllers on it; tests play the node."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.admission.plugins import default_chain
from kube_lite.api.errors import Conflict, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.times import format_time
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import PatchType
from kube_lite.controllers import controllers
from kube_lite.controllers.daemonset_plan import node_of
from kube_lite.controllers.resources import EVENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS
from kube_lite.kit import pki
from kube_lite.kit.clock import Clock, ManualClock, RealClock
from kube_lite.kit.service import running
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

Objects = list[Json]
Words = list[str]

SECONDS = 15.0  # how long a condition may take before a test fails


class World:
    """What a test sees of the cluster."""

    def __init__(self, store: Store, pipeline: Pipeline, clock: Clock, issuer: TokenIssuer) -> None:
        self._store = store
        self.client = LocalClient(pipeline, User("tester", groups=(MASTERS, AUTHENTICATED)))
        self.pipeline = pipeline
        self.clock = clock
        self.issuer = issuer
        self.served: set[str] = set()

    @property
    def revision(self) -> int:
        """Of the last write by anybody."""
        return self._store.revision

    async def get(self, resource: GroupVersionResource, name: str, namespace: str = "default") -> Json:
        return await self.client.get(resource, name, namespace=namespace)

    async def find(
        self, resource: GroupVersionResource, name: str, namespace: str = "default"
    ) -> Json | None:
        try:
            return await self.get(resource, name, namespace)
        except NotFound:
            return None

    async def list(self, resource: GroupVersionResource, namespace: str = "default") -> Objects:
        return (await self.client.list(resource, namespace=namespace)).items

    async def create(self, resource: GroupVersionResource, obj: Json, namespace: str = "default") -> Json:
        return await self.client.create(resource, obj, namespace=namespace)

    async def merge(self, resource: GroupVersionResource, name: str, patch: Json) -> Json:
        return await self.client.patch(resource, name, patch, namespace="default", patch_type=PatchType.MERGE)

    async def delete(self, resource: GroupVersionResource, name: str, propagation: str = "") -> None:
        await self.client.delete(resource, name, namespace="default", propagation=propagation)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition; the test fails if it does not come true."""
        async with asyncio.timeout(SECONDS):
            while not await holds():
                await asyncio.sleep(0.002)

    async def until_gone(self, resource: GroupVersionResource, name: str, namespace: str = "default") -> None:
        async def gone() -> bool:
            return await self.find(resource, name, namespace) is None

        await self.until(gone)

    async def until_account(self) -> None:
        """Wait for the account that Pods in ``default`` have: without it none may be made."""

        async def is_there() -> bool:
            return await self.find(SERVICE_ACCOUNTS, "default") is not None

        await self.until(is_there)

    async def messages(self, reason: str) -> Words:
        return [event["message"] for event in await self.list(EVENTS) if event["reason"] == reason]

    async def until_told(self, reason: str, words: str) -> None:
        """Wait for an Event: they are written after what they tell of."""

        async def is_told() -> bool:
            return words in await self.messages(reason)

        await self.until(is_told)

    async def set_ready(self, pod: Json, *, ready: bool = True, node: str = "") -> None:
        """Do what a node does when a Pod has come up: bind, report that it runs, and whether it is ready."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": node or node_of(pod) or "n1"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            await self.client.create(PODS, binding, namespace=namespace, name=name, subresource="binding")
        number = len(self.served) + 1
        had = (pod.get("status") or {}).get("podIP")
        address = had or f"10.0.{number // 250}.{number % 250 + 1}"
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "lastTransitionTime": format_time(self.clock.now()),
                }
            ],
        }
        await self.client.patch(PODS, name, {"status": status}, namespace=namespace, subresource="status")
        self.served.add(pod["metadata"]["uid"])

    async def play_node(self, *, ready: bool = True) -> None:
        """Bring up every Pod that is pending, and end every Pod that is asked to; for ever."""
        listed = await self.client.list(PODS)
        for pod in listed.items:
            await self._serve(pod, ready=ready)
        async with self.client.watch(PODS, resource_version=listed.resource_version) as events:
            async for kind, pod in events:
                if kind in ("ADDED", "MODIFIED"):
                    await self._serve(pod, ready=ready)

    async def _serve(self, pod: Json, *, ready: bool) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        try:
            if pod["metadata"].get("deletionTimestamp"):
                await self.client.delete(PODS, name, namespace=namespace, grace_seconds=0)
            elif pod["metadata"]["uid"] not in self.served:
                await self.set_ready(pod, ready=ready)
        except (Conflict, NotFound):  # it has changed meanwhile, which the next event tells
            return

    @asynccontextmanager
    async def node(self, *, ready: bool = True) -> AsyncIterator[None]:
        """A node that serves every Pod at once, for the length of the block."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.play_node(ready=ready))
            yield
            task.cancel()


@asynccontextmanager
async def world(
    path: Path, *, clock: Clock | None = None, only: Sequence[str] | None = None
) -> AsyncIterator[World]:
    """A cluster with all controllers, or ``only`` those of the names given (the recorder always runs)."""
    clock = clock or RealClock()
    registry = kinds.builtin()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(path / "store", durable=False))
        if isinstance(clock, ManualClock):
            stack.callback(clock.awaits(store.settle))
        issuer = TokenIssuer.open(path / "accounts.key", clock)
        pipeline = Pipeline(
            store=store,
            registry=registry,
            definitions=kinds.schemas.definitions().fork(),
            clock=clock,
            admission=default_chain(),
            tokens=issuer,
        )
        it = World(store, pipeline, clock, issuer)
        if await it.find(NAMESPACES, "default", "") is None:
            await it.create(NAMESPACES, {"metadata": {"name": "default"}}, "")
        informers = Informers(it.client, clock)
        authority = pki.Authority(path / "pki", "ca", clock.now)
        services = controllers(
            it.client,
            informers,
            clock,
            resources=registry,
            ca_pem="a certificate",
            sign=authority.sign,
            issue=issuer.issue_for_secret,
        )
        await stack.enter_async_context(running(pipeline.custom_resources))
        await stack.enter_async_context(running(informers))
        for service in services:
            if only is None or service.name in (*only, "recorder"):
                await stack.enter_async_context(running(service))
        yield it


def deployment(name: str = "web", *, replicas: int = 2, image: str = "web:1", **spec: object) -> Json:
    labels = {"app": name}
    containers = [{"name": "c", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            **spec,
        },
    }


def stateful_set(name: str = "db", *, replicas: int = 3, **spec: Any) -> Json:
    made = deployment(name, replicas=replicas, serviceName=name, **spec)
    return {**made, "kind": "StatefulSet"}


def daemon_set(name: str = "agent", **spec: Any) -> Json:
    made = deployment(name, **spec)
    wanted = {field: value for field, value in made["spec"].items() if field != "replicas"}
    return {**made, "kind": "DaemonSet", "spec": wanted}


def job(name: str = "sum", **spec: Any) -> Json:
    containers = [{"name": "c", "image": "web:1"}]
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": containers}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def replica_set(name: str = "one", *, replicas: int = 1, **spec: Any) -> Json:
    made = deployment(name, replicas=replicas, **spec)
    return {**made, "kind": "ReplicaSet"}


def image(value: str) -> Json:
    """A merge patch that changes the image."""
    containers = [{"name": "c", "image": value, "ports": [{"name": "http", "containerPort": 8080}]}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}
