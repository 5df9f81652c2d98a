"""The rows that the README shows are what the store writes."""

import re
from pathlib import Path

from kube_lite_storage import Put, Store, Txn

README = Path(__file__).parent.parent.parent / "storage" / "README.md"


async def test_the_rows_in_the_readme_are_what_is_written(tmp_path: Path) -> None:
    async with Store.open(tmp_path, durable=False, keep_seconds=None, now=lambda: 1000.0) as store:
        await store.commit(Txn([], [Put(b"a", b"one", b"h", lease_seconds=60)]))
        await store.commit(Txn([], [Put(b"a", b"two")]))
        environment = store._environment
        with environment.lmdb.begin() as txn:
            written = [
                f"{name} {row.hex()}{value.hex()}"
                for name in ("meta", "now", "past", "log", "leases")
                for row, value in txn.cursor(getattr(environment, name))
            ]
    block = re.search(r"```rows\n(.*?)```", README.read_text(), re.S)
    assert block is not None
    shown = [line.split(maxsplit=1) for line in block.group(1).splitlines()]
    assert [f"{name} {row.replace(' ', '')}" for name, row in shown] == written
