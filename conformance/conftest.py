"""The target: the cluster of the kubeconfig in ``$KUBE_LITE_TARGET``, or one of this tree, for the run."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.api.objects import pod
from conformance.http import Api, Server, server_of
from conformance.kubectl import Kubectl, eventually, newest_kubectl

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def target() -> Iterator[Path]:
    """The kubeconfig of the cluster that is tested."""
    if given := os.environ.get("KUBE_LITE_TARGET"):
        yield Path(given)
        return
    directory = Path(tempfile.mkdtemp(prefix="kube-lite-conformance-"))
    program = [sys.executable, "-m", "kube_lite", "--data-dir", str(directory)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "runtime", "storage")),
    }
    try:
        subprocess.run(
            [*program, "up", "--listen", "127.0.0.1:0", "--detach"], check=True, env=environment, timeout=60
        )
        yield directory / "kubeconfig"
    finally:
        subprocess.run([*program, "down"], check=True, env=environment, timeout=90)
        shutil.rmtree(directory)


@pytest.fixture
def kubectl(target: Path) -> Iterator[Kubectl]:
    """kubectl in a namespace that goes with the test."""
    binary = newest_kubectl()
    if binary is None:
        pytest.skip("needs kubectl")
    everywhere = Kubectl(binary, target)
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    everywhere("create", "namespace", namespace)
    yield Kubectl(binary, target, namespace)
    everywhere("delete", "namespace", namespace, "--wait=false")


class Running(NamedTuple):
    """A Pod that runs, and has said ``first`` and ``second``."""

    namespace: str
    name: str


@pytest.fixture(scope="session")
def server(target: Path) -> Server:
    """Where the target listens, and the credentials of its administrator."""
    return server_of(target)


@pytest.fixture(scope="session")
def api(server: Server) -> Iterator[Api]:
    """The root of the API."""
    root = Api(server)
    yield root
    root.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """The name of a namespace that goes with the test."""
    with new_namespace(api) as name:
        yield name


@pytest.fixture(scope="session")
def running(api: Api) -> Iterator[Running]:
    """One Pod for all tests that only talk to it."""
    with new_namespace(api) as name:
        place = api.at(f"/api/v1/namespaces/{name}")
        eventually(lambda: _is_there(place, "serviceaccounts/default"))
        made = place.post(pod("talker", "sh", "-c", "echo first; echo second; exec sleep 600"), "pods")
        assert made.status == 201, made
        eventually(lambda: _has_said_all(place))
        yield Running(name, "talker")


@contextmanager
def new_namespace(api: Api) -> Iterator[str]:
    """A namespace for the length of the block: its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    made = api.at("/api/v1/namespaces").post({"metadata": {"name": name}})
    assert made.status == 201, made
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


def _is_there(place: Api, path: str) -> None:
    assert place.get(path).status == 200


def _has_said_all(place: Api) -> None:
    assert place.get("pods/talker/log").content == b"first\nsecond\n"
