"""The composition root: build the parts, start them in order, stop them in reverse.

Every part is entered when the ones it needs are ready, one line per part, and left after those that need it.
A part that crashes cancels the block that holds the cluster, and its exception comes out of that block as
itself. Leaving ends everything this run made on the host; only a process that was killed leaves its
containers behind, and the next run on the same data directory adopts them.
"""

import os
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kube_lite_storage import FormatUnknown, KeysUnusable, Store, StoreDamaged, StoreLocked

from kube_lite import __version__
from kube_lite.admission.plugins import default_chain
from kube_lite.auth.defaults import default_authenticator
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.auth.user import AUTHENTICATED, MASTERS, User
from kube_lite.client.kubeconfig import write_kubeconfig
from kube_lite.client.protocol import Client
from kube_lite.http.app import ApiServer
from kube_lite.http.listener import CannotListen
from kube_lite.kinds import builtin
from kube_lite.kinds.schemas import definitions as load_definitions
from kube_lite.kit import pki
from kube_lite.kit.clock import Clock, ManualClock, RealClock
from kube_lite.kit.service import Service, running
from kube_lite.verbs.local import LocalClient
from kube_lite.verbs.pipeline import Pipeline

from . import addresses, runfile
from .addresses import Addresses, claimed, loopback_addresses
from .bootstrap import bootstrap, found_release
from .config import Config, configure, scheduler_settings
from .encryption import Encryption
from .extending import aggregation, front_proxy

if TYPE_CHECKING:
    from kube_lite_runtime.driver import Driver

    from kube_lite.client.informers import Informers
    from kube_lite.scheduler.devices.records import Features
    from kube_lite.verbs.faults import Faults

__all__ = ["STORE_FAILURES", "CannotListen", "Cluster", "StoreLocked", "describe"]

STORE_FAILURES = (StoreLocked, StoreDamaged, FormatUnknown, KeysUnusable)
"""What opening a data directory may run into that its owner should be told in one line."""
LOOPBACK_GATEWAY = "127.64.0.1"
"""Where Pods on the host's network reach the API; those have loopback addresses from here on."""


