import pytest

from kube_lite.controllers.rollout import (
    Limits,
    Revision,
    is_scaling,
    plan_new_size,
    plan_scaling,
    plan_shrinking,
    resolve_limits,
)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "limits"),
    [
        pytest.param(10, "25%", "25%", Limits(3, 2), id="surge is rounded up and unavailable down"),
        pytest.param(2, 1, 0, Limits(1, 0), id="numbers are taken as they are"),
        pytest.param(1, "0%", "25%", Limits(0, 1), id="when both come to nothing one may be unavailable"),
        pytest.param(3, 0, 10, Limits(0, 3), id="no more can be unavailable than there are"),
        pytest.param(0, "25%", "25%", Limits(0, 0), id="nothing of nothing"),
    ],
)
def test_limits(replicas: int, surge: int | str, unavailable: int | str, limits: Limits) -> None:
    assert resolve_limits(replicas, surge, unavailable) == limits


@pytest.mark.parametrize(
    ("new", "total", "size"),
    [
        pytest.param(0, 10, 3, id="as far as the surge allows"),
        pytest.param(3, 13, 3, id="not at all when the surge is used up"),
        pytest.param(3, 11, 5, id="as far as old ones have gone"),
        pytest.param(9, 9, 10, id="never beyond what is wanted"),
        pytest.param(12, 12, 10, id="down to what is wanted"),
    ],
)
def test_the_new_revision_grows(new: int, total: int, size: int) -> None:
    assert plan_new_size(10, Limits(3, 2), new, total) == size


@pytest.mark.parametrize(
    ("new", "old", "sizes"),
    [
        pytest.param(
            Revision("n", 3, 0), [Revision("o", 10, 10)], {"o": 8}, id="down to the minimum at once"
        ),
        pytest.param(
            Revision("n", 5, 0), [Revision("o", 8, 8)], {}, id="not below it while new ones are not up"
        ),
        pytest.param(Revision("n", 5, 2), [Revision("o", 8, 8)], {"o": 6}, id="as many as new ones came up"),
        pytest.param(Revision("n", 5, 0), [Revision("o", 10, 8)], {"o": 8}, id="broken old ones go first"),
        pytest.param(
            Revision("n", 10, 10),
            [Revision("b", 2, 2, "2"), Revision("a", 1, 1, "1")],
            {"a": 0, "b": 0},
            id="all of them in the end",
        ),
        pytest.param(
            Revision("n", 4, 4),
            [Revision("b", 5, 5, "2"), Revision("a", 1, 1, "1")],
            {"a": 0, "b": 4},
            id="the oldest revision first",
        ),
    ],
)
def test_old_revisions_shrink(new: Revision, old: list[Revision], sizes: dict[str, int]) -> None:
    assert plan_shrinking(10, Limits(3, 2), new, old) == sizes


@pytest.mark.parametrize("unavailable", [0, 1])
@pytest.mark.parametrize("surge", [1, 3])
def test_a_whole_rollout_keeps_its_limits_and_arrives(surge: int, unavailable: int) -> None:
    wanted, limits = 5, Limits(surge, unavailable)
    new, old = Revision("n", 0), Revision("o", wanted, wanted)
    for _ in range(100):
        size = plan_new_size(wanted, limits, new.replicas, new.replicas + old.replicas)
        new = new._replace(replicas=size)
        sizes = plan_shrinking(wanted, limits, new, [old])
        old = old._replace(replicas=sizes.get("o", old.replicas), available=sizes.get("o", old.replicas))
        assert new.replicas + old.replicas <= wanted + surge
        assert new.available + old.available >= wanted - unavailable
        if new.available < new.replicas:  # one Pod comes up between two passes
            new = new._replace(available=new.available + 1)
    assert (new.replicas, new.available, old.replicas) == (wanted, wanted, 0)


def sized(name: str, replicas: int, created: str, *, desired: int = 10, maximum: int = 13) -> Revision:
    return Revision(name, replicas, replicas, created, desired, maximum)


@pytest.mark.parametrize(
    ("wanted", "new", "old", "sizes"),
    [
        pytest.param(5, Revision("n", 2, 2), [], {"n": 5}, id="the only revision gets everything"),
        pytest.param(4, Revision("n", 0), [Revision("o", 3, 3)], {"o": 4}, id="also when it is an old one"),
        pytest.param(0, sized("n", 5, "2"), [sized("o", 8, "1")], {"n": 0, "o": 0}, id="nothing is nothing"),
        pytest.param(
            20, sized("n", 5, "2"), [sized("o", 8, "1")], {"n": 9, "o": 14}, id="in proportion when growing"
        ),
        pytest.param(
            5, sized("n", 5, "2"), [sized("o", 8, "1")], {"n": 3, "o": 5}, id="in proportion when shrinking"
        ),
        pytest.param(
            10, sized("n", 10, "2"), [sized("o", 1, "1")], {"o": 0}, id="old ones go when the new is complete"
        ),
    ],
)
def test_a_change_of_size(wanted: int, new: Revision, old: list[Revision], sizes: dict[str, int]) -> None:
    planned = plan_scaling(wanted, Limits(3, 2), new, old)
    assert planned == sizes


def test_proportional_scaling_hands_out_exactly_what_is_allowed() -> None:
    revisions = [sized("a", 7, "1"), sized("b", 3, "2"), sized("c", 3, "3")]
    for wanted in range(1, 40):
        sizes = {"a": 7, "b": 3, "c": 3} | dict(
            plan_scaling(wanted, Limits(3, 2), revisions[2], revisions[:2])
        )
        assert sum(sizes.values()) == wanted + 3


def test_only_active_revisions_tell_that_the_size_changed() -> None:
    assert is_scaling(5, [sized("a", 3, "1", desired=3)])
    assert not is_scaling(5, [sized("a", 0, "1", desired=3), sized("b", 5, "2", desired=5)])
    assert not is_scaling(5, [Revision("adopted", 3)])
