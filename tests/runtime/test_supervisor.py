"""The process that owns the containers: what it outlives, what outlives it, that nothing is left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.process.channel import connect
from kube_lite_runtime.process.driver import ProcessDriver
from kube_lite_runtime.process.files import SHARED_MEMORY
from kube_lite_runtime.process.reaper import descendants
from kube_lite_runtime.process.records import sandbox_record
from kube_lite_runtime.process.wire import MESSAGE_BYTES
from kube_lite_runtime.select import process_driver
from kube_lite_runtime.types import ContainerState, State

from tests.contracts.driver_contract import WITHIN, until
from tests.runtime.containers import POD, SPEC, run, start

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "runtime"


@pytest_asyncio.fixture
async def driver(directory: Path) -> AsyncIterator[ProcessDriver]:
    async with ProcessDriver(directory) as entered:
        yield entered
    async with ProcessDriver(directory) as entered:
        await entered.teardown()


async def supervisor_of(driver: ProcessDriver) -> int:
    return int((await driver._link.hello())["pid"])


async def ended(driver: ProcessDriver, container: ContainerState) -> ContainerState:
    async with driver.events() as events, asyncio.timeout(WITHIN):
        found = await driver.container_state(container.id)
        if found.state is State.EXITED:
            return found
        async for state in events:
            if state.id == container.id and state.state is State.EXITED:
                return state
    raise AssertionError("events ended")


async def test_a_container_outlives_the_server_that_was_killed_and_no_line_is_lost(
    directory: Path, tmp_path: Path
) -> None:
    log, go_on = tmp_path / "0.log", tmp_path / "go-on"
    go_on.mkdir()
    program = f"""
        import asyncio, os, signal
        from dataclasses import replace
        from pathlib import Path
        from kube_lite_runtime.process.driver import ProcessDriver
        from kube_lite_runtime.types import Mount
        from tests.runtime.containers import SPEC, start

        script = "echo before; while [ ! -e $GO/now ]; do sleep 0.02; done; echo after; exit 7"
        async def main():
            async with ProcessDriver(Path({str(directory)!r})) as driver:
                spec = replace(SPEC, command=["/bin/sh", "-c", script], log_path=Path({str(log)!r}))
                place = "/go-on" if driver.abilities().isolation else {str(go_on)!r}
                mounts = [Mount(Path({str(go_on)!r}), "/go-on")]
                await start(driver, replace(spec, environment={{"GO": place}}, mounts=mounts))
                os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    paths = os.pathsep.join([str(ROOT), str(ROOT / "runtime"), *filter(None, sys.path)])
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    (go_on / "now").touch()
    await until(lambda: "after" in log.read_text())
    async with ProcessDriver(directory) as driver:
        (container,) = await driver.list_containers()
        found = await ended(driver, container)
        assert found.exit is not None
        assert found.exit.code == 7
        assert [line.split(" ")[3] for line in log.read_text().splitlines()] == ["before", "after"]
        await driver.teardown()


async def test_a_sandbox_whose_maker_was_killed_in_the_middle_is_not_taken_over(directory: Path) -> None:
    async with ProcessDriver(directory) as killed:
        whole = await killed.create_sandbox(POD)
        record = sandbox_record("0" * 32, POD, hostname="half", now=0.0)
        wanted = {"namespaces": 0, "hostname": "half", "sysctls": {}, "limits": {}}
        await killed._link.ask("create_sandbox", sandbox=record, wanted=wanted)  # and no further
    async with ProcessDriver(directory) as driver:
        assert [sandbox.id for sandbox in await driver.list_sandboxes()] == [whole.id]
        assert [record["id"] for record in (await driver._link.hello())["sandboxes"]] == [whole.id]
        await driver.teardown()


