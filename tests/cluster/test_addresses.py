"""Clusters on one host keep out of each other's addresses."""

from pathlib import Path

import pytest

from kube_lite.cluster import addresses
from kube_lite.cluster.addresses import AddressesTaken, claimed


@pytest.fixture(autouse=True)
def _quiet_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other clusters may run on the host of this test."""
    monkeypatch.setattr(addresses, "_is_on_this_host", lambda address: False)


def claim(tmp_path: Path, name: str, **wanted: str | None):  # type: ignore[no-untyped-def]
    directory = tmp_path / name
    directory.mkdir(exist_ok=True)
    settings = {"pod_cidr": None, "service_cidr": None, **wanted}
    return claimed(directory / addresses.FILE, routed=True, locks=tmp_path / "locks", **settings)


def test_two_clusters_get_different_ranges_and_keep_them(tmp_path: Path) -> None:
    with claim(tmp_path, "first") as first, claim(tmp_path, "second") as second:
        assert first == ("10.244.0.0/24", "10.96.0.0/16")
        assert second == ("10.244.1.0/24", "10.97.0.0/16")
    with claim(tmp_path, "second") as again:
        assert again == second


def test_who_comes_back_to_taken_addresses_is_told_who_has_them(tmp_path: Path) -> None:
    with claim(tmp_path, "first"):
        pass
    with (
        claim(tmp_path, "second"),
        pytest.raises(AddressesTaken, match=r"kube-lite down --data-dir .*/second"),
        claim(tmp_path, "first"),
    ):
        pass


def test_addresses_of_a_killed_clusters_pods_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_is_on_this_host", lambda address: address == "10.244.0.1")
    with claim(tmp_path, "first") as first:
        assert first.pod_cidr == "10.244.1.0/24"


def test_what_was_asked_for_is_taken_as_it_is(tmp_path: Path) -> None:
    with claim(tmp_path, "first", pod_cidr="10.9.0.0/24", service_cidr="10.8.0.0/16") as first:
        assert first == ("10.9.0.0/24", "10.8.0.0/16")
        assert (first.gateway, first.first_service) == ("10.9.0.1", "10.8.0.1")


def test_a_cluster_that_routes_nothing_keeps_what_it_had(tmp_path: Path) -> None:
    usual = addresses.loopback_addresses(tmp_path)
    assert usual.service_cidr.startswith("127.")
    settings = {"pod_cidr": None, "service_cidr": None, "routed": False}
    with claimed(tmp_path / addresses.FILE, unrouted=usual, **settings) as first:  # type: ignore[arg-type]
        assert first == usual
    with claimed(tmp_path / addresses.FILE, **settings) as again:  # type: ignore[arg-type]
        assert again == usual
