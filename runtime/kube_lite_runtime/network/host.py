"""Sandboxes that stay on the host's network; what is left where pods cannot have one of their own.

Each gets a loopback address as its own all the same, so that pods can be told apart: a server that listens
on all addresses answers there. Two pods that listen on the same port still collide, and nothing outside the
host reaches them.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path


class HostNetwork:
    """A ``Network`` that changes nothing on the host."""

    name = "host"

    async def __aenter__(self) -> "HostNetwork":
        """Nothing is needed."""
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Nothing was taken."""

    async def attach(self, sandbox_id: str, netns: Path) -> Sequence[str]:
        """An address of 127.64.0.0/10 derived from the id; the namespace is not touched."""
        number = int.from_bytes(hashlib.sha256(sandbox_id.encode()).digest()[:4], "big") & 0x3FFFFF
        number = max(number, 1)
        return [f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"]

    async def detach(self, sandbox_id: str) -> None:
        """Nothing was taken."""

    async def host_address(self, name: str) -> str:
        """The usual one; everything is shared here."""
        return "127.0.0.1"

    async def teardown(self) -> None:
        """Nothing was made."""
