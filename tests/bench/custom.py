"""Custom resources beside ConfigMaps of the same size: processor time of the pipeline, rounds of each in
turns.

A create is measured with a schema of fifty fields and three rules, a list with ten thousand objects. Then
what definitions cost: one of half a megabyte until it is established, a start with two hundred of them,
and a request that is not about any.
"""

import asyncio
import gc
import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from kube_lite import Cluster
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import MASTERS, User
from kube_lite.http.negotiate import PLAIN
from kube_lite.http.represent import list_pieces
from kube_lite.verbs.request import Answer, Listing, Request

DEFINITIONS = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
WIDGETS = GroupVersionResource("bench.test", "v1", "widgets")
CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
USER = User("bench", groups=(MASTERS,))
FIELDS, CREATES, ROUNDS, LISTED, MANY, LARGE = 50, 200, 7, 10_000, 200, 5
SETTLING = 0.3  # seconds until the last write has been told to everybody
RULES = (
    "self.size0 <= self.size1",
    "self.names.all(n, n.startsWith('a'))",
    "!has(self.text0) || self.text0.matches('^[a-z]+$')",
)


def run() -> None:
    """Measure and print a table."""
    asyncio.run(_measure())


def definition(plural: str, kind: str, *, filler: int = 0) -> Json:
    """A definition with a schema of fifty fields and rules about them.

    Args:
        filler: so many fields more, in objects of twenty, each with a description of 200 bytes.
    """
    fields: Json = {f"size{n}": {"type": "integer", "minimum": 0, "maximum": 100} for n in range(FIELDS // 2)}
    fields |= {f"text{n}": {"type": "string", "maxLength": 40} for n in range(FIELDS // 2 - 1)}
    fields["names"] = {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 20}}
    text = {"type": "string", "description": "x" * 200}
    group = {"type": "object", "properties": {f"field{n}": text for n in range(20)}}
    spec = {
        "type": "object",
        "properties": {**fields, **{f"group{n}": group for n in range(filler // 20)}},
        "x-kubernetes-validations": [{"rule": rule} for rule in RULES],
    }
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.bench.test"},
        "spec": {
            "group": "bench.test",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version],
        },
    }


def bodies() -> tuple[Json, Json]:
    """A custom resource with a value in half of its fields, and a ConfigMap with as many bytes."""
    spec: Json = {f"size{n}": n for n in range(FIELDS // 4)} | {f"text{n}": "abc" for n in range(FIELDS // 4)}
    spec["names"] = ["ab", "ac", "ad"]
    widget = {"apiVersion": "bench.test/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": spec}
    data = {f"key{n}": "abcd" for n in range(FIELDS // 2)}
    return widget, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


async def _measure() -> None:
    async with Cluster(parts="api") as cluster:
        await established(cluster, definition("widgets", "Widget"))
        widget, config_map = bodies()
        await _compare(cluster, widget, config_map)
        await _large(cluster)
    await _many()


async def established(cluster: Cluster, body: Json) -> None:
    """Create a definition, and wait until it is served."""
    name = body["metadata"]["name"]
    await cluster.client.create(DEFINITIONS, body)
    gvr = GroupVersionResource(body["spec"]["group"], "v1", body["spec"]["names"]["plural"])
    while cluster.registry.by_gvr(gvr) is None:
        await asyncio.sleep(0)
    conditions = (await cluster.client.get(DEFINITIONS, name))["status"]["conditions"]
    assert any(entry["type"] == "Established" for entry in conditions)


async def _compare(cluster: Cluster, widget: Json, config_map: Json) -> None:
    created: dict[str, list[float]] = {"custom": [], "ConfigMap": []}
    listed: dict[str, list[float]] = {"custom": [], "ConfigMap": []}
    kinds = {"custom": (WIDGETS, widget), "ConfigMap": (CONFIG_MAPS, config_map)}
    number = 0
    for _ in range(ROUNDS):
        for name, (gvr, body) in kinds.items():
            number += CREATES
            work = partial(_create, cluster, gvr, body, number, CREATES)
            created[name].append(await _cpu(work) / CREATES)
    for gvr, body in kinds.values():
        await _create(cluster, gvr, body, number + CREATES, LISTED - ROUNDS * CREATES)
    for _ in range(ROUNDS):
        for name, (gvr, _body) in kinds.items():
            listed[name].append(await _cpu(partial(_list, cluster, gvr)))
    _print("create, µs", created, 1e6)
    _print(f"list of {LISTED}, ms", listed, 1e3)


async def _cpu(work: Callable[[], Awaitable[None]]) -> float:
    gc.collect()
    began = time.process_time()
    await work()
    return time.process_time() - began


async def _create(cluster: Cluster, gvr: GroupVersionResource, body: Json, first: int, count: int) -> None:
    row = cluster.registry.by_gvr(gvr)
    assert row is not None  # it was established
    for number in range(first, first + count):
        raw = json.dumps({**body, "metadata": {"name": f"x{number}"}}).encode()
        answer = await cluster.pipeline.handle(Request("create", row, USER, "default", body=raw))
        assert isinstance(answer, Answer)
        assert answer.code == 201


async def _list(cluster: Cluster, gvr: GroupVersionResource) -> None:
    row = cluster.registry.by_gvr(gvr)
    assert row is not None
    listing = await cluster.pipeline.handle(Request("list", row, USER, "default"))
    assert isinstance(listing, Listing)
    assert len(listing.items) >= LISTED
    await list_pieces(listing, PLAIN, row, {}, 0.0)


def _print(name: str, found: dict[str, list[float]], unit: float) -> None:
    custom, config_map = (statistics.median(found[kind][1:]) for kind in ("custom", "ConfigMap"))
    figures = f"{custom * unit:>12,.1f}{config_map * unit:>12,.1f} for ConfigMaps"
    print(f"{name:<32}{figures}{custom / config_map:>8.2f} ×")


async def _large(cluster: Cluster) -> None:
    bodies = [definition(f"large{n}s", f"Large{n}", filler=1600) for n in range(2 * LARGE)]
    size = len(json.dumps(bodies[0]))
    taken = statistics.median([await _cpu(partial(established, cluster, body)) for body in bodies[:LARGE]])
    await asyncio.sleep(SETTLING)
    gc.collect()
    tracemalloc.start()
    for body in bodies[LARGE:]:
        await established(cluster, body)
    await asyncio.sleep(SETTLING)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] / LARGE
    tracemalloc.stop()
    told = f"definition of {size / 1000:.0f} kB"
    print(f"{told}: established in {taken * 1e3:.0f} ms of CPU, keeps {kept / size:.1f} × its size")


async def _many() -> None:
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        starts = [await _start(data) for _ in range(3)]
        async with Cluster(parts="api", data_dir=data, listen="127.0.0.1:0") as cluster:
            for number in range(MANY):
                await established(cluster, definition(f"things{number}s", f"Thing{number}", filler=300))
        with_many = [await _start(data) for _ in range(3)]
    bare, many = min(starts), min(with_many)
    print(f"start without and with {MANY} definitions, ms: {bare[0] * 1e3:.0f}, {many[0] * 1e3:.0f}")
    print(f"get of another kind then, µs: {bare[1] * 1e6:.0f}, {many[1] * 1e6:.0f}")


async def _start(data: Path) -> tuple[float, float]:
    began = time.process_time()
    async with Cluster(parts="api", data_dir=data, listen="127.0.0.1:0") as cluster:
        taken = time.process_time() - began
        began = time.process_time()
        for _ in range(CREATES):
            await cluster.client.get(GroupVersionResource("", "v1", "namespaces"), "default")
        return taken, (time.process_time() - began) / CREATES
