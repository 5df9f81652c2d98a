"""Versions of one kind: nothing is lost between them."""

from copy import deepcopy

import pytest

from kube_lite.api.identity import Json
from kube_lite.kinds import builtin
from kube_lite.kinds.conversions import (
    AUTOSCALER,
    BEHAVIOR,
    CORE_EVENT,
    METRICS,
    NEW_EVENT,
    OLD_AUTOSCALER,
    convert,
    stored_as,
)


def autoscaler(*metrics: Json, behavior: Json | None = None, current: list[Json] | None = None) -> Json:
    spec: Json = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3}
    if metrics:
        spec["metrics"] = list(metrics)
    if behavior is not None:
        spec["behavior"] = behavior
    status: Json = {"desiredReplicas": 2, "currentReplicas": 2, "currentMetrics": current}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": spec,
        "status": status,
    }


def share(percent: int, side: str = "target") -> Json:
    amount: Json = {"averageUtilization": percent}
    if side == "target":
        amount["type"] = "Utilization"
    return {"type": "Resource", "resource": {"name": "cpu", side: amount}}


HITS: Json = {
    "type": "Pods",
    "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1k"}},
}
QUEUE: Json = {
    "type": "External",
    "external": {
        "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
        "target": {"type": "Value", "value": "30"},
    },
}
INGRESS: Json = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Ingress", "name": "i"},
        "metric": {"name": "requests"},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}
SIDECAR: Json = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "memory",
        "container": "proxy",
        "target": {"type": "Utilization", "averageUtilization": 60},
    },
}
BEHAVIOUR: Json = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
        "tolerance": "50m",
    },
    "scaleDown": {"policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(autoscaler(), id="no metrics"),
        pytest.param(autoscaler(share(70)), id="the processor's share"),
        pytest.param(autoscaler(HITS, QUEUE, INGRESS, SIDECAR, share(70)), id="every type of metric"),
        pytest.param(autoscaler(behavior=BEHAVIOUR), id="scaling rules"),
        pytest.param(autoscaler(share(70), current=[share(20, "current")]), id="how it is"),
    ],
)
def test_an_autoscaler_survives_the_older_version(given: Json) -> None:
    before = deepcopy(given)
    older = convert(given, OLD_AUTOSCALER)
    assert older["apiVersion"] == "autoscaling/v1"
    assert not {"metrics", "behavior"} & set(older["spec"])
    assert convert(older, AUTOSCALER) == before
    assert given == before


def test_the_older_version_has_a_field_for_the_processor_and_annotations_for_the_rest() -> None:
    older = convert(autoscaler(HITS, share(70), behavior=BEHAVIOUR), OLD_AUTOSCALER)
    assert older["spec"]["targetCPUUtilizationPercentage"] == 70
    annotations = older["metadata"]["annotations"]
    assert annotations[METRICS] == '[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"1k"}}]'
    assert annotations[BEHAVIOR].startswith('{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max"')


def test_annotations_that_make_no_sense_are_no_metrics() -> None:
    older: Json = convert(autoscaler(), OLD_AUTOSCALER)
    older["metadata"] = {"name": "web", "annotations": {METRICS: "{nonsense", "own": "kept"}}
    newer = convert(older, AUTOSCALER)
    assert "metrics" not in newer["spec"]
    assert newer["metadata"]["annotations"] == {"own": "kept"}


EVENT: Json = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "n"},
    "involvedObject": {"kind": "Pod", "name": "p"},
    "reason": "Done",
    "message": "it is done",
    "source": {"component": "me"},
    "firstTimestamp": "2020-01-01T00:00:00Z",
    "lastTimestamp": "2020-01-01T00:00:05Z",
    "count": 3,
    "type": "Normal",
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def test_an_event_is_the_same_in_either_group() -> None:
    newer = convert(EVENT, NEW_EVENT)
    assert (newer["note"], newer["regarding"]["name"], newer["deprecatedCount"]) == ("it is done", "p", 3)
    assert "reportingController" not in newer
    assert convert(newer, CORE_EVENT) == EVENT


def test_what_is_wanted_already_is_not_copied() -> None:
    assert convert(EVENT, CORE_EVENT) is EVENT


def test_versions_of_a_kind_are_stored_as_one() -> None:
    rows = {row.gvk: stored_as(row) for row in builtin()}
    assert rows[OLD_AUTOSCALER] == rows[AUTOSCALER] == AUTOSCALER
    assert rows[NEW_EVENT] == rows[CORE_EVENT] == CORE_EVENT
