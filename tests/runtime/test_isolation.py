"""What a container must not be able to see or do, and what it must."""

import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from kube_lite_runtime.errors import ContainerFailed
from kube_lite_runtime.process.driver import ProcessDriver
from kube_lite_runtime.types import Limits, Mount, Security, State

from tests.contracts.driver_contract import until
from tests.runtime.containers import POD, SPEC, run, shell, start, start_in

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


@pytest_asyncio.fixture
async def driver(tmp_path: Path) -> AsyncIterator[ProcessDriver]:
    async with ProcessDriver(tmp_path / "runtime", mode="root") as entered:
        yield entered
        await entered.teardown()


async def test_it_sees_only_its_own_processes(driver: ProcessDriver) -> None:
    seen = await shell(driver, await start(driver), "echo /proc/[0-9]*")
    assert "/proc/1 " in seen.stdout
    assert len(seen.stdout.split()) < 5


async def test_containers_of_one_pod_see_each_other_only_when_they_share_processes(
    driver: ProcessDriver,
) -> None:
    sandbox = await driver.create_sandbox(replace(POD, share_process_namespace=True))
    one = await start_in(driver, sandbox.id)
    marked = replace(SPEC, name="d", command=["/bin/sh", "-c", f": marked; {SPEC.command[2]}"])
    await start_in(driver, sandbox.id, marked)
    seen = await shell(driver, one, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert ": marked" in seen.stdout
    assert (await run(driver, one, "readlink", "/proc/self/ns/pid")).stdout.strip() != str(
        Path("/proc/self/ns/pid").readlink()
    )


async def test_every_namespace_is_its_own(driver: ProcessDriver) -> None:
    container = await start(driver)
    for kind in ("mnt", "pid", "ipc", "uts"):
        inside = (await run(driver, container, "readlink", f"/proc/self/ns/{kind}")).stdout.strip()
        assert inside.startswith(kind)
        assert inside != str(Path(f"/proc/self/ns/{kind}").readlink())


async def test_its_host_name_is_the_pods(driver: ProcessDriver) -> None:
    container = await start(driver, pod=replace(POD, hostname="web-0"))
    assert (await run(driver, container, "hostname")).stdout == "web-0\n"
    assert (await run(driver, container, "cat", "/etc/hostname")).stdout == "web-0\n"
    assert (await shell(driver, container, "echo $HOSTNAME")).stdout == "web-0\n"
    assert socket.gethostname() != "web-0"


@pytest.mark.parametrize("path", ["/root", "/home", "/work", "/boot", "/mnt", "/srv", "/var/lib", "/tmp"])
async def test_the_host_image_shows_no_data_of_the_host(driver: ProcessDriver, path: str) -> None:
    seen = await shell(driver, await start(driver), f"ls -A {path} 2>/dev/null | grep -v -e .pyenv || true")
    assert seen.stdout == ""


async def test_what_only_root_may_read_of_etc_is_not_there(driver: ProcessDriver) -> None:
    container = await start(driver)
    assert "root:" in (await run(driver, container, "cat", "/etc/passwd")).stdout
    assert (await run(driver, container, "cat", "/etc/shadow")).code == 1
    unreadable = await shell(driver, container, "find /etc -type f ! -perm -004 2>/dev/null")
    assert unreadable.stdout == ""


async def test_the_runtimes_own_directory_is_hidden_even_below_a_shown_one() -> None:
    directory = Path("/opt") / f"kube-lite-test-{os.getpid()}"
    (directory / "pki").mkdir(parents=True)
    (directory / "pki" / "ca.key").write_text("secret")
    try:
        async with ProcessDriver(directory / "runtime", mode="root", hidden=[directory]) as driver:
            container = await start(driver)
            assert (await shell(driver, container, f"ls -A {directory}")).stdout == ""
            assert (await shell(driver, container, "ls -d /opt")).stdout == "/opt\n"
            await driver.teardown()
    finally:
        shutil.rmtree(directory)


async def test_what_it_writes_is_its_own_and_goes_with_it(driver: ProcessDriver) -> None:
    container = await start(driver)
    written = await shell(
        driver, container, "echo x > /usr/kube-lite-test && echo y > /etc/passwd && ls /usr"
    )
    assert "kube-lite-test" in written.stdout
    assert not Path("/usr/kube-lite-test").exists()
    assert "root:" in Path("/etc/passwd").read_text()
    other = await start(driver)
    assert "root:" in (await run(driver, other, "cat", "/etc/passwd")).stdout


async def test_no_device_of_the_host_can_be_opened(driver: ProcessDriver, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    container = await start(driver, replace(SPEC, mounts=[Mount(volume, "/volume")]))
    # 1:5 is /dev/zero, which can be read wherever it may be opened.
    for place in ("/tmp", "/dev", "/volume", "/etc", "/dev/shm"):
        made = await shell(driver, container, f"mknod {place}/k c 1 5 && head -c1 {place}/k")
        assert made.code != 0, place
        assert "Permission denied" in made.stderr, place
    assert (
        await shell(driver, container, "echo x > /dev/null && head -c1 /dev/zero | wc -c")
    ).stdout == "1\n"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("mount -t tmpfs none /mnt || mount -t tmpfs none /tmp", id="mount"),
        pytest.param("echo 1 > /proc/sys/kernel/sysrq", id="kernel settings"),
        pytest.param("echo b > /proc/sysrq-trigger", id="sysrq"),
        pytest.param("hostname other", id="host name"),
        pytest.param("echo 0 > /sys/kernel/profiling", id="sysfs"),
        pytest.param("test -s /proc/timer_list", id="masked file"),
        pytest.param("date -s 2000-01-01", id="clock"),
    ],
)
async def test_it_may_not(driver: ProcessDriver, script: str) -> None:
    assert (await shell(driver, await start(driver), script)).code != 0


