import asyncio

import pytest

from kube_lite.kit.fanout import Fanout, Reader, ReaderTooSlow


async def collect(reader: Reader[int], taken: list[int] | None = None) -> list[int]:
    taken = [] if taken is None else taken
    async for item in reader:
        taken.append(item)
    return taken


async def test_every_reader_gets_every_item_in_order_until_the_source_closes() -> None:
    fanout = Fanout[int]()
    with fanout.reader() as one, fanout.reader() as two:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(collect(reader)) for reader in (one, two)]
            for number in range(3):
                fanout.publish(number)
                await asyncio.sleep(0)
            fanout.close()
    assert [task.result() for task in tasks] == [[0, 1, 2], [0, 1, 2]]


async def test_a_slow_reader_is_cut_off_and_the_others_are_not() -> None:
    fanout = Fanout[int](limit=2)
    with fanout.reader() as slow, fanout.reader() as quick:
        taken = []
        items = aiter(quick)
        for number in range(4):
            fanout.publish(number)
            taken.append(await anext(items))
        assert taken == [0, 1, 2, 3]
        left: list[int] = []
        with pytest.raises(ReaderTooSlow):
            await collect(slow, left)
        assert left == [0, 1], "what was queued before is still delivered"


async def test_a_reader_of_a_closed_source_ends_at_once() -> None:
    fanout = Fanout[int]()
    fanout.close()
    with fanout.reader() as reader:
        assert await collect(reader) == []
