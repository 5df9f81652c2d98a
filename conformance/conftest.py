"""The target: the cluster of the kubeconfig in ``$KUBE_LITE_TARGET``, or one of this tree, for the run."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, newest_kubectl

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
