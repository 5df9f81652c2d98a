"""What this host has, read from the host: capacity, addresses, the facts of ``NodeSystemInfo``."""

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kube_lite_runtime.types import Abilities

from kube_lite.api.identity import Json

MAX_PODS = 110  # upstream's default
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
MIN_MEMORY = 100 * 2**20  # upstream's hard eviction threshold
MIN_DISK = 512 * 2**20  # upstream says 10 %, which on a developer's disk is usual and no emergency
MIN_PIDS = 500


class Pressure(NamedTuple):
    """What is short on this host now."""

    memory: bool
    disk: bool
    pids: bool


def architecture() -> str:
    """The machine's architecture by the name that images use."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def _memory() -> Mapping[str, int]:
    """``/proc/meminfo`` in bytes; empty where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return {}
    words = (line.replace(":", "").split() for line in lines)
    return {word[0]: int(word[1]) * 1024 for word in words if len(word) >= 2 and word[1].isdigit()}


def capacity(directory: Path) -> dict[str, str]:
    """Everything that pods can have, as quantities; ``directory`` is on the disk that their files use."""
    memory = _memory().get("MemTotal")
    if memory is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": str(os.cpu_count() or 1),
        "ephemeral-storage": f"{shutil.disk_usage(directory).total // 1024}Ki",
        "memory": f"{memory // 1024}Ki",
        "pods": str(MAX_PODS),
    }


def pressure(directory: Path) -> Pressure:
    """Whether something runs short."""
    memory = _memory().get("MemAvailable", MIN_MEMORY)
    return Pressure(
        memory=memory < MIN_MEMORY,
        disk=shutil.disk_usage(directory).free < MIN_DISK,
        pids=_free_pids() < MIN_PIDS,
    )


def _free_pids() -> int:
    try:
        limit = int(Path("/proc/sys/kernel/pid_max").read_text())
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return MIN_PIDS
    return limit - running


def system_facts(abilities: Abilities, version: str) -> Json:
    """``status.nodeInfo``."""
    return {
        "architecture": architecture(),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": f"kube-lite-{abilities.driver}://{abilities.version}",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": version,
        "machineID": _first_line("/etc/machine-id"),
        "operatingSystem": platform.system().lower(),
        "osImage": _system_name(),
        "systemUUID": _first_line("/sys/class/dmi/id/product_uuid"),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.system()
