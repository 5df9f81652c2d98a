"""A pool of addresses, and who has leased which; kept on disk, so that a restarted agent gives none twice.

Each lease is an empty-handed file: named after the address, made exclusively, holding the lessee's name. No
other state has to agree with it, and a crash leaves a lease or none. A freed address goes to the end of
the queue, so that whoever still talks to the old owner is not answered by the new one at once.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path


class PoolExhausted(Exception):
    """Every address is leased."""


class Pool:
    """The addresses of ``network`` but its first, its last, and the second one, which is the gateway's."""

    def __init__(self, directory: Path, network: ipaddress.IPv4Network) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._network = network
        self._first = int(network.network_address) + 2
        self._size = network.num_addresses - 3
        self._leases: dict[str, ipaddress.IPv4Address] = {}
        self._load()
        taken = [int(address) for address in self._leases.values()]
        self._next = max(taken, default=self._first - 1) + 1 - self._first

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """The host's own address."""
        return self._network.network_address + 1

    def lease(self, lessee: str) -> ipaddress.IPv4Address:
        """The lessee's address; the same one when asked again. Raises ``PoolExhausted``."""
        if lessee in self._leases:
            return self._leases[lessee]
        taken = set(self._leases.values())
        for address in self._candidates():
            if address not in taken:
                path = self._directory / str(address)
                path.touch(mode=0o600)
                path.write_text(lessee)
                self._leases[lessee] = address
                self._next = int(address) + 1 - self._first
                return address
        raise PoolExhausted(f"all {self._size} addresses of {self._network} are leased")

    def find(self, lessee: str) -> ipaddress.IPv4Address | None:
        """The lessee's address, or None."""
        return self._leases.get(lessee)

    def release(self, lessee: str) -> None:
        """Free the lessee's address; nothing happens when it has none."""
        address = self._leases.pop(lessee, None)
        if address is not None:
            (self._directory / str(address)).unlink(missing_ok=True)

    def clear(self) -> None:
        """Free all addresses and remove the directory."""
        for lessee in list(self._leases):
            self.release(lessee)
        self._directory.rmdir()

    def _candidates(self) -> Iterator[ipaddress.IPv4Address]:
        for step in range(self._size):
            yield ipaddress.IPv4Address(self._first + (self._next + step) % self._size)

    def _load(self) -> None:
        for path in self._directory.iterdir():
            lessee = path.read_text()
            address = ipaddress.IPv4Address(path.name)
            if lessee and address in self._network:
                self._leases[lessee] = address
            else:  # died between making and filling it, or the network has changed
                path.unlink()
