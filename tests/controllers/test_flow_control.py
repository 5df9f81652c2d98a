from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kube_lite.client.informers import Informers
from kube_lite.controllers.flow_control import LEVELS, SCHEMAS, FlowControl, plan_levels, plan_schemas
from kube_lite.kit.service import running

from .harness import World, world


@asynccontextmanager
async def controlled(path: Path) -> AsyncIterator[World]:
    async with world(path, only=[]) as it:
        informers = Informers(it.client, it.clock)
        async with running(informers), running(FlowControl(it.client, informers, it.clock)):
            yield it


def test_every_schema_has_its_level() -> None:
    levels = {level["metadata"]["name"] for level in plan_levels()}
    assert {schema["spec"]["priorityLevelConfiguration"]["name"] for schema in plan_schemas()} <= levels


async def dangling(it: World, name: str) -> str:
    schema = await it.find(SCHEMAS, name, "")
    conditions = (schema or {}).get("status", {}).get("conditions") or [{"status": ""}]
    return str(conditions[0]["status"])


async def test_a_cluster_has_schemas_and_levels_that_are_not_made_twice(tmp_path: Path) -> None:
    for _ in range(2):
        async with controlled(tmp_path) as it:

            async def is_complete() -> bool:
                names = [schema["metadata"]["name"] for schema in plan_schemas()]
                return {await dangling(it, name) for name in names} == {"False"}

            await it.until(is_complete)
            levels = await it.client.list(LEVELS)
            assert {level["metadata"]["generation"] for level in levels.items} == {1}


async def test_a_schema_says_whether_its_level_exists(tmp_path: Path) -> None:
    async with controlled(tmp_path) as it:
        spec = {"priorityLevelConfiguration": {"name": "mine"}}
        await it.create(SCHEMAS, {"metadata": {"name": "s"}, "spec": spec}, "")

        async def hangs() -> bool:
            return await dangling(it, "s") == "True"

        async def holds() -> bool:
            return await dangling(it, "s") == "False"

        await it.until(hangs)
        limited = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
        await it.create(LEVELS, {"metadata": {"name": "mine"}, "spec": limited}, "")
        await it.until(holds)
        await it.client.delete(LEVELS, "mine")
        await it.until(hangs)
