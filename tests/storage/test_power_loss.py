"""What a machine without power leaves of the data file: every mixture of pages that the barriers allow.

A commit is: its record in the journal and data pages where nothing refers to them, a barrier, one of the two
head pages. Without power before the barrier any of the record, the data pages and the *last* commit's head
page may have reached the disk, whole or in part (a sector of 512 bytes is written whole or not at all); after
it all of them have, and this commit's head page is the old one or the new. ``test_recorded_writes`` does the
same with the very writes that the kernel was asked for, where it may look at them.
"""

import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from kube_lite_storage import Delete, Put, Range, Store, StoreDamaged, Txn
from kube_lite_storage.view import StoreView

ALL = Range(b"\0", b"\xff")
PAGE, SECTOR, HEAD_PAGES = 4096, 512, 2
COMMITS = 30
STATES = 8
"""Mixtures tried before each commit's barrier."""


class Image(NamedTuple):
    """The data file after a commit of LMDB's, and whether that was noted, so that it had one sync."""

    data: bytes
    is_noted: bool


@pytest.fixture
async def images(tmp_path: Path) -> list[Image]:
    """One for each commit of LMDB's; forgetting has commits of its own."""
    chance = random.Random(5)
    data = tmp_path / "store" / "data.mdb"
    noted: list[bool] = []
    found: list[Image] = []

    def reached(step: str) -> None:
        if step == "noted":
            journal = store._environment.journal
            noted.append(journal is not None and journal._is_noted)
        if step in ("committed", "compaction begun", "forgotten"):
            found.append(Image(data.read_bytes(), step == "committed" and noted[-1]))

    async with Store.open(tmp_path / "store", keep_seconds=None) as store:
        found.append(Image(data.read_bytes(), is_noted=False))
        store._environment.reached = reached
        for number in range(COMMITS):
            names = [b"%02d" % chance.randrange(20) for _ in range(3)]
            sizes = [chance.randrange(9000), chance.randrange(9000 if number % 10 else 150_000, 200_000)]
            writes: list[Put | Delete] = [
                Put(name, b"x" * size) for name, size in zip(dict.fromkeys(names[:2]), sizes, strict=False)
            ]
            if names[2] not in names[:2]:
                writes.append(Delete(names[2]))
            await store.commit(Txn([], writes))
            if number % 7 == 6:
                await store.compact(store.revision - 2)
    return found


def view_of(tmp_path: Path, data: bytes) -> Iterator[StoreView]:
    path = tmp_path / "left"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    (path / "data.mdb").write_bytes(data)
    with Store.open_read_only(path) as view:
        yield view


def changed_sectors(before: bytes, after: bytes) -> list[int]:
    return [
        place
        for place in range(0, len(after), SECTOR)
        if before[place : place + SECTOR] != after[place : place + SECTOR]
    ]


def mixed(before: bytes, after: bytes, places: list[int]) -> bytes:
    """``before`` with these sectors of ``after``; what was never written reads as zeros."""
    data = bytearray(before.ljust(len(after), b"\0"))
    for place in places:
        data[place : place + SECTOR] = after[place : place + SECTOR]
    return bytes(data)


def content_of(tmp_path: Path, data: bytes) -> object:
    for view in view_of(tmp_path, data):
        problems = view.check()
        if problems:
            raise StoreDamaged("; ".join(problems))
        return view.revision, view.compacted, view.list(ALL).items
    raise AssertionError("it could not be opened")


def heads_and_body(before: bytes, after: bytes) -> tuple[list[int], list[int]]:
    changed = changed_sectors(before, after)
    body = [place for place in changed if place >= HEAD_PAGES * PAGE]
    return [place for place in changed if place < HEAD_PAGES * PAGE], body


def test_without_power_at_any_barrier_the_store_is_the_last_one_acknowledged_or_the_next(
    images: list[Image], tmp_path: Path
) -> None:
    chance = random.Random(6)
    bases = [images[0].data]  # what is on the disk when a commit begins: with the last head page, or without
    for (before, _), (after, is_noted) in pairwise(images):
        _, body = heads_and_body(before, after)
        old, new = content_of(tmp_path, before), content_of(tmp_path, after)
        for _ in range(STATES):
            places = chance.sample(body, chance.randrange(len(body) + 1))
            assert content_of(tmp_path, mixed(chance.choice(bases), after, places)) in (old, new)
        without_head = mixed(before, after, body)
        assert content_of(tmp_path, without_head) == (new if is_noted else old)
        bases = [after, without_head] if is_noted else [after]
    assert {image.is_noted for image in images} == {True, False}


def test_the_simulation_would_see_a_head_page_that_overtakes_its_data(
    images: list[Image], tmp_path: Path
) -> None:
    before, after = images[0].data, images[1].data
    heads, _ = heads_and_body(before, after)
    with pytest.raises(StoreDamaged):
        content_of(tmp_path, mixed(before, after, heads))
