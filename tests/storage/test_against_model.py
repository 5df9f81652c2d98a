"""The store and a dict with history are given the same commands and must give the same answers."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kube_lite_storage import (
    Cipher,
    Compare,
    Delete,
    Event,
    KeyValue,
    Put,
    Range,
    Store,
    StoreError,
    Txn,
    headers,
    restore,
)
from kube_lite_storage.cipher import FirstWrites, Identity
from kube_lite_storage.envelope import Envelope
from kube_lite_storage.keyring import LocalKeys
from kube_lite_storage.static_keys import AesGcm

from .model import Model

KEYS = st.sampled_from([b"a", b"a\0", b"a\0b", b"ab", b"b", b"b\xff", b"c"])
LEASES = st.sampled_from([0, 0, 0, 5, 20])
REVISIONS = st.integers(0, 14)
RANGES = st.tuples(KEYS, KEYS).map(lambda keys: Range(*keys))
WRITES = st.one_of(
    st.builds(Put, KEYS, st.binary(max_size=8), st.binary(max_size=4), st.just(-1), LEASES),
    st.builds(Delete, KEYS),
    st.builds(Delete, KEYS, REVISIONS),
)
TXNS = st.builds(
    Txn,
    st.lists(st.builds(Compare, KEYS, REVISIONS), max_size=2),
    st.lists(WRITES, max_size=3, unique_by=lambda write: write.key),
)
COMMANDS = st.one_of(
    st.tuples(st.just("commit"), st.lists(TXNS, min_size=1, max_size=3)),
    st.tuples(st.just("compact"), REVISIONS),
    st.tuples(st.just("list"), RANGES, REVISIONS, st.integers(0, 3)),
    st.tuples(st.just("watch"), RANGES, REVISIONS),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("fork")),
    st.tuples(st.just("restore")),
    st.tuples(st.just("peek")),
    st.tuples(st.just("look"), st.sampled_from([0, 3])),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)


def outcome(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except StoreError as error:
        return type(error), str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(COMMANDS, max_size=25))
def test_the_store_behaves_like_a_dict_with_history(commands: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(Path(directory), commands))


PROVIDERS = (
    Envelope("here", LocalKeys([b"n" * 32, b"o" * 32], "the test")),
    Envelope("here", LocalKeys([b"o" * 32], "the test")),
    AesGcm("key", b"k" * 32),
    Identity(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(COMMANDS, st.tuples(st.just("rotate"), st.integers(0, 3))), max_size=25))
def test_so_does_one_that_encrypts_whatever_its_keys_are(commands: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(Path(directory), commands, FirstWrites(PROVIDERS)))


async def play(directory: Path, commands: list[tuple[Any, ...]], cipher: Cipher | None = None) -> None:
    model = Model()
    rest = iter(commands)
    path: Path | None = directory / "0"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(headers, "LOOK_BACK_REVISIONS", headers.LOOK_BACK_REVISIONS)  # put back in the end
        while path is not None:
            now = partial(getattr, model, "now")
            async with Store.open(path, durable=False, keep_seconds=None, now=now, cipher=cipher) as store:
                path = await play_until_left(store, model, path, rest)
                assert store.check() == []
                assert (store.revision, store.compacted) == (model.revision, model.compacted)


async def play_until_left(
    store: Store, model: Model, path: Path, commands: Iterator[tuple[Any, ...]]
) -> Path | None:
    """Play until a command says that the store is closed; where the next one to be opened lies."""
    other = path.with_name(str(int(path.name) + 1))
    for name, *arguments in commands:
        if name == "reopen":
            return path
        if name == "fork":
            await store.fork(other)
            return other
        if name == "restore":
            taken = await store.snapshot(path.with_name("snapshot"))
            assert (taken.revision, taken.compacted) == (model.revision, model.compacted)
            assert restore(path.with_name("snapshot"), other) == taken
            return other
        await globals()[f"play_{name}"](store, model, *arguments)
    return None


async def play_wait(store: Store, model: Model, seconds: int) -> None:
    """Time passes; what has run out goes, in one revision."""
    model.now += seconds
    model.expire()
    async with asyncio.timeout(10):
        while store.revision < model.revision:
            await store.commit(Txn([], []))  # whatever comes makes the writer look at the time
            await asyncio.sleep(0.001)


async def play_rotate(store: Store, model: Model, first: int) -> None:
    """Write with another provider, and rewrite what is there."""
    cipher = FirstWrites([PROVIDERS[first], *PROVIDERS])
    store.encrypt_with(cipher)
    step = await store.rewrite()
    assert (step.position, step.unreadable) == (None, 0)
    current: list[bool] = []
    await store.survey(lambda key, stored, is_past: current.append(cipher.is_current(key, stored)))
    assert all(current)


async def play_peek(store: Store, model: Model) -> None:
    """Look at what there is, without the values."""
    whole = Range(b"\0", b"\xff")
    keys = store.list(whole, parts="keys").items
    assert [(item.key, item.revision) for item in keys] == [
        (item.key, item.revision) for item in model.list(whole, model.revision)
    ]
    status = store.status()
    assert (status.revision, status.compacted, status.keys) == (model.revision, model.compacted, len(keys))


async def play_commit(store: Store, model: Model, txns: list[Txn]) -> None:
    answers = await asyncio.gather(*(store.commit(txn) for txn in txns), return_exceptions=True)
    for txn, answer in zip(txns, answers, strict=True):
        expected = outcome(partial(model.commit, txn))
        assert ((type(answer), str(answer)) if isinstance(answer, BaseException) else answer) == expected


async def play_compact(store: Store, model: Model, revision: int) -> None:
    revision = min(revision, model.revision)
    await store.compact(revision)
    model.compacted = max(model.compacted, revision)


async def play_list(store: Store, model: Model, wanted: Range, at: int, limit: int) -> None:
    expected = outcome(lambda: model.list(wanted, at))
    if not isinstance(expected, list):
        assert outcome(lambda: store.list(wanted, at=at)) == expected
        assert outcome(lambda: store.get(wanted.start, at=at)) == expected
        return
    page = store.list(wanted, at=at, limit=limit)
    assert page.items == expected[: limit or None]
    assert page.more == (0 < limit < len(expected))
    assert store.count(wanted, at=at) == len(expected)
    for item in expected:
        assert store.get(item.key, at=at) == item
    assert store.list(wanted, at=at, parts="headers").items == [item._replace(value=b"") for item in expected]
    assert store.list(wanted).items == model.list(wanted, model.revision)
    play_bulk(store, wanted, at, limit, expected)
    play_bulk(store, wanted, model.revision, limit, model.list(wanted, model.revision))


def play_bulk(store: Store, wanted: Range, at: int, limit: int, expected: Sequence[KeyValue]) -> None:
    """Values joined, whole and in parts, and versions chosen by their headers."""

    def having(header: bytes) -> bool:
        return len(header) % 2 == 0

    chosen = [item for item in expected if having(item.header)]
    page = store.choose(wanted, having, at=at, limit=limit)
    assert page.items == chosen[: limit or None]
    assert page.more == (0 < limit <= len(chosen) and chosen[limit - 1] != expected[-1])
    joined = store.join(wanted, opening=b"", before=b",", at=at, limit=limit)
    pieces = list(joined.pieces)
    if joined.rest is not None:
        pieces += store.join(joined.rest, opening=b"", before=b",", at=at).pieces
    assert joined.number == len(expected[: limit or None])
    assert (joined.rest is not None) == (0 < limit < len(expected))
    if limit:
        assert store.behind(wanted, limit, at=at) == joined.rest
    assert b"".join(pieces) == b"".join(b"," + item.value for item in expected)


async def play_look(store: Store, model: Model, revisions: int) -> None:
    """Older revisions are read by what has changed since, or by the past alone."""
    headers.LOOK_BACK_REVISIONS = revisions


async def play_watch(store: Store, model: Model, wanted: Range, after: int) -> None:
    expected = outcome(lambda: model.watch(wanted, after))
    watch = store.watch(wanted, after=after)
    if not isinstance(expected, list):
        assert outcome(watch.__enter__) == expected
        return
    events: list[Event] = []
    with watch:
        while len(events) < len(expected):
            async with asyncio.timeout(5):
                events += await anext(watch)
    assert events == expected
