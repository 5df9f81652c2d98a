"""Objects of kinds that do not last."""

import asyncio
from pathlib import Path

import pytest
from kube_lite_storage import Store

from kube_lite.api.identity import ObjectKey
from kube_lite.api.resource import Registry
from kube_lite.kinds.events import TTL_SECONDS
from kube_lite.kit.clock import ManualClock
from kube_lite.registry.objects import Objects

from .things import config_map, row


@pytest.mark.parametrize(
    "group_version", [("", "v1"), ("events.k8s.io", "v1")], ids=["core", "events.k8s.io"]
)
async def test_an_event_goes_an_hour_after_it_was_last_written(
    tmp_path: Path, registry: Registry, group_version: tuple[str, str]
) -> None:
    clock = ManualClock()
    events = row(registry, "events", *group_version)
    config_maps = row(registry, "configmaps")
    async with Store.open(tmp_path, durable=False, now=clock.now) as store:
        objects = Objects(store)
        key = ObjectKey("x", "web.1")
        await objects.create(config_maps, config_map("stays"))
        first = await objects.create(events, config_map("web.1"))
        await clock.advance(TTL_SECONDS - 1)
        await objects.replace(events, first, config_map("web.1"))
        await clock.advance(TTL_SECONDS - 1)
        await objects.create(config_maps, config_map("later"))
        assert objects.find(events, key) is not None
        await clock.advance(2)
        async with asyncio.timeout(10):
            while objects.find(events, key) is not None:
                await objects.create(config_maps, config_map(f"n{store.revision}"))
        assert objects.find(config_maps, ObjectKey("x", "stays")) is not None
        assert store.check() == []
