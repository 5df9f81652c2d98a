import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler.spread import HOSTNAME, ZONE

from .objects import choose, pod, snapshot, zone

WEB = {"app": "web"}
NODES = [zone("a1", "a"), zone("a2", "a"), zone("b1", "b")]


def constraint(key: str = ZONE, skew: int = 1, when: str = "DoNotSchedule", **more: object) -> Json:
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": WEB},
        **more,
    }


def web(name: str, *constraints: Json, **spec: object) -> Json:
    return pod(name, labels=WEB, topologySpreadConstraints=list(constraints), **spec)


def test_a_zone_never_has_too_many_more_than_the_emptiest() -> None:
    nodes = snapshot(*NODES, placed=[("a1", pod("1", labels=WEB))])
    assert choose(web("2", constraint()), nodes) == "b1"


def test_pods_that_are_not_meant_or_that_are_ending_do_not_count() -> None:
    ending = pod("old", labels=WEB)
    ending["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z"
    nodes = snapshot(*NODES, placed=[("b1", ending), ("b1", pod("other"))])
    assert choose(web("1", constraint(), nodeSelector={HOSTNAME: "b1"}), nodes) == "b1"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (constraint(), "node(s) didn't match pod topology spread constraints"),
        (constraint("rack"), "node(s) didn't match pod topology spread constraints (missing required label)"),
        (
            constraint(minDomains=3),
            "node(s) didn't match pod topology spread constraints",
        ),
    ],
)
def test_why_a_constraint_refuses_a_node(entry: Json, reason: str) -> None:
    placed = [("a1", pod("1", labels=WEB)), ("b1", pod("2", labels=WEB)), ("a2", pod("3", labels=WEB))]
    nodes = snapshot(*NODES, zone("c1", "c", cpu="0"), placed=placed)
    assert reason in choose(web("4", entry, cpu="1"), nodes)


def test_what_should_be_so_only_if_possible_decides_among_nodes() -> None:
    placed = [("a1", pod("1", labels=WEB)), ("a2", pod("2", labels=WEB)), ("b1", pod("3"))]
    nodes = snapshot(*NODES, placed=placed)
    assert choose(web("4", constraint(when="ScheduleAnyway")), nodes) == "b1"


def test_only_nodes_that_a_pod_may_be_on_count() -> None:
    nodes = snapshot(*NODES, placed=[("a1", pod("1", labels=WEB))])
    asking = web("2", constraint(), nodeSelector={ZONE: "a"})
    assert choose(asking, nodes) == "a2"
    ignoring = web("2", constraint(nodeAffinityPolicy="Ignore"), nodeSelector={ZONE: "a"})
    assert "didn't match pod topology spread constraints" in choose(ignoring, nodes)


def test_pods_of_other_revisions_do_not_count_when_a_label_tells_them_apart() -> None:
    old = pod("old", labels={**WEB, "hash": "1"})
    nodes = snapshot(*NODES, placed=[("b1", old)])
    made = web("new", constraint(matchLabelKeys=["hash"]), nodeSelector={HOSTNAME: "b1"})
    made["metadata"]["labels"] = {**WEB, "hash": "2"}
    assert choose(made, nodes) == "b1"


def test_pods_of_a_workload_are_spread_without_asking() -> None:
    placed = [("a1", pod("1", labels=WEB)), ("a2", pod("2", labels=WEB)), ("b1", pod("3", cpu="500m"))]
    nodes = snapshot(*NODES, placed=placed)
    assert choose(pod("4", labels=WEB), nodes, selector={"matchLabels": WEB}) == "b1"


def test_domains_follow_the_labels_of_nodes() -> None:
    placed = [("a1", pod("1", labels=WEB)), ("a2", pod("2", labels=WEB))]
    nodes = snapshot(*NODES, placed=placed)
    gentle = web("3", constraint(when="ScheduleAnyway"))
    assert choose(gentle, nodes) == "b1"
    nodes.set_node(zone("a2", "b"))
    nodes.set_node(zone("a1", "b"))
    nodes.set_node(zone("c1", "c"))
    assert choose(gentle, nodes) == "c1"
