"""What a server may ask of the supervisor: one method for each message.

    {"id": 7, "do": "start_container", "container": "4f0c…"}        asked
    {"id": 7, "answer": {…}}                                        done, perhaps much later
    {"id": 7, "error": {"kind": "ContainerFailed", "step": "exec", "why": "…"}}
    {"event": "container", "container": {…}}                        told to every server, unasked
    {"event": "exec", "exec": 3, "code": 0, "signal": 0}            told to the one that started it

Kinds of errors are the names of classes in ``kube_lite_runtime.errors``. Every request may be repeated.
"""

# pathlib and contextlib would cost the supervisor a megabyte and 5 ms of its start.
# ruff: noqa: PTH106, PTH108, PTH112, PTH114, PTH119, PTH120

import os
import signal
from collections.abc import Callable
from typing import Any, Protocol

from .containers import Container, Plan
from .handshake import Listener, Outcome
from .journal import Record
from .reaper import Ending
from .sandboxes import Sandbox, Tools
from .wire import Message

PROTOCOL = 1


class Asker(Protocol):
    """The connection that a request came from."""

    is_open: bool

    def send(self, message: Message, descriptors: list[int] | None = None) -> None:
        """Tell it something."""
        ...


class Refused(Exception):
    """A request that cannot be done; ``kind`` names a class of ``kube_lite_runtime.errors``."""

    def __init__(self, kind: str, why: str, step: str = "") -> None:
        super().__init__(why)
        self.kind = kind
        self.step = step


