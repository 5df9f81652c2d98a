"""Controllers and scheduler for an API server in another process, as a user starts them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster.config import ConfigError
from kube_lite.cluster.elsewhere import Elsewhere
from tests.cluster.program import Program

DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
THINGS = GroupVersionResource("example.com", "v1", "things")
SECONDS = 15


def definition() -> Json:
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def deployment() -> Json:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


def node() -> Json:
    room = {"cpu": "4", "memory": "8Gi", "pods": "20"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    return {
        "metadata": {"name": "n1"},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_pods_are_made_and_placed_and_namespaces_emptied_of_custom_resources(program: Program) -> None:
    await asyncio.to_thread(program.up, "--parts", "api")
    kubeconfig = program.directory / "kubeconfig"
    async with RemoteClient(access(load(kubeconfig))) as client:
        await client.create(DEFINITIONS, definition())
        await client.create(NAMESPACES, {"metadata": {"name": "shop"}})

        async def is_made() -> bool:
            try:
                thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}}
                await client.create(THINGS, thing, namespace="shop")
            except NotFound:
                return False
            return True

        await until(is_made)
        async with Elsewhere(kubeconfig) as elsewhere:
            assert elsewhere.url == load(kubeconfig)["clusters"][0]["cluster"]["server"]
            await client.create(NODES, node())
            await client.create(DEPLOYMENTS, deployment(), namespace="shop")

            async def are_placed() -> bool:
                pods = (await client.list(PODS, namespace="shop")).items
                return [pod["spec"].get("nodeName") for pod in pods] == ["n1", "n1"]

            async def are_told() -> bool:
                events = (await client.list(EVENTS, namespace="shop")).items
                return {event.get("action") for event in events if event["reason"] == "Scheduled"} == {
                    "Binding"
                }

            async def is_gone() -> bool:
                return not (await client.list(NAMESPACES, field_selector="metadata.name=shop")).items

            await until(are_placed)
            await until(are_told)
            for pod in (await client.list(PODS, namespace="shop")).items:
                await client.delete(PODS, pod["metadata"]["name"], namespace="shop", grace_seconds=0)
            await client.delete(NAMESPACES, "shop")
            for pod in (await client.list(PODS, namespace="shop")).items:
                with suppress(NotFound):  # the namespace's end may have been quicker
                    await client.delete(PODS, pod["metadata"]["name"], namespace="shop", grace_seconds=0)
            await until(is_gone)


async def test_a_part_that_is_none_and_a_kubeconfig_that_is_not_there_are_told(program: Program) -> None:
    with pytest.raises(ConfigError, match="some of controllers,scheduler"):
        Elsewhere(program.directory / "kubeconfig", parts=("node",))
    told = program.run("control", str(program.directory / "nothing"))
    assert told.returncode == 1
    assert "cannot read" in told.stderr
