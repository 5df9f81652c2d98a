"""Groups that other servers serve, with a real one behind a Service."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

import kube_lite
from conformance.kubectl import newest_kubectl
from kube_lite.api.errors import Forbidden, Invalid, NotFound
from kube_lite.api.identity import GroupVersionResource
from kube_lite.auth.user import AUTHENTICATED, User
from kube_lite.http import aggregation_link
from kube_lite.verbs.local import LocalClient

from .extension import (
    API_SERVICES,
    FLUNDER,
    GROUP,
    HOST,
    SERVICES,
    SLICES,
    Extension,
    extending,
    session_tls,
    slice_of,
)

FLUNDERS = GroupVersionResource(GROUP, "v1alpha1", "flunders")
NAME = f"v1alpha1.{GROUP}"
PREFIX = f"/apis/{GROUP}/v1alpha1"
ONE = f"{PREFIX}/namespaces/default/flunders/one"
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")


def definition() -> dict[str, Any]:
    """Of a kind of our own server."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "metadata": {"name": "cages.zoo.example.test"},
        "spec": {
            "group": "zoo.example.test",
            "names": {"plural": "cages", "kind": "Cage"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


class Place:
    """A cluster, a server that extends its API, and the administrator's HTTP."""

    def __init__(self, cluster: kube_lite.Cluster, extension: Extension, http: ClientSession) -> None:
        self.cluster = cluster
        self.client = cluster.client
        self.extension = extension
        self.http = http

    async def condition(self, name: str = NAME) -> dict[str, Any]:
        """What is said about its availability."""
        services = (await self.client.list(API_SERVICES)).items
        found = next((service for service in services if service["metadata"]["name"] == name), {})
        conditions = (found.get("status") or {}).get("conditions") or [{}]
        condition: dict[str, Any] = conditions[0]
        return condition

    async def until(self, reason: str, name: str = NAME) -> dict[str, Any]:
        """Wait for a reason of the condition, and until requests go by it."""

        async def is_so() -> bool:
            return (await self.condition(name)).get("reason") == reason

        await eventually(is_so)
        return await self.condition(name)

    async def text(self, path: str, **headers: str) -> tuple[int, str]:
        """The answer at a path."""
        async with self.http.get(path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def answers(self, path: str = ONE) -> None:
        """Wait until the path answers."""

        async def does() -> bool:
            return (await self.text(path))[0] == 200

        await eventually(does)


async def eventually(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not await is_so():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def place_in(directory: Path, extension: Extension | None = None, **spec: Any) -> AsyncIterator[Place]:
    async with kube_lite.Cluster(parts="api", data_dir=directory / "data", durable=False) as cluster:
        trusted = directory / "data" / "pki" / "front-proxy-ca.crt"
        connector = TCPConnector(ssl=session_tls(directory / "data"))
        async with (
            extending(cluster.client, directory / "extension", trusted, extension, **spec) as served,
            ClientSession(cluster.url, connector=connector) as http,
        ):
            yield Place(cluster, served, http)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """All is well: the group is served."""
    async with place_in(tmp_path) as made:
        await made.until("Passed")
        await made.answers()
        yield made


async def test_requests_are_passed_on_with_our_certificate_and_the_name_of_who_asks(place: Place) -> None:
    status, text = await place.text(
        ONE,
        **{
            "X-Remote-User": "root",
            "X-Remote-Group": "system:masters",
            "x-remote-extra-evil": "1",
            "Authorization": "Bearer nonsense",  # which nobody looks at where there is a certificate
            "Impersonate-User": "ann",
            "Impersonate-Group": "system:masters",
            "Impersonate-Extra-Scopes%2Fa": "x",
        },
    )
    assert (status, json.loads(text)) == (200, FLUNDER)
    headers = place.extension.requests[-1].headers
    assert headers.getall("X-Remote-User") == ["ann"]
    assert headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]
    assert headers.getall("X-Remote-Extra-Scopes%2Fa") == ["x"]
    assert not {"x-remote-extra-evil", "impersonate-user", "authorization"} & {
        name.lower() for name in headers
    }
    assert place.extension.names == {"front-proxy-client"}


async def test_who_may_not_is_refused_before_anything_is_passed_on(place: Place) -> None:
    asked = len(place.extension.requests)
    status, text = await place.text(ONE, **{"Impersonate-User": "ann"})
    assert status == 403
    assert json.loads(text)["message"] == (
        f'flunders.{GROUP} "one" is forbidden: User "ann" cannot get resource "flunders" in API group '
        f'"{GROUP}" in the namespace "default"'
    )
    assert len(place.extension.requests) == asked


async def test_other_servers_are_told_whom_to_trust(place: Place, tmp_path: Path) -> None:
    found = await place.client.get(CONFIG_MAPS, "extension-apiserver-authentication", namespace="kube-system")
    pki = tmp_path / "data" / "pki"
    assert found["data"]["client-ca-file"] == (pki / "ca.crt").read_text()
    assert found["data"]["requestheader-client-ca-file"] == (pki / "front-proxy-ca.crt").read_text()
    assert found["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'


async def test_discovery_lists_the_group_by_its_priority(place: Place) -> None:
    _, text = await place.text("/apis")
    names = [group["name"] for group in json.loads(text)["groups"]]
    assert names[0] == "apiregistration.k8s.io"
    assert names[-1] == GROUP
    _, text = await place.text(f"/apis/{GROUP}")
    assert json.loads(text)["preferredVersion"] == {
        "groupVersion": f"{GROUP}/v1alpha1",
        "version": "v1alpha1",
    }
    _, text = await place.text(PREFIX)
    assert json.loads(text)["resources"][0]["name"] == "flunders"
    _, text = await place.text("/apis", Accept=AGGREGATED)
    (version,) = json.loads(text)["items"][-1]["versions"]
    assert version["freshness"] == "Current"
    assert version["resources"][0] | {"responseKind": None} == {
        "resource": "flunders",
        "responseKind": None,
        "scope": "Namespaced",
        "singularResource": "flunder",
        "verbs": ["create", "delete", "get", "list", "watch"],
        "shortNames": ["fl"],
    }


async def test_openapi_has_the_other_server_s_documents(place: Place) -> None:
    _, text = await place.text("/openapi/v3")
    paths = json.loads(text)["paths"]
    assert paths[PREFIX.lstrip("/")]["serverRelativeURL"] == f"/openapi/v3{PREFIX}?hash=ABC"
    assert "apis/apps/v1" in paths
    status, text = await place.text(f"/openapi/v3{PREFIX}?hash=ABC")
    assert (status, list(json.loads(text)["components"]["schemas"])) == (
        200,
        ["test.example.wardle.v1alpha1.Flunder"],
    )
    _, text = await place.text("/openapi/v2")
    document = json.loads(text)
    assert "test.example.wardle.v1alpha1.Flunder" in document["definitions"]
    assert "unused" not in document["definitions"]
    assert f"{PREFIX}/namespaces/{{namespace}}/flunders/{{name}}" in document["paths"]
    assert "/apis/apps/v1/namespaces/{namespace}/deployments" in document["paths"]


async def test_a_watch_is_passed_on_as_it_goes_and_ends_with_the_client(place: Place) -> None:
    async with place.http.get(f"{PREFIX}/flunders?watch=1") as answer:
        for name in ("two", "three"):
            event = {"type": "ADDED", "object": {**FLUNDER, "metadata": {"name": name}}}
            place.extension.events.put_nowait(event)
            assert json.loads(await answer.content.readline()) == event
        assert place.extension.watchers == 1

    async def has_ended() -> bool:
        return place.extension.watchers == 0

    await eventually(has_ended)


async def test_large_bodies_are_passed_on_piece_by_piece(place: Place) -> None:
    body = os.urandom(8 * 1024 * 1024)
    path = f"{PREFIX}/namespaces/default/flunders"
    async with place.http.post(path, data=BytesIO(body), expect100=True) as answer:
        assert answer.status == 201
        assert (await answer.json())["spec"] == {"reference": str(len(body))}


async def test_a_connection_that_changes_its_protocol_is_passed_on(place: Place) -> None:
    async with place.http.ws_connect(f"{ONE}/console", protocols=("echo.example.test",)) as socket:
        assert socket.protocol == "echo.example.test"
        await socket.send_bytes(b"a" * 300_000)
        assert await socket.receive_bytes() == b"A" * 300_000
    async with place.http.get(
        f"{ONE}/nothing", headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    ) as answer:
        assert answer.status == 404  # as the other server says


async def test_what_is_spoken_after_the_change_is_nobody_s_business(place: Place, tmp_path: Path) -> None:
    port = place.cluster.server.port
    tls = session_tls(tmp_path / "data")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
    head = f"POST {ONE}/spdy HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    for piece in (b"\x80\x03\x00\x01 first", b"then \r\n\r\n more"):
        writer.write(piece)
        assert await reader.readexactly(len(piece)) == piece.upper()
    assert not place.extension.ended.is_set()
    writer.close()
    async with asyncio.timeout(15):
        await place.extension.ended.wait()


async def test_availability_says_what_is_missing_until_it_is_there(place: Place) -> None:
    place.extension.is_well = False
    slices = await place.client.get(SLICES, "flunders-1", namespace="extended")
    await place.client.update(
        SLICES, {**slices, "metadata": {**slices["metadata"], "annotations": {"a": "b"}}}
    )
    found = await place.until("FailedDiscoveryCheck")
    url = f"https://{HOST}:{place.extension.port}{PREFIX}"
    assert found["message"] == f"failing or missing response from {url}: bad status from {url}: 500"
    assert found["status"] == "False"

    async def is_refused() -> bool:
        return await place.text(ONE) == (503, "service unavailable\n")

    await eventually(is_refused)
    _, text = await place.text("/metrics")
    assert f'aggregator_unavailable_apiservice{{name="{NAME}"}} 1' in text
    assert 'aggregator_unavailable_apiservice{name="v1.apps"} 0' in text
    _, text = await place.text("/apis", Accept=AGGREGATED)
    assert json.loads(text)["items"][-1]["versions"][0]["freshness"] == "Stale"
    place.extension.is_well = True
    await place.until("Passed")
    await place.answers()

    await place.client.delete(SLICES, "flunders-1", namespace="extended")
    found = await place.until("EndpointsNotFound")
    assert found["message"] == 'cannot find endpointslices for service/flunders in "extended"'
    unready = slice_of(place.extension.port)
    unready["endpoints"][0]["conditions"]["ready"] = False
    await place.client.create(SLICES, unready, namespace="extended")
    found = await place.until("MissingEndpoints")
    assert found["message"] == (
        'endpointslices for service/flunders in "extended" have no addresses with port name "https"'
    )
    await place.client.delete(SERVICES, "flunders", namespace="extended")
    found = await place.until("ServiceNotFound")
    assert found["message"] == 'service/flunders in "extended" is not present'


async def test_a_server_with_another_certificate_is_not_asked(tmp_path: Path) -> None:
    async with place_in(tmp_path, caBundle="") as place:
        found = await place.until("FailedDiscoveryCheck")
        url = f"https://{HOST}:{place.extension.port}{PREFIX}"
        assert found["message"] == (
            f'failing or missing response from {url}: Get "{url}": tls: failed to verify certificate: x509: '
            "certificate signed by unknown authority"
        )
        service = await place.client.get(API_SERVICES, NAME)
        trusting = {**service["spec"], "insecureSkipTLSVerify": True}
        await place.client.update(API_SERVICES, {**service, "spec": trusting})
        await place.until("Passed")
        await place.answers()


async def test_what_is_served_here_is_handed_over_and_comes_back(tmp_path: Path) -> None:
    ours, theirs = "/apis/policy/v1/poddisruptionbudgets", "/apis/policy/v1/namespaces/default/flunders/one"
    async with place_in(tmp_path, Extension("policy", "v1")) as place:
        await place.until("Passed", "v1.policy")
        await place.answers(theirs)
        assert (await place.text(ours))[0] == 404
        assert (await place.text("/openapi/v3/apis/policy/v1"))[1].startswith('{"openapi": "3.0.0"')
        await place.client.delete(API_SERVICES, "v1.policy")
        await place.answers(ours)
        await place.until("Local", "v1.policy")
        assert (await place.text(theirs))[0] == 404
        _, text = await place.text("/apis/policy/v1")
        assert "poddisruptionbudgets" in text


async def test_a_server_that_knows_only_openapi_v2_is_explained_too(tmp_path: Path) -> None:
    async with place_in(tmp_path, Extension(knows_v3=False)) as place:
        await place.until("Passed")
        await place.answers()
        _, text = await place.text("/openapi/v3")
        address = json.loads(text)["paths"][PREFIX.lstrip("/")]["serverRelativeURL"]
        _, text = await place.text(address)
        document = json.loads(text)
        assert list(document["components"]["schemas"]) == ["test.example.wardle.v1alpha1.Flunder"]
        (path,) = document["paths"]
        assert path.startswith(PREFIX)


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_for_ours(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation_link, "LONGEST_SECONDS", 0.05)
    status, text = await place.text(f"{ONE}/silence")
    assert (status, json.loads(text)["reason"]) == (504, "Timeout")


async def test_a_server_that_has_gone_is_told_of_until_the_next_look(place: Place) -> None:
    slices = await place.client.get(SLICES, "flunders-1", namespace="extended")
    place.extension.is_well = False  # so that the look that follows changes nothing in between
    await place.client.update(SLICES, {**slices, "ports": [{"name": "https", "port": 1, "protocol": "TCP"}]})
    status, text = await place.text(ONE)
    reached = f"error trying to reach service: dial tcp {HOST}:1: connect: connection refused\n"
    assert (status, text) in ((503, reached), (503, "service unavailable\n"))
    found = await place.until("FailedDiscoveryCheck")
    url = f"https://{HOST}:1{PREFIX}"
    assert found["message"] == (
        f'failing or missing response from {url}: Get "{url}": dial tcp {HOST}:1: connect: connection refused'
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"caBundle": "bm90aGluZw==", "insecureSkipTLSVerify": True},
            "may not be true if caBundle is present",
        ),
        (
            {"versionPriority": 0},
            "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
        ),
        ({"group": "other.test"}, 'must be `spec.version+"."+spec.group`: "v1alpha1.other.test"'),
    ],
)
async def test_an_api_service_that_makes_no_sense_is_refused(
    place: Place, change: dict[str, Any], told: str
) -> None:
    service = await place.client.get(API_SERVICES, NAME)
    with pytest.raises(Invalid) as refused:
        await place.client.update(API_SERVICES, {**service, "spec": {**service["spec"], **change}})
    assert told.replace("\\", "") in refused.value.message.replace("\\", "")


async def test_our_own_components_reach_the_group_in_their_names(place: Place) -> None:
    found = await place.client.list(FLUNDERS, namespace="default")
    assert (found.items, found.resource_version) == ([FLUNDER], "7")
    assert place.extension.requests[-1].headers["X-Remote-User"] == "kube-lite-admin"
    assert await place.client.get(FLUNDERS, "one", namespace="default") == FLUNDER
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await place.client.get(FLUNDERS, "none", namespace="default")
    stranger = LocalClient(place.cluster.pipeline, User("ann", groups=(AUTHENTICATED,)))
    with pytest.raises(Forbidden):
        await stranger.list(FLUNDERS, namespace="default")
    event = {"type": "MODIFIED", "object": FLUNDER}
    place.extension.events.put_nowait(event)
    async with place.client.watch(FLUNDERS) as events:
        async for told in events:
            assert (told.type.value, told.object) == ("MODIFIED", FLUNDER)
            break


async def test_a_group_of_a_definition_has_an_api_service_as_long_as_it_is_there(tmp_path: Path) -> None:
    name = "v1.zoo.example.test"

    async def is_there() -> bool:
        services = (await cluster.client.list(API_SERVICES)).items
        found = [service for service in services if service["metadata"]["name"] == name]
        return bool(found) and found[0].get("status", {}).get("conditions", [{}])[0].get("reason") == "Local"

    async def is_gone() -> bool:
        services = (await cluster.client.list(API_SERVICES)).items
        return name not in {service["metadata"]["name"] for service in services}

    async with kube_lite.Cluster(parts="api", data_dir=tmp_path, durable=False) as cluster:
        await cluster.client.create(DEFINITIONS, definition())
        await eventually(is_there)
        before = await cluster.client.get(API_SERVICES, name)
        assert before["spec"] == {
            "group": "zoo.example.test",
            "version": "v1",
            "groupPriorityMinimum": 1000,
            "versionPriority": 100,
        }
        await cluster.client.delete(API_SERVICES, name)
        await eventually(is_there)
    async with kube_lite.Cluster(parts="api", data_dir=tmp_path, durable=False) as cluster:
        assert await is_there()
        await cluster.client.delete(DEFINITIONS, "cages.zoo.example.test")
        await eventually(is_gone)


@pytest.mark.skipif(newest_kubectl() is None, reason="there is no kubectl")
async def test_kubectl_finds_explains_and_gets_what_another_server_serves(
    place: Place, tmp_path: Path
) -> None:
    async def kubectl(*arguments: str) -> str:
        program = await asyncio.create_subprocess_exec(
            str(newest_kubectl()),
            f"--kubeconfig={place.cluster.kubeconfig}",
            f"--cache-dir={tmp_path / 'cache'}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await program.communicate()
        return told.decode()

    assert f"flunders   fl           {GROUP}/v1alpha1   true         Flunder" in await kubectl(
        "api-resources", f"--api-group={GROUP}"
    )
    assert "A fish that swims in the tests." in await kubectl("explain", "flunder")
    assert await kubectl("get", "fl", "one", "-o", "name") == f"flunder.{GROUP}/one\n"
    row = (await kubectl("get", "apiservice", NAME)).splitlines()[1].split()
    assert row[:3] == [NAME, "extended/flunders", "True"]
