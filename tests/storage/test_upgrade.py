"""Data of older formats is brought to the present one when it is opened."""

import struct
from pathlib import Path

import lmdb
from kube_lite_storage import KeyValue, Put, Range, Store, Txn, layout
from kube_lite_storage.environment import Environment


def old_version(created: int, revision: int, value: bytes) -> bytes:
    return struct.pack(">QQI", created, revision, 0) + value


async def test_a_store_of_format_1_is_read_written_and_sound(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=8) as env:
        meta, now, past, log = (env.open_db(name) for name in (b"meta", b"now", b"past", b"log"))
        with env.begin(write=True) as txn:
            for row, number in ((b"format", 1), (b"revision", 4), (b"compacted", 0), (b"forgotten", 0)):
                txn.put(row, layout.as_number(number), db=meta)
            txn.put(b"a", old_version(2, 3, b"newer"), db=now)
            txn.put(layout.past_row(b"a", 3), old_version(2, 2, b"old"), db=past)
            txn.put(b"b", old_version(4, 4, b"b"), db=now)
            for revision, change, key in ((2, 0, b"a"), (3, 1, b"a"), (4, 0, b"b")):
                touched = layout.Touched(layout.Change(change), key)
                row = layout.as_number(revision)
                txn.put(row, layout.as_log_row(revision, [touched])[:-4], db=log)
    for _ in range(2):  # the second time there is nothing to upgrade
        async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:
            assert store.check() == []
            assert store.list(Range(b"a", b"c"), at=4).items == [
                KeyValue(b"a", b"newer", b"", 2, 3),
                KeyValue(b"b", b"b", b"", 4, 4),
            ]
            assert store.get(b"a", at=2) == KeyValue(b"a", b"old", b"", 2, 2)
            await store.commit(Txn([], [Put(b"c", b"new", lease_seconds=9)]))


async def test_a_store_of_format_2_gets_a_journal(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, keep_seconds=None) as store:  # as that format was
        await store.commit(Txn([], [Put(b"a", b"one")]))
    environment = Environment(tmp_path, durable=False)
    with environment.writing() as txn:
        environment.put_number(txn, layout.FORMAT_ROW, 2)
    environment.close()
    async with Store.open(tmp_path, keep_seconds=None) as store:
        assert store._environment.journal is not None
        await store.commit(Txn([], [Put(b"a", b"two")]))
        assert store.check() == []
    with Store.open_read_only(tmp_path) as view:
        assert [item.value for item in view.list(Range(b"a", b"b")).items] == [b"two"]
