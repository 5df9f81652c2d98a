"""Each rule by itself: requests, taints, affinity, ports; and all of them together."""

from typing import Any

import pytest

from kube_lite.api.identity import Json
from kube_lite.scheduler import affinity, fit, ports, taints

from .objects import choose, node, pod, snapshot

MEBI = 1024 * 1024


def placed_at(placed: dict[str, Json] | None) -> list[tuple[str, Json]]:
    return list((placed or {}).items())


def place(given: Json, *nodes: Json, placed: dict[str, Json] | None = None) -> str:
    return choose(given, snapshot(*nodes, placed=placed_at(placed)))


def asking(cpu: str, **more: Any) -> Json:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "milli"),
    [
        pytest.param({"containers": [asking("1"), asking("500m")]}, 1500, id="containers add up"),
        pytest.param(
            {"containers": [asking("1")], "initContainers": [asking("3"), asking("2")]},
            3000,
            id="the largest init",
        ),
        pytest.param(
            {"containers": [asking("1")], "initContainers": [asking("500m", restartPolicy="Always")]},
            1500,
            id="a sidecar adds up",
        ),
        pytest.param(
            {
                "containers": [asking("1")],
                "initContainers": [asking("2", restartPolicy="Always"), asking("2")],
            },
            4000,
            id="an init container beside a sidecar",
        ),
        pytest.param({"containers": [asking("1")], "overhead": {"cpu": "250m"}}, 1250, id="overhead"),
        pytest.param(
            {"containers": [asking("1")], "resources": {"requests": {"cpu": "4"}}}, 4000, id="the pod's own"
        ),
    ],
)
def test_a_pod_takes_what_its_containers_need_at_their_worst(spec: Json, milli: int) -> None:
    assert fit.requests_of({"spec": spec}) == {"cpu": milli}


def test_what_does_not_fit_is_told_resource_by_resource() -> None:
    allocatable = {"cpu": 1000, "memory": 100, "pods": 1}
    assert fit.insufficient({"cpu": 2000, "memory": 200, "example.test/gpu": 1}, allocatable, {}, 1) == [
        "Too many pods",
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient example.test/gpu",
    ]
    assert fit.insufficient({"cpu": 400}, allocatable, {"cpu": 600}, 0) == []


TAINT: Json = {"key": "team", "value": "red", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "covered"),
    [
        pytest.param({"key": "team", "value": "red", "effect": "NoSchedule"}, True, id="equal"),
        pytest.param({"key": "team", "value": "blue"}, False, id="another value"),
        pytest.param({"key": "team", "operator": "Exists"}, True, id="any value"),
        pytest.param({"operator": "Exists"}, True, id="any taint"),
        pytest.param(
            {"key": "team", "operator": "Exists", "effect": "NoExecute"}, False, id="another effect"
        ),
        pytest.param({"key": "other", "operator": "Exists"}, False, id="another key"),
    ],
)
def test_a_toleration_covers_what_it_names(toleration: Json, covered: bool) -> None:
    assert taints.tolerates(toleration, TAINT) is covered
    assert (taints.refusal(node(taints=[TAINT]), [toleration]) == "") is covered


def test_a_preference_against_pods_keeps_none_away() -> None:
    preferring = node(taints=[{**TAINT, "effect": "PreferNoSchedule"}])
    assert taints.refusal(preferring, []) == ""
    assert taints.dislikes(preferring, []) == 1
    assert taints.dislikes(preferring, [{"operator": "Exists"}]) == 0


def required(*terms: Json) -> Json:
    selector = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}


def expression(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param({}, True, id="asks for nothing"),
        pytest.param({"nodeSelector": {"zone": "a"}}, True, id="selector"),
        pytest.param({"nodeSelector": {"zone": "a", "disk": "ssd"}}, False, id="half a selector"),
        pytest.param(required(expression("zone", "In", "a", "b")), True, id="in"),
        pytest.param(required(expression("zone", "NotIn", "a")), False, id="not in"),
        pytest.param(required(expression("disk", "NotIn", "ssd")), True, id="not in, and not there"),
        pytest.param(required(expression("zone", "Exists")), True, id="exists"),
        pytest.param(required(expression("zone", "DoesNotExist")), False, id="does not exist"),
        pytest.param(required(expression("size", "Gt", "9")), True, id="greater as a number"),
        pytest.param(required(expression("size", "Lt", "9")), False, id="not less as a number"),
        pytest.param(required(expression("zone", "Gt", "9")), False, id="not a number"),
        pytest.param(required({}), False, id="an empty term"),
        pytest.param(
            required(expression("zone", "In", "x"), expression("zone", "In", "a")), True, id="either term"
        ),
        pytest.param(
            required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
            True,
            id="by name",
        ),
    ],
)
def test_a_pod_gets_a_node_it_asks_for(spec: Json, wanted: bool) -> None:
    assert affinity.matches(spec, node(labels={"zone": "a", "size": "10"})) is wanted


