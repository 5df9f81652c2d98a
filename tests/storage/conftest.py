"""A store whose invariants are walked after every test that used it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kube_lite_storage import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(tmp_path / "store", durable=False, keep_seconds=None) as opened:
        yield opened
        assert opened.check() == []
