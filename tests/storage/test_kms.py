"""A KMS v2 plug-in on a socket: a real gRPC server, spoken to byte by byte."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_lite_storage import CannotDecrypt, CannotEncrypt, KeyServiceFailed
from kube_lite_storage.envelope import Envelope, key_id_of
from kube_lite_storage.kms import KmsSocket
from kube_lite_storage.wire import as_field, as_map, parse_map

pytest.importorskip("grpc", reason="needs gRPC: the extra kms")

from tests.storage.plug_in import PlugIn

KEY, VALUE = b"/secrets/default/a", b"the value"


@pytest.fixture
def plug_in() -> PlugIn:
    return PlugIn()


@pytest.fixture
def socket(plug_in: PlugIn) -> Iterator[str]:
    with plug_in.serving() as endpoint:
        yield endpoint


@pytest.fixture
def service(socket: str) -> Iterator[KmsSocket]:
    service = KmsSocket(socket, 5.0)
    yield service
    service.close()


def test_values_are_read_by_another_process_through_the_plug_in(
    service: KmsSocket, socket: str, plug_in: PlugIn
) -> None:
    writer, reader = Envelope("far", service), Envelope("far", KmsSocket(socket, 5.0))
    writer.refresh()
    stored = [writer.encrypt(KEY, VALUE + b"%d" % number) for number in range(3)]
    assert all(key_id_of(each) == "projects/a/keys/1" for each in stored)
    assert [reader.decrypt(KEY, each) for each in stored] == [VALUE + b"%d" % number for number in range(3)]
    assert plug_in.calls == ["encrypt", "decrypt"]  # once for the seed, never for a value
    reader.service.close()  # type: ignore[attr-defined]


def test_a_new_key_of_the_plug_in_is_noticed_and_taken(service: KmsSocket, plug_in: PlugIn) -> None:
    provider = Envelope("far", service)
    provider.refresh()
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
    writer = Envelope("far", service)
    writer.refresh()
    stored = writer.encrypt(KEY, VALUE)
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
            Envelope("far", service).refresh()
    finally:
        service.close()


def test_annotations_come_back_as_they_were() -> None:
    notes = {"b.example.com": b"", "a.example.com": os.urandom(300)}
    assert parse_map(as_field(1, b"x") + as_map(3, notes), 3) == notes
