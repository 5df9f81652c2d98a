"""A program on kr8s: ``kr8s_program.py NAMESPACE POD_NAMESPACE POD``, with $KUBECONFIG set.

It ends with status 0 if everything was as it should be. It is a process of its own because the library
closes its connections only with that.
"""

import asyncio
import sys

import kr8s
from kr8s.asyncio import Api
from kr8s.asyncio import api as connect
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod

from conformance.api.objects import config_map, deployment


async def an_object_lives_from_creation_to_deletion(api: Api, namespace: str) -> None:
    made = await ConfigMap(config_map("a", {"x": "1"}), api=api)
    await made.create()
    assert await made.exists()
    await made.patch({"data": {"y": "2"}})
    assert made.data.to_dict() == {"x": "1", "y": "2"}
    await made.label({"run": "here"})
    await made.annotate({"example.test/note": "seen"})
    read = await ConfigMap.get("a", namespace=namespace, api=api)
    assert (dict(read.labels), dict(read.annotations)) == ({"run": "here"}, {"example.test/note": "seen"})
    await read.patch([{"op": "remove", "path": "/data/x"}], type="json")
    await made.refresh()
    assert made.data.to_dict() == {"y": "2"}
    await made.delete()
    try:
        await ConfigMap.get("a", namespace=namespace, api=api, timeout=0.1)
    except kr8s.NotFoundError:
        return
    raise AssertionError("it is still there")


async def lists_are_chosen_by_labels_and_fields(api: Api, namespace: str) -> None:
    for name, tier in (("a", "front"), ("b", "back"), ("c", "front")):
        made = await ConfigMap(config_map(name, labels={"tier": tier}), api=api)
        await made.create()
    front = [each.name async for each in api.get("configmaps", label_selector={"tier": "front"})]
    assert front == ["a", "c"]
    one = [each.name async for each in api.get("configmaps", field_selector="metadata.name=b")]
    assert one == ["b"]


async def a_watch_tells_what_happens(api: Api, namespace: str) -> None:
    seen: list[tuple[str, str]] = []

    async def look() -> None:
        async for kind, item in api.watch("configmaps", label_selector="run=here"):
            seen.append((kind, item.name))
            if kind == "ADDED" and item.name == "watched":
                await item.patch({"data": {"x": "1"}})
            if kind == "MODIFIED":
                await item.delete()
            if kind == "DELETED":
                return

    made = await ConfigMap(config_map("watched", labels={"run": "here"}), api=api)
    await made.create()
    async with asyncio.timeout(20):
        await look()
    assert seen == [(kind, "watched") for kind in ("ADDED", "MODIFIED", "DELETED")]


async def a_deployment_is_scaled_and_waited_for(api: Api, namespace: str) -> None:
    made = await Deployment(deployment("web"), api=api)
    await made.create()
    await made.scale(1)
    assert made.replicas == 1
    await made.scale(0)
    await made.wait("condition=Available", timeout=20)
    await made.delete(propagation_policy="Foreground")
    await made.wait("delete", timeout=20)


async def a_pod_is_talked_to(api: Api, pod_namespace: str, name: str) -> None:
    pod = await Pod.get(name, namespace=pod_namespace, api=api)
    assert await pod.ready()
    assert [line async for line in pod.logs()] == ["first", "second"]
    said = await pod.exec(["sh", "-c", "echo out; echo trouble >&2"])
    assert (said.stdout, said.stderr, said.returncode) == (b"out\n", b"trouble\n", 0)
    failed = await pod.exec(["sh", "-c", "exit 3"], check=False)
    assert failed.returncode == 3


async def everything_that_is_served_is_known(api: Api, namespace: str) -> None:
    assert {"Pod", "Deployment", "Lease"} <= {each["kind"] for each in await api.api_resources()}
    assert (await api.lookup_kind("deploy"))[1:] == ("deployments", True)
    assert (await api.version())["major"] == "1"


async def main(namespace: str, pod_namespace: str, pod: str) -> None:
    api = await connect(namespace=namespace)
    steps = (
        an_object_lives_from_creation_to_deletion,
        lists_are_chosen_by_labels_and_fields,
        a_watch_tells_what_happens,
        a_deployment_is_scaled_and_waited_for,
        everything_that_is_served_is_known,
    )
    for step in steps:
        await step(api, namespace)
        print("done:", step.__name__)
    await a_pod_is_talked_to(api, pod_namespace, pod)


asyncio.run(main(*sys.argv[1:]))
