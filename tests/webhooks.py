"""A conversion webhook for tests: a real server over TLS, which may be told to answer otherwise."""

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

REVIEWS = "apiextensions.k8s.io"
Spoil = Callable[[Json], Any]
"""A review that is answered rightly → what is answered, a ``Response`` or JSON."""


def in_version(obj: Json, wanted: str) -> Json:
    """A widget of ``v1`` (``host`` and ``port``) or ``v2`` (``address``) as the other; labels say so."""
    if obj["apiVersion"] == wanted:
        return obj
    spec = dict(obj.get("spec") or {})
    if "address" in spec:
        host, _, port = spec.pop("address").rpartition(":")
        spec |= {"host": host, "port": int(port)}
    elif "host" in spec:
        spec["address"] = f"{spec.pop('host')}:{spec.pop('port')}"
    return {**obj, "apiVersion": wanted, "spec": spec}


def answer_of(review: Json) -> Json:
    """A review with its right answer."""
    asked = review["request"]
    converted = [in_version(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]]
    response = {"uid": asked["uid"], "convertedObjects": converted, "result": {"status": "Success"}}
    return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}


class Converter:
    """The server. ``reviews`` are those that came; ``paths`` tell where, and ``hosts`` under which name."""

    def __init__(self, port: int, bundle: bytes) -> None:
        self.port = port
        self.bundle = b64encode(bundle).decode()
        self.reviews: list[Json] = []
        self.paths: list[str] = []
        self.hosts: list[str] = []
        self.spoil: Spoil | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"https://127.0.0.1:{self.port}/convert"

    def conversion(self, client: Json | None = None, versions: tuple[str, ...] = ("v1",)) -> Json:
        """The ``spec.conversion`` that leads here."""
        config = {"caBundle": self.bundle, **(client or {"url": self.url})}
        return {
            "strategy": "Webhook",
            "webhook": {"clientConfig": config, "conversionReviewVersions": [*versions]},
        }

    async def answer(self, request: BaseRequest) -> Response:
        """Answer a review."""
        review = orjson.loads(await request.read())
        self.reviews.append(review)
        self.paths.append(request.path_qs)
        self.hosts.append(request.host)
        answer = answer_of(review)
        told = self.spoil(answer) if self.spoil else answer
        if isinstance(told, Response):
            return told
        return Response(body=orjson.dumps(told), content_type="application/json")


@asynccontextmanager
async def converting(directory: Path, hosts: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[Converter]:
    """A converter for the length of the block, whose certificate is for ``hosts``."""
    authority = Authority(directory, "webhook-ca", time)
    converter = Converter(0, authority.certificate_pem)
    runner = ServerRunner(Server(converter.answer))
    await runner.setup()
    try:
        site = TCPSite(
            runner, "127.0.0.1", 0, ssl_context=server_context(authority.serving("webhook", hosts))
        )
        await site.start()
        [(_, converter.port)] = [address[:2] for address in runner.addresses]
        yield converter
    finally:
        await runner.cleanup()
