"""Messages with file descriptors between the server and the supervisor, over a unix stream socket.

A message is four bytes of length, big-endian, and that many bytes of JSON, an object. ``"fds": 2`` in it says
that two descriptors travel with its first byte. Neither side ever waits: what cannot be sent at once is kept,
up to ``BACKLOG_BYTES``, and whoever does not read that much is cut off.
"""

import json
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

MESSAGE_BYTES = 8 * 1024 * 1024
"""More than the arguments and environment that any exec accepts."""
BACKLOG_BYTES = 32 * 1024 * 1024
DESCRIPTORS = 16
_LENGTH = struct.Struct(">I")

Message = dict[str, Any]


class WireBroken(Exception):
    """The other side has gone, or speaks something else."""


class Wire:
    """One end of a connection. Owns the socket, and the descriptors it received until they are taken."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self._incoming = bytearray()
        self._descriptors: deque[int] = deque()
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._backlog = 0

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Something is still to be sent: call ``flush`` when there is room."""
        return bool(self._outgoing)

    def receive(self) -> list[tuple[Message, list[int]]]:
        """The messages that have arrived, each with its descriptors, which are the caller's from then on."""
        while True:
            try:
                content, ancillary, flags, _ = self.socket.recvmsg(
                    256 * 1024, socket.CMSG_SPACE(4 * DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                break
            except OSError as error:
                raise WireBroken(str(error)) from error
            for level, kind, rights in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._descriptors.extend(
                        struct.unpack(f"{len(rights) // 4}i", rights[: len(rights) & ~3])
                    )
            if flags & socket.MSG_CTRUNC:
                raise WireBroken("too many descriptors in one message")
            if not content:
                if self._incoming:
                    raise WireBroken("closed in the middle of a message")
                raise WireBroken("closed")
            self._incoming += content
            if len(content) < 4096:
                break
        return self._messages()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send now or as soon as there is room. The descriptors are duplicated: they stay the caller's."""
        if descriptors:
            message = {**message, "fds": len(descriptors)}
        content = json.dumps(message, separators=(",", ":")).encode()
        if len(content) > MESSAGE_BYTES:
            raise ValueError(f"a message of {len(content)} bytes is too long")
        if self._backlog + len(content) > BACKLOG_BYTES:
            raise WireBroken("the other side does not read")
        kept = tuple(os.dup(descriptor) for descriptor in descriptors)
        self._outgoing.append((_LENGTH.pack(len(content)) + content, kept))
        self._backlog += len(content) + _LENGTH.size
        self.flush()

    def flush(self) -> None:
        """Send as much as there is room for."""
        while self._outgoing:
            content, descriptors = self._outgoing[0]
            rights = struct.pack(f"{len(descriptors)}i", *descriptors)
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
            try:
                sent = self.socket.sendmsg([content], ancillary, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError as error:
                raise WireBroken(str(error)) from error
            _close_all(descriptors)
            self._backlog -= sent
            if sent < len(content):
                self._outgoing[0] = (content[sent:], ())
            else:
                self._outgoing.popleft()

    def close(self) -> None:
        """Close the socket and every descriptor still held."""
        self.socket.close()
        _close_all(self._descriptors)
        self._descriptors.clear()
        for _, descriptors in self._outgoing:
            _close_all(descriptors)
        self._outgoing.clear()

    def _messages(self) -> list[tuple[Message, list[int]]]:
        found: list[tuple[Message, list[int]]] = []
        while len(self._incoming) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._incoming)
            if length > MESSAGE_BYTES:
                raise WireBroken(f"a message of {length} bytes is too long")
            end = _LENGTH.size + length
            if len(self._incoming) < end:
                break
            message = json.loads(bytes(self._incoming[_LENGTH.size : end]))
            del self._incoming[:end]
            if not isinstance(message, dict):
                raise WireBroken("a message is an object")
            count = int(message.get("fds", 0))
            if count > len(self._descriptors):
                raise WireBroken("descriptors are missing")
            found.append((message, [self._descriptors.popleft() for _ in range(count)]))
        return found


def _close_all(descriptors: Sequence[int] | deque[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
