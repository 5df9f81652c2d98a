"""Every driver passes the same suite. As root, the modes for ordinary users are run as nobody."""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.driver import Driver
from kube_lite_runtime.fake import FakeDriver, Reply, Script
from kube_lite_runtime.process.driver import ProcessDriver
from kube_lite_runtime.types import Security

from tests.contracts.driver_contract import DriverContract
from tests.runtime.containers import SPEC, shell, start

ROOT = Path(__file__).parent.parent.parent
NOBODY = 65534
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
needs_root = [pytest.mark.needs_root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
needs_no_root = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")


class TestFake(DriverContract):
    @pytest.fixture
    def image(self) -> str:
        return "busybox"

    @pytest.fixture
    def reopen(self) -> Callable[[], Driver]:
        driver = FakeDriver(images=["busybox"], pullable=[])
        driver.script("stubborn", Script(ignores_stop_signal=True, lines=["ready"]))
        driver.script("fails", Script(exit_after=0, exit_codes=(3,)))
        driver.script("talks", Script(lines=("one", "two")))
        driver.script(
            "missing", Script(start_error='exec: "no-such-command": executable file not found in $PATH')
        )
        driver.script(
            "stays",
            Script(exec=lambda command: Reply(code=int(command == ["false"]), copy_input=command == ["cat"])),
        )
        return lambda: driver


class ProcessContract(DriverContract):
    mode = "auto"

    @pytest.fixture
    def image(self) -> str:
        return "localhost/host"

    @pytest_asyncio.fixture
    async def reopen(self, tmp_path: Path) -> AsyncIterator[Callable[[], Driver]]:
        directory = tmp_path / "runtime"
        yield lambda: ProcessDriver(directory, mode=self.mode)
        async with ProcessDriver(directory, mode=self.mode) as driver:
            await driver.teardown()

    async def test_it_is_the_driver_that_was_meant(self, driver: Driver) -> None:
        assert driver.abilities().driver == ("plain" if self.mode == "plain" else "process")


@needs_linux
class TestRoot(ProcessContract):
    pytestmark = needs_root
    mode = "root"


@needs_linux
class TestPlain(ProcessContract):
    mode = "plain"


@needs_linux
@needs_no_root
class TestUser(ProcessContract):
    mode = "user"

    @pytest_asyncio.fixture(autouse=True)
    async def allowed(self, reopen: Callable[[], Driver]) -> None:
        async with reopen() as driver:
            if not driver.abilities().isolation:
                pytest.skip(f"needs user namespaces: {driver.abilities().reasons['isolation']}")

    async def test_a_container_may_be_another_number_and_its_execs_too(self, driver: Driver) -> None:
        container = await start(driver, replace(SPEC, security=Security(user=1234, group=2345)))
        ran = await shell(
            driver, container, "id -u; id -g; grep CapBnd /proc/self/status; echo x > /tmp/x && echo ok"
        )
        assert ran.stdout.split() == ["1234", "2345", "CapBnd:", "00000000a80425fb", "ok"]

    async def test_it_sees_only_its_own_processes_and_no_data(self, driver: Driver) -> None:
        seen = await shell(driver, await start(driver), "echo /proc/[0-9]*; ls -A /home /var/lib /work")
        assert len(seen.stdout.splitlines()[0].split()) < 5
        assert seen.stdout.splitlines()[1:] == ["/home:", "", "/var/lib:"]


@needs_linux
@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
@pytest.mark.parametrize("suite", ["TestUser", "TestPlain"])
@pytest.mark.timeout(180)
def test_an_ordinary_user_passes_too(suite: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = Path("/tmp") / f"kube-lite-nobody-{os.getpid()}-{suite}"
    place.mkdir(mode=0o755)
    os.chown(place, NOBODY, NOBODY)
    command = [
        *as_nobody(),
        "-m",
        "pytest",
        *("-p", "no:cacheprovider", "-p", "no:randomly", "-q", f"--basetemp={place}/pytest"),
        f"tests/runtime/test_driver_contract.py::{suite}",
    ]
    paths = [str(ROOT), str(ROOT / "runtime"), str(ROOT / "storage"), *sys.path]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(place),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        ran = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert " passed" in ran.stdout
    finally:
        shutil.rmtree(place, ignore_errors=True)


def as_nobody() -> list[str]:
    """A command that runs Python as nobody; skips where that user can reach no Python or not the tree."""
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    # setpriv still has root's rights when it executes Python: only a second execution shows what nobody may.
    source = str(ROOT / "pyproject.toml")
    probe = f"import os, sys; open({source!r}); os.execv(sys.executable, ['python', '-c', ''])"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            tried = subprocess.run(
                [*become, python, "-c", probe], cwd="/", env={}, capture_output=True, check=False
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return [*become, python]
    pytest.skip("needs a Python and a source tree that user nobody can read")
