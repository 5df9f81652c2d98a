"""Files and directories of sandboxes and containers: made before they run, removed with them.

A pod's containers share ``/etc/hosts``, ``/etc/hostname``, ``/etc/resolv.conf`` and ``/dev/shm``; each
container has the layers of its root. What a container wrote is removed with suspicion: see ``remove_tree``.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from ..types import DnsConfig, SandboxSpec
from .plan import Host

SHARED_MEMORY = Path("/dev/shm")
FILES = {"hosts": "/etc/hosts", "hostname": "/etc/hostname", "resolv.conf": "/etc/resolv.conf"}

# The lines that a kubelet writes, pkg/kubelet/kubelet_pods.go (managedHostsFileContent).
HOSTS_HEADER = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def write_files(directory: Path, spec: SandboxSpec, hostname: str, addresses: Sequence[str]) -> None:
    """Write a pod's files into ``directory``."""
    contents = {
        "hosts": hosts_text(spec, hostname, addresses),
        "hostname": f"{hostname}\n",
        "resolv.conf": resolv_text(spec.dns),
    }
    for name, text in contents.items():
        path = directory / name
        path.write_text(text)
        path.chmod(0o644)


def hosts_text(spec: SandboxSpec, hostname: str, addresses: Sequence[str]) -> str:
    """The pod's ``/etc/hosts``; on the host's network that of the host."""
    if spec.host_network:
        try:
            text = Path("/etc/hosts").read_text()
        except OSError:
            text = HOSTS_HEADER
    else:
        text = HOSTS_HEADER + "".join(f"{address}\t{hostname}\n" for address in addresses)
    if spec.host_aliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join(f"{address}\t{chr(9).join(names)}\n" for address, names in spec.host_aliases)
    return text


def resolv_text(dns: DnsConfig) -> str:
    """The pod's ``/etc/resolv.conf``; the host's when nothing is asked for."""
    if not (dns.servers or dns.searches or dns.options):
        try:
            return Path("/etc/resolv.conf").read_text()
        except OSError:
            return ""
    lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"nameserver {server}" for server in dns.servers]
    lines += [f"options {' '.join(dns.options)}"] if dns.options else []
    return "".join(f"{line}\n" for line in lines)


def make_sandbox_files(
    directory: Path, instance: str, spec: SandboxSpec, hostname: str, addresses: Sequence[str]
) -> Path | None:
    """Make what a pod's containers share; its ``/dev/shm``, None where the host has no memory for it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_files(directory, spec, hostname, addresses)
    outer = SHARED_MEMORY / f"{instance}-{directory.name}"
    try:
        outer.mkdir(mode=0o700)
        inner = outer / "shm"
        inner.mkdir()
        inner.chmod(0o1777)
    except OSError:
        shutil.rmtree(outer, ignore_errors=True)
        return None
    return inner


def make_container_directories(directory: Path, host: Host, *, has_layers: bool) -> None:
    """Make the directories of a container's root: its mount point and the overlays' own layers.

    The host's root has one overlay for each directory that it shows, an image ``has_layers`` and one overlay.
    """
    for name in ("root", "upper", "work"):
        (directory / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    if host.mode == "plain" or has_layers:
        return
    for target, _ in (("root", ()), *host.root.layers):
        for layer in ("upper", "work"):
            (directory / layer / target.strip("/")).mkdir(mode=0o755, exist_ok=True)


def remove_sandbox(directory: Path, instance: str, sandbox_id: str, containers: Iterable[str]) -> None:
    """Remove the files of a sandbox and of its containers."""
    for container_id in containers:
        remove_tree(directory / "containers" / container_id)
    remove_tree(directory / "sandboxes" / sandbox_id)
    remove_tree(SHARED_MEMORY / f"{instance}-{sandbox_id}")


def clear(
    directory: Path, instance: str, *, sandboxes: Collection[str] = (), containers: Collection[str] = ()
) -> None:
    """Remove the files of every sandbox and container but those named."""
    for path in _below(directory / "containers"):
        if path.name not in containers:
            remove_tree(path)
    for path in _below(directory / "sandboxes"):
        if path.name not in sandboxes:
            remove_tree(path)
    kept = {f"{instance}-{sandbox_id}" for sandbox_id in sandboxes}
    for path in SHARED_MEMORY.glob(f"{instance}-*"):
        if path.name not in kept:
            remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a directory in which containers may have left anything; what cannot be removed is left."""
    shutil.rmtree(path, onerror=_make_removable)


def _make_removable(function: Callable[..., object], name: str, failure: object) -> None:
    """Try again after giving ourselves the rights that a container took away."""
    path = Path(name)
    try:
        path.parent.chmod(0o700)
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return


def _below(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
