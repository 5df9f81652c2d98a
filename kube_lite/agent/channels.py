"""The streams of a process over one WebSocket, node side: channel protocols v5 and v4.

A binary message is a byte that names the channel, then bytes: 0 input, 1 output, 2 error output, 3 a Status
in JSON that ends it, 4 the size of the terminal; in v5 also 255, after which the channel named by the next
byte is closed. Source: KEP-4006; apimachinery/pkg/util/remotecommand; client-go/tools/remotecommand.
"""

import asyncio
import json
from collections.abc import Collection
from typing import Protocol

from kube_lite_runtime.streams import Session
from kube_lite_runtime.types import ExitStatus

from kube_lite.api.identity import Json

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
INPUT, OUTPUT, ERROR_OUTPUT, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHANNEL_OF = {"stdout": OUTPUT, "stderr": ERROR_OUTPUT}


class Socket(Protocol):
    """The client's end."""

    async def receive_message(self) -> bytes | None:
        """The next message; None once the client has gone."""
        ...

    async def send_message(self, message: bytes) -> None:
        """Send one; returns when there is room for more."""
        ...


def exit_message(status: ExitStatus) -> Json:
    """The Status that tells how the process ended."""
    if status.code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {status.message or f'exit {status.code}'}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(status.code)}]},
    }


def failure_message(text: str) -> Json:
    """The Status for a process that could not be started."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }


async def serve(
    socket: Socket, session: Session, wanted: Collection[str], *, leaves_at_end_of_input: bool = False
) -> None:
    """Connect a client with a process until the process ends or the client goes.

    Args:
        wanted: the streams that the client asked for, of ``stdin``, ``stdout`` and ``stderr``.
        leaves_at_end_of_input: the process goes on hearing others after this client, as one that is attached
            to does unless it says ``stdinOnce``; the end of the input then ends the conversation alone.

    Raises:
        ConnectionError: the client went in the middle of a message.
    """
    try:
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(_tell_output(socket, session, wanted))
            hearing = group.create_task(_hear(socket, session, wanted, leaves_at_end_of_input))
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            hearing.cancel()
    except* ConnectionError as failures:
        raise failures.exceptions[0] from None


async def _tell_output(socket: Socket, session: Session, wanted: Collection[str]) -> None:
    async for chunk in session.output():
        if chunk.stream in wanted:
            await socket.send_message(bytes([CHANNEL_OF[chunk.stream]]) + chunk.content)
    status = await session.wait()
    await tell_status(socket, exit_message(status))


async def tell_status(socket: Socket, status: Json) -> None:
    """Send how it ended."""
    await socket.send_message(bytes([STATUS]) + json.dumps(status).encode())


async def _hear(socket: Socket, session: Session, wanted: Collection[str], leaves: bool) -> None:
    while (message := await socket.receive_message()) is not None:
        if not message:
            continue
        channel, content = message[0], message[1:]
        if channel == INPUT and "stdin" in wanted and content:
            await session.write(content)
        elif channel == RESIZE:
            size = _size(content)
            if size is not None:
                await session.resize(*size)
        elif channel == CLOSE and content[:1] == bytes([INPUT]):
            if leaves:
                await tell_status(socket, exit_message(ExitStatus(0)))
                return
            await session.close_input()


def _size(content: bytes) -> tuple[int, int] | None:
    """``{"Width":80,"Height":24}``; None for what makes no sense."""
    try:
        size = json.loads(content)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, KeyError, TypeError):
        return None
    return (width, height) if 0 < width < 1 << 16 and 0 < height < 1 << 16 else None
