"""Connections to what listens in a pod, made from where its own processes are."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ..errors import DialFailed
from .netlink import entered

InThread = Callable[[Callable[[], socket.socket]], Awaitable[socket.socket]]
"""Has a thread do something that blocks."""


async def dial(in_thread: InThread, namespace: Path | None, hosts: Sequence[str], port: int) -> socket.socket:
    """Connect to the first of several addresses where something listens.

    Args:
        namespace: the network namespace to do it in, such as ``/proc/42/fd/7``; None for the host's.

    Raises:
        DialFailed: nothing listens at any of them.
    """
    failures: list[str] = []
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            opened = await in_thread(lambda family=family: _open(namespace, family))  # type: ignore[misc]
        except OSError as error:
            failures.append(_why(host, port, error))
            continue
        try:
            await asyncio.get_running_loop().sock_connect(opened, (host, port))
        except OSError as error:
            opened.close()
            failures.append(_why(host, port, error))
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise DialFailed("; ".join(failures))


def _open(namespace: Path | None, family: socket.AddressFamily) -> socket.socket:
    """A socket belongs to the namespace in which it was made."""
    if namespace is None:
        opened = socket.socket(family, socket.SOCK_STREAM)
    else:
        with namespace.open("rb") as file, entered(file.fileno()):
            opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    return opened


def _why(host: str, port: int, error: OSError) -> str:
    where = f"tcp6 [{host}]:{port}" if ":" in host else f"tcp4 {host}:{port}"
    return f"dial {where}: connect: {os.strerror(error.errno or 0).lower()}"
