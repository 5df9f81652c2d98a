"""Reads of many at once: values joined as text, and versions chosen by their headers."""

from pathlib import Path

import pytest
from kube_lite_storage import Compacted, Delete, Joined, Put, Range, Store, Txn

PODS = Range.prefix(b"/pods/")
OPENING = b'{"kind":"Pod",'


class Hiding:
    """A cipher that hides every third value."""

    def encrypt(self, key: bytes, value: bytes) -> bytes:
        return b"k8s:enc:" + value[::-1] if int(key[-1:]) % 3 == 0 else value

    def decrypt(self, key: bytes, value: bytes) -> bytes:
        return value.removeprefix(b"k8s:enc:")[::-1]

    def is_current(self, key: bytes, value: bytes) -> bool:
        return value.startswith(b"k8s:enc:") == (int(key[-1:]) % 3 == 0)


def pod(number: int) -> bytes:
    """Most begin alike; the length differs, also from one chunk to the next."""
    opening = OPENING if number % 50 else b'{"kind":"Old",'
    return opening + b'"n":%d,"x":"%b"}' % (
        number,
        b"x" * (number * 7919 % (900_000 if number % 90 == 89 else 9000)),
    )


def expected(numbers: list[int]) -> bytes:
    values = (pod(number) for number in numbers)
    return b"".join(
        b",{" + (value.removeprefix(OPENING) if OPENING in value else value[1:]) for value in values
    )


def join(store: Store, wanted: Range = PODS, **settings: int | None) -> Joined:
    return store.join(wanted, opening=OPENING, before=b",{", **settings)  # type: ignore[arg-type]


def text_in_blocks(store: Store, at: int, most_bytes: int) -> bytes:
    text = b""
    rest: Range | None = PODS
    while rest is not None:
        joined = join(store, rest, at=at, most_bytes=most_bytes)
        assert joined.revision == at
        assert joined.number
        text += b"".join(joined.pieces)
        rest = joined.rest
    return text


@pytest.fixture(params=[None, Hiding()], ids=["plain", "encrypted"])
async def store(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    async with Store.open(tmp_path, durable=False, keep_seconds=None, cipher=request.param) as store:
        around = [Put(b"/poda/1", b"{}", b"even"), Put(b"/zzz/1", b"{}", b"even")]
        pods = [Put(b"/pods/%04d" % n, pod(n), b"" if n % 2 else b"even") for n in range(300)]
        await store.commit(Txn([], [*around, *pods]))
        yield store


async def test_values_are_joined_in_one_text_whatever_each_begins_with(store: Store) -> None:
    joined = join(store)
    assert b"".join(joined.pieces) == expected(list(range(300)))
    assert (joined.number, joined.rest) == (300, None)


@pytest.mark.parametrize("limit", [1, 16, 40, 299])
async def test_a_limited_text_goes_on_where_it_ended(store: Store, limit: int) -> None:
    joined = join(store, limit=limit)
    assert b"".join(joined.pieces) == expected(list(range(limit)))
    assert joined.rest is not None
    assert b"".join(join(store, joined.rest).pieces) == expected(list(range(limit, 300)))
    assert join(store, limit=300).rest is None


@pytest.mark.parametrize("number", [1, 16, 299, 300, 1000])
async def test_what_follows_some_keys_is_known_without_reading_values(store: Store, number: int) -> None:
    then = store.revision
    follows = store.behind(PODS, number)
    assert follows == (join(store, limit=number).rest)
    await store.commit(Txn([], [Delete(b"/pods/0000"), Put(b"/pods/0300", b"{}")]))
    assert store.behind(PODS, number, at=then) == follows
    assert store.behind(Range.prefix(b"/nothing/"), number) is None


@pytest.mark.parametrize("most_bytes", [1, 100_000])
async def test_a_text_in_blocks_is_of_one_revision_whatever_is_written_meanwhile(
    store: Store, most_bytes: int
) -> None:
    then, before = store.revision, expected(list(range(300)))
    assert text_in_blocks(store, then, most_bytes) == before
    await store.commit(Txn([], [Put(b"/other/1", b"{}")]))  # which the range does not notice
    assert text_in_blocks(store, then, most_bytes) == before
    await store.commit(Txn([], [Put(b"/pods/0007", b"{}"), Delete(b"/pods/0200"), Put(b"/pods/0300", b"{}")]))
    assert text_in_blocks(store, then, most_bytes) == before
    changed = text_in_blocks(store, store.revision, most_bytes)
    assert changed.endswith(b",{}")
    assert len(changed) != len(before)
    await store.compact(store.revision)
    with pytest.raises(Compacted):
        join(store, at=then)


async def test_the_text_of_an_empty_range_is_empty(store: Store) -> None:
    assert join(store, Range.prefix(b"/nothing/")) == Joined([], 0, store.revision, None)
    assert join(store, Range(b"/z", b"/a")) == Joined([], 0, store.revision, None)


async def test_versions_are_chosen_by_their_headers_now_and_then(store: Store) -> None:
    def is_even(header: bytes) -> bool:
        return header == b"even"

    then = store.revision
    assert store.choose(PODS, is_even).items == store.list(PODS).items[::2]
    first = store.choose(PODS, is_even, limit=10)
    assert first.items == store.list(PODS).items[:20:2]
    assert first.more
    await store.commit(Txn([], [Delete(b"/pods/0000"), Put(b"/pods/0002", pod(2), b"")]))
    assert store.choose(PODS, is_even, at=then).items == store.list(PODS, at=then).items[::2]
    assert len(store.choose(PODS, is_even).items) == 148


async def test_more_says_that_a_key_follows_the_last_one_chosen(store: Store) -> None:
    last = Range(b"/pods/0298", b"/pods0")
    assert store.choose(last, lambda header: header == b"even", limit=1).more
    assert not store.choose(last, lambda header: header == b"", limit=1).more
    assert not store.choose(last, lambda header: header == b"even", limit=2).more
