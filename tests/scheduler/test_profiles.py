from typing import Any

import pytest

from kube_lite.scheduler.deciding import how_many
from kube_lite.scheduler.profiles import FIT, SPREAD, WEIGHTS, ProfileError, parse_settings
from kube_lite.scheduler.scoring import MOST, RATIO, Strategy, balance, images, room

from .objects import choose, node, pod, snapshot


def document(*profiles: Any, **more: Any) -> Any:
    head = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    return {**head, "profiles": list(profiles), **more}


def test_a_configuration_that_says_nothing_is_the_default() -> None:
    settings = parse_settings(document())
    [profile] = settings.profiles.values()
    assert (profile.name, profile.weights, profile.preempts) == ("default-scheduler", WEIGHTS, True)


def test_profiles_have_weights_filters_and_arguments_of_their_own() -> None:
    packing = {
        "schedulerName": "packing",
        "plugins": {
            "score": {"disabled": [{"name": "*"}], "enabled": [{"name": FIT, "weight": 5}]},
            "filter": {"disabled": [{"name": SPREAD}]},
            "postFilter": {"disabled": [{"name": "DefaultPreemption"}]},
        },
        "pluginConfig": [{"name": FIT, "args": {"scoringStrategy": {"type": MOST}}}],
    }
    settings = parse_settings(document({}, packing, podMaxBackoffSeconds=3, percentageOfNodesToScore=70))
    assert (settings.max_backoff, settings.percentage) == (3.0, 70)
    profile = settings.profiles["packing"]
    assert dict(profile.weights) == {FIT: 5}
    assert SPREAD not in profile.filters
    assert not profile.preempts
    nodes = snapshot(node("a"), node("b"), placed=[("a", pod("x", "1"))])
    assert choose(pod(cpu="1"), nodes, profile=profile) == "a"
    assert choose(pod(cpu="1"), nodes, profile=settings.profiles["default-scheduler"]) == "b"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([], "no KubeSchedulerConfiguration"),
        ({"kind": "KubeSchedulerConfiguration", "apiVersion": "v1"}, "apiVersion"),
        (document({}, {}), "the same schedulerName"),
        (document({"plugins": {"score": {"enabled": [{"name": "Mine"}]}}}), "no plugin 'Mine'"),
        (document(extenders=[{}]), "extenders"),
        (document(percentageOfNodesToScore=101), "between 0 and 100"),
        (
            document({"pluginConfig": [{"name": FIT, "args": {"scoringStrategy": {"type": RATIO}}}]}),
            "needs a shape",
        ),
    ],
)
def test_what_cannot_be_done_is_told(given: Any, why: str) -> None:
    with pytest.raises(ProfileError, match=why):
        parse_settings(given)


def test_room_is_valued_as_the_strategy_says() -> None:
    have, used, asked = {"cpu": 1000, "memory": 100}, {"cpu": 400, "memory": 0}, {"cpu": 100}
    assert room(Strategy(), asked, have, used) == 75
    assert room(Strategy(MOST), asked, have, used) == 25
    curve = Strategy(RATIO, {"cpu": 1}, ((0, 0), (50, 100), (100, 0)))
    assert room(curve, asked, have, used) == 100
    assert room(curve, {"cpu": 350}, have, used) == 50


def test_even_use_is_better_than_uneven() -> None:
    have = {"cpu": 100, "memory": 100, "gpu": 2}
    assert balance({"cpu": 50, "memory": 50}, have, {}, ("cpu", "memory")) == 100
    assert balance({"cpu": 100}, have, {}, ("cpu", "memory")) == 50
    assert balance({"cpu": 100}, have, {}, ("cpu", "memory", "gpu")) == pytest.approx(52.86, abs=0.01)


def test_a_node_that_has_large_images_already_is_better() -> None:
    spec = {"containers": [{"image": "big"}, {"image": "small:1"}]}
    present = {"big:latest": 800 << 20, "small:1": 1 << 20}
    everywhere = dict.fromkeys(present, 1.0)
    assert images(spec, {}, everywhere) == 0
    assert images(spec, present, everywhere) == pytest.approx(39.35, abs=0.01)


def test_large_clusters_are_not_searched_to_the_end() -> None:
    assert [how_many(count) for count in (10, 99, 1000, 5000)] == [10, 99, 420, 500]
    assert how_many(1000, 100) == 1000
    assert how_many(1000, 5) == 100
