"""Watches: where they begin, what they tell, in which order, and how they end."""

import threading
import time

import pytest

from conformance.api.objects import config_map, refusal
from conformance.http import AS_TABLE, Api, Json, Server

RUN = {"labelSelector": "run=here"}


def in_run(name: str, **labels: str) -> Json:
    return config_map(name, labels={"run": "here", **labels})


def version_of(maps: Api) -> str:
    """The revision of now."""
    return str(maps.get(query={"limit": 1}).body["metadata"]["resourceVersion"])


def test_a_watch_tells_what_happens_in_order(maps: Api) -> None:
    with maps.watch(query={**RUN, "resourceVersion": version_of(maps)}) as watch:
        made = maps.post(in_run("a")).body
        patched = maps.patch({"data": {"x": "1"}}, "a").body
        maps.post(in_run("b"))
        maps.delete("a")
        assert watch.next() == ("ADDED", made)
        assert watch.next() == ("MODIFIED", patched)
        assert watch.names(1) == [("ADDED", "b")]
        kind, gone = watch.next()
    assert (kind, gone["metadata"]["name"], gone["data"]) == ("DELETED", "a", {"x": "1"})
    assert int(gone["metadata"]["resourceVersion"]) > int(patched["metadata"]["resourceVersion"])


def test_a_watch_from_a_list_misses_nothing_and_repeats_nothing(maps: Api) -> None:
    maps.post(in_run("before"))
    listed = maps.get(query=RUN).body["metadata"]["resourceVersion"]
    maps.post(in_run("between"))
    with maps.watch(query={**RUN, "resourceVersion": listed}) as watch:
        maps.post(in_run("after"))
        assert watch.names(2) == [("ADDED", "between"), ("ADDED", "after")]


def test_history_is_told_as_it_was(maps: Api) -> None:
    start = version_of(maps)
    maps.post(config_map("a", {"n": "1"}))
    maps.patch({"data": {"n": "2"}}, "a")
    maps.delete("a")
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=a"}
    with maps.watch(query=query) as watch:
        told = [(kind, item["data"]["n"]) for kind, item in (watch.next() for _ in range(3))]
    assert told == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


@pytest.mark.parametrize("version", [{}, {"resourceVersion": "0"}], ids=["no version", "version 0"])
def test_a_watch_without_a_version_begins_with_what_is_there(maps: Api, version: dict[str, str]) -> None:
    maps.post(in_run("a"))
    maps.post(in_run("b"))
    with maps.watch(query={**RUN, **version}) as watch:
        assert sorted(watch.names(2)) == [("ADDED", "a"), ("ADDED", "b")]
        maps.delete("a")
        assert watch.names(1) == [("DELETED", "a")]


