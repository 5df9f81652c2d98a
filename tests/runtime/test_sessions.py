"""Streams of execs and of attached containers, with and without a terminal."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.errors import ExecFailed
from kube_lite_runtime.process.driver import ProcessDriver

from tests.contracts.driver_contract import WITHIN, until
from tests.runtime.containers import SPEC, collect, run, shell, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest_asyncio.fixture
async def driver(tmp_path: Path) -> AsyncIterator[ProcessDriver]:
    async with ProcessDriver(tmp_path / "runtime") as entered:
        yield entered
        await entered.teardown()


async def test_stdout_and_stderr_are_told_apart(driver: ProcessDriver) -> None:
    ran = await shell(driver, await start(driver), "echo out; echo err >&2; exit 5")
    assert ran == (5, "out\n", "err\n")


async def test_a_lot_goes_both_ways_at_the_readers_pace(driver: ProcessDriver) -> None:
    container = await start(driver)
    sent = b"0123456789abcdef" * 65536 * 4
    async with await driver.exec(container.id, ["cat"], stdin=True) as session, asyncio.timeout(WITHIN):

        async def feed() -> None:
            await session.write(sent)
            await session.close_input()

        async with asyncio.TaskGroup() as group:
            group.create_task(feed())
            received = b"".join([chunk.content async for chunk in session.output()])
        assert received == sent
        assert (await session.wait()).code == 0


async def test_input_for_one_who_no_longer_reads_is_dropped(driver: ProcessDriver) -> None:
    container = await start(driver)
    async with await driver.exec(container.id, ["true"], stdin=True) as session, asyncio.timeout(WITHIN):
        await session.wait()
        await session.write(b"x" * 1_000_000)


async def test_a_terminal_is_the_containers_own_and_can_be_resized(driver: ProcessDriver) -> None:
    container = await start(driver)
    script = "tty; read go; stty size; exit 4"
    async with await driver.exec(container.id, ["/bin/sh", "-c", script], tty=True, stdin=True) as session:
        await session.resize(132, 43)
        await session.write(b"go\n")
        stdout, stderr = await collect(session)
        assert stderr == ""
        assert "/dev/pts/" in stdout
        assert stdout.split()[-2:] == ["43", "132"]
        assert (await session.wait()).code == 4


async def test_leaving_the_session_ends_the_command(driver: ProcessDriver) -> None:
    container = await start(driver)
    async with await driver.exec(container.id, ["/bin/sh", "-c", "echo $$; exec sleep 1000"]) as session:
        async for chunk in session.output():
            pid = chunk.content.decode().strip()
            break
    async with asyncio.timeout(WITHIN):
        while (await run(driver, container, "kill", "-0", pid)).code == 0 and (
            "Z" not in (await shell(driver, container, f"cut -d' ' -f3 /proc/{pid}/stat")).stdout
        ):
            await asyncio.sleep(0.01)


async def test_an_exec_has_the_containers_environment_directory_and_user(driver: ProcessDriver) -> None:
    spec = replace(SPEC, environment={"COLOR": "green"}, working_directory="/usr")
    ran = await shell(driver, await start(driver, spec), "echo $COLOR; pwd")
    assert ran.stdout == "green\n/usr\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param(["no-such"], 'exec: "no-such": executable file not found in $PATH', id="not in PATH"),
        pytest.param(["/no/such"], 'exec: "/no/such": no such file or directory', id="no such path"),
        pytest.param(["/etc"], 'exec: "/etc": is a directory', id="directory"),
        pytest.param(["/etc/passwd"], 'exec: "/etc/passwd": permission denied', id="not executable"),
    ],
)
async def test_a_command_that_cannot_be_executed_is_told(
    driver: ProcessDriver, command: list[str], message: str
) -> None:
    container = await start(driver)
    with pytest.raises(ExecFailed) as caught:
        await driver.exec(container.id, command)
    assert str(caught.value) == message


async def test_attaching_gives_what_is_written_from_then_on_and_takes_input(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    log = tmp_path / "0.log"
    script = "echo first; while read line; do echo got $line; done; exit 6"
    spec = replace(SPEC, command=["/bin/sh", "-c", script], stdin=True, stdin_once=True, log_path=log)
    container = await start(driver, spec)
    await until(lambda: "first" in log.read_text())
    async with await driver.attach(container.id) as session, asyncio.timeout(WITHIN):
        await session.write(b"one\n")
        async for chunk in session.output():
            assert chunk == ("stdout", b"got one\n")
            break
        await session.close_input()  # it was the only input, so the container's own ends too
        assert (await session.wait()).code == 6
    assert [line.split(" ", 3)[3] for line in log.read_text().splitlines()] == ["first", "got one"]


async def test_a_container_may_have_a_terminal_whose_output_is_logged(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    log = tmp_path / "0.log"
    script = "tty; read line; echo got $line"
    container = await start(
        driver, replace(SPEC, command=["/bin/sh", "-c", script], tty=True, stdin=True, log_path=log)
    )
    async with await driver.attach(container.id) as session, asyncio.timeout(WITHIN):
        await session.write(b"it\n")
        assert (await session.wait()).code == 0
    await until(lambda: "got it" in log.read_text())
    assert "/dev/pts/" in log.read_text()


async def test_who_is_attached_and_does_not_read_holds_up_nobody(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    log = tmp_path / "0.log"
    script = "read go; i=0; while [ $i -lt 3000 ]; do echo $i $0; i=$((i+1)); done; exit 0"
    spec = replace(SPEC, command=["/bin/sh", "-c", script, "x" * 1000], stdin=True, log_path=log)
    container = await start(driver, spec)
    async with await driver.attach(container.id) as session, asyncio.timeout(WITHIN):
        await session.write(b"go\n")
        assert (await session.wait()).code == 0
    assert log.read_text().count("\n") == 3000
