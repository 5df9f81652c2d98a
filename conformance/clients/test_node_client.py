"""A program on the npm package ``@kubernetes/client-node``, installed as its lock file says."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from conformance.conftest import Running

HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def installed() -> Path:
    """A directory with the program and its packages; kept for the next run."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs node and npm")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kube-lite-conformance"
    place = cache / f"node-{lock}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, fresh)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=fresh,
            capture_output=True,
            text=True,
            timeout=150,
        )
        if done.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"needs the npm packages of {HERE.name}/package-lock.json: {done.stderr[-300:]}")
        fresh.rename(place)
    return place


@pytest.mark.timeout(240)
def test_a_program_on_node_does_everything(
    installed: Path, target: Path, namespace: str, running: Running
) -> None:
    shutil.copy(HERE / "program.mjs", installed)
    done = subprocess.run(
        ["node", "program.mjs", namespace, *running],
        cwd=installed,
        env={**os.environ, "KUBECONFIG": str(target)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