def test_what_begins_to_match_is_added_and_what_ceases_is_deleted(maps: Api) -> None:
    maps.post(in_run("a"))
    start = version_of(maps)
    with maps.watch(query={"labelSelector": "run=here,color=red", "resourceVersion": start}) as watch:
        maps.patch({"metadata": {"labels": {"color": "red"}}}, "a")
        maps.patch({"data": {"x": "1"}}, "a")
        left = maps.patch({"metadata": {"labels": {"color": "blue"}}}, "a").body
        assert watch.names(2) == [("ADDED", "a"), ("MODIFIED", "a")]
        kind, last = watch.next()
    assert (kind, last["metadata"]["labels"]["color"]) == ("DELETED", "red")
    assert last["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_one_object_is_watched_by_its_name(maps: Api) -> None:
    query = {"fieldSelector": "metadata.name=a", "resourceVersion": version_of(maps)}
    with maps.watch(query=query) as watch:
        maps.post(config_map("b"))
        maps.post(config_map("a"))
        assert watch.names(1) == [("ADDED", "a")]


def test_an_end_of_the_initial_events_is_marked(maps: Api) -> None:
    for name in ("a", "b"):
        maps.post(in_run(name))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    with maps.watch(query={**RUN, **query}) as watch:
        before, mark = watch.until("BOOKMARK")
        assert sorted((kind, item["metadata"]["name"]) for kind, item in before) == [
            ("ADDED", "a"),
            ("ADDED", "b"),
        ]
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert (mark["kind"], "name" in mark["metadata"]) == ("ConfigMap", False)
        assert int(mark["metadata"]["resourceVersion"]) >= int(before[-1][1]["metadata"]["resourceVersion"])
        maps.post(in_run("c"))
        assert watch.names(1) == [("ADDED", "c")]


def test_a_watch_ends_after_its_time(maps: Api) -> None:
    began = time.monotonic()
    with maps.watch(query={**RUN, "timeoutSeconds": "1", "resourceVersion": version_of(maps)}) as watch:
        assert watch.rest() == []
    assert time.monotonic() - began > 0.9


def test_a_watch_from_long_ago_tells_all_or_says_that_it_is_forgotten(maps: Api) -> None:
    made = maps.post(config_map("a")).body
    with maps.watch(query={"resourceVersion": "1", "fieldSelector": "metadata.name=a"}) as watch:
        kind, told = watch.next()
        while kind != "ERROR" and told["metadata"]["uid"] != made["metadata"]["uid"]:
            kind, told = watch.next()
        if kind == "ADDED":
            assert told == made
            return
        assert watch.rest() == []
    assert (kind, told["kind"], told["code"], told["reason"]) == ("ERROR", "Status", 410, "Expired")
    assert told["message"].startswith("too old resource version: 1 (")


REFUSED = [
    pytest.param({"fieldSelector": "data.x=y"}, (400, "BadRequest"), id="unknown field"),
    pytest.param({"labelSelector": "a in"}, (400, "BadRequest"), id="broken selector"),
    pytest.param({"sendInitialEvents": "true"}, (422, "Invalid"), id="initial events without a match"),
    pytest.param({"resourceVersionMatch": "NotOlderThan"}, (422, "Invalid"), id="match alone"),
    pytest.param({"continue": "x"}, (422, "Invalid"), id="continue"),
]


@pytest.mark.parametrize(("query", "told"), REFUSED)
def test_what_cannot_be_watched_is_refused_at_once(
    maps: Api, query: dict[str, str], told: tuple[int, str]
) -> None:
    assert refusal(maps.get(query={"watch": "true", "timeoutSeconds": 5, **query})) == told


def test_a_watch_shows_tables_with_columns_once(maps: Api) -> None:
    query = {**RUN, "resourceVersion": version_of(maps)}
    with maps.watch(query=query, Accept=AS_TABLE) as watch:
        for name in ("a", "b"):
            maps.post(in_run(name))
        first, second = watch.next()[1], watch.next()[1]
    assert (first["kind"], first["rows"][0]["cells"][0], second["rows"][0]["cells"][0]) == ("Table", "a", "b")
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert not second.get("columnDefinitions")


def test_watchers_see_the_same_events(server: Server, maps: Api) -> None:
    query = {**RUN, "resourceVersion": version_of(maps)}
    seen: list[list[tuple[str, str]]] = []

    def look() -> None:
        with Api(server, maps.path).watch(query=query) as watch:
            seen.append(watch.names(20))

    watchers = [threading.Thread(target=look) for _ in range(4)]
    for watcher in watchers:
        watcher.start()
    for number in range(10):
        maps.post(in_run(f"a-{number}"))
        maps.delete(f"a-{number}")
    for watcher in watchers:
        watcher.join(20)
    expected = [(kind, f"a-{number}") for number in range(10) for kind in ("ADDED", "DELETED")]
    assert seen == [expected] * 4


def test_a_watch_of_all_namespaces_and_the_old_path_see_the_same(api: Api, maps: Api, namespace: str) -> None:
    start = version_of(maps)
    query = {"resourceVersion": start, "fieldSelector": f"metadata.namespace={namespace},metadata.name=a"}
    made = maps.post(config_map("a")).body
    for path in ("/api/v1/configmaps", "/api/v1/watch/configmaps"):
        with api.watch(path, query=query) as watch:
            assert watch.next() == ("ADDED", made)
