"""``kube-lite status``: one screen about a cluster."""

import argparse
import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.kubeconfig import access, load
from kube_lite.client.remote import RemoteClient
from kube_lite.cluster import runfile

from .serve import data_dir_of, run_loop

NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
ANSWER_WITHIN = 5.0  # seconds; a server that is alive answers in milliseconds
NOT_DURABLE = ", not durable: a write may be lost with the machine's power"
ABILITIES = {
    "isolation": "namespaces and a root file system for each container",
    "pod_network": "an address of its own for each Pod",
    "limits": "CPU and memory limits",
    "images": "images other than the host's own root",
}


def run(options: argparse.Namespace) -> int:
    """Print the screen. Returns 0 when the cluster runs and its API answers, else 1."""
    data_dir = data_dir_of(options)
    running = runfile.read(data_dir)
    if running is None or not runfile.is_alive(running):
        print(f"No cluster runs in {data_dir}.")
        if running is not None:
            print("One was killed here; 'kube-lite up' takes over what it left, 'kube-lite down' removes it.")
        return 1
    seen = run_loop(look(running))
    for line in screen(running, data_dir, seen):
        print(line)
    return 0 if seen["healthy"] else 1


async def look(running: runfile.Running) -> dict[str, Any]:
    """Ask the API: ``{"healthy": …, "why": …, "nodes": […], "pods": {node: n}}``."""
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN),
            RemoteClient(access(load(Path(running.kubeconfig)))) as client,
        ):
            nodes = await client.list(NODES)
            pods = await client.list(PODS)
    except (ApiError, TimeoutError) as error:
        return {"healthy": False, "why": str(error) or "no answer", "nodes": [], "pods": {}}
    places = Counter(pod["spec"].get("nodeName", "") for pod in pods.items)
    return {"healthy": True, "why": "", "nodes": nodes.items, "pods": places}


def screen(running: runfile.Running, data_dir: Path, seen: dict[str, Any]) -> list[str]:
    """The lines of the screen."""
    health = "healthy" if seen["healthy"] else f"NOT answering: {seen['why']}"
    up_for = int(time.time() - running.started_at)
    lines = [
        f"kube-lite {running.program}, Kubernetes {running.version}",
        f"  endpoint     {running.url}",
        f"  kubeconfig   {running.kubeconfig}",
        f"  data         {data_dir}" + ("" if running.durable else NOT_DURABLE),
        f"  process      {running.pid}, up for {up_for // 60} min {up_for % 60} s",
        "parts",
        *(f"  {part:<12} {health if part == 'api' else 'running'}" for part in running.parts),
    ]
    for node in seen["nodes"]:
        name = node["metadata"]["name"]
        lines += [f"node {name}, {seen['pods'].get(name, 0)} Pods", *condition_lines(node)]
    if running.abilities:
        lines += [f"this host ({running.abilities['driver']} driver)", *ability_lines(running)]
    return lines


def condition_lines(node: Json) -> list[str]:
    """``  Ready        True   kubelet is posting ready status``, a line per condition."""
    return [
        f"  {condition['type']:<14} {condition['status']:<7} {condition.get('message', '')}".rstrip()
        for condition in node.get("status", {}).get("conditions", ())
    ]


def ability_lines(running: runfile.Running) -> list[str]:
    """What the host allows, and what it does not, with the reason."""
    reasons = running.abilities.get("reasons", {})
    lines = []
    for name, words in ABILITIES.items():
        if running.abilities.get(name):
            lines.append(f"  yes  {words}")
        else:
            why = reasons.get(name, "")
            lines.append(f"  no   {words}" + (f": {why}" if why else ""))
    if running.service_limits:
        lines.append(f"  no   every Service address: {running.service_limits}")
    return lines
