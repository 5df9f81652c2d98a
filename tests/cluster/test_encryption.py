"""Secrets of a cluster on disk: encrypted from the first one on, while keys change, and after a crash."""

import asyncio
import base64
import json
import logging
import stat
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kube_lite_storage import KeysUnusable, Store
from kube_lite_storage.keyring import FileKeys
from kube_lite_storage.rewriting import REWRITES

from kube_lite.api.errors import ApiError, Forbidden, InternalError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.kubeconfig import Access, access, load
from kube_lite.client.protocol import EventType
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster.compose import Cluster
from kube_lite.cluster.config import ConfigError
from kube_lite.cluster.encryption import KEYS_FILE, PATH, POLL_SECONDS
from kube_lite.kit.clock import Clock, ManualClock
from kube_lite.registry.encryption import as_cipher
from tests.cluster.program import Program

SECRETS = GroupVersionResource("", "v1", "secrets")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
CANARY = "canary-8a6e9d52-nobody-shall-find-me"


def forms(text: str) -> list[bytes]:
    """A text as it is and as base64 shows it, wherever it begins in what was encoded."""
    shifted = [base64.b64encode(b"x" * shift + text.encode())[4:-4] for shift in range(3)]
    return [text.encode(), base64.b64encode(text.encode()), *shifted]


def files_with(directory: Path, text: str) -> list[str]:
    return [
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms(text))
    ]


def secret(name: str, text: str = CANARY) -> Json:
    encoded = base64.b64encode(text.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "annotations": {"last-applied": encoded}},
        "data": {"password": encoded},
    }


def configuration(path: Path, providers: str, resources: str = "secrets") -> Path:
    path.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
        f"resources: [{{resources: [{resources}], providers: [{providers}]}}]\n"
    )
    return path


def key_of(letter: bytes) -> str:
    return base64.b64encode(letter * 32).decode()


def running(directory: Path, file: Path | None = None, clock: Clock | None = None) -> Cluster:
    return Cluster(
        clock=clock,
        data_dir=directory,
        listen="127.0.0.1:0",
        parts="api",
        durable=False,
        encryption_config=file,
    )


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with running(tmp_path / "data") as cluster:
        yield cluster


def remote(cluster: Cluster) -> RemoteClient:
    return RemoteClient(access(load(cluster.kubeconfig)))


async def ended(cluster: Cluster) -> Json:
    """The status once a rewriting has come to its end."""
    async with asyncio.timeout(20):
        while (status := await cluster.encryption.status())["rewriting"]["state"] == "updating":
            await asyncio.sleep(0)
    return status


async def test_no_file_of_the_cluster_has_the_text_of_a_secret(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with remote(cluster) as client:
        await client.create(SECRETS, secret("a"), namespace="default")
        await client.update(SECRETS, secret("a", CANARY + "-changed"), namespace="default")
        await client.create(SECRETS, secret("b"), namespace="default")
        await client.delete(SECRETS, "b", namespace="default")
        with pytest.raises(ApiError) as caught:
            await client.create(SECRETS, secret("a"), namespace="default")
        found = await client.get(SECRETS, "a", namespace="default")
    assert base64.b64decode(found["data"]["password"]).decode() == CANARY + "-changed"
    assert not any(form.decode() in caplog.text for form in forms(CANARY))
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    await cluster.store.snapshot(tmp_path / "data" / "snapshot")
    assert files_with(tmp_path, CANARY) == []
    assert files_with(tmp_path, "kube-system") != []  # so we do look at what is written


async def test_the_keys_lie_beside_the_store_for_their_owner_only(cluster: Cluster) -> None:
    path = cluster.directory / KEYS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert cluster.directory / "store" not in path.parents


async def test_what_is_not_named_is_stored_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "in-the-open"}}
    await cluster.client.create(CONFIG_MAPS, plain, namespace="default")
    assert files_with(tmp_path, "in-the-open") == ["data/store/data.mdb"]


async def test_keys_are_rotated_while_clients_read_write_and_watch(cluster: Cluster) -> None:
    client = cluster.client
    for number in range(150):
        await client.create(SECRETS, secret(f"old-{number:03}"), namespace="default")
    before = await client.list(SECRETS, namespace="default")
    seen: list[str] = []
    versions = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in before.items}
    async with (
        remote(cluster) as outside,
        client.watch(SECRETS, resource_version=before.resource_version) as watch,
    ):
        first = (await cluster.encryption.status())["keys"][0]
        rotating = await outside.call("POST", f"{PATH}/rotate")
        assert rotating["keys"][1:] == [first]
        for number in range(20):
            await client.create(SECRETS, secret(f"new-{number:03}"), namespace="default")
        status = await ended(cluster)
        async for event in watch:
            if event.type is not EventType.BOOKMARK:
                seen.append(event.object["metadata"]["name"])
            if len(seen) == 20:
                break
    assert seen == [f"new-{number:03}" for number in range(20)]  # nobody was told of the rewriting
    scheme = f"kms:v2:kube-lite key {rotating['keys'][0]}"
    assert status["values"] == [{"resource": "secrets", "scheme": scheme, "current": True, "count": 170}]
    after = await client.list(SECRETS, namespace="default")
    assert {
        item["metadata"]["name"]: item["metadata"]["resourceVersion"]
        for item in after.items
        if item["metadata"]["name"] in versions
    } == versions


