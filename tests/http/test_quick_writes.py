"""A write is answered alike on the short way and on the long one, which an ``Audit-Id`` of its own takes."""

import json
from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionResource

from .site import Site, config_map
from .test_limits import PATH, connected, read_answer

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
MERGE = "application/merge-patch+json"
UNLIKE = ("date", "audit-id")
"""Headers that differ between any two answers."""
LARGE = "v" * 200_000

WRITES = {
    "created": ("POST", "", {}, config_map("new", k="v")),
    "created with a warning": ("POST", "fieldValidation=Warn", {}, {**config_map("new"), "odd": 1}),
    "created in YAML": ("POST", "", {"Accept": "application/yaml"}, config_map("new")),
    "created, indented": ("POST", "pretty=true", {}, config_map("new")),
    "large": ("PATCH", "", {"Content-Type": MERGE}, {"data": {"k": LARGE}}),
    "taken": ("POST", "", {}, config_map("there")),
    "invalid": ("POST", "", {}, config_map("Not-A-Name")),
    "unreadable": ("POST", "", {}, "{"),
    "nothing": ("POST", "", {}, ""),
    "in an unknown form": ("POST", "", {"Content-Type": "text/plain"}, config_map("new")),
    "wanted in an unknown form": ("POST", "", {"Accept": "image/png"}, config_map("new")),
    "replaced": ("PUT", "", {}, config_map("there", k="w")),
    "replaced under a wrong name": ("PUT", "", {}, config_map("elsewhere")),
    "patched": ("PATCH", "", {"Content-Type": MERGE}, {"data": {"k": "w"}}),
    "patched in an unknown form": ("PATCH", "", {"Content-Type": "text/plain"}, {}),
    "deleted": ("DELETE", "", {}, ""),
    "deleted in vain": ("DELETE", "", {}, {"preconditions": {"uid": "other"}}),
    "asked with a wrong option": ("POST", "fieldManager=%01", {}, config_map("new")),
}  # fmt: skip


def _request(method: str, query: str, headers: dict[str, str], body: Any) -> bytes:
    path = PATH if method == "POST" else f"{PATH}/there"
    query = "&".join(part for part in ("dryRun=All", query) if part)
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    told = {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path}?{query} HTTP/1.1\r\nHost: a\r\n{lines}".encode() + b"\r\n" + content


def _settled(body: bytes) -> Any:
    """What is alike in two answers: not what the server makes up."""
    try:
        document = json.loads(body)
    except ValueError:
        return b"\n".join(line for line in body.split(b"\n") if b"uid" not in line and b"ime" not in line)
    metadata = document.get("metadata", {})
    for field in ("uid", "creationTimestamp", "managedFields"):
        metadata.pop(field, None)
    return document


@pytest.mark.parametrize("name", WRITES)
async def test_both_ways_give_the_same_answer(site: Site, name: str) -> None:
    await site.client.create(CONFIG_MAPS, config_map("there", k="v"), namespace="default")
    method, query, headers, body = WRITES[name]
    async with connected(site) as (reader, writer):
        answers = []
        for way in ({}, {"Audit-Id": "mine"}):
            writer.write(_request(method, query, {**headers, **way}, body))
            code, told, content = await read_answer(reader)
            told = {header: value for header, value in told.items() if header not in UNLIKE}
            if headers.get("Accept"):
                told.pop("content-length", None)  # times are not always of one length
            answers.append((code, told, _settled(content)))
    assert answers[0] == answers[1]


async def test_nothing_is_counted_as_under_way_after_writes_of_any_kind(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("there", k="v"), namespace="default")
    async with connected(site) as (reader, writer):
        for method, query, headers, body in WRITES.values():
            writer.write(_request(method, query, headers, body))
            await read_answer(reader)
    assert site.server._limits.in_flight == {"readOnly": 0, "mutating": 0}


async def test_a_client_that_leaves_while_it_is_answered_does_no_harm(site: Site) -> None:
    for _ in range(5):
        async with connected(site) as (_, writer):
            writer.write(_request("POST", "", {}, config_map("new")) * 3)
            await writer.drain()
    async with connected(site) as (reader, writer):
        writer.write(_request("POST", "", {}, config_map("new")))
        assert (await read_answer(reader))[0] == 201
