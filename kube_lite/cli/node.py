"""``kube-lite node``: nodes that do not exist come and go; any node is emptied. Asks the running cluster."""

import argparse
from pathlib import Path
from typing import Any

from kube_lite.api.errors import ApiError, NotFound, TooManyRequests
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.storage import CONTROLLER_ATTACHES
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.protocol import PatchType
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster import runfile
from kube_lite.kit.clock import RealClock

from .failure import Failure
from .serve import data_dir_of, run_loop

NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
FAKE = "kube-lite.io/fake"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
RETRY_SECONDS = 1.0  # a budget may allow the next eviction by then


def run(options: argparse.Namespace) -> int:
    """Carry out the action."""
    if options.action is None:
        raise Failure("node: say what to do: add, remove or drain")
    data_dir = data_dir_of(options)
    running = runfile.read(data_dir)
    if running is None or not runfile.is_alive(running):
        raise Failure(f"no cluster runs in {data_dir}; start it with 'kube-lite up'")
    actions = {"add": add, "remove": remove, "drain": drain}
    try:
        run_loop(perform(actions[options.action], options, Path(running.kubeconfig)))
    except (ApiError, TimeoutError) as error:
        raise Failure(str(error) or "the cluster does not answer") from error
    return 0


async def perform(action: Any, options: argparse.Namespace, kubeconfig: Path) -> None:
    """Do it as the cluster's administrator."""
    async with RemoteClient(access(load(kubeconfig))) as client:
        await action(client, options)


async def add(client: RemoteClient, options: argparse.Namespace) -> None:
    """Make nodes that the cluster plays."""
    names = [options.name] if options.count == 1 else [f"{options.name}-{n}" for n in range(options.count)]
    for name in names:
        await client.create(NODES, plan_node(name, options))
        print(f"node/{name} added")


async def remove(client: RemoteClient, options: argparse.Namespace) -> None:
    """Delete nodes; one that really is there would only come back."""
    for name in options.names:
        node = await client.get(NODES, name)
        if (node["metadata"].get("annotations") or {}).get(FAKE) != "true" and is_ready(node):
            raise Failure(f"node {name} is this host: it goes when the cluster is started with fewer --nodes")
        await client.delete(NODES, name)
        print(f"node/{name} removed")


def is_ready(node: Json) -> bool:
    """Whether somebody keeps the node alive."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def drain(client: RemoteClient, options: argparse.Namespace) -> None:
    """Take no new Pods, and evict those that are there; those of DaemonSets stay."""
    await client.patch(NODES, options.name, {"spec": {"unschedulable": True}}, patch_type=PatchType.MERGE)
    print(f"node/{options.name} cordoned")
    clock = RealClock()
    deadline = clock.monotonic() + options.timeout
    while pods := await evictable(client, options.name):
        for pod in pods:
            await evict(client, pod)
        if clock.monotonic() > deadline:
            left = ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods)
            raise Failure(f"after {options.timeout:g} s these Pods are still there: {left}")
        await clock.sleep(RETRY_SECONDS)
    print(f"node/{options.name} drained")


async def evictable(client: RemoteClient, node: str) -> list[Json]:
    """The Pods on a node that have to go."""
    found = await client.list(PODS, field_selector=f"spec.nodeName={node}")
    return [pod for pod in found.items if not is_kept(pod)]


def is_kept(pod: Json) -> bool:
    """Whether a Pod stays on a node that is emptied."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return any(owner["kind"] == "DaemonSet" for owner in owners) or bool(
        (metadata.get("annotations") or {}).get("kubernetes.io/config.mirror")
    )


async def evict(client: RemoteClient, pod: Json) -> None:
    """Ask a Pod to go, if no budget keeps it for now."""
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return
    name, namespace = metadata["name"], metadata["namespace"]
    body: Json = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
    }
    try:
        await client.create(PODS, body, namespace=namespace, name=name, subresource="eviction")
        print(f"pod/{name} evicted")
    except (NotFound, TooManyRequests):
        return


def plan_node(name: str, options: argparse.Namespace) -> Json:
    """The Node as it is created. Raises ``Failure`` for a quantity, label or taint that is none."""
    try:
        capacity = {
            "cpu": str(parse_quantity(options.cpu)),
            "memory": str(parse_quantity(options.memory)),
            "pods": str(parse_quantity(options.pods)),
        }
    except ValueError as error:
        raise Failure(f"node: {error}") from error
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    labels |= dict(pair(text, "label") for text in options.label)
    taints = [plan_taint(text) for text in options.taint]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {FAKE: "true", CONTROLLER_ATTACHES: "true"},
        },
        "spec": {"taints": taints} if taints else {},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def pair(text: str, what: str) -> tuple[str, str]:
    """``key=value``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Failure(f"{what} {text!r}: KEY=VALUE is wanted")
    return key, value


def plan_taint(text: str) -> Json:
    """``key=value:Effect`` or ``key:Effect``."""
    left, colon, effect = text.rpartition(":")
    if not colon or effect not in EFFECTS:
        raise Failure(f"taint {text!r}: KEY=VALUE:EFFECT is wanted, with an effect of {', '.join(EFFECTS)}")
    key, _, value = left.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}
