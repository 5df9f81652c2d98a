"""Bodies of requests: most are there when their head has been read, others are waited for and bounded."""

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_request import BaseRequest

from kube_lite.api.resource import Resource

from .listener import MAX_BODY_BYTES
from .negotiate import refuse_unknown_body

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


def check_form(method: str, resource: Resource, content_type: str, *, has_body: bool, has_cbor: bool) -> None:
    """Refuse a form that nobody reads; what patches custom resources take, the pipeline says.

    Raises:
        UnsupportedMediaType
    """
    is_custom_patch = method == "PATCH" and bool(resource.definition)
    if not is_custom_patch and (method == "PATCH" or has_body):
        refuse_unknown_body(method, content_type, has_cbor=has_cbor)
