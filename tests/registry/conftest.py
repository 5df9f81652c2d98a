from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kube_lite_storage import Store

from kube_lite import kinds
from kube_lite.api.resource import Registry
from kube_lite.registry.objects import Objects


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(tmp_path / "store", durable=False) as store:
        yield store
        assert store.check() == []


@pytest.fixture
def objects(store: Store) -> Objects:
    return Objects(store)


@pytest.fixture
def registry() -> Registry:
    return kinds.builtin()
