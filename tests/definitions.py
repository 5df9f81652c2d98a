"""CustomResourceDefinitions for tests, and an API that serves them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.kit.clock import Clock
from kube_lite.kit.service import running
from tests.serving import Api, serving

DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
GROUP = "zoo.example"
WIDGETS = GroupVersionResource(GROUP, "v1", "widgets")
NAME = f"widgets.{GROUP}"
SECONDS = 5.0

SPEC: Json = {
    "type": "object",
    "properties": {"size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"}},
}


def version(name: str = "v1", *, storage: bool = True, spec: Json = SPEC, **fields: Any) -> Json:
    """A version of a definition, whose objects have a spec and any status."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": anything}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        **fields,
    }


def definition(
    *versions: Json, plural: str = "widgets", kind: str = "Widget", scope: str = "Namespaced", **names: Any
) -> Json:
    """A definition with these versions, by default one."""
    return {
        "apiVersion": DEFINITIONS.api_version,
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions) or [version()],
        },
    }


def widget(name: str = "a", *, api_version: str = f"{GROUP}/v1", **fields: Any) -> Json:
    """An object of the definition."""
    return {"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, **fields}


@asynccontextmanager
async def extended(directory: Path, clock: Clock | None = None, *, is_new: bool = True) -> AsyncIterator[Api]:
    """An API that serves what definitions define, for the length of the block; as for ``serving``."""
    async with serving(directory, clock, is_new=is_new) as api, running(api.pipeline.custom_resources):
        yield api


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; a TimeoutError after some seconds."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0)


async def define(api: Api, body: Json) -> Json:
    """Create a definition; what it says when its newest version is served."""
    name = body["metadata"]["name"]
    await api.client.create(DEFINITIONS, body)
    async with asyncio.timeout(SECONDS):
        while True:
            found = await api.client.get(DEFINITIONS, name)
            if reasons(found).get("Established") == "InitialNamesAccepted":
                return found
            await asyncio.sleep(0)


def reasons(found: Json) -> dict[str, str]:
    """Type → reason of a definition's conditions, in order."""
    return {entry["type"]: entry["reason"] for entry in found["status"].get("conditions") or ()}
