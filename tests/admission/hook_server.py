"""An admission webhook for tests: a real server over TLS, which answers as it is told."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import orjson
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response
from aiohttp.web_runner import ServerRunner, TCPSite
from aiohttp.web_server import Server

from kube_lite.api.identity import Json
from kube_lite.kit.pki import Authority, server_context

Say = Callable[[Json], Any]
"""The request of a review → the response in it, or a ``Response`` that is no review."""


def patch_of(*operations: Json) -> Json:
    """A response that changes the object."""
    return {
        "allowed": True, "patchType": "JSONPatch", "patch": b64encode(orjson.dumps(operations)).decode()
    }  # fmt: skip


class HookServer:
    """The server. ``reviews`` are those that came, ``paths`` where, ``hosts`` under which name."""

    def __init__(self, bundle: bytes) -> None:
        self.port = 0
        self.bundle = b64encode(bundle).decode()
        self.says: dict[str, Say] = {}
        self.reviews: list[Json] = []
        self.paths: list[str] = []
        self.hosts: list[str] = []

    def webhook(self, name: str = "hook.example.com", **more: Any) -> Json:
        """A webhook about ConfigMaps that is asked at ``/<name>``."""
        rule = {
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
        }  # fmt: skip
        url = f"https://127.0.0.1:{self.port}/{name}"
        return {
            "name": name, "clientConfig": {"url": url, "caBundle": self.bundle}, "rules": [rule],
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5, **more,
        }  # fmt: skip

    async def answer(self, request: BaseRequest) -> Response:
        """Answer a review."""
        review = orjson.loads(await request.read())
        self.reviews.append(review)
        self.paths.append(request.path_qs)
        self.hosts.append(request.host)
        asked = review["request"]
        say = self.says.get(request.path.lstrip("/"))
        told = {"allowed": True} if say is None else say(asked)
        if isinstance(told, Response):
            return told
        answer = {
            "kind": "AdmissionReview", "apiVersion": review["apiVersion"],
            "response": {"uid": asked["uid"], **told},
        }  # fmt: skip
        return Response(body=orjson.dumps(answer), content_type="application/json")


@asynccontextmanager
async def answering(directory: Path, hosts: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[HookServer]:
    """A server for the length of the block, whose certificate is for ``hosts``."""
    authority = Authority(directory, "hook-ca", time)
    server = HookServer(authority.certificate_pem)
    runner = ServerRunner(Server(server.answer))
    await runner.setup()
    try:
        context = server_context(authority.serving("hook", hosts))
        await TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        [(_, server.port)] = [address[:2] for address in runner.addresses]
        yield server
    finally:
        await runner.cleanup()
