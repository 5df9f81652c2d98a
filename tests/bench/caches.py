"""What the informers of a process cost beside the bytes that they copy: a process of its own, over HTTPS."""

import asyncio
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.informer import DECODED_SECONDS
from kube_lite.client.informers import Informers
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.service import running

from .http import POD
from .server import Server, started

PODS = GroupVersionResource("", "v1", "pods")
ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
MAPS = GroupVersionResource("", "v1", "configmaps")
LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
COUNT = 10_000
AT_ONCE = 32
NAMES = {PODS: "Pods", MAPS: "ConfigMaps of 1 KB", LEASES: "Leases"}


STATES = ("listed", "all looked at", "left alone")


def run() -> None:
    """Print the table."""
    heads = "".join(f"{state:>15}" for state in STATES)
    print(f"{f'informers of {COUNT:,} objects':<30}{'stored':>9}{heads}   target 1.5, listed")
    with started("--parts", "api") as server:
        asyncio.run(_fill(server))
        for resource, name in NAMES.items():
            found = _measured(server, resource)
            stored = found["stored"]
            ratios = "".join(f"{found[state] / stored:>15.2f}" for state in STATES)
            print(f"{name:<30}{stored / 1e6:>6.1f} MB{ratios}", flush=True)


def _measured(server: Server, resource: GroupVersionResource) -> dict[str, int]:
    """What a process finds that does nothing but to follow a resource; bytes."""
    command = [sys.executable, "-m", "tests.bench.caches", str(server.directory / "kubeconfig"), *resource]
    found: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


async def _fill(server: Server) -> None:
    async with RemoteClient(access(load(server.directory / "kubeconfig"))) as client:
        await client.create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        waiting = iter(range(COUNT))

        async def work() -> None:
            for number in waiting:
                for resource, obj in _objects(number).items():
                    await client.create(resource, obj, namespace="default")

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())


def _objects(number: int) -> dict[GroupVersionResource, Json]:
    metadata: Json = {"name": f"object-{number}", "labels": {"app": f"app-{number % 10}"}}
    spec = {"holderIdentity": f"holder-{number}", "leaseDurationSeconds": 40}
    return {
        PODS: {**POD, "metadata": metadata},
        MAPS: {"metadata": metadata, "data": {"text": str(number) * (1000 // len(str(number)))}},
        LEASES: {"metadata": metadata, "spec": spec},
    }


async def _follow(kubeconfig: str, resource: GroupVersionResource) -> dict[str, Any]:
    """Follow a resource in this process and look at all of it once."""
    clock = ManualClock()
    async with RemoteClient(access(load(Path(kubeconfig)))) as client:
        few = await client.list(resource, limit=1)  # what it takes to talk to the server at all
        stored = sum(len(json.dumps(obj, separators=(",", ":"))) for obj in few.items) * COUNT
        before = _private_bytes()
        informers = Informers(client, clock)
        informer = informers.informer(resource)
        async with running(informers):
            await informer.synced()
            found = {"stored": stored, "listed": _private_bytes() - before}
            informer.list()
            found["all looked at"] = _private_bytes() - before
            await clock.advance(3 * DECODED_SECONDS)
            while informer.is_crowded:
                await asyncio.sleep(0)
            found["left alone"] = _private_bytes() - before
            return found


def _private_bytes() -> int:
    gc.collect()
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Private"))


if __name__ == "__main__":
    path, group, version, name = sys.argv[1:]
    print(json.dumps(asyncio.run(_follow(path, GroupVersionResource(group, version, name)))))
