"""Nodes that do not exist, as a user adds, uses, empties and removes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kubectl import eventually
from tests.cluster.program import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path / "data")
    program.up("--parts", "api,controllers,scheduler")
    yield program
    program.stop()


def test_pods_run_on_nodes_that_were_added_and_leave_one_that_is_drained(program: Program) -> None:
    added = program.run("node", "add", "big", "--count", "2", "--label", "size=big", "--cpu", "8")
    assert added.stdout == "node/big-0 added\nnode/big-1 added\n"
    kubectl = program.kubectl()
    kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=30s")
    kubectl("create", "deployment", "web", "--image=registry.example/web:1", "--replicas=6")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert set(places(kubectl("get", "pods", "-o", "json"))) == {"big-0", "big-1"}
    drained = program.run("node", "drain", "big-0")
    assert drained.returncode == 0, drained.stderr
    assert drained.stdout.endswith("node/big-0 drained\n")
    eventually(lambda: places(kubectl("get", "pods", "-o", "json")) == ["big-1"] * 6)
    assert program.run("node", "remove", "big-0").stdout == "node/big-0 removed\n"
    assert "big-0" not in kubectl("get", "nodes")


def test_a_node_that_nobody_keeps_alive_is_removed_as_well(program: Program) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "left"}}
    program.kubectl()("apply", "-f", "-", stdin=json.dumps(node))
    assert program.run("node", "remove", "left").stdout == "node/left removed\n"


def places(answer: str) -> list[str]:
    """The nodes of Pods that run."""
    pods = json.loads(answer)["items"]
    return [pod["spec"]["nodeName"] for pod in pods if pod["status"]["phase"] == "Running"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "n", "--cpu", "many"], "node: "),
        (["add", "n", "--taint", "full"], "taint 'full': KEY=VALUE:EFFECT is wanted"),
        (["add", "n", "--label", "x"], "label 'x': KEY=VALUE is wanted"),
        (["remove", "none"], 'nodes "none" not found'),
        ([], "say what to do: add, remove or drain"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(program: Program, words: list[str], told: str) -> None:
    done = program.run("node", *words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
