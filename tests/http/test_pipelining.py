"""Requests that come in any pieces, any number at once, are answered one by one, whichever way they take."""

import asyncio
import random

import pytest

from kube_lite.api.identity import GroupVersionResource

from .site import Site, config_map
from .test_limits import PATH, connected, read_answer

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
BODY = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"made-"},"data":{"k":"v"}}'
READ = b"GET %s/%%s HTTP/1.1\r\nHost: a\r\n%%s\r\n" % PATH.encode()
WRITE = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" % PATH.encode()
REQUESTS = {
    READ % (b"a", b""): 200,
    READ % (b"b?pretty=true", b""): 200,
    READ % (b"b", b"Audit-Id: x\r\n"): 200,
    READ % (b"a", b"Accept: application/yaml\r\n"): 200,
    READ % (b"missing", b""): 404,
    READ % (b"a", b"Accept: image/png\r\n"): 406,
    READ % (b"a", b"Content-Length: 5\r\n") + b"abcde": 200,
    READ % (b"a?resourceVersion=x", b""): 500,  # as the reference answers it
    b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n": 200,
    b"PUT %s/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{" % PATH.encode(): 400,
    WRITE + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY): 201,
    WRITE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY): 201,
}
"""A request, and the code of its answer."""


@pytest.mark.parametrize("seed", range(6))
async def test_pieces_of_any_size_make_the_same_requests(site: Site, seed: int) -> None:
    for name in "ab":
        await site.client.create(CONFIG_MAPS, config_map(name, k=name), namespace="default")
    chance = random.Random(seed)
    asked = chance.choices(list(REQUESTS), k=60)
    stream = b"".join(asked)
    places = sorted(chance.sample(range(1, len(stream)), chance.choice([0, 5, 50, 500])))
    pieces = [stream[start:end] for start, end in zip([0, *places], [*places, None], strict=True)]
    async with connected(site) as (reader, writer), asyncio.TaskGroup() as group:
        group.create_task(_send(writer, pieces, chance))
        answers = [await read_answer(reader) for _ in asked]
    assert [code for code, _, _ in answers] == [REQUESTS[request] for request in asked]
    told: dict[bytes, set[bytes]] = {}
    for request, (code, _, body) in zip(asked, answers, strict=True):
        if code != 201:
            told.setdefault(request, set()).add(body)
    assert all(len(bodies) == 1 for bodies in told.values())


async def _send(writer: asyncio.StreamWriter, pieces: list[bytes], chance: random.Random) -> None:
    for piece in pieces:
        writer.write(piece)
        if chance.random() < 0.3:
            await writer.drain()
            await asyncio.sleep(0)
