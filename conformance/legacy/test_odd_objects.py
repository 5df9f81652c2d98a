"""Manifests in which one thing is not as it should be: always an answer, never a failure of the server."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.http import Api, Json
from conformance.legacy.test_manifests import documents

Path = tuple[str | int, ...]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, [], 0, -1, "", "x", True, [None], [{}], {"a": None}, {"x": {}}]
)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, below in entries:
        if path or key not in ("apiVersion", "kind", "metadata"):
            yield (*path, key)
            yield from paths(below, (*path, key))


PLACES = [(document, path) for document in documents() for path in paths(document)]


def changed(document: Json, path: Path, value: Any) -> Json:
    obj = deepcopy(document)
    place: Any = obj
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return obj


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=ODD)
def test_odd_objects_are_answered(api: Api, place: tuple[Json, Path], value: Any) -> None:
    obj = changed(*place, deepcopy(value))
    resources = api.get(f"/apis/{obj['apiVersion']}").body["resources"]
    entry = next(each for each in resources if each["kind"] == obj["kind"] and "/" not in each["name"])
    where = f"/apis/{obj['apiVersion']}/{'namespaces/default/' if entry['namespaced'] else ''}{entry['name']}"
    answer = api.post(obj, where, query={"dryRun": "All"})
    assert answer.status in (201, 400, 422), answer
