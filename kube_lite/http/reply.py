"""A whole answer, written to the connection in one piece.

aiohttp's own response makes its head in steps, for cookies, compression and chunks that none of ours has;
most answers are a few headers and some bytes that are there already. Those that last or are large are written
piece by piece with ``StreamResponse``.
"""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_exceptions import InvalidHeader
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
WITHOUT_BODY = (204, 304)


class Reply(StreamResponse):
    """An answer of which everything is known. Headers may be added until it is returned."""

    def __init__(self, body: bytes, code: int, headers: Mapping[str, str]) -> None:
        super().__init__(status=code, headers=headers)
        self.body = body
        self._request: BaseRequest | None = None

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Nothing is sent before the end."""
        self._request = request
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send everything, and wait until the client has taken most of it."""
        request = self._request
        assert request is not None  # aiohttp prepares a response first
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if not self._keep_alive:
            lines.append("Connection: close\r\n")
        elif request.version < (1, 1):
            lines.append("Connection: keep-alive\r\n")
        has_body = self.status not in WITHOUT_BODY
        head = head_of(self.status, "".join(lines), len(lines), len(self.body) if has_body else None)
        transport.write(head + self.body if has_body and request.method != "HEAD" else head)
        if request.protocol.writing_paused:
            await request.writer.drain()


def head_of(code: int, lines: str, number: int, length: int | None) -> bytes:
    """The head of an answer: status, the given lines, date and length, if it has one.

    Raises:
        InvalidHeader: a value would break out of its line.
    """
    if lines.count("\n") != number:
        raise InvalidHeader(lines)
    content = "" if length is None else f"Content-Length: {length}\r\n"
    head = f"{STATUS_LINES[code]}{lines}Date: {rfc822_formatted_time()}\r\n{content}\r\n"
    return head.encode("utf-8", "surrogateescape")  # as aiohttp has decoded what clients sent