class Cluster:
    """A cluster in this process: ready when entered, gone when left.

        async with kube_lite.Cluster() as cluster:
            pods = await cluster.client.list(PODS, namespace="default")

    Without a ``data_dir`` everything is in a temporary directory that goes with the cluster, and the API
    listens on a free port of 127.0.0.1. It must be left by the task that entered it.

    Args:
        config: the settings; fields may also be given by name, ``Cluster(parts="api")``.
        clock: the time of every part; None: the operating system's. A ``ManualClock`` that is moved waits for
            the store's writes, so that nodes stay ready however far it goes.
        on_part: called with a part's name, a few words about it and the seconds it took, when it is ready.

    Raises:
        ConfigError: a setting makes no sense.
        StoreLocked: another process has the data directory.
        AddressesTaken: another cluster on this host has this one's addresses.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        clock: Clock | None = None,
        on_part: Callable[[str, str, float], None] | None = None,
        **settings: Any,
    ) -> None:
        base = (
            {name: getattr(config, name) for name in Config.__slots__}
            if config
            else {"listen": "127.0.0.1:0"}
        )
        self.config = configure(base, settings)
        self.clock: Clock = clock or RealClock()
        self._on_part = on_part or (lambda name, words, seconds: None)
        self._stack = AsyncExitStack()
        self._began = 0.0
        self._informers: Informers | None = None
        self.started_at = 0.0
        self.abilities: dict[str, Any] = {}
        self.service_limits = ""
        """Which Service addresses this host keeps us from serving, in words."""

    async def __aenter__(self) -> "Cluster":
        """Start every part; what was started is stopped again when one fails."""
        self.started_at = self.clock.now()
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Stop every part, the last started first."""
        return await self._stack.__aexit__(kind, error, traceback)

    @property
    def url(self) -> str:
        """Where the API listens."""
        host = "127.0.0.1" if self.config.host in ("0.0.0.0", "::") else self.config.host
        return f"https://[{host}]:{self.server.port}" if ":" in host else f"https://{host}:{self.server.port}"

    @property
    def client(self) -> Client:
        """The administrator's client, without a socket in between."""
        return self.client_for("kube-lite-admin")

    @property
    def faults(self) -> "Faults":
        """What is to go wrong, for tests: ``with cluster.faults.inject(429, verb="create"): ...``."""
        return self.pipeline.faults

    def client_for(self, name: str, user_agent: str = "") -> LocalClient:
        """A client with an administrator's rights under another name; as for ``LocalClient``."""
        return LocalClient(self.pipeline, User(name, groups=(MASTERS, AUTHENTICATED)), user_agent)

    async def _start(self, stack: AsyncExitStack) -> None:
        self.directory = self._data_directory(stack)
        await self._start_store(stack)
        self._start_addresses(stack)
        await self._start_api(stack)
        parts = self.config.parts
        if "controllers" in parts:
            await self._start_controllers(stack)
        if "scheduler" in parts:
            await self._start_scheduler(stack)
        if "node" in parts:
            await self._start_node(stack)
        await self._start_housekeeping(stack)
        runfile.write(self.directory, self._note())
        stack.callback(runfile.remove, self.directory)

    def _data_directory(self, stack: AsyncExitStack) -> Path:
        if self.config.data_dir is not None:
            self.config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self.config.data_dir.resolve()
        directory = Path(tempfile.mkdtemp(prefix="kube-lite-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory

    async def _start_store(self, stack: AsyncExitStack) -> None:
        self._begin()
        self.store = await stack.enter_async_context(
            Store.open(self.directory / "store", durable=self.config.durable, now=self.clock.now)
        )
        if isinstance(self.clock, ManualClock):
            stack.callback(self.clock.awaits(self.store.settle))
        self.encryption = await Encryption.start(
            self.store, self.directory, self.config.encryption_config, self.clock
        )
        await stack.enter_async_context(running(self.encryption))
        self._ready("store", f"revision {self.store.revision}")

    def _start_addresses(self, stack: AsyncExitStack) -> None:
        has_real_node = "node" in self.config.parts and self.config.runtime != "fake"
        has_network = has_real_node and os.geteuid() == 0
        self.addresses: Addresses = stack.enter_context(
            claimed(
                self.directory / addresses.FILE,
                pod_cidr=self.config.pod_cidr,
                service_cidr=self.config.service_cidr,
                routed=has_network,
                unrouted=loopback_addresses(self.directory) if has_real_node else None,
            )
        )
        self._pod_facing = None
        if has_real_node:
            self._pod_facing = self.addresses.gateway if has_network else LOOPBACK_GATEWAY

    async def _start_api(self, stack: AsyncExitStack) -> None:
        self._begin()
        version, clock = self.config.kubernetes_version, self.clock
        legacy = self.config.legacy_apis
        self.registry = builtin(version, legacy=legacy)
        definitions = load_definitions(version, legacy=legacy).fork()
        self.authority = pki.Authority(self.directory / "pki", "ca", clock.now)
        self.issuer = issuer = TokenIssuer.open(self.directory / "pki" / "service-account.key", clock)
        self.pipeline = Pipeline(
            store=self.store,
            registry=self.registry,
            definitions=definitions,
            clock=clock,
            admission=default_chain(self.config.kubernetes_version),
            service_cidr=self.addresses.service_cidr,
            tokens=issuer,
        )
        proxying = front_proxy(self.directory / "pki", clock)
        self.aggregation = aggregation(self.pipeline, proxying, clock)
        node_client = self.authority.client(
            "apiserver-kubelet-client", "kube-apiserver-kubelet-client", [MASTERS]
        )
        self.server = ApiServer(
            self.pipeline,
            self.registry,
            definitions,
            default_authenticator(issuer),
            self.pipeline.authorizer,
            tls=self._serving_tls(),
            host=self.config.host,
            port=self.config.port,
            also_on=[self._pod_facing] if self._pod_facing else [],
            tokens=issuer,
            version=version,
            clock=clock,
            operations=self.encryption.operations,
            aggregation=self.aggregation,
            shown_version=self.config.git_version or "",
            has_cbor="CBORServingAndStorage" in self.config.feature_gates,
            node_credentials=lambda: pki.client_context(self.authority.files.certificate, node_client),
        )
        client = self.client_for("system:apiserver", "kube-apiserver")
        await found_release(self.pipeline, client, version, clock.now())
        await stack.enter_async_context(running(self.pipeline.custom_resources))
        await stack.enter_async_context(running(self.aggregation))
        await stack.enter_async_context(running(self.server))
        await bootstrap(
            self.pipeline,
            client,
            clock.now(),
            service_cidr=self.addresses.service_cidr,
            api_address=self._pod_facing or _reachable_address(self.config.host),
            api_port=self.server.port,
            ca_pem=self.authority.certificate_pem.decode(),
            front_proxy_pem=proxying.certificate_pem.decode(),
        )
        self._write_kubeconfig()
        self._ready("api", self.url)

    def _serving_tls(self) -> ssl.SSLContext:
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        names += [f"kubernetes.default.svc.{self.config.cluster_domain}", "localhost", "127.0.0.1", "::1"]
        names += [self.addresses.first_service, self.addresses.gateway, _reachable_address(self.config.host)]
        names += [self._pod_facing] if self._pod_facing else []
        names += [name for name in self.config.tls_san if name not in names]
        if self.config.host not in ("0.0.0.0", "::"):
            names.append(self.config.host)
        pair = self.authority.serving("apiserver", names)
        return pki.server_context(pair, self.authority.files.certificate)

    def _write_kubeconfig(self) -> None:
        admin = self.authority.client("admin", "kubernetes-admin", [MASTERS])
        self.kubeconfig = self.config.kubeconfig or self.directory / "kubeconfig"
        write_kubeconfig(
            self.kubeconfig,
            self.url,
            self.authority.certificate_pem,
            admin.certificate.read_bytes(),
            admin.key.read_bytes(),
            name="kube-lite",
        )

    async def _shared_informers(self, stack: AsyncExitStack) -> "Informers":
        from kube_lite.client.informers import Informers

        if self._informers is None:
            self._informers = Informers(self.client_for("system:kube-controller-manager"), self.clock)
            await stack.enter_async_context(running(self._informers))
        return self._informers

    async def _start_controllers(self, stack: AsyncExitStack) -> None:
        self._begin()
        from kube_lite.controllers import controllers

        from .metering import watch_services

        services = controllers(
            self.client_for("system:kube-controller-manager"),
            await self._shared_informers(stack),
            self.clock,
            resources=self.registry,
            ca_pem=self.authority.certificate_pem.decode(),
            sign=self.authority.sign,
            issue=self.issuer.issue_for_secret,
            version=self.config.kubernetes_version,
            schema_of=self.pipeline.schema_of,
        )
        playing = self._fake_nodes(await self._shared_informers(stack))
        for service in (*services, *playing):
            await stack.enter_async_context(running(service))
        watch_services(self.server.metrics, (*services, *playing))
        self.pipeline.components.tell("controller-manager", str)
        self._ready("controllers", f"{len(services) - 1} of them")

    def _fake_nodes(self, informers: "Informers") -> "list[Service]":
        """What plays the nodes that do not exist, of which there are none at first."""
        from kube_lite.agent.fleet import FakeNodes, FakePods

        client = self.client_for("system:node:fake", "kubelet")
        return [
            FakeNodes(client, informers, self.clock, self.server.git_version),
            FakePods(client, informers, self.clock),
        ]

    async def _start_housekeeping(self, stack: AsyncExitStack) -> None:
        from .housekeeping import Housekeeping

        client = self.client_for("system:apiserver", "kube-apiserver")
        version = self.config.kubernetes_version
        housekeeping = Housekeeping(
            client, self._shared_informers, self.registry, self.clock, self.issuer, version,
            self.addresses.service_cidr,
        )  # fmt: skip
        await stack.enter_async_context(running(housekeeping))

    async def _start_scheduler(self, stack: AsyncExitStack) -> None:
        self._begin()
        from kube_lite.client.series import SeriesRecorder
        from kube_lite.scheduler.scheduler import Scheduler

        # It sees through informers, which it shares, and writes with no more than its roles grant.
        user = User("system:kube-scheduler", groups=(AUTHENTICATED,))
        client = LocalClient(self.pipeline, user)
        recorder = SeriesRecorder(client, self.clock, "default-scheduler", socket.gethostname())
        await stack.enter_async_context(running(recorder))
        informers = await self._shared_informers(stack)
        settings, devices = scheduler_settings(self.config.scheduler_config), self._device_features()
        scheduler = Scheduler(client, informers, self.clock, recorder, settings, devices)
        await stack.enter_async_context(running(scheduler))
        self.server.metrics.show(*scheduler.tally.shown())
        self.pipeline.components.tell("scheduler", str)
        self._ready("scheduler", "")

    def _device_features(self) -> "Features | None":
        """What of device claims is on by default in the release; None where it does not serve them."""
        from kube_lite.scheduler.devices.known import CLAIMS
        from kube_lite.scheduler.devices.records import Features

        if all(row.gvr != CLAIMS for row in self.registry):
            return None
        return Features.of_release(int(self.config.kubernetes_version.split(".")[1]))

    async def _start_node(self, stack: AsyncExitStack) -> None:
        self._begin()
        from .node import start_node

        informers = await self._shared_informers(stack)
        self.driver: Driver = await start_node(self, stack, informers)
        if "controllers" in self.config.parts and self.config.runtime != "fake":
            from .addons import start_addons

            await start_addons(self, stack, informers)
        self.abilities = asdict(self.driver.abilities())
        names = self.config.node_names()
        called = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        self._ready("node", f"{called}, {describe(self.abilities)}")

    @property
    def node_name(self) -> str:
        """The name of this process's node, of the first one if there are several."""
        return self.config.effective_node_name()

    def _note(self) -> runfile.Running:
        return runfile.Running(
            pid=os.getpid(),
            process_started=runfile.process_started(os.getpid()),
            url=self.url,
            kubeconfig=str(self.kubeconfig),
            version=self.server.git_version,
            program=__version__,
            started_at=self.started_at,
            parts=list(self.config.parts),
            node=self.node_name if "node" in self.config.parts else "",
            abilities=self.abilities,
            service_limits=self.service_limits,
            durable=self.config.durable,
        )

    def _begin(self) -> None:
        self._began = time.monotonic()

    def _ready(self, part: str, words: str) -> None:
        self._on_part(part, words, time.monotonic() - self._began)


def describe(abilities: dict[str, Any]) -> str:
    """``Abilities`` as a few words: ``process driver; isolation, pod network, limits``."""
    can = [name.replace("_", " ") for name in ("isolation", "pod_network", "limits") if abilities[name]]
    lacks = [name.replace("_", " ") for name in ("isolation", "pod_network", "limits") if not abilities[name]]
    words = f"{abilities['driver']} driver; {', '.join(can) or 'nothing isolated'}"
    return f"{words}; without {', '.join(lacks)}" if lacks else words


def _reachable_address(listen: str) -> str:
    """The address that others on this host's network would use; loopback when there is no other.

    Connecting a datagram socket sends nothing, it only asks the kernel which address it would send from.
    """
    if listen not in ("0.0.0.0", "::", "localhost") and not listen.startswith("127.") and listen != "::1":
        return listen
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
