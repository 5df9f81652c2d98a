"""The best that the host allows without root: a cluster that an ordinary user has started."""

import json
import os
import shutil
import site
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kubectl import eventually
from tests.cluster.program import ROOT, Program

NOBODY = 65534
pytestmark = pytest.mark.timeout(120)

# The interpreter and the sources may lie below directories that only root may enter. Bound to a place that
# everybody may enter, in a mount namespace of the test, they can be used without copying anything.
AS_NOBODY = """
set -e
mount --bind "$1" "$4/python"; mount --bind "$2" "$4/packages"; mount --bind "$3" "$4/source"
directory=$4; shift 4
cd "$directory/source"
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all env HOME="$directory/home" \
    LD_LIBRARY_PATH="$directory/python/lib" "$@"
"""


@pytest.fixture
def program() -> Iterator[Program]:
    """``kube-lite`` as somebody who is not root."""
    directory = Path(tempfile.mkdtemp(prefix="kube-lite-user-"))
    program = Program(directory / "data") if os.geteuid() != 0 else _as_nobody(directory)
    try:
        yield program
    finally:
        if program.process is not None:
            program.kill()
        program.run("down")
        shutil.rmtree(directory)


def _as_nobody(directory: Path) -> Program:
    directory.chmod(0o755)
    for name in ("python", "packages", "source", "home"):
        (directory / name).mkdir()
    os.chown(directory / "home", NOBODY, NOBODY)
    packages = sysconfig.get_path("purelib") if sys.prefix != sys.base_prefix else site.getsitepackages()[0]
    binds = [sys.base_prefix, packages, str(ROOT), str(directory)]
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_NOBODY, "sh", *binds]
    executable = directory / "python" / Path(sys.executable).resolve().relative_to(sys.base_prefix)
    program = Program(directory / "home" / "data", prefix=prefix, python=str(executable))
    sources = [str(directory / "source" / part) for part in (".", "runtime", "storage")]
    program.environment["PYTHONPATH"] = os.pathsep.join([*sources, str(directory / "packages")])
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        program.environment.pop(name, None)
    return program


def ask(address: str, port: int) -> str:
    """What a web server answers, or why it does not."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError as error:
        return repr(error)


def test_a_deployment_runs_for_an_ordinary_user(program: Program) -> None:
    program.up()
    kubectl = program.kubectl()
    kubectl("apply", "-f", str(ROOT / "conformance" / "examples" / "web.yaml"))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert "listening on port 8080" in kubectl("logs", "deployment/web")
    pods = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    kubectl("expose", "deployment/web", "--name=high", "--port=18080", "--target-port=http")
    address = kubectl("get", "service", "high", "-o", "jsonpath={.spec.clusterIP}")
    names = {pod["metadata"]["name"] for pod in pods}
    eventually(lambda: {ask(address, 18080).split()[0] for _ in range(4)} == names)
    kubectl("delete", "-f", str(ROOT / "conformance" / "examples" / "web.yaml"))
    eventually(lambda: not kubectl("get", "pods", "-o", "name"))
    assert program.stop() == 0


def test_exec_enters_a_pod_of_an_ordinary_user(program: Program) -> None:
    program.up()
    kubectl = program.kubectl()
    kubectl("apply", "-f", str(ROOT / "conformance" / "examples" / "web.yaml"))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    who = kubectl("exec", "deploy/web", "--", "sh", "-c", "echo $POD_IP").strip()
    assert who in kubectl("get", "pods", "-o", "jsonpath={.items[*].status.podIP}").split()


def test_an_ordinary_user_has_several_nodes(program: Program) -> None:
    program.up("--nodes", "2")
    kubectl = program.kubectl()
    kubectl("apply", "-f", str(ROOT / "conformance" / "examples" / "web.yaml"))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    pods = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    assert {pod["status"]["hostIP"] for pod in pods} == {"127.0.0.1", "127.0.0.2"}
    for pod in pods:
        name, address = pod["metadata"]["name"], pod["status"]["podIP"]
        assert kubectl("exec", name, "--", "sh", "-c", "echo $POD_IP").strip() == address
    assert program.stop() == 0


def test_the_node_says_what_it_cannot_do(program: Program) -> None:
    program.up()
    node = json.loads(program.kubectl()("get", "nodes", "-o", "json"))["items"][0]
    conditions = {condition["type"]: condition for condition in node["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "True"
    told = " ".join(condition["message"] for condition in conditions.values())
    assert "network" in told
    shown = program.run("status")
    assert shown.returncode == 0, shown.stderr
    assert "no   an address of its own for each Pod: " in shown.stdout
    assert program.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a directory that others may not enter")
def test_no_permission_is_one_clear_line(program: Program, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    refused = program.run("up", "--data-dir", str(closed / "data"), "--listen", "127.0.0.1:0")
    assert refused.returncode == 1
    assert "no permission for" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
