from typing import Any

import pytest

from kube_lite.api.errors import Conflict
from kube_lite.api.identity import Json
from kube_lite.api.resource import Registry
from kube_lite.registry.deleting import (
    DeleteOptions,
    check_preconditions,
    goes_with_update,
    plan_deletion,
    plan_finalizers,
    plan_namespace_deletion,
)

from .things import config_map, row

NOW = 1_700_000_000.0


def pod(**changes: Any) -> Json:
    metadata = {"name": "a", "namespace": "x", "uid": "u", "generation": 1, **changes.pop("metadata", {})}
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": 30, **changes.pop("spec", {})}
    status = {"phase": "Running", **changes.pop("status", {})}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("obj", "asked", "grace", "goes"),
    [
        pytest.param(pod(), None, 30, False, id="on a node it gets its time"),
        pytest.param(pod(), 5, 5, False, id="or the time that is asked for"),
        pytest.param(pod(), -1, 1, False, id="less than none is a second"),
        pytest.param(pod(), 0, 0, True, id="or none"),
        pytest.param(pod(spec={"nodeName": ""}), None, 0, True, id="nowhere it needs none"),
        pytest.param(pod(status={"phase": "Failed"}), None, 0, True, id="ended it needs none"),
        pytest.param(
            pod(spec={"nodeName": ""}, metadata={"finalizers": ["f/g"]}),
            None,
            0,
            False,
            id="a finalizer holds it",
        ),
    ],
)
def test_a_pods_end(registry: Registry, obj: Json, asked: int | None, grace: int, goes: bool) -> None:
    plan = plan_deletion(row(registry, "pods"), obj, DeleteOptions(grace_seconds=asked), NOW)
    assert plan.goes is goes
    assert plan.marked is not None
    assert plan.marked["metadata"]["deletionGracePeriodSeconds"] == grace
    assert plan.marked["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        pytest.param(5, 5, id="shortened"),
        pytest.param(50, None, id="not lengthened"),
        pytest.param(None, None, id="not asked"),
    ],
)
def test_the_time_left_can_only_be_shortened(registry: Registry, asked: int | None, left: int | None) -> None:
    going = pod(metadata={"deletionTimestamp": "2023-11-14T22:13:50Z", "deletionGracePeriodSeconds": 30})
    plan = plan_deletion(row(registry, "pods"), going, DeleteOptions(grace_seconds=asked), NOW)
    if left is None:
        assert plan == (None, False)
    else:
        assert plan.marked is not None
        assert plan.marked["metadata"]["deletionGracePeriodSeconds"] == left
        assert plan.marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:25Z"
        assert plan.marked["metadata"]["generation"] == 1


def test_a_plain_object_goes_at_once_and_a_held_one_is_marked(registry: Registry) -> None:
    resource = row(registry, "configmaps")
    assert plan_deletion(resource, config_map("a"), DeleteOptions(), NOW) == (None, True)
    held = config_map("a")
    held["metadata"]["finalizers"] = ["f/g"]
    marked, goes = plan_deletion(resource, held, DeleteOptions(), NOW)
    assert marked is not None
    assert not goes
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    assert plan_deletion(resource, marked, DeleteOptions(), NOW + 60) == (None, False), "once is enough"


@pytest.mark.parametrize(
    ("there", "options", "then"),
    [
        pytest.param([], DeleteOptions(propagation="Foreground"), ["foregroundDeletion"], id="foreground"),
        pytest.param([], DeleteOptions(propagation="Orphan"), ["orphan"], id="orphan"),
        pytest.param([], DeleteOptions(orphan=True), ["orphan"], id="the old way to orphan"),
        pytest.param(["orphan"], DeleteOptions(), ["orphan"], id="an earlier wish stays"),
        pytest.param(
            ["f/g", "orphan"], DeleteOptions(propagation="Background"), ["f/g"], id="until another comes"
        ),
        pytest.param(
            ["foregroundDeletion"],
            DeleteOptions(propagation="Orphan"),
            ["orphan"],
            id="one wish replaces another",
        ),
    ],
)
def test_what_becomes_of_dependents_is_told_by_finalizers(
    registry: Registry, there: list[str], options: DeleteOptions, then: list[str]
) -> None:
    assert plan_finalizers(row(registry, "configmaps"), there, options) == then


def test_a_namespace_waits_until_it_is_empty() -> None:
    namespace: Json = {
        "kind": "Namespace",
        "metadata": {"name": "x", "uid": "u"},
        "spec": {"finalizers": ["kubernetes"]},
    }
    marked, goes = plan_namespace_deletion(namespace, DeleteOptions(), NOW)
    assert marked is not None
    assert not goes
    assert marked["status"] == {"phase": "Terminating"}
    assert not goes_with_update(marked, marked)
    assert goes_with_update({**marked, "spec": {}}, marked)


def test_a_precondition_that_does_not_hold_is_a_conflict(registry: Registry) -> None:
    obj = config_map("a")
    obj["metadata"]["resourceVersion"] = "7"
    resource = row(registry, "configmaps")
    check_preconditions(resource, obj, DeleteOptions(uid="uid-a", resource_version="7"))
    with pytest.raises(Conflict, match="the UID in the precondition"):
        check_preconditions(resource, obj, DeleteOptions(uid="other"))
    with pytest.raises(Conflict, match="the ResourceVersion in the precondition"):
        check_preconditions(resource, obj, DeleteOptions(resource_version="6"))
