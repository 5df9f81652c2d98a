"""From a spec to the data that a container's first process works through; nothing is run here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kube_lite_runtime.errors import ContainerFailed
from kube_lite_runtime.process.cgroups import PERIOD_US, Groups, plan_limits, weight_of_shares
from kube_lite_runtime.process.files import hosts_text, resolv_text
from kube_lite_runtime.process.init import RootBuilder, find_program
from kube_lite_runtime.process.mounts import HostRoot, Surface, in_order, plan_root
from kube_lite_runtime.process.plain import next_loopback
from kube_lite_runtime.process.plan import Host, plan_command, plan_identity, plan_namespaces, signal_number
from kube_lite_runtime.process.reaper import Ending, ending_of
from kube_lite_runtime.process.security import CAPABILITIES, plan_capabilities
from kube_lite_runtime.process.syscalls import NEW_IPC, NEW_NETWORK, NEW_PID, NEW_UTS, Kernel
from kube_lite_runtime.types import ContainerSpec, DnsConfig, ImageState, Mount, SandboxSpec, Security

IMAGE = ImageState(id="sha256:1", names=("app",), size_bytes=1, entrypoint=("/entry",), command=("serve",))
POD = SandboxSpec(namespace="default", name="web", uid="u")
ROOT, USER, PLAIN = Host("root", True), Host("user", False), Host("plain", False)


@pytest.mark.parametrize(
    ("command", "args", "runs"),
    [
        pytest.param([], [], ["/entry", "serve"], id="nothing said: the image's own"),
        pytest.param([], ["a"], ["/entry", "a"], id="args replace the image's command"),
        pytest.param(["c"], [], ["c"], id="command replaces both"),
        pytest.param(["c"], ["a"], ["c", "a"], id="command and args"),
    ],
)
def test_what_is_run(command: list[str], args: list[str], runs: list[str]) -> None:
    assert plan_command(ContainerSpec("c", "app", command=command, args=args), IMAGE) == runs


def test_a_container_with_nothing_to_run_is_refused() -> None:
    with pytest.raises(ContainerFailed, match="no command specified"):
        plan_command(ContainerSpec("c", "app"), replace(IMAGE, entrypoint=(), command=()))


@pytest.mark.parametrize(
    ("spec", "host", "flags"),
    [
        pytest.param(POD, ROOT, NEW_NETWORK | NEW_IPC | NEW_UTS, id="root"),
        pytest.param(POD, USER, NEW_IPC | NEW_UTS, id="user namespace: the host's network"),
        pytest.param(POD, PLAIN, 0, id="plain"),
        pytest.param(replace(POD, host_network=True), ROOT, NEW_IPC, id="host network and name"),
        pytest.param(replace(POD, host_ipc=True), ROOT, NEW_NETWORK | NEW_UTS, id="host IPC"),
        pytest.param(
            replace(POD, share_process_namespace=True),
            ROOT,
            NEW_NETWORK | NEW_IPC | NEW_UTS | NEW_PID,
            id="shared processes",
        ),
    ],
)
def test_the_namespaces_of_a_pod(spec: SandboxSpec, host: Host, flags: int) -> None:
    assert plan_namespaces(spec, host) == flags


@pytest.mark.parametrize(
    ("security", "image_user", "expected"),
    [
        pytest.param(Security(), "", (None, "", None, ""), id="nobody said"),
        pytest.param(Security(), "1000", (1000, "", None, ""), id="the image's number"),
        pytest.param(Security(), "app:staff", (None, "app", None, "staff"), id="the image's names"),
        pytest.param(Security(user=5), "app:staff", (5, "", None, ""), id="the pod's number wins"),
        pytest.param(Security(group=6), "app:7", (None, "app", 6, ""), id="the pod's group wins"),
        pytest.param(
            Security(run_as_username="web"), "1000", (None, "web", None, ""), id="the pod's name wins"
        ),
    ],
)
def test_who_it_runs_as(
    security: Security, image_user: str, expected: tuple[int | None, str, int | None, str]
) -> None:
    planned = plan_identity(security, image_user, ROOT)
    assert tuple(planned[key] for key in ("user", "user_name", "group", "group_name")) == expected


@pytest.mark.parametrize(
    ("add", "drop", "some", "others"),
    [
        pytest.param([], [], {"CHOWN", "NET_RAW"}, {"SYS_ADMIN", "NET_ADMIN"}, id="default"),
        pytest.param(["CAP_NET_ADMIN"], ["net_raw"], {"NET_ADMIN"}, {"NET_RAW"}, id="one of each"),
        pytest.param(["NET_RAW"], ["ALL"], {"NET_RAW"}, set(CAPABILITIES) - {"NET_RAW"}, id="only"),
        pytest.param(["ALL"], ["SYS_ADMIN"], set(CAPABILITIES) - {"SYS_ADMIN"}, {"SYS_ADMIN"}, id="all but"),
        pytest.param(["NOT_ONE"], [], {"CHOWN"}, set(), id="unknown"),
    ],
)
def test_capabilities(add: list[str], drop: list[str], some: set[str], others: set[str]) -> None:
    bits = plan_capabilities(Security(add_capabilities=add, drop_capabilities=drop))
    kept = {name for number, name in enumerate(CAPABILITIES) if bits >> number & 1}
    assert some <= kept
    assert not kept & others


@pytest.mark.parametrize(
    ("name", "number"), [("SIGTERM", 15), ("KILL", 9), ("3", 3), ("SIGRTMIN+3", 37), ("nonsense", 15)]
)
def test_stop_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


def test_exit_codes_are_those_of_kubernetes() -> None:
    assert ending_of(3 << 8) == Ending(3, 0)
    assert ending_of(15) == Ending(143, 15)
    assert ending_of(9) == Ending(137, 9)


def test_mounts_are_made_from_the_outside_in() -> None:
    mounts = [Mount(Path("/c"), "/a/b/c"), Mount(Path("/a"), "/a"), Mount(Path("/b"), "/a/b")]
    assert [mount.target for mount in in_order(mounts)] == ["/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize("version", [1, 2])
def test_limits_for_both_versions_of_cgroups(version: int) -> None:
    limits = {"cpu_shares": 512, "cpu_quota_us": 50_000, "memory_bytes": 1 << 20, "pids": 7}
    planned = {file: value for _, file, value in plan_limits(version, limits)}
    if version == 1:
        assert planned["cpu.shares"] == "512"
        assert (planned["cpu.cfs_quota_us"], planned["cpu.cfs_period_us"]) == ("50000", str(PERIOD_US))
        assert planned["memory.limit_in_bytes"] == str(1 << 20)
    else:
        assert planned["cpu.max"] == f"50000 {PERIOD_US}"
        assert planned["memory.max"] == str(1 << 20)
    assert planned["pids.max"] == "7"
    assert list(plan_limits(version, {})) == []


def test_shares_become_weights_over_their_whole_range() -> None:
    assert (weight_of_shares(2), weight_of_shares(1024), weight_of_shares(262_144)) == (1, 39, 10_000)


def test_a_unified_cgroup_tree_is_recognised_limited_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (root / "kl" / "pod").mkdir(parents=True)
    for place in (root, root / "kl"):
        (place / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (place / "cgroup.subtree_control").write_text("memory\n")
    files = {
        "memory.max": "max",
        "memory.current": "4096",
        "memory.stat": "anon 1\ninactive_file 1000\n",
        "memory.events": "low 0\noom 2\noom_kill 1\n",
        "cpu.stat": "usage_usec 7\nuser_usec 3\n",
        "pids.current": "2",
    }
    for name, text in files.items():
        (root / "kl" / "pod" / name).write_text(text)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"cgroup2 {root} cgroup2 rw,nosuid 0 0\n")
    groups = Groups.find(str(mounts))
    assert groups is not None
    assert groups.version == 2
    assert groups.create("kl/pod", {"memory_bytes": 1024}) == [str(root / "kl" / "pod")]
    assert (root / "kl" / "pod" / "memory.max").read_text().startswith("1024")
    assert (root / "kl" / "cgroup.subtree_control").read_text().startswith("+cpu +pids")
    assert groups.counters("kl/pod") == (7000, 4096, 3096, 2, 1)
    assert groups.counters("kl/none") is None


def test_a_host_without_cgroups_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\n")
    assert Groups.find(str(mounts)) is None


def test_the_files_of_a_pod() -> None:
    spec = replace(POD, host_aliases=[("10.0.0.9", ("db", "db.local"))])
    text = hosts_text(spec, "web-0", ["10.244.0.5"])
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.244.0.5\tweb-0\n\n# Entries added by HostAliases.\n10.0.0.9\tdb\tdb.local\n" in text
    dns = DnsConfig(servers=["10.96.0.10"], searches=["a.b", "b"], options=["ndots:5"])
    assert resolv_text(dns) == "search a.b b\nnameserver 10.96.0.10\noptions ndots:5\n"


def test_loopback_addresses_are_not_given_twice() -> None:
    first = next_loopback(Path("/data"), [])
    assert first.startswith("127.")
    assert next_loopback(Path("/data"), [first]) != first
    assert next_loopback(Path("/data"), []) == first
    assert next_loopback(Path("/other"), []) != first


def test_programs_are_found_as_a_shell_would_find_them(tmp_path: Path) -> None:
    for name, mode in (("one", 0o644), ("two", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text("")
        (tmp_path / name / "tool").chmod(mode)
    search = f"{tmp_path}/none:{tmp_path}/one:{tmp_path}/two"
    assert find_program("tool", search) == f"{tmp_path}/two/tool"
    with pytest.raises(FileNotFoundError, match="executable file not found"):
        find_program("other", search)


class RecordingKernel(Kernel):
    """Does nothing and remembers what was asked: the system calls of a set-up, without its privileges."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def mount(self, source: str, target: str, kind: str, flags: int, options: str) -> None:
        self.calls.append(("mount", source, kind, options))

    def unmount(self, target: str, flags: int = 2) -> None:
        self.calls.append(("unmount", target))

    def restrict_mount(self, target: str, attributes: int, *, recursive: bool) -> None:
        self.calls.append(("restrict", attributes, recursive))

    def pivot_root(self, new_root: str, old_root: str) -> None:
        self.calls.append(("pivot_root", new_root, old_root))


