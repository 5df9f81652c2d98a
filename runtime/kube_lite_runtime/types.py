"""The frozen records that drivers and their callers speak in; shaped after the CRI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container or a pod may use; None is no limit."""

    cpu_shares: int | None = None
    """cgroup v1 shares, 1024 per core requested."""
    cpu_quota_us: int | None = None
    """Microseconds of CPU in each period of 100 ms."""
    memory_bytes: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """What stands in ``/etc/resolv.conf``."""

    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What the containers of one pod share."""

    namespace: str
    name: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_directory: Path | None = None
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    dns: DnsConfig = DnsConfig()
    host_aliases: Sequence[tuple[str, Sequence[str]]] = ()
    """Lines of ``/etc/hosts``: address, names."""
    limits: Limits = Limits()
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of the host that a container sees."""

    source: Path
    target: str
    read_only: bool = False
    propagation: Literal["private", "rslave", "rshared"] = "private"


@dataclass(frozen=True, slots=True)
class Security:
    """Who the container's process is and what it may do."""

    user: int | None = None
    group: int | None = None
    supplemental_groups: Sequence[int] = ()
    run_as_username: str = ""
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a sandbox. ``command`` and ``args`` are as in a Pod; the image fills in when empty."""

    name: str
    image: str
    attempt: int = 0
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = ""
    mounts: Sequence[Mount] = ()
    limits: Limits = Limits()
    security: Security = Security()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    log_path: Path | None = None
    """The CRI log file, ``<pod's log directory>/<container>/<attempt>.log``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"


class State(StrEnum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended: exit code 0 to 255, 128 + signal when one ended it."""

    code: int
    signal: int = 0
    oom_killed: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What a driver knows of a container. Times are seconds since the epoch, 0 when not yet."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_id: str
    state: State
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit: ExitStatus | None = None
    pid: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    log_path: Path | None = None


@dataclass(frozen=True, slots=True)
class SandboxState:
    """What a driver knows of a sandbox; not ``ready`` once it has been stopped or its namespaces are gone."""

    id: str
    namespace: str
    name: str
    uid: str
    attempt: int
    ready: bool
    created_at: float
    addresses: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageState:
    """An image that is present on this host."""

    id: str
    names: Sequence[str]
    size_bytes: int
    user: str = ""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ()
    working_directory: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container has used so far and uses now."""

    cpu_ns: int
    memory_bytes: int
    memory_working_set_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this driver can do on this host; ``reasons`` says in words why a thing is not there.

    Keys of ``reasons`` are the names of the fields that are False or ``"none"``.
    """

    driver: str
    """``process``, ``plain``, ``containerd`` or ``fake``."""
    version: str
    isolation: bool
    """Containers have namespaces and a root file system of their own."""
    pod_network: bool
    """Each pod has an address of its own that the host and the other pods reach."""
    limits: bool
    """CPU and memory limits are enforced."""
    images: bool
    """Images other than the host's own root can be run."""
    reasons: Mapping[str, str] = field(default_factory=dict)
