"""Several nodes in one process, all of which run Pods, through what a user does with nodes."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, eventually
from tests.cluster.program import Program
from tests.cluster.test_lifecycle import host_state, processes_of

pytestmark = pytest.mark.timeout(240)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: containers that outlive the server")
DAEMONS = json.dumps(
    {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "daemon"},
        "spec": {
            "selector": {"matchLabels": {"app": "daemon"}},
            "template": {
                "metadata": {"labels": {"app": "daemon"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [
                        {
                            "name": "c",
                            "image": "localhost/host",
                            "command": ["sh", "-c", "echo runs on $NODE; exec sleep 3600"],
                            "env": [
                                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
                            ],
                        }
                    ],
                },
            },
        },
    }
)
ONE_PER_HOST = {
    "labelSelector": {"matchLabels": {"app": "web"}},
    "topologyKey": "kubernetes.io/hostname",
}
WEB = json.dumps(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "affinity": {
                        "podAntiAffinity": {
                            "preferredDuringSchedulingIgnoredDuringExecution": [
                                {"weight": 100, "podAffinityTerm": ONE_PER_HOST}
                            ]
                        }
                    },
                    "containers": [
                        {"name": "c", "image": "localhost/host", "command": ["sleep", "3600"]},
                    ],
                },
            },
        },
    }
)


def running(kubectl: Kubectl, app: str) -> dict[str, tuple[str, str]]:
    """Pods that run, by name: their nodes and containers."""
    pods = json.loads(kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: (pod["spec"]["nodeName"], status["containerID"])
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if "running" in status["state"] and "deletionTimestamp" not in pod["metadata"]
    }


def nodes_of(kubectl: Kubectl, app: str) -> list[str]:
    """The nodes of Pods that run."""
    return sorted(node for node, _ in running(kubectl, app).values())


def told_by(kubectl: Kubectl, pods: Iterable[str]) -> dict[str, str]:
    """The logs of Pods."""
    return {pod: kubectl("logs", pod) for pod in pods}


def processes_in(pod: str) -> list[str]:
    """The processes of this host that have the Pod's name as their host name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"HOSTNAME={pod}".encode() in variables:
            found.append(path.parent.name)
    return found


@needs_root
def test_pods_run_on_every_node_and_survive_the_server_and_leave_a_node_that_is_drained(
    program: Program,
) -> None:
    nodes = ("--nodes", "2", "--node-name", "box")
    program.up(*nodes)
    kubectl = program.kubectl()
    kubectl("apply", "-f", "-", stdin=DAEMONS)
    kubectl("apply", "-f", "-", stdin=WEB)
    kubectl("rollout", "status", "daemonset/daemon", "--timeout=30s")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert nodes_of(kubectl, "daemon") == nodes_of(kubectl, "web") == ["box", "box-2"]
    daemons, web = running(kubectl, "daemon"), running(kubectl, "web")
    addresses = kubectl("get", "pods", "-l", "app=daemon", "-o", "jsonpath={.items[*].status.hostIP}").split()
    assert len(set(addresses)) == 2
    told = {name: f"runs on {node}\n" for name, (node, _) in daemons.items()}
    assert told_by(kubectl, daemons) == told

    program.kill()
    program.up(*nodes)
    eventually(lambda: told_by(kubectl, daemons) == told)
    assert (running(kubectl, "daemon"), running(kubectl, "web")) == (daemons, web)
    restarts = kubectl("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
    assert set(restarts.split()) == {"0"}

    assert "node box-2 is this host" in program.run("node", "remove", "box-2").stderr
    kubectl("drain", "box-2", "--ignore-daemonsets", "--timeout=30s")
    eventually(lambda: nodes_of(kubectl, "web") == ["box", "box"])
    assert running(kubectl, "daemon") == daemons
    for name, (node, _) in daemons.items():
        assert kubectl("exec", name, "--", "sh", "-c", "echo $NODE") == f"{node}\n"

    assert program.stop() == 0
    eventually(lambda: not processes_of(program.directory))
    assert not [name for name in (*daemons, *web) if processes_in(name)]
    assert not [place for place in host_state()["mounts"] if place.startswith(str(program.directory))]


@needs_root
def test_what_ran_on_a_node_that_is_not_started_again_ends(program: Program) -> None:
    program.up("--nodes", "2", "--node-name", "box")
    kubectl = program.kubectl()
    kubectl("apply", "-f", "-", stdin=DAEMONS)
    kubectl("rollout", "status", "daemonset/daemon", "--timeout=30s")
    places = {node: name for name, (node, _) in running(kubectl, "daemon").items()}
    assert processes_in(places["box-2"])
    program.kill()
    program.up("--node-name", "box")

    eventually(lambda: not processes_in(places["box-2"]))
    assert processes_in(places["box"])
    assert kubectl("logs", places["box"]) == "runs on box\n"


@pytest.mark.parametrize("number", ["0", "17", "-1", "many"])
def test_an_impossible_number_of_nodes_is_told_in_a_line(program: Program, number: str) -> None:
    refused = program.run("up", f"--nodes={number}")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kube-lite: ")
    assert len(refused.stderr.splitlines()) == 1