async def test_a_directory_with_plain_secrets_keeps_working_and_is_encrypted_when_asked(
    tmp_path: Path,
) -> None:
    off = configuration(tmp_path / "off.yaml", "identity: {}")
    data = tmp_path / "data"
    async with running(data, off) as cluster:
        await cluster.client.create(SECRETS, secret("a"), namespace="default")
    assert files_with(data / "store", CANARY) != []
    async with running(data) as cluster:
        status = await cluster.encryption.status()
        assert status["values"] == [
            {"resource": "secrets", "scheme": "identity", "current": False, "count": 1}
        ]
        found = await cluster.client.get(SECRETS, "a", namespace="default")
        assert found["metadata"]["name"] == "a"
        await cluster.encryption.reencrypt()
        status = await ended(cluster)
        assert [value["current"] for value in status["values"]] == [True]
        await cluster.store.snapshot(tmp_path / "snapshot")
    assert files_with(tmp_path / "snapshot", CANARY) == []


async def test_the_configuration_is_read_again_and_data_follows_it(tmp_path: Path) -> None:
    file, data = tmp_path / "encryption.yaml", tmp_path / "data"
    configuration(file, f"aescbc: {{keys: [{{name: one, secret: {key_of(b'1')}}}]}}")
    async with running(data, file) as cluster:
        await cluster.client.create(SECRETS, secret("a"), namespace="default")
        seen = [(await cluster.encryption.status())["values"][0]["scheme"]]
        for providers in (
            f"secretbox: {{keys: [{{name: two, secret: {key_of(b'2')}}}]}}, "
            f"aescbc: {{keys: [{{name: one, secret: {key_of(b'1')}}}]}}",
            f"aesgcm: {{keys: [{{name: three, secret: {key_of(b'3')}}}]}}, "
            f"secretbox: {{keys: [{{name: two, secret: {key_of(b'2')}}}]}}",
        ):
            configuration(file, providers)
            await cluster.encryption.reencrypt()
            seen.append((await ended(cluster))["values"][0]["scheme"])
        assert seen == ["aescbc:v1:one", "secretbox:v1:two", "aesgcm:v1:three"]
        with pytest.raises(ApiError, match="put a new one first there"):
            await cluster.encryption.rotate()
        file.write_text("resources: [")
        with pytest.raises(ApiError, match=r"encryption.yaml: line 1"):
            await cluster.encryption.reencrypt()
        found = await cluster.client.get(SECRETS, "a", namespace="default")
        assert base64.b64decode(found["data"]["password"]).decode() == CANARY


async def test_a_plug_in_wraps_and_its_new_key_is_taken_within_a_minute(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="needs gRPC: the extra kms")
    from tests.storage.plug_in import PlugIn

    plug_in, clock = PlugIn(), ManualClock()
    with plug_in.serving() as endpoint:
        file = configuration(
            tmp_path / "encryption.yaml",
            f"kms: {{apiVersion: v2, name: far, endpoint: '{endpoint}', timeout: 5s}}, identity: {{}}",
        )
        async with running(tmp_path / "data", file, clock) as cluster:
            await cluster.client.create(SECRETS, secret("a"), namespace="default")
            plug_in.key_id = "projects/a/keys/2"
            both = {"kms:v2:far key projects/a/keys/1", "kms:v2:far key projects/a/keys/2"}
            schemes: set[str] = set()
            written = 1
            async with asyncio.timeout(20):
                while schemes != both:
                    await clock.advance(POLL_SECONDS)
                    await cluster.client.create(SECRETS, secret(f"b-{written}"), namespace="default")
                    written += 1
                    values = (await cluster.encryption.status())["values"]
                    schemes = {value["scheme"] for value in values}
            await cluster.encryption.rotate()
            assert [value["count"] for value in (await ended(cluster))["values"]] == [written]
        plug_in.calls.clear()
        async with running(tmp_path / "data", file) as cluster:
            assert plug_in.calls.count("decrypt") > 0  # at the start already, so that no read has to wait
            plug_in.calls.clear()
            assert len((await cluster.client.list(SECRETS, namespace="default")).items) == written
            assert plug_in.calls == []
    async with running(tmp_path / "data", file) as cluster:  # nobody listens on the socket any more
        with pytest.raises(InternalError, match="needs the key 'projects/a/keys/2': the key service 'far'"):
            await cluster.client.get(SECRETS, "a", namespace="default")
        with pytest.raises(InternalError, match="the key service 'far' has given no key yet"):
            await cluster.client.create(SECRETS, secret("c"), namespace="default")
        assert (await cluster.client.list(CONFIG_MAPS, namespace="default")).items == []
    assert files_with(tmp_path, CANARY) == []