async def test_when_it_is_killed_its_containers_are_told_as_ended_and_work_goes_on(
    driver: ProcessDriver,
) -> None:
    container = await start(driver)
    async with driver.events() as events, asyncio.timeout(WITHIN):
        os.kill(await supervisor_of(driver), signal.SIGKILL)
        async for state in events:
            if state.id == container.id and state.state is State.EXITED:
                break
    assert state.exit is not None
    assert state.exit.code == 137
    assert "not known" in state.exit.message
    await until(lambda: not Path(f"/proc/{container.pid}").exists())
    assert [sandbox.ready for sandbox in await driver.list_sandboxes()] == [False]
    assert (await run(driver, await start(driver), "echo", "again")).stdout == "again\n"
    await driver.remove_sandbox(container.sandbox_id)
    assert len(await driver.list_sandboxes()) == 1


async def test_what_a_killed_one_left_running_is_found_by_its_journal(directory: Path) -> None:
    """The kernel kills containers with it, unless one took that wish back, as set-user-ID programs do."""
    from kube_lite_runtime.process.journal import Journal, boot_id, process_start

    left = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    other = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    try:
        for process, start_time in ((left, process_start(left.pid)), (other, process_start(other.pid) + 1)):
            record = {"id": f"c{process.pid}", "sandbox_id": "s", "state": "running", "pid": process.pid}
            Journal(str(directory), "containers").write({**record, "boot": boot_id(), "started": start_time})
        async with ProcessDriver(directory) as driver:
            assert left.wait(WITHIN) == -signal.SIGKILL
            assert other.poll() is None  # its number was another process's when the record was written
            await driver.teardown()
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


async def test_it_ends_by_itself_when_it_owns_nothing_and_nobody_is_connected(directory: Path) -> None:
    async with ProcessDriver(directory) as driver:
        pid = await supervisor_of(driver)
        container = await start(driver)
        await driver.remove_sandbox(container.sandbox_id)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    assert not (directory / "supervisor.sock").exists()


async def test_it_ends_its_containers_and_itself_when_its_directory_is_removed(directory: Path) -> None:
    async with ProcessDriver(directory) as driver:
        pid, container = await supervisor_of(driver), await start(driver)
        memory = SHARED_MEMORY / f"{driver._instance}-{container.sandbox_id}"
        (memory / "shm" / "deep").mkdir(parents=True)
        (memory / "shm" / "deep" / "link").symlink_to("/")
    shutil.rmtree(directory)
    await until(lambda: not Path(f"/proc/{pid}").exists() and not Path(f"/proc/{container.pid}").exists())
    assert not directory.exists()
    assert not memory.exists()


async def test_it_stays_while_a_pod_is_there_and_the_next_server_finds_the_same_one(directory: Path) -> None:
    async with ProcessDriver(directory) as first:
        pid = await supervisor_of(first)
        await first.create_sandbox(POD)
    async with ProcessDriver(directory) as second:
        assert await supervisor_of(second) == pid
        await second.teardown()


async def test_it_keeps_nothing_of_the_one_who_started_it_and_is_small(driver: ProcessDriver) -> None:
    await start(driver)
    pid = await supervisor_of(driver)
    process = Path(f"/proc/{pid}")
    assert str((process / "cwd").readlink()) == "/"
    open_files = [str(link.readlink()) for link in (process / "fd").iterdir()]
    assert not [name for name in open_files if name.startswith(("/dev/pts", "/dev/tty"))]
    fields = (process / "stat").read_text().rpartition(") ")[2].split()
    assert int(fields[1]) == 1  # nobody's child: the one that started it need not collect it
    assert int(fields[3]) != os.getsid(0)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert int(status["VmRSS"].split()[0]) < 15 * 1024
    assert int(status["Threads"]) == 1


async def test_descriptors_and_children_go_with_the_pods_they_were_for(driver: ProcessDriver) -> None:
    pid = await supervisor_of(driver)

    def held() -> int:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))

    before = held()
    for _ in range(3):
        container = await start(driver, replace(SPEC, stdin=True))
        await run(driver, container, "true")
        async with await driver.attach(container.id):
            pass
        await driver.remove_sandbox(container.sandbox_id)
    await until(lambda: held() == before and not [p for p in descendants(pid) if p != pid])


