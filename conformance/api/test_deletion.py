"""Deletion: what is answered, what holds it up, who goes with it."""

import pytest

from conformance.api.objects import config_map, names, pod, refusal
from conformance.http import Api, Json
from conformance.kubectl import eventually

HOLD = "example.test/hold"


def gone(place: Api, name: str) -> None:
    assert place.get(name).status == 404


def owned(name: str, owner: Json, **reference: object) -> Json:
    metadata = owner["metadata"]
    return config_map(
        name,
        ownerReferences=[
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": metadata["name"],
                "uid": metadata["uid"],
                **reference,
            }
        ],
    )


def test_the_answer_names_what_was_deleted(maps: Api) -> None:
    uid = maps.post(config_map("a")).body["metadata"]["uid"]
    answer = maps.delete("a")
    assert answer.status == 200
    assert (answer.body["kind"], answer.body["status"]) == ("Status", "Success")
    assert answer.body["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    assert maps.get("a").status == 404
    assert refusal(maps.delete("a")) == (404, "NotFound")


def test_a_finalizer_holds_the_object_until_it_is_taken_away(maps: Api) -> None:
    maps.post(config_map("a", {"x": "1"}, finalizers=[HOLD]))
    marked = maps.delete("a").body
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert maps.get("a").body == marked
    assert maps.delete("a").body == marked
    assert maps.patch({"data": {"x": "2"}}, "a").status == 200
    released = maps.patch({"metadata": {"finalizers": []}}, "a")
    assert released.status == 200
    assert maps.get("a").status == 404


def test_what_ends_takes_no_new_finalizers(maps: Api) -> None:
    maps.post(config_map("a", finalizers=[HOLD]))
    maps.delete("a")
    refused = maps.patch({"metadata": {"finalizers": [HOLD, "example.test/more"]}}, "a")
    assert refusal(refused) == (422, "Invalid")
    assert "no new finalizers can be added if the object is being deleted" in refused.body["message"]
    maps.patch({"metadata": {"finalizers": None}}, "a")


def test_a_deletion_is_not_undone(maps: Api) -> None:
    maps.post(config_map("a", finalizers=[HOLD]))
    stamp = maps.delete("a").body["metadata"]["deletionTimestamp"]
    maps.patch({"metadata": {"deletionTimestamp": None}}, "a")
    assert maps.get("a").body["metadata"]["deletionTimestamp"] == stamp
    maps.patch({"metadata": {"finalizers": None}}, "a")


def test_a_name_is_free_once_its_object_is_gone(maps: Api) -> None:
    first = maps.post(config_map("a")).body["metadata"]["uid"]
    maps.delete("a")
    assert maps.post(config_map("a")).body["metadata"]["uid"] != first


def test_a_pod_that_no_node_has_goes_at_once(pods: Api) -> None:
    pods.post(pod("a", nodeSelector={"example.test/nowhere": "true"}))
    answer = pods.delete("a")
    assert (answer.status, answer.body["kind"]) == (200, "Pod")
    assert pods.get("a").status == 404


def test_dependents_go_with_the_last_owner(maps: Api) -> None:
    first, second = maps.post(config_map("first")).body, maps.post(config_map("second")).body
    maps.post(owned("dependent", first))
    both = owned("of-both", first)
    both["metadata"]["ownerReferences"] += owned("x", second)["metadata"]["ownerReferences"]
    maps.post(both)
    maps.delete("first", {"propagationPolicy": "Background"})
    eventually(lambda: gone(maps, "dependent"))
    assert maps.get("of-both").status == 200
    maps.delete("second", {"propagationPolicy": "Background"})
    eventually(lambda: gone(maps, "of-both"))


def test_orphans_stay_and_forget_their_owner(maps: Api) -> None:
    owner = maps.post(config_map("owner")).body
    uid = maps.post(owned("dependent", owner)).body["metadata"]["uid"]
    answer = maps.delete("owner", {"propagationPolicy": "Orphan"})
    assert answer.status == 200
    eventually(lambda: gone(maps, "owner"))
    left = maps.get("dependent").body["metadata"]
    assert (left["uid"], left.get("ownerReferences")) == (uid, None)


def test_in_the_foreground_the_owner_waits_for_its_dependents(maps: Api) -> None:
    owner = maps.post(config_map("owner")).body
    held = owned("dependent", owner, blockOwnerDeletion=True)
    held["metadata"]["finalizers"] = [HOLD]
    maps.post(held)
    marked = maps.delete("owner", {"propagationPolicy": "Foreground"}).body
    assert "foregroundDeletion" in marked["metadata"]["finalizers"]

    def is_ending() -> None:
        assert maps.get("dependent").body["metadata"].get("deletionTimestamp")

    eventually(is_ending)
    assert maps.get("owner").status == 200
    maps.patch({"metadata": {"finalizers": None}}, "dependent")
    eventually(lambda: gone(maps, "owner"))


def test_an_owner_that_is_not_there_is_none(maps: Api) -> None:
    never = config_map("never", uid="00000000-0000-0000-0000-000000000001")
    maps.post(owned("lost", never))
    eventually(lambda: gone(maps, "lost"))


@pytest.mark.parametrize(
    ("query", "left"),
    [
        pytest.param({"labelSelector": "tier=x"}, ["b"], id="labels"),
        pytest.param({"fieldSelector": "metadata.name=b"}, ["a", "c"], id="fields"),
        pytest.param({"labelSelector": "tier=none"}, ["a", "b", "c"], id="none"),
        pytest.param({"labelSelector": "tier"}, [], id="all"),
    ],
)
def test_of_a_collection_what_is_selected_is_deleted(
    maps: Api, query: dict[str, str], left: list[str]
) -> None:
    for name, tier in (("a", "x"), ("b", "y"), ("c", "x")):
        maps.post(config_map(name, labels={"tier": tier}))
    assert maps.delete(query=query).status == 200
    assert names(maps.get(query={"labelSelector": "tier"})) == left


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"propagationPolicy": "Upwards"}, 422, id="unknown policy"),
        pytest.param({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, id="policy and orphans"),
        pytest.param({"dryRun": ["Most"]}, 422, id="unknown dry run"),
        pytest.param({"gracePeriodSeconds": "long"}, 400, id="grace in words"),
        pytest.param({"kind": "Pod", "apiVersion": "v1"}, 400, id="another kind"),
    ],
)
def test_options_that_make_no_sense_are_refused(maps: Api, options: Json, code: int) -> None:
    maps.post(config_map("a"))
    assert refusal(maps.delete("a", {"kind": "DeleteOptions", "apiVersion": "v1", **options}))[0] == code
    assert maps.get("a").status == 200


def test_a_namespace_ends_with_everything_in_it(api: Api, namespace: str, maps: Api) -> None:
    maps.post(config_map("a"))
    maps.post(config_map("held", finalizers=[HOLD]))
    namespaces = api.at("/api/v1/namespaces")
    assert namespaces.delete(namespace).body["status"]["phase"] == "Terminating"
    eventually(lambda: gone(maps, "a"))
    assert namespaces.get(namespace).status == 200
    maps.patch({"metadata": {"finalizers": None}}, "held")
    eventually(lambda: gone(namespaces, namespace))


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_stay(api: Api, name: str) -> None:
    refused = api.delete(f"/api/v1/namespaces/{name}")
    assert refusal(refused) == (403, "Forbidden")
    assert refused.body["message"] == (f'namespaces "{name}" is forbidden: this namespace may not be deleted')