async def test_a_lost_key_file_stops_the_start_and_says_which_key_is_needed(tmp_path: Path) -> None:
    async with running(tmp_path) as cluster:
        await cluster.client.create(SECRETS, secret("a"), namespace="default")
        (key,) = (await cluster.encryption.status())["keys"]
    kept = (tmp_path / KEYS_FILE).rename(tmp_path / "kept.json")
    with pytest.raises(KeysUnusable, match=f"encryption.json is missing, and 1 stored values need.*{key}"):
        async with running(tmp_path):
            pass
    assert not (tmp_path / KEYS_FILE).exists()
    kept.rename(tmp_path / KEYS_FILE)
    async with running(tmp_path) as cluster:
        assert await cluster.client.get(SECRETS, "a", namespace="default")


async def test_with_a_wrong_key_secrets_fail_by_name_and_all_else_works(tmp_path: Path) -> None:
    one = configuration(tmp_path / "1.yaml", f"aesgcm: {{keys: [{{name: k, secret: {key_of(b'1')}}}]}}")
    async with running(tmp_path / "data", one) as cluster:
        await cluster.client.create(SECRETS, secret("a"), namespace="default")
    two = configuration(tmp_path / "2.yaml", f"aesgcm: {{keys: [{{name: k, secret: {key_of(b'2')}}}]}}")
    async with running(tmp_path / "data", two) as cluster, remote(cluster) as client:
        for ask in (
            client.get(SECRETS, "a", namespace="default"),
            client.list(SECRETS, namespace="default"),
            client.delete(SECRETS, "a", namespace="default"),
        ):
            with pytest.raises(InternalError, match="/secrets/default/a needs the key 'k'"):
                await ask
        await client.create(SECRETS, secret("b"), namespace="default")
        assert (await client.get(SECRETS, "b", namespace="default"))["metadata"]["name"] == "b"
        assert (await client.list(CONFIG_MAPS, namespace="default")).items == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("a: [", "line 1", id="no YAML"),
        pytest.param(
            f"resources: [{{resources: [a], providers: [aesgcm: {{keys: [{{secret: {key_of(b's')}}}]}}]}}]",
            r"providers\[0\].aesgcm.keys\[0\].name: Required value",
            id="no name",
        ),
        pytest.param(f"key: {key_of(b's')}\n\tx: 1", "found character", id="a tab"),
    ],
)
async def test_a_configuration_that_is_wrong_stops_the_start_without_showing_keys(
    tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "encryption.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=told) as caught:
        async with running(tmp_path / "data", file):
            pass
    assert key_of(b"s") not in "".join(traceback.format_exception(caught.value))


async def test_only_administrators_may_ask_for_it(cluster: Cluster) -> None:
    nobody = Access(cluster.url, ca_pem=cluster.authority.certificate_pem)
    async with RemoteClient(nobody) as client:
        for method, path in (("GET", PATH), ("POST", f"{PATH}/rotate"), ("POST", f"{PATH}/reencrypt")):
            with pytest.raises(Forbidden):
                await client.call(method, path)


async def test_a_rewriting_that_was_cut_off_goes_on_at_the_next_start(tmp_path: Path) -> None:
    off = configuration(tmp_path / "off.yaml", "identity: {}")
    data = tmp_path / "data"
    async with running(data, off) as cluster:
        for number in range(REWRITES + 20):
            await cluster.client.create(SECRETS, secret(f"s-{number:03}"), namespace="default")
    async with Store.open(data / "store", cipher=as_cipher((), FileKeys(data / KEYS_FILE))) as store:
        assert (await store.rewrite()).rewritten == REWRITES
    async with running(data) as cluster:
        status = await ended(cluster)
        assert [(value["current"], value["count"]) for value in status["values"]] == [(True, REWRITES + 20)]
        assert status["rewriting"]["rewritten"] == 20


def test_secrets_are_managed_from_the_command_line(program: Program, tmp_path: Path) -> None:
    off = configuration(tmp_path / "encryption.yaml", "identity: {}")
    program.up("--parts", "api", "--encryption-provider-config", str(off))
    kubectl = program.kubectl()
    items = [secret(f"s-{number:04}") for number in range(3)]
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    assert program.stop() == 0
    program.up("--parts", "api")
    shown = program.run("secrets", "status")
    assert shown.returncode == 0, shown.stderr
    assert "      3 secrets                  NOT encrypted, to be rewritten" in shown.stdout
    shown = program.run("secrets", "rotate")
    assert shown.returncode == 0, shown.stderr
    assert "3 rewritten by the last one" in shown.stdout
    assert "NOT encrypted" not in shown.stdout
    assert " writes, " in shown.stdout
    shown = program.run("secrets", "reencrypt")
    assert "0 rewritten by the last one" in shown.stdout


def test_without_a_cluster_the_command_says_how_to_start_one(program: Program) -> None:
    refused = program.run("secrets", "status")
    assert refused.returncode == 1
    assert "start it with 'kube-lite up'" in refused.stderr
