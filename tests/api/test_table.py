"""Ages as people read them, and rows cut down to what was asked for."""

import pytest

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.api.table import age, duration, human_duration, render
from kube_lite.kinds import builtin

NOW = 1_700_000_000.0
HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param(-5, "<invalid>", id="the future"),
        pytest.param(-1.5, "0s", id="clocks that differ a little"),
        pytest.param(0.9, "0s", id="less than a second"),
        pytest.param(119, "119s", id="just under two minutes"),
        pytest.param(120, "2m", id="no zero seconds"),
        pytest.param(599, "9m59s", id="minutes with seconds"),
        pytest.param(600, "10m", id="minutes alone from ten on"),
        pytest.param(3 * HOUR - 1, "179m", id="just under three hours"),
        pytest.param(3 * HOUR, "3h", id="no zero minutes"),
        pytest.param(7 * HOUR + 300, "7h5m", id="hours with minutes"),
        pytest.param(8 * HOUR + 300, "8h", id="hours alone from eight on"),
        pytest.param(2 * DAY - 1, "47h", id="just under two days"),
        pytest.param(2 * DAY + HOUR, "2d1h", id="days with hours"),
        pytest.param(8 * DAY + HOUR, "8d", id="days alone from eight on"),
        pytest.param(2 * 365 * DAY, "2y", id="no zero days"),
        pytest.param(3 * 365 * DAY + 5 * DAY, "3y5d", id="years with days"),
        pytest.param(9 * 365 * DAY, "9y", id="years alone from eight on"),
    ],
)
def test_a_duration_is_told_the_more_exactly_the_shorter_it_is(seconds: float, told: str) -> None:
    assert human_duration(seconds) == told


def test_what_was_never_stamped_has_an_unknown_age() -> None:
    assert age(None, NOW) == "<unknown>"


def test_an_age_is_counted_from_the_stamp() -> None:
    assert age("2023-11-14T22:12:20Z", NOW) == "60s"
    assert duration("2023-11-14T22:12:20Z", "2023-11-14T22:13:20Z") == "60s"


def resource(group: str, version: str, plural: str) -> Resource:
    return next(row for row in builtin() if row.gvr == (group, version, plural))


def config_map(name: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n", "creationTimestamp": "2023-11-14T22:13:00Z"},
        "data": {"a": "1", "b": "2"},
    }


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        pytest.param("None", None, id="nothing"),
        pytest.param(
            "Metadata",
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": config_map("c")["metadata"],
            },
            id="its metadata",
        ),
        pytest.param("Object", config_map("c"), id="all of it"),
    ],
)
def test_a_row_brings_as_much_of_its_object_as_was_asked_for(include: str, expected: Json | None) -> None:
    table = render(resource("", "v1", "configmaps"), [config_map("c")], NOW, include=include)
    assert table["rows"] == [{"cells": ["c", 2, "20s"], "object": expected}]


def test_an_unknown_amount_is_refused() -> None:
    with pytest.raises(BadRequest, match='includeObject: Invalid value: "Some"'):
        render(resource("", "v1", "configmaps"), [], NOW, include="Some")


def test_the_second_event_of_a_watch_has_no_columns() -> None:
    table = render(resource("", "v1", "configmaps"), [config_map("c")], NOW, with_columns=False)
    assert table["columnDefinitions"] is None


def test_a_list_keeps_its_metadata() -> None:
    table = render(resource("", "v1", "configmaps"), [], NOW, list_meta={"resourceVersion": "7"})
    assert table["metadata"] == {"resourceVersion": "7"}
    assert table["rows"] == []


def test_kinds_without_columns_of_their_own_show_when_they_were_made() -> None:
    role = {"metadata": {"name": "r", "creationTimestamp": "2023-11-14T22:13:00Z"}, "rules": []}
    table = render(resource("rbac.authorization.k8s.io", "v1", "roles"), [role], NOW)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Created At"]
    assert table["rows"][0]["cells"] == ["r", "2023-11-14T22:13:00Z"]


def test_a_table_has_a_row_for_every_object() -> None:
    status = {"name": "app", "ready": True, "restartCount": 0, "state": {"running": {}}, "lastState": {}}
    pods = [
        {
            "metadata": {"name": f"p{number}", "creationTimestamp": "2023-11-14T22:13:00Z"},
            "spec": {"nodeName": "n", "containers": [{"name": "app", "image": "i"}]},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "podIPs": [{"ip": "10.0.0.1"}],
                "containerStatuses": [status],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        for number in range(500)
    ]
    row = resource("", "v1", "pods")
    row.strategy.columns()
    table = render(row, pods, NOW)
    assert len(table["rows"]) == 500
    assert table["rows"][0]["cells"][:4] == ["p0", "1/1", "Running", "0"]


def test_an_empty_table_has_no_rows_in_the_default_form_and_an_empty_list_elsewhere() -> None:
    assert render(resource("rbac.authorization.k8s.io", "v1", "roles"), [], NOW)["rows"] is None
    assert render(resource("", "v1", "pods"), [], NOW)["rows"] == []
