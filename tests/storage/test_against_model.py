"""The store and a dict with history are given the same commands and must give the same answers."""

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kube_lite_storage import Compare, Delete, Event, Put, Range, Store, StoreError, Txn

from .model import Model

KEYS = st.sampled_from([b"a", b"a\0", b"a\0b", b"ab", b"b", b"b\xff", b"c"])
REVISIONS = st.integers(0, 14)
RANGES = st.tuples(KEYS, KEYS).map(lambda keys: Range(*keys))
WRITES = st.one_of(
    st.builds(Put, KEYS, st.binary(max_size=8), st.binary(max_size=4), st.just(-1), st.just(0)),
    st.builds(Delete, KEYS),
)
TXNS = st.builds(
    Txn,
    st.lists(st.builds(Compare, KEYS, REVISIONS), max_size=1),
    st.lists(WRITES, max_size=3, unique_by=lambda write: write.key),
)
COMMANDS = st.one_of(
    st.tuples(st.just("commit"), st.lists(TXNS, min_size=1, max_size=3)),
    st.tuples(st.just("compact"), REVISIONS),
    st.tuples(st.just("list"), RANGES, REVISIONS, st.integers(0, 3)),
    st.tuples(st.just("watch"), RANGES, REVISIONS),
    st.tuples(st.just("reopen")),
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


async def play(path: Path, commands: list[tuple[Any, ...]]) -> None:
    model = Model()
    rest = iter(commands)
    is_over = False
    while not is_over:
        async with Store.open(path, durable=False, keep_seconds=None) as store:
            is_over = True
            for name, *arguments in rest:
                if name == "reopen":
                    is_over = False
                    break
                await globals()[f"play_{name}"](store, model, *arguments)
            assert store.check() == []
            assert (store.revision, store.compacted) == (model.revision, model.compacted)


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
