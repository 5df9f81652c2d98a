"""The process driver: ``Driver`` over a supervisor process, with nothing but the kernel below it.

This side decides and prepares: it plans set-up as data, makes directories and files, asks the network for
addresses. The supervisor executes, owns what runs, and remembers it; so the driver keeps no state that a
restart of the server would lose. What blocks runs in one thread of the driver's own.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import ExecFailed, NotSupported, RuntimeFailure
from ..images.host import HOST_IMAGE, make_masks, make_skeleton, plan_host_root
from ..images.local import LocalImages
from ..network.dial import dial
from ..network.driver import Network
from ..types import (
    Abilities,
    ContainerSpec,
    ContainerState,
    ImageState,
    SandboxSpec,
    SandboxState,
    Usage,
)
from . import files
from .cgroups import Groups
from .link import Link
from .plain import as_plain, make_links, next_loopback, plan_abilities, plan_links
from .plan import Host, Pod, plan_container, plan_namespaces
from .records import (
    container_record,
    container_state,
    is_complete,
    plan_message,
    sandbox_record,
    sandbox_state,
)
from .sessions import Ends, PipeSession
from .supervisor import instance_name
from .syscalls import NEW_NETWORK

Result = TypeVar("Result")
LOCALHOST = ("127.0.0.1", "::1")
NEEDS_ROOT = "pod networks need root; pods share the host's network, each with a loopback address of its own"


class ProcessDriver:
    """Fulfils ``Driver``.

    Args:
        directory: where everything is kept; one driver at a time.
        mode: ``auto``, or at most ``user`` or ``plain``; see ``probe.py``.
        make_network: makes the pods' network where there can be one; None leaves pods on the host's.
        hidden: directories of the host that no container of the host's root may see; ``directory`` is one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mode: str = "auto",
        make_network: Callable[[], Network] | None = None,
        hidden: Sequence[Path] = (),
    ) -> None:
        self._directory = directory.absolute()
        self._wanted = mode
        self._make_network = make_network
        self._hidden = [*hidden, self._directory]
        self._images = LocalImages(self._directory / "images")
        self._masks, self._skeleton = (
            self._directory / "host" / "masks",
            self._directory / "host" / "skeleton",
        )
        self._network: Network | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._loopback: dict[str, str] = {}
        """By sandbox: the addresses of those without a network of their own."""
        self._host = Host("plain", may_set_user=False)
        self._abilities: Abilities | None = None
        self._groups: Groups | None = None

    async def __aenter__(self) -> "ProcessDriver":
        """Find or start the supervisor, and the network."""
        self._thread = ThreadPoolExecutor(1, "kube-lite-runtime")
        self._link = Link(self._directory, self._wanted)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._instance = instance_name(str(self._directory))
            prepared = asyncio.get_running_loop().run_in_executor(self._thread, self._prepare)
            try:
                hello = await self._link.hello()  # Python takes its time to start: the thread works meanwhile
            finally:
                await prepared
            reason = await self._start_network(hello["mode"])
            self._abilities = plan_abilities(hello, network_reason=reason)
            await self._run(lambda: self._settle(hello))
            for record in hello["sandboxes"]:
                if not is_complete(record):  # its maker was killed in the middle
                    await self.remove_sandbox(record["id"])
        except BaseException:
            await self._let_go()
            raise
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Let go of the supervisor; it and the containers stay."""
        await self._let_go(*failure)

    def abilities(self) -> Abilities:
        """What this host allows."""
        if self._abilities is None:
            raise RuntimeFailure("the driver has not been entered")
        return self._abilities

    async def create_sandbox(self, spec: SandboxSpec) -> SandboxState:
        """Make the namespaces and the network of a pod."""
        sandbox_id = secrets.token_hex(16)
        async with self._locked(sandbox_id):
            try:
                return await self._create_sandbox(sandbox_id, spec)
            except BaseException:
                await self._remove_sandbox(sandbox_id)
                self._locks.pop(sandbox_id, None)
                raise

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it and take its network away."""
        async with self._locked(sandbox_id):
            await self._link.ask("stop_sandbox", sandbox=sandbox_id)
            if self._network is not None:
                await self._network.detach(sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Stop it, remove its containers and its files."""
        async with self._locked(sandbox_id):
            await self._remove_sandbox(sandbox_id)
        self._locks.pop(sandbox_id, None)

    async def list_sandboxes(self) -> Sequence[SandboxState]:
        """Every sandbox."""
        records = (await self._link.hello())["sandboxes"]
        return [sandbox_state(record) for record in records if is_complete(record)]

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> ContainerState:
        """Plan a container and make its directories."""
        image = await self._run(lambda: self._images.get(spec.image))
        sandbox = await self._sandbox(sandbox_id)
        container_id = secrets.token_hex(32)
        directory = self._directory / "containers" / container_id
        if self._host.mode == "plain":
            spec = as_plain(spec, directory / "root", is_host_image=HOST_IMAGE in image.names)
        layers = self._images.layers(image)
        plan = plan_container(spec, image, layers, self._pod(sandbox), self._host, directory)
        record = container_record(container_id, sandbox_id, spec, image_id=image.id, now=time.time())
        try:
            await self._run(lambda: self._make_container_files(directory, spec, has_layers=bool(layers)))
            answer = await self._link.ask("create_container", container=record, plan=plan_message(plan))
        except BaseException:
            await self._run(lambda: files.remove_tree(directory))
            raise
        return container_state(answer)

    async def start_container(self, container_id: str) -> ContainerState:
        """Run its command."""
        return container_state(await self._link.ask("start_container", container=container_id))

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Signal, wait, kill."""
        await self._link.ask("stop_container", container=container_id, grace=grace_seconds)

    async def remove_container(self, container_id: str) -> None:
        """Kill it if need be, and remove its files."""
        await self._link.ask("remove_container", container=container_id)
        await self._run(lambda: files.remove_tree(self._directory / "containers" / container_id))

    async def list_containers(self) -> Sequence[ContainerState]:
        """Every container."""
        return [container_state(record) for record in (await self._link.hello())["containers"]]

    async def container_state(self, container_id: str) -> ContainerState:
        """One container."""
        return container_state(await self._container(container_id))

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[ContainerState]]:
        """Every change of state from now on; of several changes of one container the last counts."""
        await self._link.connected()
        with self._link.listening() as listener:
            yield self._link.changes(listener)

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> PipeSession:
        """Run one more command in a running container."""
        if not command:
            raise ExecFailed("no command was given")
        added = {**({"TERM": "xterm"} if tty else {}), **(environment or {})}
        wanted = {"argv": list(command), "tty": tty, "environment": added}
        ours, theirs = _make_pipes(stdin=stdin) if not tty else (None, [])
        try:
            answer, descriptors = await self._link.exchange(
                "exec",
                container=container_id,
                job=wanted,
                streams=[descriptor >= 0 for descriptor in theirs],
                descriptors=[descriptor for descriptor in theirs if descriptor >= 0],
            )
        except BaseException:
            if ours is not None:
                _close([ours.stdin, *(descriptor for _, descriptor in ours.outputs)])
            raise
        finally:
            _close(theirs)
        ends = ours or Ends(os.dup(descriptors[0]), [("stdout", descriptors[0])], is_terminal=True)
        number = int(answer["exec"])
        return PipeSession(ends, self._link.exec_end(number), lambda: self._link.leave_exec(number))

    async def attach(self, container_id: str) -> PipeSession:
        """The streams of the container's own process."""
        answer, descriptors = await self._link.exchange("attach", container=container_id)
        stdin = descriptors.pop(0) if answer["stdin"] else -1
        names: tuple[Literal["stdout"], Literal["stderr"]] = ("stdout", "stderr")
        ends = Ends(stdin, list(zip(names, descriptors, strict=False)), bool(answer["tty"]))
        ended, forget = self._link.container_end(container_id)
        state = await self.container_state(container_id)
        if state.exit is not None and not ended.done():
            ended.set_result(state.exit)  # it ended before anybody listened
        return PipeSession(ends, ended, forget)

    async def dial(self, sandbox_id: str, port: int) -> socket.socket:
        """A connection to a port of the pod's ``localhost``, or of its own address if nothing listens there.

        Where pods share the host's network their own address, a loopback address of each, comes first.
        """
        sandbox = await self._sandbox(sandbox_id)
        own = sandbox["addresses"]
        if sandbox["network_path"]:
            return await dial(self._run, Path(sandbox["network_path"]), [*LOCALHOST, *own], port)
        return await dial(self._run, None, [*own, *LOCALHOST], port)

    async def reopen_log(self, container_id: str) -> None:
        """Begin a new log file."""
        await self._link.ask("reopen_log", container=container_id)

    async def usage(self, container_id: str) -> Usage:
        """What it has used, by its control group."""
        record = await self._container(container_id)
        groups, name = self._groups, f"{self._instance}/{record['sandbox_id']}/{container_id}"
        if groups is None:
            raise NotSupported(f"usage is not known: {self.abilities().reasons['limits']}")
        counters = await self._run(lambda: groups.counters(name))
        if counters is None:
            return Usage(cpu_ns=0, memory_bytes=0, memory_working_set_bytes=0, pids=0)
        return Usage(
            cpu_ns=counters.cpu_ns,
            memory_bytes=counters.memory_bytes,
            memory_working_set_bytes=counters.working_set_bytes,
            pids=counters.pids,
        )

    async def image(self, name: str) -> ImageState | None:
        """The image as it is on this host."""
        return await self._run(lambda: self._images.find(name))

    async def pull_image(self, name: str) -> ImageState:
        """The image if it is present; there is no registry client to fetch it otherwise."""
        found = await self.image(name)
        if found is None:
            raise self._images.missing(name)
        return found

    async def list_images(self) -> Sequence[ImageState]:
        """Every image on this host."""
        return await self._run(self._images.all)

    async def import_image(
        self, source: Path, names: Sequence[str], *, config: Mapping[str, Any] | None = None
    ) -> ImageState:
        """Take in a root file system; see ``LocalImages.import_image``."""
        return await self._run(lambda: self._images.import_image(source, names, config=config))

    async def host_address(self, name: str) -> str | None:
        """An address of this host in the pods' network for ``name`` alone, the same until ``teardown``.

        None where pods have no network of their own. Raises ``NotSupported`` if there is none left.
        """
        return await self._network.host_address(name) if self._network is not None else None

    async def teardown(self) -> None:
        """End every container and the supervisor, and remove all that was made on the host. Images stay.

        The driver must be entered; afterwards it can only be left.
        """
        await self._link.shut_down()
        if self._network is not None:
            await self._network.teardown()
        await self._run(lambda: files.clear(self._directory, self._instance))

    def _prepare(self) -> None:
        """Make ready what does not depend on the supervisor."""
        self._images.open()
        make_skeleton(self._skeleton)
        if os.geteuid() == 0:  # others can read no more in a container than outside it
            make_masks(self._masks)

    async def _start_network(self, mode: str) -> str:
        """Start the pods' network where there can be one; why there is none."""
        if mode != "root":
            return NEEDS_ROOT
        if self._make_network is None:
            return "not asked for"
        network = self._make_network()
        try:
            await network.__aenter__()
        except NotSupported as error:
            return str(error)
        self._network = network
        return ""

    def _settle(self, hello: dict[str, Any]) -> None:
        """Make ready what depends on how the supervisor runs, and remove what nothing needs any more."""
        mode = hello["mode"]
        self._host = Host(
            mode=mode,
            may_set_user=mode == "root" or (mode == "plain" and os.geteuid() == 0),
            root=plan_host_root(self._masks, self._skeleton, busy=self._directory.resolve()),
            hidden=self._hidden,
        )
        self._groups = Groups.find() if hello["cgroups"] else None
        self._loopback = {
            record["id"]: address for record in hello["sandboxes"] for address in record["addresses"]
        }
        files.clear(
            self._directory,
            self._instance,
            sandboxes={record["id"] for record in hello["sandboxes"]},
            containers={record["id"] for record in hello["containers"]},
        )

    async def _let_go(self, *failure: object) -> None:
        await self._link.close()
        if self._network is not None:
            network, self._network = self._network, None
            await network.__aexit__(*failure or (None, None, None))
        self._thread.shutdown(wait=False)

    async def _create_sandbox(self, sandbox_id: str, spec: SandboxSpec) -> SandboxState:
        hostname = os.uname().nodename if spec.host_network else spec.hostname or spec.name
        flags = plan_namespaces(spec, self._host)
        if self._network is None:
            flags &= ~NEW_NETWORK
        record = sandbox_record(sandbox_id, spec, hostname=hostname, now=time.time())
        record["namespaces"] = flags
        wanted = {
            "namespaces": flags,
            "hostname": hostname,
            "sysctls": dict(spec.sysctls),
            "limits": asdict(spec.limits),
        }
        answer = await self._link.ask("create_sandbox", sandbox=record, wanted=wanted)
        if flags & NEW_NETWORK and self._network is not None:
            addresses = list(await self._network.attach(sandbox_id, Path(answer["network_path"])))
        elif spec.host_network:
            addresses = []
        else:
            addresses = [next_loopback(self._directory, self._loopback.values())]
            self._loopback[sandbox_id] = addresses[0]
        memory = await self._run(
            lambda: files.make_sandbox_files(
                self._directory / "sandboxes" / sandbox_id, self._instance, spec, hostname, addresses
            )
        )
        update = {"addresses": addresses, "shared_memory": str(memory or ""), "complete": True}
        return sandbox_state(await self._link.ask("update_sandbox", sandbox=sandbox_id, update=update))

    async def _remove_sandbox(self, sandbox_id: str) -> None:
        answer = await self._link.ask("remove_sandbox", sandbox=sandbox_id)
        self._loopback.pop(sandbox_id, None)
        if self._network is not None:
            await self._network.detach(sandbox_id)
        directory, instance = self._directory, self._instance
        await self._run(lambda: files.remove_sandbox(directory, instance, sandbox_id, answer["containers"]))

    async def _sandbox(self, sandbox_id: str) -> dict[str, Any]:
        return await self._link.ask("get_sandbox", sandbox=sandbox_id)

    async def _container(self, container_id: str) -> dict[str, Any]:
        return await self._link.ask("get_container", container=container_id)

    def _pod(self, record: Mapping[str, Any]) -> Pod:
        directory = self._directory / "sandboxes" / record["id"]
        return Pod(
            hostname=record["hostname"],
            namespaces=record["namespaces"],
            files=[(directory / name, target) for name, target in files.FILES.items()],
            shared_memory=Path(record["shared_memory"]) if record["shared_memory"] else None,
            shares_host_pids=record["host_pid"],
        )

    def _make_container_files(self, directory: Path, spec: ContainerSpec, *, has_layers: bool) -> None:
        files.make_container_directories(directory, self._host, has_layers=has_layers)
        if self._host.mode == "plain":
            make_links(plan_links(spec, directory / "root"))
        if spec.log_path is not None:
            spec.log_path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)

    def _locked(self, sandbox_id: str) -> asyncio.Lock:
        return self._locks.setdefault(sandbox_id, asyncio.Lock())

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _make_pipes(*, stdin: bool) -> tuple[Ends, list[int]]:
    """Pipes for an exec: our ends, and the process's, -1 for none."""
    inner, outer = os.pipe() if stdin else (-1, -1)
    out_reader, out_writer = os.pipe()
    err_reader, err_writer = os.pipe()
    ends = Ends(outer, [("stdout", out_reader), ("stderr", err_reader)], is_terminal=False)
    return ends, [inner, out_writer, err_writer]


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)