class Reply:
    """Where the answer to one request goes. Owns the descriptors that came with it until they are taken."""

    def __init__(self, asker: Asker, identity: int, descriptors: list[int]) -> None:
        self.asker = asker
        self._identity = identity
        self.descriptors = descriptors

    def answer(self, content: dict[str, Any] | None = None, descriptors: list[int] | None = None) -> None:
        """It is done."""
        self.asker.send({"id": self._identity, "answer": content or {}}, descriptors)
        for descriptor in descriptors or []:
            os.close(descriptor)

    def refuse(self, kind: str, why: str, step: str = "") -> None:
        """It could not be done."""
        error = {"kind": kind, "why": why, "step": step}
        self.asker.send({"id": self._identity, "error": error})

    def close(self) -> None:
        """Close the descriptors that came along."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []


class Office:
    """Serves requests. Holds the tables of sandboxes, containers and running execs."""

    def __init__(
        self,
        tools: Tools,
        *,
        mode: tuple[str, str],
        ended: list[Record],
        stopped: list[Record],
        shut_down: Callable[[], None],
    ) -> None:
        self._tools = tools
        self._mode = mode
        self._shut_down = shut_down
        self._sandboxes = {record["id"]: Sandbox(tools, record) for record in stopped}
        self._containers: dict[str, Container] = {}
        self._execs: dict[int, tuple[int, Asker]] = {}
        """By number: process and the server that asked."""
        self._hearing: dict[int, Callable[[], None]] = {}
        """By number: takes in what the set-up of an exec tells, while it lasts."""
        self._next_exec = 1
        for record in ended:
            sandbox = self._sandboxes.get(record["sandbox_id"])
            if sandbox is not None:
                self._containers[record["id"]] = Container(tools, sandbox, record, NO_PLAN)
            else:
                tools.containers.forget(record["id"])

    @property
    def is_idle(self) -> bool:
        """Nothing runs and no namespace is held."""
        return not any(sandbox.record["ready"] for sandbox in self._sandboxes.values()) and not any(
            container.pid for container in self._containers.values()
        )

    def serve(self, asker: Asker, message: Message, descriptors: list[int]) -> None:
        """Do what a message asks."""
        reply = Reply(asker, int(message["id"]), descriptors)
        serve = self._methods().get(str(message["do"]))
        try:
            if serve is None:
                raise Refused("NotSupported", f"the supervisor does not know {message['do']!r}")
            serve(message, reply)
        except Refused as refused:
            reply.refuse(refused.kind, str(refused), refused.step)
        except OSError as error:
            reply.refuse("RuntimeFailure", str(error))
        finally:
            reply.close()

    def forget_connection(self, asker: Asker) -> None:
        """End the execs of a server that has gone: nobody can read what they write."""
        for number, (pid, owner) in list(self._execs.items()):
            if owner is asker:
                del self._execs[number]
                _kill_group(pid)

    def _methods(self) -> dict[str, Callable[[Message, Reply], None]]:
        return {
            "hello": self._hello,
            "get_sandbox": lambda message, reply: reply.answer(self._describe(self._sandbox(message))),
            "get_container": lambda message, reply: reply.answer(self._container(message).record),
            "create_sandbox": self._create_sandbox,
            "update_sandbox": self._update_sandbox,
            "stop_sandbox": self._stop_sandbox,
            "remove_sandbox": self._remove_sandbox,
            "create_container": self._create_container,
            "start_container": self._start_container,
            "stop_container": self._stop_container,
            "remove_container": self._remove_container,
            "attach": self._attach,
            "exec": self._exec,
            "kill_exec": self._kill_exec,
            "reopen_log": self._reopen_log,
            "shutdown": self._shutdown,
        }

    def _hello(self, message: Message, reply: Reply) -> None:
        if message["protocol"] != PROTOCOL:
            text = f"the running supervisor speaks protocol {PROTOCOL}, this version {message['protocol']}"
            raise Refused("NotSupported", f"{text}: stop the cluster with the version that started it")
        groups = self._tools.groups
        reply.answer(
            {
                "pid": os.getpid(),
                "mode": self._mode[0],
                "reason": self._mode[1],
                "cgroups": groups.version if groups else 0,
                "sandboxes": [self._describe(sandbox) for sandbox in self._sandboxes.values()],
                "containers": [container.record for container in self._containers.values()],
            }
        )

    def _create_sandbox(self, message: Message, reply: Reply) -> None:
        sandbox = Sandbox(self._tools, message["sandbox"])

        def done(outcome: Outcome) -> None:
            if outcome.step:
                sandbox.release(lambda: None)
                self._tools.sandboxes.forget(sandbox.record["id"])
                reply.refuse("SandboxFailed", outcome.why, outcome.step)
                return
            self._sandboxes[sandbox.record["id"]] = sandbox
            reply.answer(self._describe(sandbox))

        sandbox.create(message["wanted"], done)

    def _update_sandbox(self, message: Message, reply: Reply) -> None:
        sandbox = self._sandbox(message)
        sandbox.record.update(message["update"])
        self._tools.sandboxes.update(sandbox.record)
        reply.answer(self._describe(sandbox))

    def _stop_sandbox(self, message: Message, reply: Reply) -> None:
        sandbox = self._sandboxes.get(message["sandbox"])
        if sandbox is None:
            reply.answer()
            return
        self._end_sandbox(sandbox, reply.answer)

    def _end_sandbox(self, sandbox: Sandbox, done: Callable[[], object]) -> None:
        running = [c for c in self._containers_of(sandbox) if c.pid]
        waiting = len(running)
        if not waiting:
            sandbox.release(done)
            return

        def ended() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                sandbox.release(done)

        for container in running:
            container.stop(0, ended)

    def _remove_sandbox(self, message: Message, reply: Reply) -> None:
        sandbox = self._sandboxes.get(message["sandbox"])
        if sandbox is None:
            reply.answer({"containers": []})
            return

        def ended() -> None:
            removed = [container.record["id"] for container in self._containers_of(sandbox)]
            for identity in removed:
                self._containers.pop(identity).forget()
            self._sandboxes.pop(sandbox.record["id"], None)
            self._tools.sandboxes.forget(sandbox.record["id"])
            reply.answer({"containers": removed})

        self._end_sandbox(sandbox, ended)

    def _create_container(self, message: Message, reply: Reply) -> None:
        record = message["container"]
        sandbox = self._sandboxes.get(record["sandbox_id"])
        if sandbox is None or not sandbox.record["ready"]:
            raise Refused("NoSuchSandbox", f"sandbox {record['sandbox_id']} is not there or was stopped")
        container = Container(self._tools, sandbox, record, Plan(**message["plan"]))
        self._tools.containers.write(record)
        self._containers[record["id"]] = container
        reply.answer(record)

    def _start_container(self, message: Message, reply: Reply) -> None:
        container = self._container(message)
        if container.record["state"] != "created":
            raise Refused("ContainerFailed", f"the container is {container.record['state']} already", "start")

        def done(outcome: Outcome) -> None:
            if outcome.step:
                reply.refuse("ContainerFailed", outcome.why, outcome.step)
            else:
                reply.answer(container.record)

        container.start(done)

    def _stop_container(self, message: Message, reply: Reply) -> None:
        container = self._containers.get(message["container"])
        if container is None:
            reply.answer()
        else:
            container.stop(float(message["grace"]), reply.answer)

    def _remove_container(self, message: Message, reply: Reply) -> None:
        container = self._containers.get(message["container"])
        if container is None:
            reply.answer()
            return

        def ended() -> None:
            if self._containers.pop(message["container"], None) is not None:
                container.forget()
            reply.answer()

        container.stop(0, ended)

    def _attach(self, message: Message, reply: Reply) -> None:
        container = self._running(message)
        answer, descriptors = container.attach()
        reply.answer(answer, descriptors)

    def _exec(self, message: Message, reply: Reply) -> None:
        container = self._running(message)
        number = self._next_exec
        self._next_exec += 1
        given = iter(reply.descriptors)
        streams = [next(given) if wanted else -1 for wanted in message["streams"]]

        def heard(listener: Listener) -> None:
            listener.read()
            if listener.outcome is None:
                return
            self._hearing.pop(number, None)
            self._tools.loop.forget(listener.channel.fileno())
            master, listener.terminal = listener.terminal, -1
            outcome = listener.outcome
            listener.close()
            if not outcome.step:
                reply.answer({"exec": number}, [master] if master >= 0 else [])
                return
            if master >= 0:
                os.close(master)
            self._execs.pop(number, None)
            reply.refuse("ExecFailed", outcome.why, outcome.step)

        pid, listener = container.run_more(message["job"], streams)
        self._execs[number] = pid, reply.asker
        self._hearing[number] = lambda: heard(listener)
        self._tools.loop.watch(listener.channel.fileno(), self._hearing[number])
        self._tools.reaper.expect(pid, lambda ending: self._exec_ended(number, ending))

    def _exec_ended(self, number: int, ending: Ending) -> None:
        if number in self._hearing:
            self._hearing[number]()  # it ended so soon that its start has not been heard of yet
        _, asker = self._execs.pop(number, (0, None))
        if asker is not None:
            asker.send({"event": "exec", "exec": number, "code": ending.code, "signal": ending.signal})

    def _kill_exec(self, message: Message, reply: Reply) -> None:
        pid, _ = self._execs.get(message["exec"], (0, None))
        if pid:
            _kill_group(pid)
        reply.answer()

    def _reopen_log(self, message: Message, reply: Reply) -> None:
        self._container(message).reopen_log()
        reply.answer()

    def _shutdown(self, message: Message, reply: Reply) -> None:
        self.end_everything(reply.answer)

    def end_everything(self, done: Callable[[], object]) -> None:
        """Stop and forget every sandbox and container, and shut down."""
        waiting = len(self._sandboxes)

        def ended() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting <= 0:
                for container in self._containers.values():
                    container.forget()
                for identity, sandbox in self._sandboxes.items():
                    self._tools.sandboxes.forget(identity)
                    _remove_memory(sandbox.record["shared_memory"], self._tools.instance)
                self._shut_down()
                done()

        if not waiting:
            ended()
        for sandbox in list(self._sandboxes.values()):
            self._end_sandbox(sandbox, ended)

    def _describe(self, sandbox: Sandbox) -> dict[str, Any]:
        return {**sandbox.record, "network_path": sandbox.network_path}

    def _containers_of(self, sandbox: Sandbox) -> list[Container]:
        identity = sandbox.record["id"]
        return [c for c in self._containers.values() if c.record["sandbox_id"] == identity]

    def _sandbox(self, message: Message) -> Sandbox:
        try:
            return self._sandboxes[message["sandbox"]]
        except KeyError:
            raise Refused("NoSuchSandbox", f"there is no sandbox {message['sandbox']}") from None

    def _container(self, message: Message) -> Container:
        try:
            return self._containers[message["container"]]
        except KeyError:
            raise Refused("NoSuchContainer", f"there is no container {message['container']}") from None

    def _running(self, message: Message) -> Container:
        container = self._container(message)
        if not container.is_running or not container.pid:
            state = container.record["state"]
            raise Refused("NotRunning", f"container {message['container']} is {state}, not running")
        return container


NO_PLAN = Plan("{}", 0, 0, 0, {}, stdin=False, stdin_once=False, tty=False, stop_signal=signal.SIGTERM)


def _remove_memory(path: str, instance: str) -> None:
    """Remove a pod's shared memory, which lies outside the runtime's directory, whatever is in it."""
    outer = os.path.dirname(path)
    if not os.path.basename(outer).startswith(f"{instance}-"):
        return
    for folder, folders, files in os.walk(outer, topdown=False):
        for name in (*files, *folders):
            _remove(f"{folder}/{name}")
    _remove(outer)


def _remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError:
        return


def _kill_group(pid: int) -> None:
    """End an exec and what it started in its session's first group."""
    for end in (os.killpg, os.kill):
        try:
            end(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
