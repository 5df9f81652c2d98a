"""Bodies of requests: most are there when their head has been read, others are waited for and bounded."""

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest

from .listener import MAX_BODY_BYTES

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: BaseRequest) -> bytes:
    """The whole body. A client that asks whether it should send one (RFC 9110, 10.1.1) is told to.

    Raises:
        HTTPRequestEntityTooLarge: it is larger than a request may be.
    """
    content = request.content
    if content.is_eof():
        body = content.read_nowait()
        if len(body) > MAX_BODY_BYTES:
            raise HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(body))
        return body
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(CONTINUE)
    return await request.read()
