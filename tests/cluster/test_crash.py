"""A server that is killed in the middle of work, and comes back."""

import json
import os

import pytest

from conformance.kubectl import Kubectl, eventually
from tests.cluster.program import ROOT, Program

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: containers that outlive the server"),
    pytest.mark.timeout(300),
]
EXAMPLE = str(ROOT / "conformance" / "examples" / "web.yaml")


def containers_of(kubectl: Kubectl) -> dict[str, tuple[str, int]]:
    """Pod names → container id and restart count of those that run."""
    pods = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: (status["containerID"], status["restartCount"])
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if "running" in status["state"]
    }


def test_running_containers_are_adopted_after_kill_9(program: Program) -> None:
    program.up()
    kubectl = program.kubectl()
    kubectl("apply", "-f", EXAMPLE)
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    before = containers_of(kubectl)
    program.kill()
    program.up()
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert containers_of(kubectl) == before
    assert set(kubectl("exec", "deploy/web", "--", "hostname").split()) <= set(before)


def test_a_rollout_cut_by_kill_9_completes(program: Program) -> None:
    program.up()
    kubectl = program.kubectl()
    kubectl("apply", "-f", EXAMPLE)
    kubectl("scale", "deployment/web", "--replicas=4")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    old = containers_of(kubectl)
    kubectl("set", "env", "deployment/web", "COLOR=green")
    eventually(lambda: set(containers_of(kubectl)) != set(old))
    underway = containers_of(kubectl)
    program.kill()
    program.up()
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: len(containers_of(kubectl)) == 4)
    done = containers_of(kubectl)
    assert not set(done) & set(old)
    assert {name: done[name] for name in done if name in underway} == {
        name: underway[name] for name in underway if name in done
    }
    assert all(restarts == 0 for _, restarts in done.values())