async def test_it_has_the_default_capabilities_and_those_asked_for(driver: ProcessDriver) -> None:
    def capabilities(text: str) -> dict[str, int]:
        lines = (line.split() for line in text.splitlines() if line.startswith("Cap"))
        return {name.rstrip(":"): int(value, 16) for name, value in lines}

    by_default = await run(driver, await start(driver), "cat", "/proc/self/status")
    assert capabilities(by_default.stdout)["CapEff"] == 0xA80425FB
    assert capabilities(by_default.stdout)["CapBnd"] == 0xA80425FB
    security = Security(drop_capabilities=["ALL"], add_capabilities=["NET_BIND_SERVICE"])
    asked = await run(
        driver, await start(driver, replace(SPEC, security=security)), "cat", "/proc/self/status"
    )
    assert capabilities(asked.stdout)["CapEff"] == 1 << 10
    assert capabilities(asked.stdout)["CapInh"] == 0


async def test_another_user_has_no_capabilities_and_its_own_groups(driver: ProcessDriver) -> None:
    security = Security(user=1234, group=2345, supplemental_groups=[3456], no_new_privileges=True)
    container = await start(driver, replace(SPEC, security=security))
    status = (await run(driver, container, "cat", "/proc/self/status")).stdout
    fields = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines() if ":" in line}
    assert fields["Uid"] == ["1234"] * 4
    assert fields["Gid"] == ["2345"] * 4
    assert set(fields["Groups"]) == {"2345", "3456"}
    assert fields["CapEff"] == ["0" * 16]
    assert fields["NoNewPrivs"] == ["1"]
    assert (await shell(driver, container, "echo x > /etc/x")).code != 0
    assert (await shell(driver, container, "echo x > /tmp/x && echo ok > /dev/stdout")).stdout == "ok\n"


async def test_a_user_name_is_looked_up_in_the_image(driver: ProcessDriver) -> None:
    container = await start(driver, replace(SPEC, security=Security(run_as_username="daemon")))
    assert (await run(driver, container, "id", "-un")).stdout == "daemon\n"
    with pytest.raises(ContainerFailed, match="unable to find user nobody-knows"):
        await start(driver, replace(SPEC, security=Security(run_as_username="nobody-knows")))


