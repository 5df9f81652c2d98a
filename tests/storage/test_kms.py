"""A KMS v2 plug-in on a socket: a real gRPC server, spoken to byte by byte."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kube_lite_storage import CannotDecrypt, CannotEncrypt, KeyServiceFailed
from kube_lite_storage.envelope import Envelope, key_id_of
from kube_lite_storage.keyring import LocalKeys, Wrapped
from kube_lite_storage.kms import SERVICE, KmsSocket
from kube_lite_storage.wire import as_field, as_map, bytes_of, parse_fields, parse_map

grpc: Any = pytest.importorskip("grpc", reason="needs gRPC: the extra kms")

KEY, VALUE = b"/secrets/default/a", b"the value"


class PlugIn:
    """Wraps with keys in memory; its key id, health and version can be set."""

    def __init__(self) -> None:
        self.keys = LocalKeys([b"1" * 32], "the plug-in")
        self.health, self.version = "ok", "v2"
        self.key_id = "projects/a/keys/1"
        self.calls: list[str] = []

    def handler(self) -> Any:
        methods = {
            name: grpc.unary_unary_rpc_method_handler(getattr(self, name.lower()))
            for name in ("Status", "Encrypt", "Decrypt")
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def status(self, message: bytes, context: Any) -> bytes:
        self.calls.append("status")
        assert message == b""
        return b"".join(
            as_field(number, text.encode())
            for number, text in enumerate((self.version, self.health, self.key_id), 1)
        )

    def encrypt(self, message: bytes, context: Any) -> bytes:
        self.calls.append("encrypt")
        asked = dict(parse_fields(message))
        assert len(bytes_of(asked, 2)) == 36  # a uid
        wrapped = self.keys.wrap(bytes_of(asked, 1))
        notes = {"local.kek.example.com": wrapped.key_id.encode()}
        return as_field(1, wrapped.ciphertext) + as_field(2, self.key_id.encode()) + as_map(3, notes)

    def decrypt(self, message: bytes, context: Any) -> bytes:
        self.calls.append("decrypt")
        asked = dict(parse_fields(message))
        key_id = bytes_of(asked, 3).decode()
        if not key_id.startswith("projects/a/"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"no key {key_id}")
        local = parse_map(message, 4)["local.kek.example.com"].decode()
        return as_field(1, self.keys.unwrap(Wrapped(local, bytes_of(asked, 1))))


@pytest.fixture
def plug_in() -> PlugIn:
    return PlugIn()


@pytest.fixture
def socket(plug_in: PlugIn) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="kms-") as directory:  # a socket's path may not be long
        path = Path(directory) / "kms.sock"
        with ThreadPoolExecutor(2) as threads:
            server = grpc.server(threads)
            server.add_generic_rpc_handlers((plug_in.handler(),))
            server.add_insecure_port(f"unix:{path}")
            server.start()
            try:
                yield f"unix://{path}"
            finally:
                server.stop(None).wait()


@pytest.fixture
def service(socket: str) -> Iterator[KmsSocket]:
    service = KmsSocket(socket, 5.0)
    yield service
    service.close()


def test_values_are_read_by_another_process_through_the_plug_in(
    service: KmsSocket, socket: str, plug_in: PlugIn
) -> None:
    writer, reader = Envelope("far", service), Envelope("far", KmsSocket(socket, 5.0))
    stored = [writer.encrypt(KEY, VALUE + b"%d" % number) for number in range(3)]
    assert all(key_id_of(each) == "projects/a/keys/1" for each in stored)
    assert [reader.decrypt(KEY, each) for each in stored] == [VALUE + b"%d" % number for number in range(3)]
    assert plug_in.calls == ["encrypt", "decrypt"]  # once for the seed, never for a value
    reader.service.close()  # type: ignore[attr-defined]


def test_a_new_key_of_the_plug_in_is_noticed_and_taken(service: KmsSocket, plug_in: PlugIn) -> None:
    provider = Envelope("far", service)
    old = provider.encrypt(KEY, VALUE)
    assert not provider.has_changed()
    plug_in.key_id = "projects/a/keys/2"
    assert provider.has_changed()
    provider.refresh()
    new = provider.encrypt(KEY, VALUE)
    assert (provider.is_current(old), provider.is_current(new)) == (False, True)
    assert provider.decrypt(KEY, old) == provider.decrypt(KEY, new) == VALUE


def test_a_key_that_the_plug_in_does_not_know_is_named(service: KmsSocket, plug_in: PlugIn) -> None:
    plug_in.key_id = "projects/gone/keys/1"
    stored = Envelope("far", service).encrypt(KEY, VALUE)
    with pytest.raises(CannotDecrypt, match=r"needs the key 'projects/gone/keys/1'.*NOT_FOUND"):
        Envelope("far", service).decrypt(KEY, stored)


@pytest.mark.parametrize(
    ("health", "version", "told"),
    [
        pytest.param("the vault is sealed", "v2", "not healthy: the vault is sealed", id="not well"),
        pytest.param("ok", "v1beta1", "speaks KMS version 'v1beta1'", id="another version"),
    ],
)
def test_a_plug_in_that_is_not_well_is_told(
    service: KmsSocket, plug_in: PlugIn, health: str, version: str, told: str
) -> None:
    plug_in.health, plug_in.version = health, version
    with pytest.raises(KeyServiceFailed, match=told):
        service.current()


def test_a_socket_where_nobody_listens_is_told_soon(tmp_path: Path) -> None:
    service = KmsSocket(f"unix://{tmp_path}/nobody.sock", 0.3)
    try:
        with pytest.raises(CannotEncrypt, match=r"'far' gives no key: unix://.*nobody.sock answers Encrypt"):
            Envelope("far", service).encrypt(KEY, VALUE)
    finally:
        service.close()


def test_annotations_come_back_as_they_were() -> None:
    notes = {"b.example.com": b"", "a.example.com": os.urandom(300)}
    assert parse_map(as_field(1, b"x") + as_map(3, notes), 3) == notes
