import random

import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler.deciding import MIN_NODES, Decider
from kube_lite.scheduler.profiles import Profile
from kube_lite.scheduler.snapshot import Snapshot, needs_of
from kube_lite.scheduler.spread import HOSTNAME, ZONE

from .objects import node, pod, snapshot, zone
from .storage import Stored

WEB = {"app": "web"}
SOFT: Json = {"whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": WEB}, "maxSkew": 1}
AVOIDED = {"key": "old", "effect": "PreferNoSchedule"}
LIKES = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 5, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
    ]
}


def large(source: random.Random) -> Snapshot:
    """More nodes than are looked at one by one, of which some lack labels, room or friends."""
    made = snapshot()
    for number in range(MIN_NODES + 30):
        one = zone(f"n{number}", f"z{number % 4}", cpu=source.choice(["1", "2", "4"]))
        if number % 7 == 0:
            del one["metadata"]["labels"][source.choice([ZONE, HOSTNAME])]
        if number % 11 == 0:
            one["metadata"]["labels"]["disk"] = "fast"
        if number % 5 == 0:
            one["spec"]["taints"] = [AVOIDED]
        made.set_node(one)
    return made


def by_looking_at_all(given: Json, nodes: Snapshot, selector: Json | None) -> str:
    """What is decided by somebody who has never seen such a pod before."""
    decider = Decider(nodes, Stored(), Profile(), lambda pod: selector, percentage=100)
    return decider.place(given, needs_of(given)).node


@pytest.mark.parametrize(
    ("spec", "selector"),
    [
        pytest.param({}, None, id="room alone"),
        pytest.param({}, {"matchLabels": WEB}, id="spread because they belong together"),
        pytest.param(
            {"topologySpreadConstraints": [{**SOFT, "topologyKey": ZONE}, {**SOFT, "topologyKey": HOSTNAME}]},
            None,
            id="spread because they say so",
        ),
        pytest.param({"affinity": {"nodeAffinity": LIKES}}, None, id="preferred nodes"),
    ],
)
def test_nodes_in_order_give_the_same_answer_as_looking_at_each(spec: Json, selector: Json | None) -> None:
    source = random.Random(7)
    nodes = large(source)
    decider = Decider(nodes, Stored(), Profile(), lambda pod: selector)
    placed: dict[str, str] = {}
    for number in range(150):
        given = pod(f"p{number}", cpu="100m", labels=WEB, **spec)
        expected = by_looking_at_all(given, nodes, selector)
        found = decider.place(given, needs_of(given)).node
        if number > 1:  # the first of its sort is placed by looking at some
            assert found == expected
        nodes.place(given, found)
        placed[given["metadata"]["uid"]] = found
        if number % 3 == 0:
            nodes.displace(source.choice(list(placed)))
        if number % 10 == 0:
            nodes.set_node(zone(f"n{number}", "z9", cpu="3"))
    assert len(set(placed.values())) > 20


def test_a_node_that_comes_back_under_the_name_of_one_that_has_gone_is_another() -> None:
    nodes = snapshot(node("a", cpu="1"), node("b", cpu="1"))
    decider = Decider(nodes, Stored(), Profile())
    wanting = pod("p", cpu="2")
    assert not decider.place(wanting, needs_of(wanting)).node
    nodes.remove_node("b")
    nodes.set_node(node("b", cpu="4"))
    assert decider.place(wanting, needs_of(wanting)).node == "b"


def test_a_node_that_has_gone_is_chosen_no_more() -> None:
    nodes = large(random.Random(1))
    decider = Decider(nodes, Stored(), Profile())
    chosen = ""
    for number in range(4):
        given = pod(f"p{number}", cpu="100m")
        if chosen:
            nodes.remove_node(chosen)
        chosen, before = decider.place(given, needs_of(given)).node, chosen
        assert chosen not in ("", before)