async def test_neither_command_nor_environment_of_a_container_is_written_anywhere(
    driver: ProcessDriver, directory: Path
) -> None:
    spec = replace(SPEC, environment={"PASSWORD": "canary-4711"}, command=[*SPEC.command, "canary-4712"])
    container = await start(driver, spec)
    assert (await run(driver, container, "/bin/sh", "-c", "echo $PASSWORD")).stdout == "canary-4711\n"
    files = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    assert not [path for path in files if b"canary-471" in path.read_bytes()]
    modes = {path.name: path.stat().st_mode & 0o077 for path in directory.rglob("*.sock")}
    assert modes == {"supervisor.sock": 0}


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"\xff\xff\xff\xff", id="too long"),
        pytest.param(b"\x00\x00\x00\x02{]", id="no JSON"),
        pytest.param(b"\x00\x00\x00\x02[]", id="no object"),
        pytest.param(b'\x00\x00\x00\x08{"id":1}', id="no question"),
        pytest.param(b'\x00\x00\x00\x12{"id":1,"fds":9999}'[:22], id="descriptors that did not come"),
    ],
)
async def test_whoever_sends_nonsense_is_cut_off_and_nobody_else(
    driver: ProcessDriver, directory: Path, nonsense: bytes
) -> None:
    assert MESSAGE_BYTES < 0xFFFFFFFF
    pid = await supervisor_of(driver)
    stranger = connect(directory)
    assert stranger is not None
    with stranger:
        stranger.settimeout(WITHIN)
        stranger.sendall(nonsense)
        stranger.shutdown(socket.SHUT_WR)
        assert await asyncio.to_thread(stranger.recv, 1) == b""
    assert await supervisor_of(driver) == pid


@needs_root
@pytest.mark.needs_root
async def test_teardown_leaves_nothing_behind(directory: Path) -> None:
    async with process_driver(directory, network_cidr="10.89.7.0/24", service_cidr="10.89.8.0/24") as driver:
        instance, bridge = driver._instance, driver._network.name if driver._network else ""
        pid = await supervisor_of(driver)
        one, two = await start(driver), await start(driver, pod=replace(POD, share_process_namespace=True))

        def traces() -> list[str]:
            mounts = Path("/proc/mounts").read_text().splitlines()
            return [
                *(line for line in mounts if str(directory) in line),
                *map(str, Path("/dev/shm").glob(f"{instance}-*")),
                *map(str, Path("/sys/fs/cgroup").glob(instance)),
                *map(str, Path("/sys/fs/cgroup").glob(f"*/{instance}")),
                *map(str, Path("/sys/class/net").glob(bridge)),
                *(
                    f"process {number}"
                    for number in (pid, one.pid, two.pid)
                    if Path(f"/proc/{number}").exists()
                ),
            ]

        # The three processes, their memory, the groups and the bridge; no mount even while they run.
        assert len(traces()) >= 6
        assert not [trace for trace in traces() if str(directory) in trace]
        await driver.teardown()
    with contextlib.suppress(TimeoutError):
        await until(lambda: not traces())
    assert traces() == []
    assert not list((directory / "containers").iterdir())
    assert not list((directory / "sandboxes").iterdir())


@needs_root
@pytest.mark.needs_root
async def test_a_pods_address_is_reached_from_the_host_and_from_another_pod(directory: Path) -> None:
    serve = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080)"
    fetch = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)"
    async with process_driver(directory, network_cidr="10.89.9.0/24", service_cidr="10.89.10.0/24") as driver:
        try:
            web = await start(driver, replace(SPEC, command=["python3", "-c", serve]))
            (sandbox,) = await driver.list_sandboxes()
            (address,) = sandbox.addresses

            def answers() -> bool:
                with socket.socket() as client:
                    client.settimeout(1)
                    return client.connect_ex((address, 8080)) == 0

            await until(answers)
            fetched = await run(
                driver, await start(driver), "python3", "-c", fetch, f"http://{address}:8080/"
            )
            assert (fetched.stdout, fetched.stderr) == ("200\n", "")
            assert (await driver.container_state(web.id)).state is State.RUNNING
        finally:
            await driver.teardown()
