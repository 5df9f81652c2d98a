"""Image names, and root file systems taken in from directories and archives."""

import io
import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from kube_lite_runtime.errors import ImageMissing
from kube_lite_runtime.images.local import LocalImages
from kube_lite_runtime.images.reference import InvalidReference, normalise
from kube_lite_runtime.images.unpack import UnsafeArchive, unpack
from kube_lite_runtime.process.driver import ProcessDriver
from kube_lite_runtime.types import ContainerSpec, State

from tests.runtime.containers import run, start

BUSYBOX = Path("/bin/busybox")


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.37", "docker.io/library/busybox:1.37"),
        ("nginx/agent:3", "docker.io/nginx/agent:3"),
        ("host:5000/app", "host:5000/app:latest"),
        ("quay.io/a/b/c", "quay.io/a/b/c:latest"),
        ("localhost/host", "localhost/host:latest"),
        (f"app@sha256:{'a' * 64}", f"docker.io/library/app@sha256:{'a' * 64}"),
        (f"app:1@sha256:{'a' * 64}", f"docker.io/library/app:1@sha256:{'a' * 64}"),
    ],
)
def test_names_are_completed(written: str, full: str) -> None:
    assert normalise(written) == full
    assert normalise(full) == full


@pytest.mark.parametrize(
    "written", ["", "Upper", "a b", "a:", "a:b:c", "a@", "a@sha256:1", "/a", "a//b", "-a", "a/../b"]
)
def test_what_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(InvalidReference):
        normalise(written)


def archive(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.uid, info.gid = os.getuid(), os.getgid()
    return info


def test_an_archive_is_unpacked_with_modes_and_links(tmp_path: Path) -> None:
    packed = archive(
        tmp_path / "a.tar.gz",
        [
            (member("./bin", tarfile.DIRTYPE, mode=0o755), b""),
            (member("bin/tool", mode=0o4755), b"content"),
            (member("bin/same", tarfile.LNKTYPE, link="bin/tool"), b""),
            (member("sbin", tarfile.SYMTYPE, link="/bin"), b""),
            (member("deep/er/file"), b"x"),
            (member("bin/tool2"), b"first"),
            (member("bin/tool2"), b"second"),
            (member("dev/null", tarfile.CHRTYPE), b""),
        ],
    )
    root = tmp_path / "root"
    root.mkdir()
    assert unpack(packed, root) == len(b"content") + 1 + len(b"first") + len(b"second")
    assert (root / "bin/tool").stat().st_mode & 0o7777 == 0o4755
    assert (root / "bin/same").samefile(root / "bin/tool")
    assert str((root / "sbin").readlink()) == "/bin"
    assert (root / "deep/er/file").read_text() == "x"
    assert (root / "bin/tool2").read_text() == "second"
    assert not (root / "dev/null").exists()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([(member("../victim/x"), b"bad")], id="dots"),
        pytest.param([(member("a/../../victim/x"), b"bad")], id="dots within"),
        pytest.param(
            [(member("way", tarfile.SYMTYPE, link="../victim"), b""), (member("way/x"), b"bad")], id="link"
        ),
        pytest.param([(member("way", tarfile.LNKTYPE, link="../victim/kept"), b"")], id="hard link"),
        pytest.param(
            [
                (member("way", tarfile.SYMTYPE, link="../victim"), b""),
                (member("out", tarfile.LNKTYPE, link="way/kept"), b""),
            ],
            id="hard link through a link",
        ),
    ],
)
def test_an_archive_cannot_reach_out_of_its_directory(
    tmp_path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]
) -> None:
    victim, root = tmp_path / "victim", tmp_path / "root"
    victim.mkdir()
    root.mkdir()
    (victim / "kept").write_text("kept")
    with pytest.raises(UnsafeArchive):
        unpack(archive(tmp_path / "evil.tar.gz", members), root)
    assert [path.name for path in victim.iterdir()] == ["kept"]
    assert (victim / "kept").stat().st_nlink == 1


def test_a_later_member_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    victim, root = tmp_path / "victim", tmp_path / "root"
    victim.write_text("kept")
    root.mkdir()
    members = [(member("file", tarfile.SYMTYPE, link=str(victim)), b""), (member("file"), b"new")]
    unpack(archive(tmp_path / "a.tar.gz", members), root)
    assert (victim.read_text(), (root / "file").read_text()) == ("kept", "new")


def test_what_is_no_archive_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    images = LocalImages(tmp_path / "images")
    images.open()
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(UnsafeArchive):
        images.import_image(tmp_path / "text", ["x"])
    assert list((tmp_path / "images").iterdir()) == []


def test_a_name_moves_to_the_image_that_was_imported_last(tmp_path: Path) -> None:
    images = LocalImages(tmp_path / "images")
    images.open()
    first = images.import_image(archive(tmp_path / "1.tgz", [(member("one"), b"1")]), ["app:1", "app:2"])
    again = images.import_image(tmp_path / "1.tgz", ["app:1"])
    second = images.import_image(archive(tmp_path / "2.tgz", [(member("two"), b"2")]), ["app:2"])
    assert again.id == first.id != second.id
    assert images.get("app:1").names == ("docker.io/library/app:1",)
    assert images.get("docker.io/library/app:2").id == second.id
    reopened = LocalImages(tmp_path / "images")
    reopened.open()
    assert {image.id for image in reopened.all()} == {image.id for image in images.all()}
    images.remove("app:2")
    with pytest.raises(ImageMissing):
        images.get("app:2")


def test_an_import_by_another_process_is_seen(tmp_path: Path) -> None:
    here, there = LocalImages(tmp_path / "images"), LocalImages(tmp_path / "images")
    here.open()
    there.open()
    there.import_image(archive(tmp_path / "1.tgz", [(member("one"), b"1")]), ["app:1"])
    found = here.find("app:1")
    assert found is not None
    there.import_image(tmp_path / "1.tgz", ["app:3"])
    assert here.find("app:3") == there.find("app:3") != None  # noqa: E711


@pytest.mark.skipif(
    sys.platform != "linux" or not BUSYBOX.exists(), reason="needs Linux and a static busybox"
)
async def test_an_imported_image_runs_with_its_own_files_command_and_user(tmp_path: Path) -> None:
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    (root / "etc").mkdir()
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    (root / "etc" / "group").write_text("app:x:1000:\nextra:x:2000:app\n")
    (root / "work").mkdir(mode=0o777)
    config = {
        "entrypoint": ["/bin/sh", "-c"],
        "command": ["trap 'exit 0' TERM; while :; do busybox sleep 0.02; done"],
        "environment": ["PATH=/bin", "COLOR=green"],
        "working_directory": "/work",
        "user": "app",
    }
    async with ProcessDriver(tmp_path / "runtime") as driver:
        try:
            if not driver.abilities().images:
                pytest.skip("needs a root file system of its own")
            await driver.import_image(root, ["busybox:1.37"], config=config)
            container = await start(driver, ContainerSpec(name="c", image="busybox:1.37", command=()))
            assert container.state is State.RUNNING
            ran = await run(
                driver, container, "sh", "-c", "busybox id -u; busybox pwd; echo $COLOR $HOME; echo /*"
            )
            assert ran.stdout.split("\n")[:3] == ["1000", "/work", "green /home/app"]
            assert ran.stdout.split("\n")[3].split() == ["/bin", "/dev", "/etc", "/proc", "/sys", "/work"]
        finally:
            await driver.teardown()