def with_port(number: int, address: str = "", protocol: str = "TCP") -> Json:
    port = {"hostPort": number, "protocol": protocol, **({"hostIP": address} if address else {})}
    return {"metadata": {"uid": f"{number}{address}{protocol}"}, "spec": {"containers": [{"ports": [port]}]}}


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        pytest.param(with_port(80), with_port(80), False, id="the same"),
        pytest.param(with_port(80), with_port(81), True, id="another port"),
        pytest.param(with_port(80), with_port(80, protocol="UDP"), True, id="another protocol"),
        pytest.param(with_port(80, "10.0.0.1"), with_port(80, "10.0.0.2"), True, id="another address"),
        pytest.param(with_port(80, "10.0.0.1"), with_port(80), False, id="one address and all of them"),
        pytest.param(with_port(80), with_port(80, "10.0.0.1"), False, id="all addresses and one of them"),
    ],
)
def test_a_host_port_is_had_by_one_pod(one: Json, other: Json, both: bool) -> None:
    assert ports.conflict(ports.host_ports_of(one), ports.host_ports_of(other)) is not both


NO_VICTIMS = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
NOT_HELPFUL = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def named(*names: str) -> Json:
    """The affinity of a pod of a DaemonSet."""
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in names]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("given", "nodes", "message"),
    [
        pytest.param(pod(), [], "no nodes available to schedule pods", id="no nodes"),
        pytest.param(
            pod(cpu="2"),
            [node(cpu="2")],
            f"0/1 nodes are available: 1 Insufficient cpu. {NO_VICTIMS}",
            id="too full",
        ),
        pytest.param(
            pod(cpu="8"),
            [node(cpu="2")],
            f"0/1 nodes are available: 1 Insufficient cpu. {NOT_HELPFUL}",
            id="too small even when empty",
        ),
        pytest.param(
            pod(),
            [node(unschedulable=True)],
            f"0/1 nodes are available: 1 node(s) were unschedulable. {NOT_HELPFUL}",
            id="cordoned",
        ),
        pytest.param(
            pod(),
            [node(taints=[TAINT])],
            f"0/1 nodes are available: 1 node(s) had untolerated taint(s). {NOT_HELPFUL}",
            id="tainted",
        ),
        pytest.param(
            pod(nodeSelector={"zone": "x"}),
            [node()],
            f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NOT_HELPFUL}",
            id="selector",
        ),
        pytest.param(
            pod(affinity=named("gone")),
            [node()],
            f"0/1 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. {NOT_HELPFUL}",
            id="another node's",
        ),
        pytest.param(
            pod(affinity=named("a", "b")),
            [node()],
            f"0/1 nodes are available: pod affinity terms conflict. {NOT_HELPFUL}",
            id="two nodes at once",
        ),
        pytest.param(
            pod(cpu="2", preemptionPolicy="Never"),
            [node(cpu="2")],
            "0/1 nodes are available: 1 Insufficient cpu. "
            "preemption: not eligible due to preemptionPolicy=Never.",
            id="may not take others' place",
        ),
        pytest.param(
            pod(cpu="2"),
            [node("n1", cpu="2"), node("n2", cpu="1"), node("n3", unschedulable=True)],
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. "
            "preemption: 0/3 nodes are available: "
            "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
            id="several reasons",
        ),
    ],
)
def test_a_pod_that_fits_nowhere_is_told_why(given: Json, nodes: list[Json], message: str) -> None:
    assert place(given, *nodes, placed={"n1": pod("other", cpu="1")}) == message


@pytest.mark.parametrize(
    ("given", "nodes", "chosen"),
    [
        pytest.param(pod(cpu="1"), [node("a"), node("b")], "b", id="the one with more left"),
        pytest.param(
            pod(), [node("a", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), node("c")], "c", id="liked"
        ),
        pytest.param(
            pod(
                affinity={
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 10, "preference": expression("zone", "In", "z")}
                        ]
                    }
                }
            ),
            [node("c"), node("d", labels={"zone": "z"})],
            "d",
            id="the preferred one",
        ),
        pytest.param(pod(), [node("c"), node("b")], "b", id="by name where nothing else differs"),
    ],
)
def test_of_several_nodes_the_best_is_taken(given: Json, nodes: list[Json], chosen: str) -> None:
    assert place(given, *nodes, placed={"a": pod("other", cpu="1")}) == chosen


def test_pods_that_say_nothing_are_spread_all_the_same() -> None:
    nodes = snapshot(node("a"), node("b"))
    for number in range(6):
        given = pod(f"p{number}")
        nodes.place(given, choose(given, nodes))
    assert [len(info.pods) for info in nodes.nodes()] == [3, 3]


def test_a_pod_counts_once_however_often_it_is_said_to_be_there() -> None:
    nodes = snapshot(node("a"))
    given = pod(cpu="1")
    for _ in range(3):
        nodes.place(given, "a")
    (info,) = nodes.nodes()
    assert info.used == {"cpu": 1000}
    assert nodes.displace("p")
    assert not nodes.displace("p")
    assert info.used == {"cpu": 0}


def test_a_resized_pod_counts_anew() -> None:
    nodes = snapshot(node("a"))
    nodes.place(pod(cpu="1"), "a")
    larger = pod(cpu="2")
    larger["metadata"]["generation"] = 2
    nodes.place(larger, "a")
    assert nodes.nodes()[0].used == {"cpu": 2000}


def test_pods_of_a_node_that_is_not_known_yet_count_once_it_is() -> None:
    nodes = snapshot(placed=[("late", pod(cpu="2"))])
    assert nodes.nodes() == []
    nodes.set_node(node("late", cpu="2"))
    given = pod("q", cpu="1")
    assert "Insufficient cpu" in choose(given, nodes)
