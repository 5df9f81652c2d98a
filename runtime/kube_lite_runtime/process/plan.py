"""From what a container should be to the job that its first process does, as data; nothing is touched.

The order of set-up: cgroups, namespaces, root file system, pivot, streams, capabilities, user, directory,
exec. Each piece is planned by the file that knows it (``mounts.py``, ``security.py``); here they meet.
"""

import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ContainerFailed
from ..types import ContainerSpec, ImageState, Limits, SandboxSpec, Security
from .mounts import HostRoot, Surface, plan_root
from .security import plan_capabilities
from .syscalls import NEW_IPC, NEW_MOUNT, NEW_NETWORK, NEW_PID, NEW_UTS

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host(NamedTuple):
    """What this host lets the runtime do."""

    mode: str
    """``root``: every namespace; ``user``: inside a user namespace; ``plain``: none."""
    may_set_user: bool
    """Processes can be given to other users."""
    root: HostRoot = HostRoot()
    hidden: Sequence[Path] = ()


class Pod(NamedTuple):
    """What a container's plan needs to know of its sandbox."""

    hostname: str
    namespaces: int
    """The flags of those that are the sandbox's own."""
    files: Sequence[tuple[Path, str]]
    shared_memory: Path | None
    shares_host_pids: bool


def plan_namespaces(spec: SandboxSpec, host: Host) -> int:
    """The namespaces that a sandbox gets for its own; the host's are used for the others.

    Only root can give a network namespace an address, so in a user namespace pods stay on the host's network.
    """
    if host.mode == "plain":
        return 0
    flags = 0 if spec.host_network else NEW_UTS
    if not spec.host_network and host.mode == "root":
        flags |= NEW_NETWORK
    if not spec.host_ipc:
        flags |= NEW_IPC
    if spec.share_process_namespace and not spec.host_pid:
        flags |= NEW_PID
    return flags


def plan_container(
    spec: ContainerSpec, image: ImageState, layers: Sequence[Path], pod: Pod, host: Host, directory: Path
) -> dict[str, Any]:
    """The fields of ``containers.Plan`` but ``job``, and the job itself under that name, not yet as text.

    Raises ``ContainerFailed`` when neither the spec nor the image says what to run.
    """
    own = 0
    if host.mode != "plain":
        own = NEW_MOUNT
        if not pod.namespaces & NEW_PID and not pod.shares_host_pids:
            own |= NEW_PID
    nested = host.mode == "user"
    process = plan_process(spec, image, pod, host)
    inside = own | pod.namespaces
    job: dict[str, Any] = {"root": "", "steps": [], "process": process}
    if host.mode != "plain":
        surface = Surface(
            directory=directory,
            layers=layers,
            host=host.root,
            shared_memory=pod.shared_memory,
            files=pod.files,
            in_user_namespace=nested,
            own_network=bool(pod.namespaces & NEW_NETWORK),
            own_ipc=bool(pod.namespaces & NEW_IPC),
            own_pids=bool(inside & NEW_PID),
            hidden=host.hidden,
        )
        job["root"] = str(directory / "root")
        job["steps"] = plan_root(surface, spec.mounts, spec.security)
    return {
        "job": job,
        "flags": own,
        "join": pod.namespaces,
        "inside": inside,
        "limits": asdict(spec.limits),
        "stdin": spec.stdin,
        "stdin_once": spec.stdin_once,
        "tty": spec.tty,
        "stop_signal": signal_number(spec.stop_signal),
    }


def plan_process(spec: ContainerSpec, image: ImageState, pod: Pod, host: Host) -> dict[str, Any]:
    """What the process becomes: the ``process`` of a job."""
    argv = plan_command(spec, image)
    environment = dict(entry.partition("=")[::2] for entry in image.environment)
    environment.setdefault("PATH", DEFAULT_PATH)
    environment["HOSTNAME"] = pod.hostname
    if spec.tty:
        environment["TERM"] = "xterm"
    environment.update(spec.environment)
    return {
        "argv": argv,
        "environment": environment,
        "directory": spec.working_directory or image.working_directory or "/",
        "tty": spec.tty,
        "oom_score": 0,
        **plan_identity(spec.security, image.user, host),
    }


def plan_identity(security: Security, image_user: str, host: Host) -> dict[str, Any]:
    """Who the process is and what it may do."""
    user, group = security.user, security.group
    user_name, group_name = security.run_as_username, ""
    if user is None and not user_name:
        name, _, named_group = image_user.partition(":")
        user, user_name = (int(name), "") if name.isdigit() else (None, name)
        if group is None and named_group:
            group, group_name = (int(named_group), "") if named_group.isdigit() else (None, named_group)
    return {
        "user": user,
        "user_name": user_name,
        "group": group,
        "group_name": group_name,
        "groups": list(security.supplemental_groups),
        "confine": host.mode != "plain",
        "capabilities": plan_capabilities(security),
        "no_new_privileges": security.no_new_privileges or host.mode == "plain",
        "nested_user": host.mode == "user",
        "may_set_user": host.may_set_user,
    }


def plan_command(spec: ContainerSpec, image: ImageState) -> list[str]:
    """What is run.

    ``command`` replaces the image's entrypoint and its command; ``args`` replace only its command.
    Source: kubernetes.io, "Define a Command and Arguments for a Container".
    """
    if spec.command:
        argv = [*spec.command, *spec.args]
    elif spec.args:
        argv = [*image.entrypoint, *spec.args]
    else:
        argv = [*image.entrypoint, *image.command]
    if not argv:
        raise ContainerFailed("command", "failed to generate container spec: no command specified")
    return argv


def signal_number(name: str) -> int:
    """``SIGTERM``, ``TERM`` or ``15`` as a number; SIGTERM for what is no signal.

    ``SIGRTMIN+3`` and its like are understood too: images of systemd stop on it.
    """
    word = name.upper().removeprefix("SIG")
    if word.isdigit():
        return int(word)
    base, plus, offset = word.partition("+")
    found = getattr(signal, f"SIG{base}", None)
    if isinstance(found, int):
        return int(found) + (int(offset) if plus and offset.isdigit() else 0)
    return int(signal.SIGTERM)


def no_limits() -> dict[str, Any]:
    """Limits that limit nothing, as the supervisor takes them."""
    return asdict(Limits())
