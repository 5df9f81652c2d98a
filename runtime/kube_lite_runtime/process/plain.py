"""Where the host allows no isolation: what containers get instead, and what is said about it.

A plain container is an ordinary process of our own user on the host's file system. Its volumes cannot be
mounted where it expects them; they are linked below a directory of its own, which the environment variable
``KUBE_LITE_ROOT`` names, and its working directory is there. Pods on the host's network get an address of
their own in 127.0.0.0/8, so that two of them can listen on the same port when they bind to it.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ContainerFailed, SandboxFailed
from ..types import Abilities, ContainerSpec

VERSION = "1"
ROOT_VARIABLE = "KUBE_LITE_ROOT"
LOOPBACK_FIRST, LOOPBACK_LAST = 0x7F400000, 0x7FBFFFFE
"""127.64.0.0 to 127.191.255.254: what people write by hand, and resolvers use, lies outside."""
NO_CGROUPS = "no cgroup file system that this user may write to"


def next_loopback(directory: Path, taken: Iterable[str]) -> str:
    """An address that no other pod of this directory has. Where to begin depends on the directory."""
    used = set(taken)
    span = LOOPBACK_LAST - LOOPBACK_FIRST
    begin = int.from_bytes(hashlib.sha256(str(directory).encode()).digest()[:4], "big") % span
    for offset in range(span):
        address = str(ipaddress.IPv4Address(LOOPBACK_FIRST + (begin + offset) % span))
        if address not in used and not address.endswith((".0", ".255")):
            return address
    raise SandboxFailed("network", "every loopback address is taken")


def plan_links(spec: ContainerSpec, root: Path) -> list[tuple[Path, Path]]:
    """Where the volumes of a plain container are linked: (link, what it points to)."""
    return [(root / mount.target.lstrip("/"), mount.source) for mount in spec.mounts]


def make_links(links: Sequence[tuple[Path, Path]]) -> None:
    """Make them; a volume inside another one is found through the outer link already."""
    for link, source in links:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() and not link.exists():
            link.symlink_to(source)


def as_plain(spec: ContainerSpec, root: Path, *, is_host_image: bool) -> ContainerSpec:
    """What of a spec can be had without isolation. Raises ``ContainerFailed`` for what would be a lie."""
    if not is_host_image:
        raise ContainerFailed(
            "root file system",
            f'image "{spec.image}" needs a root of its own, which this host does not allow',
        )
    environment = {ROOT_VARIABLE: str(root), **spec.environment}
    return replace(spec, environment=environment, working_directory=spec.working_directory or str(root))


def plan_abilities(hello: dict[str, Any], *, network_reason: str) -> Abilities:
    """What the driver can do, given what the supervisor found; ``network_reason`` is why not a network."""
    mode, reason = hello["mode"], hello["reason"]
    reasons: dict[str, str] = {}
    if mode == "plain":
        reasons["isolation"] = reason
        reasons["images"] = f"a root file system of its own needs isolation: {reason}"
    if network_reason:
        reasons["pod_network"] = network_reason
    if not hello["cgroups"]:
        reasons["limits"] = NO_CGROUPS
    return Abilities(
        driver="plain" if mode == "plain" else "process",
        version=VERSION,
        isolation=mode != "plain",
        pod_network=not network_reason,
        limits=bool(hello["cgroups"]),
        images=mode != "plain",
        reasons=reasons,
    )
