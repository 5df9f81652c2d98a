from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kube_lite.verbs.local import LocalClient
from tests.serving import Api, serving


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


@pytest.fixture
def client(api: Api) -> LocalClient:
    return api.client


@pytest.fixture
def forget(api: Api) -> Callable[[], Awaitable[None]]:
    async def forget_everything() -> None:
        await api.store.compact(api.store.revision)

    return forget_everything
