import re

from kube_lite.api.identity import Json
from kube_lite.controllers import revisions
from kube_lite.controllers.revisions import (
    HASH_LABEL,
    REVISION,
    REVISION_HISTORY,
    annotations_for,
    find_new,
    new_set,
    plan_cleanup,
    same_template,
    template_hash,
)

from .objects import deployment, replica_set, template


def test_a_hash_is_stable_speakable_and_changes_with_template_and_collisions() -> None:
    first = template_hash(template(), 0)
    assert re.fullmatch("[bcdfghjklmnpqrstvwxz2456789]{8,10}", first)
    reordered = {key: template()[key] for key in reversed(list(template()))}
    assert template_hash(reordered, 0) == first
    assert len({first, template_hash(template(image="web:2"), 0), template_hash(template(), 1)}) == 3


def test_a_new_set_selects_only_its_own_pods_and_is_owned() -> None:
    made = new_set(deployment(minReadySeconds=5), replicas=1, surge=1, revision=3, collisions=0)
    suffix = template_hash(template(), 0)
    assert made["metadata"]["name"] == f"web-{suffix}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", HASH_LABEL: suffix}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "web", HASH_LABEL: suffix}
    assert made["spec"]["minReadySeconds"] == 5
    assert made["metadata"]["ownerReferences"][0]["uid"] == "d-web"
    assert made["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "3",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }


def test_making_a_set_leaves_the_deployment_alone() -> None:
    owner = deployment()
    before = repr(owner)
    new_set(owner, replicas=1, surge=1, revision=1, collisions=0)["spec"]["template"]["spec"][
        "containers"
    ].clear()
    assert repr(owner) == before


def test_the_set_of_the_current_template_is_found_whatever_its_hash_label() -> None:
    current = replica_set("web-b", image="web:1")
    current["spec"]["template"]["metadata"] |= {
        "labels": {"app": "web", HASH_LABEL: "x"},
        "creationTimestamp": None,
    }
    assert find_new(deployment(), [replica_set("web-a", image="web:0"), current]) is current
    assert find_new(deployment(image="web:9"), [current]) is None


def test_templates_with_different_annotations_differ() -> None:
    annotated = template()
    annotated["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    assert not same_template(template(), annotated)


def test_annotations_are_copied_except_those_with_a_meaning_of_their_own() -> None:
    owner = deployment()
    owner["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "second",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        REVISION: "7",
    }
    assert annotations_for(owner, {}, 2) == {"kubernetes.io/change-cause": "second", REVISION: "2"}


def test_a_set_that_becomes_the_newest_again_remembers_its_old_numbers() -> None:
    existing: Json = {REVISION: "10", REVISION_HISTORY: "2,4"}
    assert annotations_for(deployment(), existing, 11) == {REVISION: "11", REVISION_HISTORY: "2,4,10"}
    assert annotations_for(deployment(), existing, 9) == existing, "numbers never go back"


def test_history_is_cut_at_its_limit_oldest_first_and_never_a_set_with_pods() -> None:
    old = [replica_set(f"web-{n}", replicas=0, annotations={REVISION: str(n)}) for n in (9, 10, 2, 3)]
    old[3]["spec"]["replicas"] = 1
    gone = plan_cleanup(deployment(revisionHistoryLimit=2), old)
    assert [revisions.revision_of(owned) for owned in gone] == [2]
    assert plan_cleanup(deployment(revisionHistoryLimit=4), old) == []


def test_a_set_whose_controller_lags_behind_is_not_cut() -> None:
    lagging = replica_set("web-1", replicas=0)
    lagging["metadata"]["generation"] = 2
    assert plan_cleanup(deployment(revisionHistoryLimit=0), [lagging]) == []
