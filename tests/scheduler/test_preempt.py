import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler.deciding import Decider
from kube_lite.scheduler.preempt import Eviction, is_eligible, plan_preemption
from kube_lite.scheduler.profiles import Profile
from kube_lite.scheduler.snapshot import Snapshot, needs_of

from .objects import choose, node, pod, snapshot
from .storage import Stored


def important(name: str = "vip", cpu: str = "2", priority: int = 100, **spec: object) -> Json:
    return pod(name, cpu, priority=priority, **spec)


def lesser(name: str, cpu: str = "1", priority: int = 0, started: str = "") -> Json:
    made = pod(name, cpu, labels={"app": name}, priority=priority)
    if started:
        made["status"] = {"startTime": started}
    return made


def plan(given: Json, nodes: Snapshot, *budgets: Json) -> Eviction | None:
    decider = Decider(nodes, Stored(), Profile())
    placement = decider.place(given, needs_of(given))
    assert not placement.node
    return plan_preemption(given, needs_of(given), placement, nodes, decider, budgets).best


def names(found: Eviction | None) -> list[str]:
    assert found is not None
    return sorted(victim["metadata"]["name"] for victim in found.victims)


def test_no_more_have_to_leave_than_is_needed_and_the_least_important_first() -> None:
    placed = [("n1", lesser("a", priority=1)), ("n1", lesser("b", priority=2))]
    found = plan(important(cpu="1"), snapshot(node(), placed=placed))
    assert names(found) == ["a"]


def test_those_as_important_stay() -> None:
    nodes = snapshot(node(), placed=[("n1", lesser("a", "2", priority=100))])
    assert plan(important(), nodes) is None
    assert "No preemption victims found" in choose(important(), nodes)


@pytest.mark.parametrize(
    ("left", "right", "chosen"),
    [
        pytest.param([lesser("a", "2", 5)], [lesser("b", "2", 3)], "n2", id="the least important"),
        pytest.param([lesser("a"), lesser("a2")], [lesser("b", "2")], "n2", id="the fewest"),
        pytest.param(
            [lesser("a", "2", started="2024-01-01T00:00:00Z")],
            [lesser("b", "2", started="2024-02-01T00:00:00Z")],
            "n2",
            id="who has run for a shorter time",
        ),
    ],
)
def test_the_node_is_chosen_where_least_is_lost(left: list[Json], right: list[Json], chosen: str) -> None:
    placed = [*(("n1", one) for one in left), *(("n2", one) for one in right)]
    found = plan(important(), snapshot(node("n1"), node("n2"), placed=placed))
    assert found is not None
    assert found.node == chosen


def test_what_a_budget_keeps_is_taken_last() -> None:
    budget: Json = {
        "metadata": {"name": "keep", "namespace": "n", "uid": "k"},
        "spec": {"selector": {"matchLabels": {"app": "b"}}},
        "status": {"disruptionsAllowed": 0},
    }
    placed = [("n1", lesser("a", "2", 9)), ("n2", lesser("b", "2", 1))]
    found = plan(important(), snapshot(node("n1"), node("n2"), placed=placed), budget)
    assert found is not None
    assert (found.node, found.violations) == ("n1", 0)


def test_looking_changes_nothing() -> None:
    nodes = snapshot(node(), placed=[("n1", lesser("a")), ("n1", lesser("b"))])
    plan(important(), nodes)
    assert {uid for info in nodes.nodes() for uid in info.pods} == {"a", "b"}
    assert nodes.nodes()[0].used == {"cpu": 2000}


def test_room_that_was_made_for_one_is_not_taken_by_another() -> None:
    nodes = snapshot(node())
    nodes.nominate(important(), "n1")
    assert "Insufficient cpu" in choose(pod("other", "1"), nodes)
    assert choose(important("greater", "1", priority=200), nodes) == "n1"
    assert choose(important(), nodes) == "n1"


def test_whoever_drove_others_away_waits_until_they_are_gone() -> None:
    leaving = lesser("a")
    leaving["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    nodes = snapshot(node(), placed=[("n1", leaving)])
    waiting = {**important(), "status": {"nominatedNodeName": "n1"}}
    assert not is_eligible(waiting, nodes)
    assert is_eligible(important(), nodes)
    assert not is_eligible(important(preemptionPolicy="Never"), nodes)