async def test_a_read_only_root_can_only_be_written_in_volumes(driver: ProcessDriver, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    spec = replace(SPEC, mounts=[Mount(volume, "/data")], security=Security(read_only_root=True))
    container = await start(driver, spec)
    assert (await shell(driver, container, "echo x > /x")).code != 0
    assert (await shell(driver, container, "echo x > /data/x")).code == 0
    assert (volume / "x").read_text() == "x\n"


async def test_volumes_appear_where_they_should_read_only_ones_too(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    outer, inner, single = tmp_path / "outer", tmp_path / "inner", tmp_path / "single"
    outer.mkdir()
    inner.mkdir()
    (inner / "deep").write_text("deep")
    single.write_text("single")
    mounts = [
        Mount(inner, "/data/inner", read_only=True),
        Mount(outer, "/data"),
        Mount(single, "/var/run/secrets/token", read_only=True),
    ]
    container = await start(driver, replace(SPEC, mounts=mounts))
    assert (
        await run(driver, container, "cat", "/data/inner/deep", "/run/secrets/token")
    ).stdout == "deepsingle"
    assert (await shell(driver, container, "echo x > /data/x")).code == 0
    assert (await shell(driver, container, "echo x > /data/inner/x")).code != 0
    assert (await shell(driver, container, "echo x > /var/run/secrets/token")).code != 0


async def test_a_link_in_an_image_does_not_lead_a_mount_out_of_it(
    driver: ProcessDriver, tmp_path: Path
) -> None:
    victim, volume, root = tmp_path / "victim", tmp_path / "volume", tmp_path / "image"
    for directory in (victim, volume, root / "bin"):
        directory.mkdir(parents=True)
    (root / "bin" / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (root / "bin" / "busybox").chmod(0o755)
    (root / "data").symlink_to(victim)
    await driver.import_image(root, ["evil"])
    spec = replace(
        SPEC, image="evil", command=["/bin/busybox", "sleep", "60"], mounts=[Mount(volume, "/data/new")]
    )
    container = await start(driver, spec)
    assert (await run(driver, container, "/bin/busybox", "touch", "/data/new/x")).code == 0
    assert (volume / "x").exists()
    assert list(victim.iterdir()) == []


async def test_memory_beyond_its_limit_kills_it_and_is_said(driver: ProcessDriver) -> None:
    if not driver.abilities().limits:
        pytest.skip("needs cgroups")
    hungry = ["/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"]
    spec = replace(SPEC, command=hungry, limits=Limits(memory_bytes=16 * 1024 * 1024))
    async with driver.events() as events:
        container = await start(driver, spec)
        async for state in events:
            if state.id == container.id and state.state is State.EXITED:
                break
    assert state.exit is not None
    assert (state.exit.code, state.exit.oom_killed) == (137, True)


async def test_more_processes_than_its_limit_cannot_be_made(driver: ProcessDriver) -> None:
    if not driver.abilities().limits:
        pytest.skip("needs cgroups")
    container = await start(driver, replace(SPEC, limits=Limits(pids=5)))
    forked = await shell(driver, container, "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait")
    assert forked.code != 0
    assert "fork" in forked.stderr


async def test_what_it_uses_is_counted(driver: ProcessDriver) -> None:
    if not driver.abilities().limits:
        pytest.skip("needs cgroups")
    container = await start(driver)
    used = await driver.usage(container.id)
    assert used.cpu_ns > 0
    assert used.memory_bytes >= used.memory_working_set_bytes > 0
    assert 1 <= used.pids <= 3


async def test_a_privileged_container_has_the_hosts_devices_and_capabilities(driver: ProcessDriver) -> None:
    container = await start(driver, replace(SPEC, security=Security(privileged=True)))
    own = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)[8:], 16
    )
    status = (await run(driver, container, "cat", "/proc/self/status")).stdout
    assert int(next(line for line in status.splitlines() if "CapEff" in line)[8:], 16) == own
    assert (await run(driver, container, "test", "-c", "/dev/kmsg")).code == 0
    assert (await shell(driver, container, "mount -t tmpfs none /tmp")).code == 0


async def test_containers_of_a_pod_share_memory_and_address(driver: ProcessDriver) -> None:
    sandbox = await driver.create_sandbox(POD)
    one, two = await start_in(driver, sandbox.id), await start_in(driver, sandbox.id, replace(SPEC, name="d"))
    assert (await shell(driver, one, "echo shared > /dev/shm/x")).code == 0
    assert (await run(driver, two, "cat", "/dev/shm/x")).stdout == "shared\n"
    other = await start(driver)
    assert (await run(driver, other, "cat", "/dev/shm/x")).code != 0


async def test_nothing_of_the_supervisor_is_open_in_it(driver: ProcessDriver) -> None:
    listed = await shell(driver, await start(driver), "ls /proc/1/fd")
    assert [
        fd for fd in listed.stdout.split() if int(fd) > 2 and fd != "10"
    ] == []  # sh keeps its script at 10


async def test_it_dies_whole_when_its_first_process_ends(driver: ProcessDriver) -> None:
    spec = replace(SPEC, command=["/bin/sh", "-c", "sleep 1000 & echo $!; sleep 1000 & exit 0"])
    container = await start(driver, spec)
    group = f"{driver._instance}/{container.sandbox_id}/{container.id}"
    groups = driver._groups
    assert groups is not None
    await until(lambda: not any(Path(path).exists() for path in groups.directories(group)))
    assert (await driver.container_state(container.id)).state is State.EXITED
