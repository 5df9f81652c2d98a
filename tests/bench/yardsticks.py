"""What the machine can do at best: a bare handler over TLS that answers the same bytes.

    python -m tests.bench.yardsticks DIRECTORY < answers.json

Runs in a process of its own on the same event loop, with the same TLS, as the server it is compared with. A
GET is answered with the bytes given for its path, a POST is read and answered with 201 and the bytes given.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from kube_lite.kit.pki import Pair, server_context

from .server import cpu_seconds

PIECE_BYTES = 256 * 1024
"""Longer bodies are written so: the TLS layer copies what it has not sent yet."""


class Bare(NamedTuple):
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)


@contextmanager
def bare_http(directory: Path, answers: dict[str, str]) -> Iterator[Bare]:
    """Serve ``answers`` by ``"METHOD path"``. ``directory`` has the server's certificates."""
    command = [sys.executable, "-m", "tests.bench.yardsticks", str(directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(answers) + "\n")
        process.stdin.flush()
        yield Bare(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.communicate()


async def _serve(directory: Path, answers: dict[str, str]) -> None:
    bodies = {line: body.encode() for line, body in answers.items()}

    async def handle(request: BaseRequest) -> StreamResponse:
        code = 200
        if request.method == "POST":
            await request.read()
            code = 201
        body = bodies[f"{request.method} {request.raw_path}"]
        headers = {"Content-Type": "application/json"}
        if len(body) < PIECE_BYTES:
            return Response(status=code, body=body, headers=headers)
        response = StreamResponse(status=code, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        for start in range(0, len(body), PIECE_BYTES):
            await response.write(body[start : start + PIECE_BYTES])
        await response.write_eof()
        return response

    tls = server_context(Pair(directory / "apiserver.crt", directory / "apiserver.key"), directory / "ca.crt")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server(handle, access_log=None), "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.create_future()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]), json.loads(sys.stdin.readline())))
