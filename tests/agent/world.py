"""An agent with the fake driver on a real pipeline and a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.fake import FakeDriver
from kube_lite_storage import Store

from kube_lite.admission.plugins import default_chain
from kube_lite.agent.agent import Agent
from kube_lite.agent.resources import CONFIG_MAPS, PODS
from kube_lite.api.errors import AlreadyExists, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.informers import Informers
from kube_lite.client.recorder import Recorder
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions
from kube_lite.kit.clock import Clock, ManualClock
from kube_lite.kit.service import running
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

NAMESPACES = GroupVersionResource("", "v1", "namespaces")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
EVENTS = GroupVersionResource("", "v1", "events")
NODE = "node-1"
PATIENCE = 10.0  # real seconds that a test waits for a condition


@dataclass
class World:
    client: LocalClient
    clock: Any
    directory: Path

    async def create(self, spec: Json, *, name: str = "web", **metadata: Any) -> Json:
        spec = {"nodeName": NODE, "automountServiceAccountToken": False, **spec}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}
        return await self.client.create(PODS, pod, namespace="default")

    async def config_map(self, name: str, **data: str) -> None:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        try:
            await self.client.create(CONFIG_MAPS, obj, namespace="default")
        except AlreadyExists:
            await self.client.patch(CONFIG_MAPS, name, {"data": data}, namespace="default")

    async def get(self, name: str = "web") -> Json:
        return await self.client.get(PODS, name, namespace="default")

    async def until(self, claim: Callable[[Json], object], name: str = "web", *, ticks: float = 0.0) -> Json:
        """The pod, once the claim about it holds; meanwhile the clock moves by ``ticks`` seconds."""
        pod: Json = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    pod = await self.get(name)
                    if claim(pod):
                        return pod
                    await self._tick(ticks)
        except TimeoutError:
            raise AssertionError(f"never came to be; the status is {pod.get('status')}") from None

    async def until_ready(self, name: str = "web") -> Json:
        return await self.until(is_ready, name)

    async def until_gone(self, name: str = "web") -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.get(name)
                except NotFound:
                    return
                await asyncio.sleep(0.001)

    async def until_true(self, claim: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not claim():
                await asyncio.sleep(0.001)

    async def delete(self, name: str = "web", **options: Any) -> None:
        await self.client.delete(PODS, name, namespace="default", **options)

    async def events(self, reason: str = "") -> list[str]:
        """The messages of events, of one reason or of all with theirs."""
        found = (await self.client.list(EVENTS, namespace="default")).items
        if reason:
            return [event["message"] for event in found if event["reason"] == reason]
        return [f"{event['reason']}: {event['message']}" for event in found]

    async def until_event(self, reason: str, *, ticks: float = 0.0) -> str:
        """The message of the first event of that reason; meanwhile the clock moves by ``ticks`` seconds."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.events(reason)):
                await self._tick(ticks)
        return found[0]

    async def _tick(self, ticks: float) -> None:
        if ticks:
            await self.clock.advance(ticks)
        await asyncio.sleep(0.001)


@asynccontextmanager
async def world_in(directory: Path, clock: Clock | None = None) -> AsyncIterator[World]:
    """A store, a pipeline, the usual namespaces, and nobody else."""
    clock = clock or ManualClock()
    async with Store.open(directory / "store", durable=False) as store:
        if isinstance(clock, ManualClock):
            clock.awaits(store.settle)
        pipeline = Pipeline(
            store=store,
            registry=builtin("1.36"),
            definitions=definitions("1.36"),
            clock=clock,
            admission=default_chain(),
            tokens=TokenIssuer.open(directory / "accounts.key", clock),
        )
        client = LocalClient(pipeline, User("test", groups=(MASTERS, AUTHENTICATED)))
        for name in ("default", "kube-node-lease"):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await client.create(NAMESPACES, namespace)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.create(ACCOUNTS, account, namespace="default")
        yield World(client, clock, directory)


@asynccontextmanager
async def agent_on(world: World, driver: Driver, **settings: Any) -> AsyncIterator[Agent]:
    """An agent that runs for the length of the block."""
    informers = Informers(world.client, world.clock)
    recorder = Recorder(world.client, world.clock, "kubelet", NODE)
    agent = Agent(
        world.client,
        informers,
        driver,
        world.clock,
        recorder,
        node_name=NODE,
        directory=world.directory / "node",
        addresses=["192.0.2.1"],
        **settings,
    )
    async with driver, running(informers), running(recorder), running(agent):
        yield agent


@asynccontextmanager
async def whole(directory: Path, driver: FakeDriver, clock: ManualClock) -> AsyncIterator[World]:
    async with world_in(directory, clock) as world, agent_on(world, driver):
        yield world


def condition(pod: Json, type: str) -> Json:
    found = (one for one in pod.get("status", {}).get("conditions", ()) if one["type"] == type)
    return next(found, {"status": "absent"})


def is_ready(pod: Json) -> bool:
    return bool(condition(pod, "Ready")["status"] == "True")


def container(pod: Json, name: str = "c") -> Json:
    status = pod.get("status", {})
    everyone = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return next((one for one in everyone if one["name"] == name), {"state": {}, "restartCount": -1})


def state(pod: Json, name: str = "c") -> Json:
    found: Json = container(pod, name)["state"]
    return found
