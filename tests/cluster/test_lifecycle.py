"""The life of a cluster as a user sees it: up, down, refusals, and nothing left behind."""

import json
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from conformance.kubectl import eventually
from tests.cluster.program import Program

POD = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sleeper"},
        "spec": {
            "containers": [{"name": "c", "image": "localhost/host", "command": ["sleep", "3600"]}],
            "terminationGracePeriodSeconds": 1,
        },
    }
)


def test_up_says_what_is_ready_and_where(program: Program) -> None:
    told = program.up("--parts", "api")
    assert "api          ready" in told
    assert f"export KUBECONFIG={program.directory}/kubeconfig" in told
    assert stat.S_IMODE((program.directory / "kubeconfig").stat().st_mode) == 0o600
    assert "current-context: kube-lite" in (program.directory / "kubeconfig").read_text()
    assert program.stop() == 0
    assert not (program.directory / "running.json").exists()


def test_state_is_back_after_a_restart(program: Program) -> None:
    program.up("--parts", "api")
    program.kubectl()("create", "configmap", "kept", "--from-literal=a=1")
    assert program.stop() == 0
    program.up("--parts", "api")
    assert program.kubectl()("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "1"


def test_detached_it_is_ready_when_the_command_returns_and_down_ends_it(program: Program) -> None:
    started = program.run("up", "--detach", "--parts", "api", "--listen", "127.0.0.1:0")
    assert started.returncode == 0, started.stderr
    assert "kube-lite down stops it" in started.stdout
    assert program.kubectl()("get", "namespaces", "-o", "name").split()
    shown = program.run("status")
    assert shown.returncode == 0, shown.stderr
    assert str(program.note()["url"]) in shown.stdout
    assert program.run("down").returncode == 0
    assert program.run("status").returncode == 1


def test_a_second_cluster_on_the_same_directory_is_refused(program: Program) -> None:
    program.up("--parts", "api")
    refused = program.run("up", "--listen", "127.0.0.1:0", "--parts", "api")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "kube-lite down --data-dir" in refused.stderr


def test_a_taken_port_is_one_clear_line(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = program.run("up", "--listen", f"127.0.0.1:{port}", "--parts", "api")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kube-lite: ")
    assert "choose another --listen" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["up", "--kubernetes-version", "1.2"], "served are 1.25 to 1.37", id="unknown release"),
        pytest.param(
            ["up", "--parts", "kubelet"], "some of api,controllers,scheduler,node", id="unknown part"
        ),
        pytest.param(["up", "--parts", "node"], "add 'api'", id="no api"),
        pytest.param(["up", "--listen", "here"], "HOST:PORT is wanted", id="bad address"),
        pytest.param(["up", "--config", "/nonexistent.yaml"], "No such file", id="no such file"),
        pytest.param(["kubeconfig"], "start one with 'kube-lite up'", id="no cluster yet"),
    ],
)
def test_bad_input_is_one_clear_line(program: Program, arguments: list[str], told: str) -> None:
    refused = program.run(*arguments)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_configuration_file_sets_what_options_set(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("parts: [api]\nkubernetesVersion: '1.33'\nnodeName: other\n")
    told = program.up("--config", str(file))
    assert "Kubernetes 1.33" in told
    version = json.loads(program.kubectl()("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"].startswith("v1.33.")


def host_state() -> dict[str, set[str]]:
    """What a cluster could leave behind on this host."""
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    mounts = {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
    groups = {str(path) for path in Path("/sys/fs/cgroup").glob("**/*kube-lite*") if path.is_dir()}
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return {"links": links, "mounts": mounts, "cgroups": groups, "tables": set(tables.splitlines())}


def processes_of(directory: Path) -> list[str]:
    """The command lines of processes that name the data directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words:
            found.append(words)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces, bridges and nftables")
@pytest.mark.parametrize("how", ["stopped", "killed and cleaned up"])
def test_nothing_is_left_behind(program: Program, how: str) -> None:
    before = host_state()
    program.up()
    kubectl = program.kubectl()
    eventually(lambda: kubectl.run("get", "serviceaccount", "default").returncode == 0)
    kubectl("apply", "-f", "-", stdin=POD)
    kubectl("wait", "--for=condition=Ready", "pod/sleeper", "--timeout=30s")
    during = host_state()
    made = {name: during[name] - before[name] for name in before}
    assert all(made[name] for name in ("links", "cgroups", "tables"))
    if how == "stopped":
        assert program.stop() == 0
    else:
        program.kill()
        assert processes_of(program.directory)
        assert "cleaned up" in program.run("down").stdout
    eventually(lambda: not processes_of(program.directory))
    after = host_state()
    assert {name: made[name] & after[name] for name in made} == {name: set() for name in made}
