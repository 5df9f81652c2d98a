"""What a container's first process tells the supervisor before it becomes the container's command.

Messages travel over a socket pair that keeps their borders and that exec closes:

    message                       meaning
    {"terminal": true} + one fd   the master side of the terminal that was opened inside
    {"executing": true}           set-up is done; the command is executed next
    {"failed": step, "why": text} a step failed; the process ends. After "executing": exec itself failed
    (end of file)                 after "executing": the command runs. Before it: the process died
"""

import json
import os
import socket
import struct
from typing import NamedTuple

LIMIT = 16 * 1024


class Outcome(NamedTuple):
    """How a set-up ended: ``step`` is empty when the command runs."""

    step: str = ""
    why: str = ""


class Reporter:
    """The child's side."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def terminal(self, master: int) -> None:
        """Hand over the master side of the terminal."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", master))
        self._channel.sendmsg([json.dumps({"terminal": True}).encode()], [rights])

    def executing(self) -> None:
        """Say that only exec is left to do."""
        self._channel.send(json.dumps({"executing": True}).encode())

    def failed(self, step: str, why: str) -> None:
        """Say what went wrong."""
        self._channel.send(json.dumps({"failed": step, "why": why[:4096]}).encode())


class Listener:
    """The supervisor's side; ``outcome`` is None until the set-up has ended one way or the other."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.terminal = -1
        """The master side of the terminal once it was handed over; whoever takes it sets it to -1."""
        self.outcome: Outcome | None = None
        self._executing = False
        channel.setblocking(False)

    def read(self) -> None:
        """Take in the messages that have arrived."""
        while self.outcome is None:
            try:
                content, ancillary, _, _ = self.channel.recvmsg(
                    LIMIT, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionError:
                content, ancillary = b"", []
            for level, kind, rights in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    (self.terminal,) = struct.unpack("i", rights[:4])
            self._take(content)

    def close(self) -> None:
        """Let go of the channel and of a terminal that nobody took."""
        self.channel.close()
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1

    def _take(self, content: bytes) -> None:
        if not content:
            died = Outcome("init", "the process died while its container was set up")
            self.outcome = Outcome() if self._executing else died
            return
        message = json.loads(content)
        if "executing" in message:
            self._executing = True
        elif "failed" in message:
            self.outcome = Outcome(str(message["failed"]), str(message["why"]))
