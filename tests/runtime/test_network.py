"""Leases and rule texts of pod networks; no root needed."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest
from kube_lite_runtime.network import nft
from kube_lite_runtime.network.host import HostNetwork
from kube_lite_runtime.network.ipam import Pool, PoolExhausted

SMALL = IPv4Network("10.1.2.0/29")  # network, gateway, five for pods, broadcast


def test_a_lessee_keeps_its_address_also_in_another_process(tmp_path: Path) -> None:
    pool = Pool(tmp_path, SMALL)
    first, second = pool.lease("a"), pool.lease("b")
    assert (str(first), str(second)) == ("10.1.2.2", "10.1.2.3")
    assert pool.lease("a") == first
    again = Pool(tmp_path, SMALL)
    assert (again.find("a"), again.find("b"), again.find("c")) == (first, second, None)
    assert again.lease("b") == second


def test_a_freed_address_is_the_last_to_be_used_again(tmp_path: Path) -> None:
    pool = Pool(tmp_path, SMALL)
    freed = pool.lease("a")
    pool.release("a")
    others = [pool.lease(name) for name in "bcde"]
    assert freed not in others
    assert pool.lease("f") == freed


def test_an_exhausted_pool_says_so_until_somebody_leaves(tmp_path: Path) -> None:
    pool = Pool(tmp_path, SMALL)
    for name in "abcde":
        pool.lease(name)
    with pytest.raises(PoolExhausted, match=r"all 5 addresses of 10\.1\.2\.0/29"):
        pool.lease("f")
    pool.release("c")
    assert pool.lease("f")


def test_leases_that_make_no_sense_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "10.1.2.2").touch()  # died before it was filled
    (tmp_path / "10.9.9.9").write_text("from another range")
    pool = Pool(tmp_path, SMALL)
    assert str(pool.lease("a")) == "10.1.2.2"
    assert [path.name for path in tmp_path.iterdir()] == ["10.1.2.2"]


def test_clearing_leaves_nothing(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "addresses", SMALL)
    pool.lease("a")
    pool.clear()
    assert not (tmp_path / "addresses").exists()


def test_replacing_a_table_is_one_text_that_works_whether_it_is_there_or_not() -> None:
    text = nft.plan_replacement("web", "chain c {}")
    assert text.index("table ip web {}") < text.index("delete table ip web") < text.index("chain c {}")


async def test_the_hosts_network_gives_every_sandbox_a_loopback_address_of_its_own() -> None:
    async with HostNetwork() as network:
        addresses = [(await network.attach(f"sandbox-{n}", Path("/nowhere")))[0] for n in range(50)]
        again = (await network.attach("sandbox-7", Path("/nowhere")))[0]
    assert len(set(addresses)) == 50
    assert again == addresses[7]
    assert all(address.startswith("127.") for address in addresses)
