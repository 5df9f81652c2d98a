"""Files that containers see: what is in them, and how they change."""

import base64
import os
import shutil
import stat
from pathlib import Path

import pytest

from kube_lite.agent.downward import Surroundings
from kube_lite.agent.environment import Reference
from kube_lite.agent.payloads import FileContent, TokenWish, VolumeFailed, payload, token_wishes
from kube_lite.agent.volume_files import (
    check_host_path,
    forget_secrets,
    make_empty_directory,
    memory_directory,
    remove_pod_directory,
    resolve_inside,
    write_payload,
)
from kube_lite.api.identity import Json

POD: Json = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"b": "2", "a": "1"}},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "500m"}}}]},
}
SOURCES = {
    Reference("configmap", "conf"): {"data": {"colour": "blue", "size": "big"}},
    Reference("secret", "key"): {"data": {"password": base64.b64encode(b"s3cret").decode()}},
    Reference("configmap", "none"): None,
}


def files_of(volume: Json) -> dict[str, tuple[bytes, int]]:
    tokens = {TokenWish("", 3607): "a.b.c"}
    made = payload(POD, {"name": "v", **volume}, sources=SOURCES, tokens=tokens, surroundings=Surroundings())
    return {path: (file.content, file.mode) for path, file in made.items()}


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        pytest.param(
            {"configMap": {"name": "conf", "defaultMode": 0o400}},
            {"colour": (b"blue", 0o400), "size": (b"big", 0o400)},
            id="a whole config map",
        ),
        pytest.param(
            {
                "secret": {
                    "secretName": "key",
                    "items": [{"key": "password", "path": "deep/pw", "mode": 0o600}],
                }
            },
            {"deep/pw": (b"s3cret", 0o600)},
            id="one key elsewhere",
        ),
        pytest.param(
            {
                "downwardAPI": {
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {
                            "path": "cpu",
                            "resourceFieldRef": {
                                "containerName": "c",
                                "resource": "limits.cpu",
                                "divisor": "1m",
                            },
                        },
                    ]
                }
            },
            {"labels": (b'a="1"\nb="2"', 0o644), "cpu": (b"500", 0o644)},
            id="the pod's own fields",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                        {"configMap": {"name": "conf", "items": [{"key": "colour", "path": "ca.crt"}]}},
                    ]
                }
            },
            {"token": (b"a.b.c", 0o644), "ca.crt": (b"blue", 0o644)},
            id="several sources in one",
        ),
        pytest.param(
            {"configMap": {"name": "none", "optional": True}}, {}, id="an optional one that is missing"
        ),
    ],
)
def test_what_a_volume_holds(volume: Json, files: dict[str, tuple[bytes, int]]) -> None:
    assert files_of(volume) == files


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        pytest.param({"configMap": {"name": "none"}}, 'configmap "none" not found', id="missing object"),
        pytest.param(
            {"configMap": {"name": "conf", "items": [{"key": "x", "path": "x"}]}},
            "references non-existent config key: x",
            id="missing key",
        ),
        pytest.param(
            {"projected": {"sources": [{"configMap": {"name": "none"}}, {"secret": {"name": "no"}}]}},
            '[configmap "none" not found, secret "no" not found]',
            id="everything that is missing",
        ),
    ],
)
def test_what_is_missing_is_told(volume: Json, message: str) -> None:
    with pytest.raises(VolumeFailed) as caught:
        files_of(volume)
    assert str(caught.value) == message


def test_tokens_that_are_wished_for_are_found() -> None:
    source = {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 600}}
    pod = {"spec": {"volumes": [{"name": "v", "projected": {"sources": [source]}}]}}
    assert token_wishes(pod) == {TokenWish("vault", 600)}


