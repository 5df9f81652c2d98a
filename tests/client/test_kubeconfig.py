import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.client.kubeconfig import (
    KubeconfigError,
    access,
    kubeconfig,
    load,
    merge,
    save,
    write_kubeconfig,
)

SERVER = "https://127.0.0.1:6443"


def test_what_is_written_reads_back_as_the_same_access(tmp_path: Path) -> None:
    path = tmp_path / "state" / "kubeconfig"
    write_kubeconfig(path, SERVER, b"ca", b"certificate", b"key")
    got = access(load(path))
    assert (got.server, got.ca_pem, got.cert_pem, got.key_pem) == (SERVER, b"ca", b"certificate", b"key")
    assert load(path)["current-context"] == "kube-lite"


def test_only_the_owner_may_read_it_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("")
    path.chmod(0o644)
    write_kubeconfig(path, SERVER, b"ca", b"certificate", b"key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_merging_replaces_our_entries_and_keeps_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "config"
    other = kubeconfig("https://other:1", b"o", b"o", b"o", "other") | {"extensions": [{"name": "x"}]}
    save(path, other)
    merge(path, kubeconfig("https://old:1", b"a", b"b", b"c"))
    merge(path, kubeconfig(SERVER, b"a", b"b", b"c"), make_current=False)
    config = load(path)
    assert [entry["name"] for entry in config["clusters"]] == ["other", "kube-lite"]
    assert access(config, "kube-lite").server == SERVER
    assert access(config, "other").server == "https://other:1"
    assert config["extensions"] == [{"name": "x"}]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.dates(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_whatever_a_kubeconfig_says_is_kept_when_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "config"
    save(path, {**content, "kind": "Config"})
    assert load(path) == _with_texts_for_dates({**content, "kind": "Config"})


def _with_texts_for_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_texts_for_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_texts_for_dates(item) for item in value]
    return str(value) if isinstance(value, date) else value


def test_merging_into_something_else_refuses_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("- a list\n")
    with pytest.raises(KubeconfigError):
        merge(path, kubeconfig(SERVER, b"a", b"b", b"c"))
    assert path.read_text() == "- a list\n"


def test_certificates_may_be_files_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"from a file")
    config = kubeconfig(SERVER, b"", b"b", b"c")
    config["clusters"][0]["cluster"] = {"server": SERVER, "certificate-authority": "ca.pem"}
    assert access(config, directory=tmp_path).ca_pem == b"from a file"


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="nowhere"):
        access(kubeconfig(SERVER, b"a", b"b", b"c"), "nowhere")
