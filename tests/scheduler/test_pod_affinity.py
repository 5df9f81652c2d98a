from kube_lite.api.identity import Json
from kube_lite.scheduler.pod_affinity import PREFERRED, REQUIRED
from kube_lite.scheduler.spread import HOSTNAME, ZONE

from .objects import choose, pod, snapshot, zone

NODES = [zone("a1", "a"), zone("a2", "a"), zone("b1", "b")]
CACHE, WEB = {"app": "cache"}, {"app": "web"}


def term(labels: Json, key: str = ZONE, **more: object) -> Json:
    return {"topologyKey": key, "labelSelector": {"matchLabels": labels}, **more}


def wanting(kind: str, *terms: Json, labels: Json | None = None, name: str = "p") -> Json:
    return pod(name, labels=labels, affinity={kind: {REQUIRED: list(terms)}})


def preferring(kind: str, wanted: Json, weight: int = 100) -> Json:
    return pod(affinity={kind: {PREFERRED: [{"weight": weight, "podAffinityTerm": wanted}]}})


def test_a_pod_goes_where_those_are_that_it_wants_beside_it() -> None:
    nodes = snapshot(*NODES, placed=[("b1", pod("c", labels=CACHE))])
    assert choose(wanting("podAffinity", term(CACHE)), nodes) == "b1"
    assert "didn't match pod affinity rules" in choose(wanting("podAffinity", term({"app": "no"})), nodes)


def test_the_first_of_those_that_want_each_other_goes_anywhere() -> None:
    assert choose(wanting("podAffinity", term(WEB), labels=WEB), snapshot(*NODES)) in ("a1", "a2", "b1")


def test_a_pod_keeps_away_from_those_that_it_does_not_want() -> None:
    nodes = snapshot(*NODES, placed=[("a1", pod("c", labels=CACHE))])
    assert choose(wanting("podAntiAffinity", term(CACHE)), nodes) == "b1"
    beside = snapshot(*NODES[:2], placed=[("a1", pod("c", labels=CACHE))])
    assert "didn't match pod anti-affinity rules" in choose(wanting("podAntiAffinity", term(CACHE)), beside)


def test_and_they_from_it_when_it_was_there_first() -> None:
    shy = wanting("podAntiAffinity", term(WEB), name="shy")
    nodes = snapshot(*NODES, placed=[("a2", shy)])
    assert choose(pod(labels=WEB), nodes) == "b1"
    both = snapshot(*NODES[:2], placed=[("a2", shy)])
    assert "didn't satisfy existing pods anti-affinity rules" in choose(pod(labels=WEB), both)


def test_one_of_each_on_every_node() -> None:
    nodes = snapshot(*NODES)
    for number in range(3):
        made = wanting("podAntiAffinity", term(WEB, HOSTNAME), labels=WEB, name=f"w{number}")
        nodes.place(made, choose(made, nodes))
    assert [len(info.pods) for info in nodes.nodes()] == [1, 1, 1]


def test_preferences_add_up_and_those_of_pods_that_are_there_count() -> None:
    nodes = snapshot(*NODES, placed=[("b1", pod("c", labels=CACHE))])
    assert choose(preferring("podAffinity", term(CACHE)), nodes) == "b1"
    assert choose(preferring("podAntiAffinity", term(CACHE)), nodes) in ("a1", "a2")
    friend = preferring("podAffinity", term(WEB))
    friend["metadata"]["uid"] = "friend"
    friendly = snapshot(*NODES, placed=[("b1", friend), ("a1", pod("x")), ("a2", pod("y"))])
    assert choose(pod(labels=WEB), friendly) == "b1"


def test_other_namespaces_count_only_when_they_are_named_or_chosen() -> None:
    elsewhere = pod("c", labels=CACHE)
    elsewhere["metadata"]["namespace"] = "other"
    nodes = snapshot(*NODES, placed=[("b1", elsewhere)])
    nodes.set_namespace("other", {"team": "x"})
    assert "affinity rules" in choose(wanting("podAffinity", term(CACHE)), nodes)
    assert choose(wanting("podAffinity", term(CACHE, namespaces=["other"])), nodes) == "b1"
    chosen = term(CACHE, namespaceSelector={"matchLabels": {"team": "x"}})
    assert choose(wanting("podAffinity", chosen), nodes) == "b1"
    nodes.set_namespace("other", {"team": "y"})
    assert "affinity rules" in choose(wanting("podAffinity", chosen), nodes)
