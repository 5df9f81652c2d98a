"""Clients written in Go ask for protobuf and send it."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession, WSMsgType

from conformance.kubectl import newest_kubectl
from kube_lite.api.codecs.protobuf import decode
from kube_lite.api.codecs.protobuf_writing import encode
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.http.negotiate import IN_PROTOBUF, PLAIN
from kube_lite.http.watch import Framer
from kube_lite.kinds import builtin
from kube_lite.registry.stored import Stored
from kube_lite.verbs.request import Change

from .site import Site, config_map

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
PROTOBUF_SPEAKERS = tuple(f".1.{minor}" for minor in range(33, 60))
PATH = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = {"Accept": f"{PROTOBUF},application/json"}
ROW = next(row for row in builtin("1.36") if row.plural == "configmaps")


async def read(response: ClientResponse) -> Json:
    assert response.headers["Content-Type"] == PROTOBUF
    value: Json = decode(await response.read()).value
    return value


async def test_an_object_in_protobuf_is_taken_and_given(site: Site) -> None:
    http = await site.session(headers=ACCEPT)
    body = encode(config_map("a", key="value"))
    response = await http.post(PATH, data=body, headers={"Content-Type": PROTOBUF})
    assert response.status == 201
    made = await read(response)
    in_json = await (await http.get(f"{PATH}/a", headers={"Accept": "application/json"})).json()
    assert made == await read(await http.get(f"{PATH}/a")) == in_json


async def test_an_object_asked_for_again_is_the_one_that_is_there_now(site: Site) -> None:
    made = await site.client.create(CONFIG_MAPS, config_map("a", key="1"), namespace="default")
    http = await site.session(headers=ACCEPT)
    for value in ("1", "1", "2", "2"):
        if value != made["data"]["key"]:
            made = await site.client.update(
                CONFIG_MAPS, {**made, "data": {"key": value}}, namespace="default"
            )
        assert await read(await http.get(f"{PATH}/a")) == made
    await site.client.delete(CONFIG_MAPS, "a", namespace="default")
    again = await site.client.create(CONFIG_MAPS, config_map("a", key="3"), namespace="default")
    assert await read(await http.get(f"{PATH}/a")) == again


async def test_a_list_in_protobuf_says_what_it_says_in_json(site: Site) -> None:
    for number in range(3):
        await site.client.create(CONFIG_MAPS, config_map(f"c{number}"), namespace="default")
    http = await site.session(headers=ACCEPT)
    given = await read(await http.get(PATH, params={"limit": "2"}))
    in_json = await (
        await http.get(PATH, params={"limit": "2"}, headers={"Accept": "application/json"})
    ).json()
    assert given["metadata"].pop("continue")
    assert in_json["metadata"].pop("continue")
    assert given == in_json


async def test_metadata_alone_is_given_in_protobuf(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a", key="value"), namespace="default")
    http = await site.session(
        headers={"Accept": f"{PROTOBUF};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    )
    given = await read(await http.get(PATH))
    assert given["kind"] == "PartialObjectMetadataList"
    assert [(item["metadata"]["name"], "data" in item) for item in given["items"]] == [("a", False)]


async def test_failures_and_deletions_are_told_in_protobuf(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    http = await site.session(headers=ACCEPT)
    missing = await http.get(f"{PATH}/b")
    assert (missing.status, (await read(missing))["reason"]) == (404, "NotFound")
    options = encode({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "another"}})
    refused = await http.delete(f"{PATH}/a", data=options, headers={"Content-Type": PROTOBUF})
    assert (refused.status, (await read(refused))["reason"]) == (409, "Conflict")
    deleted = await read(await http.delete(f"{PATH}/a"))
    assert (deleted["kind"], deleted["status"]) == ("Status", "Success")


async def test_discovery_is_given_in_protobuf_and_what_is_no_kind_in_json(site: Site) -> None:
    http = await site.session(headers=ACCEPT)
    groups = await read(await http.get("/apis"))
    assert "apps" in [group["name"] for group in groups["groups"]]
    resources = await read(await http.get("/api/v1"))
    assert "pods" in [entry["name"] for entry in resources["resources"]]
    assert (await (await http.get("/version")).json())["major"] == "1"


async def test_aggregated_discovery_is_given_in_protobuf(site: Site) -> None:
    words = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    http = await site.session(headers={"Accept": f"{PROTOBUF};{words}"})
    for path in ("/api", "/apis"):
        async with http.get(path) as response:
            assert response.headers["Content-Type"] == f"{PROTOBUF};{words}"
            in_protobuf = decode(await response.read()).value
        async with http.get(path, headers={"Accept": f"application/json;{words}"}) as response:
            in_json = await response.json(content_type=None)
        assert in_protobuf["kind"] == "APIGroupDiscoveryList"
        for item in in_json["items"]:
            if not item["metadata"]:  # the core group's, and what is empty is not said
                del item["metadata"]
        assert in_protobuf["items"] == in_json["items"]


def parse_event(frame: bytes) -> tuple[str, Json]:
    """``WatchEvent`` by hand: a type, and an object in a ``RawExtension``."""
    length = frame[1]
    raw = frame[2 + length :]
    return frame[2 : 2 + length].decode(), decode(raw[raw.index(b"k8s\0") :]).value


async def next_event(response: ClientResponse) -> tuple[str, Json]:
    length = int.from_bytes(await response.content.readexactly(4), "big")
    return parse_event(await response.content.readexactly(length))


async def test_a_watch_in_protobuf_tells_events_behind_their_length(site: Site) -> None:
    http = await site.session(headers={"Accept": f"{PROTOBUF};stream=watch,{PROTOBUF}"})
    response = await http.get(PATH, params={"watch": "true"})
    assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
    made = await site.client.create(CONFIG_MAPS, config_map("a", key="value"), namespace="default")
    async with asyncio.timeout(5):
        assert await next_event(response) == ("ADDED", made)
    response.close()


async def test_why_a_watch_ends_is_told_in_protobuf(site: Site) -> None:
    http = await site.session(headers=ACCEPT)
    for number in range(3):
        await site.client.create(CONFIG_MAPS, config_map(f"c{number}"), namespace="default")
    await site.store.compact(site.store.revision)
    response = await http.get(PATH, params={"watch": "true", "resourceVersion": "1"})
    async with asyncio.timeout(5):
        kind, status = await next_event(response)
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")


async def test_a_websocket_carries_events_without_length(site: Site) -> None:
    await site.client.create(CONFIG_MAPS, config_map("a"), namespace="default")
    http: ClientSession = await site.session(headers=ACCEPT)
    async with http.ws_connect(f"{PATH}?watch=true") as socket, asyncio.timeout(5):
        message = await socket.receive()
        assert message.type is WSMsgType.BINARY
        assert parse_event(message.data)[1]["metadata"]["name"] == "a"


def test_a_frame_is_made_once_for_all_watchers_of_a_form() -> None:
    raw = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7"}}'
    change = Change("ADDED", Stored(raw, 7))
    first, second = (Framer(ROW, IN_PROTOBUF, {}, lambda: 0.0).frame(change) for _ in range(2))
    assert first is second
    assert Framer(ROW, PLAIN, {}, lambda: 0.0).frame(change) == b'{"type":"ADDED","object":%s}\n' % raw


async def test_kubectl_sends_and_reads_protobuf(site: Site, tmp_path: Path) -> None:
    binary = newest_kubectl()
    if binary is None or not binary.name.endswith(PROTOBUF_SPEAKERS):
        pytest.skip("needs kubectl 1.33 or newer, which speaks protobuf where it knows the kind")
    files = site.authority.client("kubectl", "kubectl", ["system:masters"])
    kubeconfig = tmp_path / "kubeconfig"
    credentials = {"client-certificate": str(files.certificate), "client-key": str(files.key)}
    cluster = {"server": site.url, "certificate-authority": str(site.authority.files.certificate)}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "a", "cluster": cluster}],
                "users": [{"name": "a", "user": credentials}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "current-context": "a",
            }
        )
    )

    async def run(*arguments: str) -> tuple[str, str]:
        process = await asyncio.create_subprocess_exec(
            binary, f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path}", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, told = (text.decode() for text in await process.communicate())
        assert process.returncode == 0, told
        return out, told

    out, told = await run("create", "deployment", "web", "--image=web", "--replicas=2", "-v=8")
    assert out == "deployment.apps/web created\n"
    assert f"Content-Type: {PROTOBUF}" in told
    made = await site.client.get(DEPLOYMENTS, "web", namespace="default")
    assert made["spec"]["replicas"] == 2
    out, told = await run("describe", "deployment", "web", "-v=8")
    assert f"Content-Type: {PROTOBUF}" in told
    assert "Replicas:               2 desired | 0 updated | 0 total" in out
