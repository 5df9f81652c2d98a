"""Values that are encrypted in the file: every scheme, its bytes, and what a store does with them."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import lmdb
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from kube_lite_storage import (
    CannotDecrypt,
    CannotEncrypt,
    Compare,
    Delete,
    KeyServiceFailed,
    KeysUnusable,
    Put,
    Range,
    RevisionMismatch,
    Store,
    StoreDamaged,
    Txn,
)
from kube_lite_storage.cipher import MARK, FirstWrites, Identity, Provider, scheme_of
from kube_lite_storage.envelope import Envelope, key_id_of
from kube_lite_storage.keyring import EnvironmentKeys, FileKeys, LocalKeys, Wrapped, id_of
from kube_lite_storage.rewriting import BEGIN, REWRITES
from kube_lite_storage.static_keys import AesCbc, AesGcm, SecretBox
from kube_lite_storage.wire import as_field

CANARY = b"canary-4c1b6f0e-singing-in-the-mine"
KEY = b"/secrets/default/a"
ALL = Range.prefix(b"/")


def is_any(value: bytes) -> bool:
    return True


def is_json(value: bytes) -> bool:
    return value[:1] == b"{" and value[-1:] == b"}"


def envelope(secrets: Sequence[bytes] = (b"K" * 32,), name: str = "kube-lite") -> Envelope:
    return Envelope(name, LocalKeys(secrets, "the test"))


PROVIDERS: dict[str, Callable[[], Provider]] = {
    "aesgcm": lambda: AesGcm("key1", b"k" * 32),
    "aesgcm with 128 bits": lambda: AesGcm("small", b"k" * 16),
    "aescbc": lambda: AesCbc("key1", b"k" * 24, is_any),
    "secretbox": lambda: SecretBox("key1", b"k" * 32),
    "envelope": envelope,
    "identity": Identity,
}
HIDING = [name for name in PROVIDERS if name != "identity"]


@pytest.mark.parametrize("name", HIDING)
@given(key=st.binary(min_size=1, max_size=60), value=st.binary(max_size=400))
def test_what_was_encrypted_is_decrypted_and_nothing_of_it_shows(name: str, key: bytes, value: bytes) -> None:
    provider = PROVIDERS[name]()
    stored = provider.encrypt(key, value)
    assert stored.startswith(provider.prefix)
    assert provider.decrypt(key, stored) == value
    assert len(value) < 8 or value not in stored.removeprefix(provider.prefix)
    assert stored != provider.encrypt(key, value)


@pytest.mark.parametrize("name", ["aesgcm", "envelope"])
def test_a_value_that_was_copied_to_another_key_is_refused(name: str) -> None:
    provider = PROVIDERS[name]()
    stored = provider.encrypt(KEY, CANARY)
    with pytest.raises(CannotDecrypt) as caught:
        provider.decrypt(b"/secrets/default/b", stored)
    assert "/secrets/default/b" in str(caught.value)


@pytest.mark.parametrize("name", HIDING)
@given(data=st.data())
def test_a_changed_value_is_refused(name: str, data: st.DataObject) -> None:
    provider = AesCbc("key1", b"k" * 32, is_json) if name == "aescbc" else PROVIDERS[name]()
    value = b'{"a":"%b"}' % CANARY
    stored = bytearray(provider.encrypt(KEY, value))
    at = data.draw(st.integers(len(provider.prefix), len(stored) - 1))
    if (
        name == "aescbc"
    ):  # which notices changes of the first block and of the padding only, as upstream's does
        at = len(provider.prefix)
    stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotDecrypt) as caught:
        provider.decrypt(KEY, bytes(stored))
    assert CANARY.decode() not in str(caught.value)


@pytest.mark.parametrize("first", list(PROVIDERS))
@pytest.mark.parametrize("writer", list(PROVIDERS))
def test_the_first_provider_writes_and_all_read(first: str, writer: str) -> None:
    wrote = PROVIDERS[writer]()
    stored = wrote.encrypt(KEY, CANARY)
    order = [PROVIDERS[first](), *(make() for name, make in PROVIDERS.items() if name != first)]
    cipher = FirstWrites(order)
    if stored.startswith(MARK):
        assert cipher.decrypt(KEY, stored) == CANARY
    assert cipher.is_current(KEY, stored) == (first == writer)
    assert cipher.encrypt(KEY, CANARY).startswith(order[0].prefix)


def test_a_value_that_nobody_has_the_key_of_names_it() -> None:
    stored = AesGcm("lost", b"k" * 32).encrypt(KEY, CANARY)
    cipher = FirstWrites([AesGcm("key1", b"k" * 32), Identity()])
    with pytest.raises(CannotDecrypt, match="needs the key 'lost': no provider") as caught:
        cipher.decrypt(KEY, stored)
    assert caught.value.key_id == "lost"


@pytest.mark.parametrize("scheme", [AesGcm, SecretBox, lambda name, key: AesCbc(name, key, is_json)])
def test_another_key_of_the_same_name_gives_an_error_and_never_garbage(
    scheme: Callable[[str, bytes], Provider],
) -> None:
    right = scheme("key1", b"r" * 32)
    for number in range(300):  # of these about one looks well padded to AES-CBC
        wrong = scheme("key1", number.to_bytes(32, "big"))
        with pytest.raises(CannotDecrypt, match="'key1'"):
            wrong.decrypt(KEY, right.encrypt(KEY, b'{"a":1}'))


def test_several_keys_of_one_name_are_tried_in_turn() -> None:
    stored = AesGcm("key1", b"o" * 32).encrypt(KEY, CANARY)
    assert FirstWrites([AesGcm("key1", b"n" * 32), AesGcm("key1", b"o" * 32)]).decrypt(KEY, stored) == CANARY


def test_a_plain_value_may_not_look_encrypted() -> None:
    with pytest.raises(CannotEncrypt):
        Identity().encrypt(KEY, b"k8s:enc:aescbc:v1:key1:no")


# Envelopes


def test_an_envelope_can_be_opened_by_the_published_recipe() -> None:
    secret = bytes(range(32))
    stored = envelope([secret], "mine").encrypt(KEY, CANARY)
    assert stored.startswith(b"k8s:enc:kms:v2:mine:\x0a")
    raw = stored.removeprefix(b"k8s:enc:kms:v2:mine:")
    length, data = raw[1], raw[2 : 2 + raw[1]]
    assert length == 32 + 12 + len(CANARY) + 16
    tail = raw[2 + length :]
    key_id = id_of(secret).encode()
    assert tail.startswith(b"\x12\x10" + key_id + b"\x1a\x3c")
    wrapped, rest = tail[20:80], tail[80:]
    assert rest == b"\x28\x01"  # a seed
    seed = AESGCM(secret).decrypt(wrapped[:12], wrapped[12:], key_id)
    data_key = HKDFExpand(SHA256(), 32, data[:32]).derive(seed)
    assert AESGCM(data_key).decrypt(data[32:44], data[44:], KEY) == CANARY


def test_the_example_of_the_readme_is_one() -> None:
    text = (Path(__file__).parents[2] / "storage" / "README.md").read_text()
    head, *rows = text.partition("```envelope\n")[2].partition("```")[0].splitlines()
    raw = b"".join(bytes.fromhex(row[:48]) for row in rows)
    assert envelope([bytes(range(32))]).decrypt(b"/secrets/default/a", head.encode() + raw) == b'{"a":1}'


def test_values_of_older_servers_with_one_key_for_all_can_be_read() -> None:
    keys = LocalKeys([b"K" * 32], "the test")
    wrapped = keys.wrap(b"d" * 32)
    data = b"n" * 12 + AESGCM(b"d" * 32).encrypt(b"n" * 12, CANARY, KEY)
    stored = b"k8s:enc:kms:v2:kube-lite:" + as_field(1, data)
    stored += as_field(2, wrapped.key_id.encode()) + as_field(3, wrapped.ciphertext)
    assert Envelope("kube-lite", keys).decrypt(KEY, stored) == CANARY


def test_a_new_key_in_front_writes_and_the_old_one_still_reads() -> None:
    old = envelope([b"o" * 32])
    stored = old.encrypt(KEY, CANARY)
    both = envelope([b"n" * 32, b"o" * 32])
    assert both.decrypt(KEY, stored) == CANARY
    assert not both.is_current(stored)
    again = both.encrypt(KEY, CANARY)
    assert both.is_current(again)
    assert (key_id_of(stored), key_id_of(again)) == (id_of(b"o" * 32), id_of(b"n" * 32))


def test_a_key_that_is_gone_is_named() -> None:
    stored = envelope([b"o" * 32]).encrypt(KEY, CANARY)
    with pytest.raises(CannotDecrypt, match=id_of(b"o" * 32)):
        envelope([b"n" * 32]).decrypt(KEY, stored)


@given(raw=st.binary(max_size=120))
def test_any_bytes_behind_the_prefix_are_refused_in_words(raw: bytes) -> None:
    provider = envelope()
    with pytest.raises(CannotDecrypt):
        provider.decrypt(KEY, provider.prefix + raw)


class Unwilling:
    """A key service that is down."""

    is_remote = True

    def __init__(self) -> None:
        self.asked = 0

    def current(self) -> str:
        raise KeyServiceFailed("it is down")

    def wrap(self, seed: bytes) -> Wrapped:
        self.asked += 1
        raise KeyServiceFailed("it is down")

    def unwrap(self, wrapped: Wrapped) -> bytes:
        self.asked += 1
        raise KeyServiceFailed("it is down")

    def close(self) -> None:
        raise AssertionError("it was never open")


def test_a_key_service_that_is_down_is_told_and_not_asked_at_every_turn() -> None:
    service = Unwilling()
    provider = Envelope("far", service)
    with pytest.raises(CannotEncrypt, match="'far' gives no key: it is down"):
        provider.refresh()
    stored = envelope(name="far").encrypt(KEY, CANARY)
    for _ in range(5):
        with pytest.raises(CannotEncrypt, match="'far' has given no key yet: it is down"):
            provider.encrypt(KEY, CANARY)
        with pytest.raises(CannotDecrypt, match="'far' does not give it: it is down"):
            provider.decrypt(KEY, stored)
    assert service.asked == 1


# Keys


def test_the_key_file_is_private_and_outlives_us(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "encryption.json"
    keys = FileKeys.create(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    first = keys.current()
    wrapped = keys.wrap(b"s" * 32)
    second = keys.rotate()
    again = FileKeys(path)
    assert again.ids == (second, first)
    assert again.unwrap(wrapped) == b"s" * 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    FileKeys.create(path)
    path.chmod(0o640)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        FileKeys(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="cut short"),
        pytest.param('{"keys": []}', id="no key"),
        pytest.param('{"keys": [{"secret": "Y2FuYXJ5"}]}', id="too short a key"),
        pytest.param('{"keys": [{"secret": "canary!"}]}', id="no base64"),
        pytest.param("[1]", id="another file"),
    ],
)
def test_a_file_that_has_no_keys_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KeysUnusable) as caught:
        FileKeys(path)
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keys_come_from_the_environment() -> None:
    text = ",".join(base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
    assert EnvironmentKeys("K", {"K": text}).ids == (id_of(b"a" * 32), id_of(b"b" * 32))
    with pytest.raises(KeysUnusable, match="K is not set"):
        EnvironmentKeys("K", {})


# In a store


class Counted(FirstWrites):
    """Counts what it decrypts."""

    decrypted = 0

    def decrypt(self, key: bytes, stored: bytes) -> bytes:
        self.decrypted += 1
        return super().decrypt(key, stored)


def files_with(directory: Path, *texts: bytes) -> list[str]:
    return [
        str(path)
        for path in directory.rglob("*")
        if path.is_file() and any(text in path.read_bytes() for text in texts)
    ]


async def test_no_file_holds_the_value_whatever_its_size(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s", cipher=FirstWrites([envelope()]), initial_bytes=1 << 20) as store:
        for size in (0, 1, 700, 1500, 2100, 4000, 5000, 9000, 70_000, 300_000):
            value = CANARY * (size // len(CANARY) + 1)
            for number in range(3):
                await store.commit(Txn([], [Put(b"/v/%d" % size, value + b"%d" % number)]))
            assert store.list(Range.prefix(b"/v/%d" % size)).items[0].value == value + b"2"
        await store.commit(Txn([], [Delete(b"/v/700")]))
        await store.snapshot(tmp_path / "snapshot")
        await store.fork(tmp_path / "fork")
        await store.compact(store.revision)
        assert store.check() == []
    assert (tmp_path / "snapshot").stat().st_size > 100_000
    assert files_with(tmp_path, CANARY) == []


async def test_reads_and_watches_see_values_as_they_were_written(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s", cipher=FirstWrites([envelope()]), keep_seconds=None) as store:
        first = await store.commit(Txn([], [Put(b"/a", b'{"v":""}', b"head", 6)]))
        second = await store.commit(Txn([Compare(b"/a", first)], [Put(b"/a", CANARY), Put(b"/b", b"two")]))
        third = await store.commit(Txn([], [Delete(b"/a")]))
        inserted = b'{"v":"%d"}' % first
        assert store.get(b"/a", at=first).value == inserted  # type: ignore[union-attr]
        assert [item.value for item in store.list(ALL, at=second).items] == [CANARY, b"two"]
        assert [item.value for item in store.list(ALL, limit=1).items] == [b"two"]
        assert store.list(ALL, at=first, parts="headers").items[0].header == b"head"
        with store.watch(ALL, after=first - 1) as watch:
            events = []
            async for batch in watch:
                events += [
                    (each.key, each.current and each.current.value, each.previous and each.previous.value)
                    for each in batch
                ]
                if watch.progress == third:
                    break
            assert events == [
                (b"/a", inserted, None),
                (b"/a", CANARY, inserted),
                (b"/b", b"two", None),
                (b"/a", None, CANARY),
            ]
            await store.commit(Txn([], [Put(b"/b", b"live")]))
            (live,) = await anext(watch)
            assert (live.current.value, live.previous.value) == (b"live", b"two")  # type: ignore[union-attr]


async def test_each_version_is_decrypted_once_however_many_read_it(tmp_path: Path) -> None:
    cipher = Counted([envelope()])
    async with Store.open(tmp_path / "s", cipher=cipher) as store:
        for number in range(20):
            await store.commit(Txn([], [Put(b"/%02d" % number, CANARY)]))
        for _ in range(3):
            assert {item.value for item in store.list(ALL).items} == {CANARY}
            for number in range(20):
                store.get(b"/%02d" % number)
            with store.watch(ALL, after=1) as watch:
                assert len(await anext(watch)) == 20
    assert cipher.decrypted == 20


async def test_plain_values_are_never_shown_to_the_cipher_when_they_are_read(tmp_path: Path) -> None:
    cipher = Counted([Identity(), envelope()])
    async with Store.open(tmp_path / "s", cipher=cipher) as store:
        await store.commit(Txn([], [Put(b"/a", b"plain")]))
        assert store.list(ALL).items[0].value == b"plain"
    assert cipher.decrypted == 0
    assert files_with(tmp_path, b"plain") != []


async def test_values_with_other_keys_stay_readable_when_one_is_lost(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s", cipher=FirstWrites([envelope([b"o" * 32])])) as store:
        lost = await store.commit(Txn([], [Put(b"/lost", CANARY)]))
        store.encrypt_with(FirstWrites([envelope([b"n" * 32])]))
        await store.commit(Txn([], [Put(b"/kept", b"kept")]))
        assert store.get(b"/kept").value == b"kept"  # type: ignore[union-attr]
        for read in (lambda: store.get(b"/lost"), lambda: store.list(ALL)):
            with pytest.raises(CannotDecrypt, match=f"/lost needs the key '{id_of(b'o' * 32)}'"):
                read()
        with pytest.raises(CannotDecrypt):  # watchers would have to be told what it was
            await store.commit(Txn([], [Put(b"/new", b"1"), Delete(b"/lost")]))
        assert store.get(b"/new") is None
        assert store.count(ALL) == 2
        with pytest.raises(RevisionMismatch):
            await store.commit(Txn([Compare(b"/lost", lost + 7)], []))
        assert store.check() == []


async def test_an_expired_value_that_cannot_be_read_stays_and_harms_nobody(tmp_path: Path) -> None:
    now = 1000.0
    async with Store.open(tmp_path / "s", cipher=FirstWrites([envelope()]), now=lambda: now) as store:
        await store.commit(Txn([], [Put(b"/lost", CANARY, lease_seconds=10)]))
        store.encrypt_with(FirstWrites([Identity()]))
        await store.commit(Txn([], [Put(b"/goes", b"1", lease_seconds=10)]))
        with store.watch(ALL, after=store.revision) as watch:
            now += 20
            await store.commit(Txn([], [Put(b"/wakes", b"1")]))
            keys: list[bytes] = []
            while b"/goes" not in keys:
                keys += [event.key for event in await anext(watch)]
        assert store.count(ALL) == 2
        assert store.check() == []


async def test_a_value_that_cannot_be_encrypted_is_refused_and_others_are_written(tmp_path: Path) -> None:
    class Choosy(FirstWrites):
        def __init__(self) -> None:
            super().__init__([Identity()])
            self.encrypt = self.refuse_some

        def refuse_some(self, key: bytes, value: bytes) -> bytes:
            if key.startswith(b"/secrets"):
                return Envelope("far", Unwilling()).encrypt(key, value)
            return value

    async with Store.open(tmp_path / "s", cipher=Choosy()) as store:
        with pytest.raises(CannotEncrypt):
            await store.commit(Txn([], [Put(b"/other", b"1"), Put(KEY, CANARY)]))
        assert store.revision == 1
        assert await store.commit(Txn([], [Put(b"/other", b"1")])) == 2
        assert store.check() == []


# Encrypting anew


async def schemes(store: Store) -> dict[str, int]:
    found: dict[str, int] = {}

    def visit(key: bytes, stored: bytes, is_past: bool) -> None:
        scheme = scheme_of(stored)
        found[scheme] = found.get(scheme, 0) + 1

    await store.survey(visit)
    return found


async def rewrite_all(store: Store, position: bytes = BEGIN) -> int:
    rewritten, place = 0, position
    while True:
        step = await store.rewrite(place)
        rewritten += step.rewritten
        if step.position is None:
            return rewritten
        place = step.position


async def test_everything_is_rewritten_without_anybody_noticing(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s", keep_seconds=None) as store:
        for number in range(REWRITES + 30):
            await store.commit(Txn([], [Put(b"/%03d" % number, b"%d" % number, b"head")]))
        for number in range(10):
            await store.commit(Txn([], [Put(b"/%03d" % number, CANARY)]))
        await store.commit(Txn([], [Delete(b"/005")]))
        revision, before = store.revision, store.list(ALL, at=store.revision - 3).items
        cipher = FirstWrites([envelope(), Identity()])
        store.encrypt_with(cipher)
        with store.watch(ALL, after=revision) as watch:
            assert await rewrite_all(store) == REWRITES + 30 + 10
            assert store.rewriting is None
            assert watch.progress == revision
        assert store.revision == revision
        assert store.list(ALL, at=revision - 3).items == before
        assert await schemes(store) == {"kms:v2:kube-lite": REWRITES + 40}
        assert await rewrite_all(store) == 0
        store.encrypt_with(FirstWrites([Identity(), *cipher.providers]))  # and back again
        assert await rewrite_all(store) == REWRITES + 40
        assert await schemes(store) == {"identity": REWRITES + 40}
        assert store.check() == []


async def test_what_cannot_be_read_is_counted_and_left_as_it_is(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s", cipher=FirstWrites([AesGcm("lost", b"l" * 32)])) as store:
        await store.commit(Txn([], [Put(b"/a", CANARY)]))
        store.encrypt_with(FirstWrites([envelope(), Identity()]))
        await store.commit(Txn([], [Put(b"/b", CANARY)]))
        step = await store.rewrite()
        assert (step.position, step.rewritten, step.unreadable) == (None, 0, 1)
        assert "'lost'" in step.reason
        assert await schemes(store) == {"aesgcm:v1:lost": 1, "kms:v2:kube-lite": 1}


async def test_a_damaged_version_is_not_made_to_look_sound(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "s") as store:
        await store.commit(Txn([], [Put(b"/a", b"sound"), Put(b"/b", b"sound")]))
    with lmdb.open(str(tmp_path / "s"), max_dbs=8) as file, file.begin(write=True) as txn:
        now = file.open_db(b"now", txn=txn)
        txn.put(b"/a", txn.get(b"/a", db=now).replace(b"sound", b"wrong"), db=now)
    async with Store.open(tmp_path / "s", cipher=FirstWrites([envelope(), Identity()])) as store:
        step = await store.rewrite()
        assert (step.rewritten, step.unreadable) == (1, 1)
        assert "checksum" in step.reason
        with pytest.raises(StoreDamaged):
            store.get(b"/a")


SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from kube_lite_storage import Put, Store, Txn
from kube_lite_storage.cipher import FirstWrites, Identity
from kube_lite_storage.static_keys import AesGcm

async def main():
    async with Store.open(Path(sys.argv[1]), keep_seconds=None) as store:
        await store.commit(Txn([], [Put(b"/%04d" % number, b"%d" % number) for number in range(1000)]))
        store.encrypt_with(FirstWrites([AesGcm("key1", b"k" * 32), Identity()]))
        step = await store.rewrite()
        print(step.rewritten, flush=True)
        while step.position is not None:
            step = await store.rewrite(step.position)
            await asyncio.sleep(0.005)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_rewriting_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "s"
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert int(child.stdout.readline()) == REWRITES
    child.send_signal(signal.SIGKILL)
    child.communicate()
    cipher = FirstWrites([AesGcm("key1", b"k" * 32), Identity()])
    async with Store.open(path, cipher=cipher, keep_seconds=None) as store:
        found = await schemes(store)
        assert found["aesgcm:v1:key1"] >= REWRITES
        assert [int(item.value) for item in store.list(ALL).items] == list(range(1000))
        position = store.rewriting
        assert position is not None
        assert await rewrite_all(store, position) == found.get("identity", 0) > 0
        assert await schemes(store) == {"aesgcm:v1:key1": 1000}
        assert [int(item.value) for item in store.list(ALL).items] == list(range(1000))
        assert store.check() == []


def test_a_key_file_shows_its_format(tmp_path: Path) -> None:
    FileKeys.create(tmp_path / "keys.json")
    (entry,) = json.loads((tmp_path / "keys.json").read_text())["keys"]
    assert entry["id"] == id_of(base64.b64decode(entry["secret"]))