def test_all_files_of_a_volume_change_in_one_step(tmp_path: Path) -> None:
    first = {"a": FileContent(b"1", 0o644), "deep/b": FileContent(b"1", 0o400)}
    second = {"a": FileContent(b"2", 0o644), "c": FileContent(b"2", 0o644)}
    assert write_payload(tmp_path / "v", first)
    before = (tmp_path / "v" / "..data").resolve()
    assert stat.S_IMODE((tmp_path / "v" / "deep" / "b").stat().st_mode) == 0o400
    assert not write_payload(tmp_path / "v", first)
    assert write_payload(tmp_path / "v", second)
    visible = {path.name for path in (tmp_path / "v").iterdir() if not path.name.startswith("..")}
    assert (visible, (tmp_path / "v" / "a").read_bytes()) == ({"a", "c"}, b"2")
    assert not before.exists()


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x"])
def test_no_file_lies_outside_its_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(VolumeFailed):
        write_payload(tmp_path / "v", {path: FileContent(b"", 0o644)})


def test_a_sub_path_stays_inside_its_volume(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "out").symlink_to(tmp_path)
    assert resolve_inside(tmp_path / "v", "new/dir").is_dir()
    for path in ("../x", "out", "out/y"):
        with pytest.raises(VolumeFailed):
            resolve_inside(tmp_path / "v", path)


@pytest.mark.parametrize(
    ("kind", "made", "fits"),
    [
        pytest.param("DirectoryOrCreate", "nothing", True, id="made as a directory"),
        pytest.param("FileOrCreate", "nothing", True, id="made as a file"),
        pytest.param("Directory", "nothing", False, id="no directory there"),
        pytest.param("File", "directory", False, id="a directory is no file"),
        pytest.param("Directory", "directory", True, id="a directory"),
        pytest.param("", "nothing", True, id="anything"),
    ],
)
def test_a_host_path_is_held_against_its_type(tmp_path: Path, kind: str, made: str, fits: bool) -> None:
    path = tmp_path / "p"
    if made == "directory":
        path.mkdir()
    if fits:
        check_host_path(path, kind)
        assert path.is_file() if kind == "FileOrCreate" else path.is_dir()
    else:
        with pytest.raises(VolumeFailed, match="hostPath type check failed"):
            check_host_path(path, kind)


def test_files_of_secrets_are_in_memory_and_kept_from_others_on_the_host(tmp_path: Path) -> None:
    directory = tmp_path / "pods" / f"uid-{os.getpid()}" / "volumes" / "secret"
    private = memory_directory(directory)
    try:
        assert write_payload(directory, {"a": FileContent(b"one", 0o644)}, is_secret=True)
        assert write_payload(directory, {"a": FileContent(b"two", 0o644)}, is_secret=True)
        assert not write_payload(directory, {"a": FileContent(b"two", 0o644)}, is_secret=True)
        assert (directory / "a").read_bytes() == b"two"
        assert (directory / "a").resolve().is_relative_to(private)
        assert private.stat().st_mode & 0o777 == 0o700
        assert not any(path.is_file() and not path.is_symlink() for path in tmp_path.rglob("*"))
        forget_secrets(tmp_path)
        assert not private.exists()
        assert write_payload(directory, {"a": FileContent(b"two", 0o644)}, is_secret=True)
        shutil.rmtree(private)  # as when the host is started anew
        assert write_payload(directory, {"a": FileContent(b"two", 0o644)}, is_secret=True)
    finally:
        remove_pod_directory(directory.parent.parent)
    assert not private.exists()


def test_a_directory_in_memory_goes_with_its_pod(tmp_path: Path) -> None:
    directory = tmp_path / "pods" / tmp_path.name / "volumes" / "cache"
    real = make_empty_directory(directory, {"medium": "Memory"})
    assert real == memory_directory(directory)
    assert make_empty_directory(directory, {"medium": "Memory"}) == real
    assert stat.S_IMODE(real.stat().st_mode) == 0o777
    remove_pod_directory(tmp_path / "pods" / tmp_path.name)
    assert not real.exists()
    assert not directory.exists()
