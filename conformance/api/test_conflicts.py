"""Two writers: what the resourceVersion protects, and what it does not."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from conformance.api.objects import config_map, refusal
from conformance.http import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api, Json


def test_an_update_of_what_changed_meanwhile_is_a_conflict(maps: Api) -> None:
    old = maps.post(config_map("a", {"n": "1"})).body
    maps.patch({"data": {"n": "2"}}, "a")
    refused = maps.put(old, "a")
    assert refusal(refused) == (409, "Conflict")
    assert refused.body["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert maps.get("a").body["data"] == {"n": "2"}


def test_an_update_without_a_version_overwrites(maps: Api) -> None:
    maps.post(config_map("a", {"n": "1"}))
    maps.patch({"data": {"n": "2"}}, "a")
    assert maps.put(config_map("a", {"n": "3"}), "a").body["data"] == {"n": "3"}


def test_some_kinds_are_not_updated_without_a_version(api: Api, namespace: str) -> None:
    leases = api.at(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}}
    leases.post(lease)
    refused = leases.put(lease, "a")
    assert refusal(refused) == (422, "Invalid")
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in refused.text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MERGE_PATCH, {"metadata": {"resourceVersion": "1"}, "data": {"n": "2"}}),
        (STRATEGIC_PATCH, {"metadata": {"resourceVersion": "1"}, "data": {"n": "2"}}),
        (JSON_PATCH, [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}]),
    ],
)
def test_a_patch_that_names_an_old_version_is_a_conflict(maps: Api, kind: str, body: Json) -> None:
    made = maps.post(config_map("a", {"n": "1"})).body
    assert refusal(maps.patch(body, "a", kind)) == (409, "Conflict")
    assert maps.get("a").body == made


def test_an_update_of_another_object_of_the_same_name_is_a_conflict(maps: Api) -> None:
    first = maps.post(config_map("a")).body
    maps.delete("a")
    maps.post(config_map("a"))
    stale = config_map("a", {"n": "1"}, uid=first["metadata"]["uid"])
    refused = maps.put(stale, "a")
    assert refusal(refused) == (409, "Conflict")
    assert "Precondition failed: UID in precondition" in refused.body["message"]


@pytest.mark.parametrize(
    ("field", "value"), [("uid", "00000000-0000-0000-0000-000000000000"), ("resourceVersion", "1")]
)
def test_a_deletion_with_a_wrong_precondition_is_a_conflict(maps: Api, field: str, value: str) -> None:
    made = maps.post(config_map("a")).body
    refused = maps.delete("a", {"preconditions": {field: value}})
    assert refusal(refused) == (409, "Conflict")
    assert f"in the precondition ({value}) does not match" in refused.body["message"]
    right = {field: made["metadata"][field]}
    assert maps.delete("a", {"preconditions": right}).status == 200


def test_of_many_who_create_one_name_one_succeeds(maps: Api) -> None:
    def create(place: Api, number: int) -> int:
        return place.post(config_map("a", {"by": str(number)})).status

    assert sorted(_together(8, maps, create)) == [201] + [409] * 7


def test_of_many_who_update_one_version_one_succeeds(maps: Api) -> None:
    made = maps.post(config_map("a", {"by": "nobody"})).body

    def update(place: Api, number: int) -> int:
        return place.put({**made, "data": {"by": str(number)}}, "a").status

    assert sorted(_together(8, maps, update)) == [200] + [409] * 7


def test_no_patch_is_lost_whoever_patches_at_the_same_time(maps: Api) -> None:
    maps.post(config_map("a"))

    def patch(place: Api, number: int) -> int:
        return place.patch({"data": {f"key-{number}": "x"}}, "a").status

    assert _together(8, maps, patch) == [200] * 8
    assert set(maps.get("a").body["data"]) == {f"key-{number}" for number in range(8)}


def test_counting_by_many_with_retries_counts_everything(maps: Api) -> None:
    maps.post(config_map("a", {"count": "0"}))

    def count(place: Api, _: int) -> int:
        written = 0
        while written < 5:
            read = place.get("a").body
            read["data"]["count"] = str(int(read["data"]["count"]) + 1)
            answer = place.put(read, "a")
            assert answer.status in (200, 409), answer
            written += answer.status == 200
        return written

    assert _together(4, maps, count) == [5] * 4
    assert maps.get("a").body["data"] == {"count": "20"}


def _together(count: int, place: Api, work: Callable[[Api, int], int]) -> list[int]:
    """What ``work`` returned for each number, called by as many threads at once."""
    start = threading.Barrier(count)

    def wait_and_work(number: int) -> int:
        with closing(Api(place.server, place.path)) as own:
            start.wait(10)
            return work(own, number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_work, range(count)))
