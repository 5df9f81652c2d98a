"""The kubelet's part: run the pods that are bound to this node.

The agent hears of pods from an informer, of containers from the driver, and of config maps and secrets from
``Referrers``; each only wakes the worker of a pod. A worker that has nothing to do is no task and costs
nothing; one that has runs as a task of its own, so pods never wait for each other except for the number of
sandboxes and containers that may be made at a time.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.types import ContainerState, DnsConfig, SandboxState

from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .cleanup import LogRotation, remove_orphans
from .containers import UID_LABEL, Resolver, parse_resolv_conf
from .csi import CsiVolumes
from .host import Host
from .images import Images
from .lifecycle import Hooks
from .node import NodeKeeper
from .pod_worker import RETRY, PodWorker
from .references import Referrers
from .resources import PODS, SERVICES, Directories
from .status_writer import StatusWriter
from .volumes import Volumes
from .words import Words

log = logging.getLogger(__name__)

STARTS_AT_A_TIME = 8  # more would only make each start slower on the few cores that a host has


class Agent:
    """Service that runs the pods of one node.

    Args:
        client: needs the rights of a node on pods, nodes, leases, events, config maps, secrets and tokens.
        informers: shared ones; they must be running.
        driver: already entered, and left only after the agent has ended.
        recorder: already running; its events are told as the kubelet's.
        directory: where this node keeps files and logs of pods.
        addresses: of this node, the one that others should use first.
        tls: of the node API; it must demand client certificates. None: there is no node API.
        node_port: where the node API listens; 0 picks a free port.
        cluster_dns: addresses of the cluster's name servers.
        api_host: with ``api_port``, what pods are told if there is no Service ``kubernetes``.
        kubernetes_version: the release that is served, ``1.36`` or ``v1.36.1``.
        starting: bounds how many sandboxes and containers are made at a time; shared by the nodes of a host.
    """

    name = "agent"

    def __init__(
        self,
        client: Client,
        informers: Informers,
        driver: Driver,
        clock: Clock,
        recorder: Recorder,
        *,
        node_name: str,
        directory: Path,
        addresses: Sequence[str],
        tls: ssl.SSLContext | None = None,
        node_host: str = "0.0.0.0",
        node_port: int = 0,
        cluster_dns: Sequence[str] = (),
        cluster_domain: str = "cluster.local",
        api_host: str = "",
        api_port: int = 443,
        kubernetes_version: str = "1.36",
        resolv_conf: Path = Path("/etc/resolv.conf"),
        starting: asyncio.Semaphore | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._driver = driver
        self._directories = Directories(directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tls = tls
        self._node_host = node_host
        self._node_port = node_port
        self._api = (api_host, api_port)
        self._informer = informers.informer(PODS, field_selector=f"spec.nodeName={node_name}")
        self._services = informers.informer(SERVICES)
        self._workers: dict[str, PodWorker] = {}
        self._awake: set[str] = set()
        self._again: set[str] = set()
        self._alarms: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stops = False
        self._ran_before: dict[str, tuple[list[SandboxState], list[ContainerState]]] = {}
        version = kubernetes_version.lstrip("v")
        words = Words(version)
        told = recorder.of("kubelet")
        csi = CsiVolumes(client, clock, node_name, is_played=driver.abilities().driver == "fake")
        self._volumes = Volumes(client, clock, self._directories, csi)
        self._statuses = StatusWriter(client, clock, known=self._known, written=self._written)
        self._referrers = Referrers(client, clock, self._refresh)
        self._node = NodeKeeper(
            client,
            driver,
            clock,
            name=node_name,
            directory=directory,
            addresses=addresses,
            version=f"v{version}.0" if version.count(".") == 1 else f"v{version}",
        )
        self._host = Host(
            client=client,
            driver=driver,
            clock=clock,
            recorder=told,
            words=words,
            directories=self._directories,
            images=Images(driver, clock, told, words),
            volumes=self._volumes,
            hooks=Hooks(driver, clock),
            statuses=self._statuses,
            resolver=Resolver(cluster_dns, cluster_domain, _host_dns(resolv_conf)),
            addresses=addresses,
            allocatable=self._node.capacity,
            starting=starting or asyncio.Semaphore(STARTS_AT_A_TIME),
            services=self._told_services,
            spawn=self._spawn_for_pod,
            wake=self._wake,
            kubernetes_version=version,
        )

    @property
    def port(self) -> int:
        """Where the node API listens; 0 without one or before the agent is ready."""
        return self._node.port

    async def run(self, ready: Callable[[], None]) -> None:
        """Run pods until cancelled; containers live on after that."""
        try:
            async with asyncio.TaskGroup() as self._group, self._driver.events() as events:
                try:
                    await self._begin(events)
                    ready()
                    await self._node.run()
                finally:
                    self._stops = True  # informers go on telling of pods while tasks are still ending
        finally:
            self._group = None
            self._volumes.close()

    async def _begin(self, events: Any) -> None:
        await self._take_stock()
        self._spawn(self._follow(events))
        self._spawn(self._statuses.run())
        self._spawn(self._referrers.run())
        if self._tls is not None:
            from .server import NodeServer

            server = NodeServer(self._workers, self._driver, self._clock, self._directories)
            self._node.port = await server.start(self._node_host, self._node_port, self._tls)
            self._spawn(server.run())
        await self._services.synced()
        await self._informer.synced()
        await self._node.register()
        self._informer.add_handler(self._on_pod)
        is_known = self._workers.__contains__
        self._spawn(LogRotation(self._driver, self._volumes, self._clock, self._log_files).run())
        self._spawn(remove_orphans(self._driver, self._volumes, self._directories, is_known))

    async def _take_stock(self) -> None:
        """Find out what runs already, by pod."""
        uids = {}
        for sandbox in await self._driver.list_sandboxes():
            uids[sandbox.id] = sandbox.uid
            self._ran_before.setdefault(sandbox.uid, ([], []))[0].append(sandbox)
        for container in await self._driver.list_containers():
            uid = uids.get(container.sandbox_id)
            if uid is not None:
                self._ran_before[uid][1].append(container)

    async def _follow(self, events: Any) -> None:
        async for state in events:
            uid = state.labels.get(UID_LABEL, "")
            worker = self._workers.get(uid)
            if worker is not None:
                worker.observe(state)
                self._wake(uid)

    def _on_pod(self, type: EventType, old: Json | None, new: Json | None) -> None:
        pod = new if new is not None else old
        if pod is None:
            return
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if new is None:
            if worker is not None:
                worker.update(pod)
                worker.vanish()
                self._wake(uid)
            return
        if worker is None:
            self._take_on(new)
        elif _is_older(new, worker.pod):
            return
        else:
            is_news = worker.update(new)
            self._statuses.compare(new)
            if not is_news:
                return
        self._wake(uid)

    def _take_on(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers[uid] = PodWorker(self._host, pod)
        sandboxes, containers = self._ran_before.pop(uid, ([], []))
        worker.adopt(sandboxes, containers)
        self._referrers.add(pod)

    def _wake(self, uid: str) -> None:
        """Let the worker look again: now, or once more if it is looking."""
        worker = self._workers.get(uid)
        if worker is None or self._group is None or self._stops:
            return
        if uid in self._awake:
            self._again.add(uid)
            return
        self._awake.add(uid)
        self._spawn(self._work(worker))

    async def _work(self, worker: PodWorker) -> None:
        uid, again_at = worker.uid, None
        try:
            while True:
                self._again.discard(uid)
                again_at = await worker.run()
                if worker.gone or uid not in self._again:
                    break
        except Exception:  # a bug in the work for one pod must not end the others
            log.exception("pod worker failed", extra={"pod": uid})
            again_at = self._clock.now() + RETRY
        finally:
            self._awake.discard(uid)
        if worker.gone:
            self._drop(worker)
        elif again_at is not None:
            self._set_alarm(uid, again_at)

    def _drop(self, worker: PodWorker) -> None:
        self._workers.pop(worker.uid, None)
        self._referrers.remove(worker.pod)
        alarm = self._alarms.pop(worker.uid, None)
        if alarm is not None:
            alarm[1].cancel()

    def _set_alarm(self, uid: str, moment: float) -> None:
        """Wake the worker at that moment, unless it is woken earlier anyway."""
        alarm = self._alarms.get(uid)
        if alarm is not None:
            if alarm[0] <= moment:
                return
            alarm[1].cancel()
        self._alarms[uid] = (moment, self._spawn(self._wake_later(uid, moment)))

    async def _wake_later(self, uid: str, moment: float) -> None:
        await self._clock.sleep(moment - self._clock.now())
        self._alarms.pop(uid, None)
        self._wake(uid)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError("the agent does not run")
        return self._group.create_task(work)

    def _spawn_for_pod(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._spawn(_guarded(work))

    def _refresh(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.refresh()
            self._wake(uid)

    def _known(self, uid: str) -> Json | None:
        worker = self._workers.get(uid)
        return worker.pod if worker is not None else None

    def _written(self, pod: Json) -> None:
        worker = self._workers.get(pod["metadata"]["uid"])
        if worker is not None and not _is_older(pod, worker.pod) and worker.update(pod):
            self._wake(worker.uid)

    def _log_files(self) -> list[tuple[str, Path]]:
        return [entry for worker in self._workers.values() for entry in worker.log_files()]

    def _told_services(self) -> list[Json]:
        services = self._services.list()
        host, port = self._api
        found = any(one["metadata"]["name"] == "kubernetes" for one in services)
        if found or not host:
            return services
        made_up = {
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": host, "ports": [{"name": "https", "port": port, "protocol": "TCP"}]},
        }
        return [*services, made_up]


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """Work beside a pod worker: as with the worker itself, a bug in it must not end the others."""
    try:
        await work
    except Exception:
        log.exception("work for a pod failed")


def _is_older(pod: Json, than: Json) -> bool:
    """Whether a version has been overtaken by one that is known already."""
    return int(pod["metadata"]["resourceVersion"]) < int(than["metadata"]["resourceVersion"])


def _host_dns(path: Path) -> DnsConfig:
    try:
        return parse_resolv_conf(path.read_text())
    except OSError:
        return DnsConfig()
