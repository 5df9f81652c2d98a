"""``kube-lite snapshot`` and ``kube-lite check``, as they are typed."""

from pathlib import Path

import pytest
from kube_lite_storage import Put, Store, Txn

from kube_lite.cli.main import main
from kube_lite.cluster.backup import STORE

VALUE = b"a value that can be found in the file" * 5


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    async with Store.open(tmp_path / "data" / STORE, durable=False) as store:
        for number in range(200):
            await store.commit(Txn([], [Put(b"/pods/%d" % number, VALUE)]))
    return tmp_path / "data"


def test_what_is_saved_can_be_described_restored_and_checked(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, again = tmp_path / "snapshot", tmp_path / "again"
    assert main(["--data-dir", str(data_dir), "snapshot", "save", str(file)]) == 0
    assert main(["snapshot", "status", str(file)]) == 0
    assert main(["snapshot", "restore", str(file), "--data-dir", str(again)]) == 0
    assert main(["check", str(again)]) == 0
    said = capsys.readouterr().out
    assert "Saved revision 201" in said
    assert "checksum   right" in said
    assert f"{again}: the store is sound." in said
    with Store.open_read_only(again / STORE) as view:
        found = view.get(b"/pods/7")
    assert found is not None
    assert found.value == VALUE


def test_a_failure_is_one_line(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "foreign").write_bytes(b"x" * 10_000)
    assert main(["snapshot", "restore", str(tmp_path / "foreign"), "--data-dir", str(tmp_path / "new")]) == 1
    assert main(["snapshot", "save", str(tmp_path / "s"), "--data-dir", str(tmp_path / "nothing")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "not a snapshot" in lines[0]
    assert "holds no store" in lines[1]


def test_check_says_which_value_was_changed_on_the_disk(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data_dir / STORE / "data.mdb"
    file.write_bytes(file.read_bytes().replace(VALUE, VALUE.swapcase()))
    assert main(["check", str(data_dir)]) == 1
    said = capsys.readouterr().out
    assert "does not match its checksum" in said
    assert "b'/pods/7'" in said


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_check_says_that_the_file_was_cut_off(
    data_dir: Path, kept: float, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data_dir / STORE / "data.mdb"
    with file.open("rb+") as opened:
        opened.truncate(int(file.stat().st_size * kept))
    assert main(["check", str(data_dir)]) == 1
    assert "was cut off" in capsys.readouterr().out