def test_a_root_is_built_by_these_calls_and_places_for_mounts_are_made_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, volume = tmp_path / "root", tmp_path / "volume"
    root.mkdir()
    volume.mkdir()
    surface = Surface(
        directory=tmp_path,
        layers=[Path("/images/a:b")],
        host=HostRoot(),
        shared_memory=None,
        files=[],
        in_user_namespace=True,
        own_network=False,
        own_ipc=True,
        own_pids=True,
    )
    steps = plan_root(surface, [Mount(volume, "/data/deep", read_only=True)], Security(read_only_root=True))
    kernel = RecordingKernel()
    Kernel.__init__(kernel)
    monkeypatch.chdir(tmp_path)
    builder = RootBuilder(kernel, str(root))
    for name, *arguments in steps:
        builder.do(name, arguments)
    assert kernel.calls[1] == (
        "mount",
        "overlay",
        "overlay",
        "lowerdir=/images/a\\:b,upperdir=upper,workdir=work,userxattr",
    )
    assert (root / "data" / "deep").is_dir()
    assert ("mount", str(volume), "", "") in kernel.calls
    assert ("restrict", 1 | 4, True) in kernel.calls
    assert kernel.calls[-3:] == [("pivot_root", ".", "."), ("unmount", "."), ("restrict", 1, False)]
