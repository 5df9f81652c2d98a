"""What a container's process may do: capabilities, and the kernel files that it must not see or change.

Facts: the default set is containerd's (pkg/oci, ``populateDefaultUnixSpec``), as are the masked and the
read-only paths. A seccomp filter is not installed yet; ``README.md`` says what that means.
"""

from collections.abc import Sequence

from ..types import Security

CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""Names in the order of their numbers, without ``CAP_``; from linux/capability.h."""

DEFAULT_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
)

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

EVERYTHING = (1 << len(CAPABILITIES)) - 1


def plan_capabilities(security: Security) -> int:
    """The bits of what the process keeps: the default set, less what is dropped, and what is added.

    ``ALL`` stands for every capability; names come with or without ``CAP_``, in any case. An unknown name is
    ignored: the API server has refused it already, or it belongs to a newer kernel.
    """
    if security.privileged:
        return EVERYTHING
    kept = _bits(DEFAULT_CAPABILITIES)
    if "ALL" in map(_plain, security.add_capabilities):
        kept = EVERYTHING
    kept &= ~_bits(security.drop_capabilities)
    return kept | _bits([name for name in security.add_capabilities if _plain(name) != "ALL"])


def _bits(names: Sequence[str]) -> int:
    bits = 0
    for name in map(_plain, names):
        if name == "ALL":
            return EVERYTHING
        if name in CAPABILITIES:
            bits |= 1 << CAPABILITIES.index(name)
    return bits


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")
