"""Which addresses a cluster uses, so that several on one host do not collide.

Every cluster whose node has a network of its own takes a *slot* of this host: slot 0 has Pods in
10.244.0.0/24 and Services in 10.96.0.0/16, slot 1 has 10.244.1.0/24 and 10.97.0.0/16, and so on. A slot is a
locked file, so it is free again when its holder dies, however it dies. The choice is written into the data
directory, because Services keep their addresses over a restart; a cluster that comes back takes its own slot
or says who has it.
"""

import errno
import fcntl
import hashlib
import ipaddress
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kube_lite.kit.files import write_private

FILE = "addresses.json"
"""Where a data directory remembers its choice."""
SLOTS = 32
LOCKS = Path("/run/kube-lite")  # only root routes addresses, so nobody else needs to write here
FIRST_POD_NETWORK = ipaddress.IPv4Network("10.244.0.0/24")
FIRST_SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")


class AddressesTaken(Exception):
    """The addresses this cluster was made with are in use by another; the message says which."""


class Addresses(NamedTuple):
    """The two ranges, as CIDR texts."""

    pod_cidr: str
    service_cidr: str

    @property
    def gateway(self) -> str:
        """The host's own address in the pods' network."""
        return str(ipaddress.IPv4Network(self.pod_cidr)[1])

    @property
    def first_service(self) -> str:
        """The address of the Service ``default/kubernetes``."""
        return str(ipaddress.ip_network(self.service_cidr)[1])


def addresses_of_slot(slot: int) -> Addresses:
    """Slot 0 → ``10.244.0.0/24`` and ``10.96.0.0/16``; slot 1 → ``10.244.1.0/24`` and ``10.97.0.0/16``."""
    pod = FIRST_POD_NETWORK.network_address + slot * FIRST_POD_NETWORK.num_addresses
    service = FIRST_SERVICE_NETWORK.network_address + slot * FIRST_SERVICE_NETWORK.num_addresses
    return Addresses(f"{pod}/24", f"{service}/16")


def loopback_addresses(data_dir: Path) -> Addresses:
    """For Pods on the host's network: Services get loopback addresses, which every user may listen on.

    Which of 127.192.0.0 to 127.251.0.0 depends on the data directory, so that clusters seldom share one.
    """
    number = int.from_bytes(hashlib.sha256(str(data_dir).encode()).digest()[:4], "big") % 60
    return Addresses(addresses_of_slot(0).pod_cidr, f"127.{192 + number}.0.0/16")


@contextmanager
def claimed(
    record: Path,
    *,
    pod_cidr: str | None,
    service_cidr: str | None,
    routed: bool,
    unrouted: Addresses | None = None,
    locks: Path = LOCKS,
) -> Iterator[Addresses]:
    """Hold addresses for the length of the block.

    Args:
        record: the file in the data directory that remembers the choice.
        pod_cidr: a range somebody asked for; None: chosen here.
        service_cidr: the same for Services.
        routed: whether the host will route them; without it nothing is locked.
        unrouted: what a cluster that does not route takes if nobody asks otherwise; None: those of slot 0.
        locks: where the locks lie.

    Raises:
        AddressesTaken: they are in use by another cluster on this host.
    """
    before = _read(record)
    wanted = Addresses(
        pod_cidr or (before.pod_cidr if before else ""),
        service_cidr or (before.service_cidr if before else ""),
    )
    if not routed:
        usual = unrouted or addresses_of_slot(0)
        yield _write(
            record, Addresses(wanted.pod_cidr or usual.pod_cidr, wanted.service_cidr or usual.service_cidr)
        )
        return
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    for slot in range(SLOTS):
        offered = addresses_of_slot(slot)
        choice = Addresses(wanted.pod_cidr or offered.pod_cidr, wanted.service_cidr or offered.service_cidr)
        if _is_slotted(choice.service_cidr) and choice.service_cidr != offered.service_cidr:
            continue
        if choice.pod_cidr != wanted.pod_cidr and _is_on_this_host(choice.gateway):
            continue
        with _locked(locks / f"addresses-{slot}.lock", str(record.parent)) as held:
            if held:
                yield _write(record, choice)
                return
    raise AddressesTaken(_who_has_them(locks, wanted))


def remembered(data_dir: Path) -> Addresses | None:
    """What the cluster in a data directory uses; None if it has never been started."""
    return _read(data_dir / FILE)


def _is_on_this_host(address: str) -> bool:
    """Whether some interface has the address: a killed cluster holds no lock, but its Pods may still run."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _is_slotted(service_cidr: str) -> bool:
    return any(addresses_of_slot(slot).service_cidr == service_cidr for slot in range(SLOTS))


def _who_has_them(directory: Path, wanted: Addresses) -> str:
    for slot in range(SLOTS):
        if addresses_of_slot(slot).service_cidr == wanted.service_cidr:
            holder = (directory / f"addresses-{slot}.lock").read_text().strip()
            return (
                f"its Service addresses {wanted.service_cidr} are used by the cluster in {holder}; "
                f"stop that one first: kube-lite down --data-dir {holder}"
            )
    return f"{SLOTS} clusters run on this host, and there are no addresses for another"


@contextmanager
def _locked(path: Path, holder: str) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            yield False
            return
        os.ftruncate(descriptor, 0)
        os.write(descriptor, holder.encode())
        yield True
    finally:
        os.close(descriptor)


def _read(record: Path) -> Addresses | None:
    try:
        document = json.loads(record.read_text())
        return Addresses(document["podCIDR"], document["serviceCIDR"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _write(record: Path, choice: Addresses) -> Addresses:
    if _read(record) != choice:
        document = {"podCIDR": choice.pod_cidr, "serviceCIDR": choice.service_cidr}
        write_private(record, json.dumps(document).encode())
    return choice
