"""Kinds that are served in two versions: each sees what was written through the other."""

from typing import Any

import pytest

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import GroupVersionResource, Json
from tests.serving import Api

OLD = GroupVersionResource("autoscaling", "v1", "horizontalpodautoscalers")
NEW = GroupVersionResource("autoscaling", "v2", "horizontalpodautoscalers")
CORE_EVENTS = GroupVersionResource("", "v1", "events")
NEW_EVENTS = GroupVersionResource("events.k8s.io", "v1", "events")
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
HERE: dict[str, Any] = {"namespace": "default"}


def autoscaler(**spec: object) -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "metadata": {"name": "a", "labels": {"x": "y"}},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec},
    }


async def test_what_is_written_in_one_version_is_read_in_the_other(api: Api) -> None:
    made = await api.client.create(OLD, autoscaler(targetCPUUtilizationPercentage=50), **HERE)
    assert (made["apiVersion"], made["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)
    read = await api.client.get(NEW, "a", **HERE)
    assert (read["apiVersion"], read["spec"]["metrics"]) == ("autoscaling/v2", [CPU])
    assert read["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_nothing_is_lost_by_a_change_through_the_older_version(api: Api) -> None:
    await api.client.create(NEW, autoscaler(metrics=[MEMORY, CPU]), **HERE)
    await api.client.patch(OLD, "a", {"spec": {"maxReplicas": 9}}, **HERE)
    spec = (await api.client.get(NEW, "a", **HERE))["spec"]
    assert spec["maxReplicas"] == 9
    assert spec["metrics"] == [MEMORY, CPU]
    assert "annotations" not in (await api.client.get(NEW, "a", **HERE))["metadata"]


async def test_a_change_that_says_the_same_is_not_written(api: Api) -> None:
    made = await api.client.create(NEW, autoscaler(metrics=[CPU]), **HERE)
    same = await api.client.update(OLD, await api.client.get(OLD, "a", **HERE), **HERE)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_lists_and_selectors_work_in_both(api: Api) -> None:
    await api.client.create(NEW, autoscaler(metrics=[CPU]), **HERE)
    for resource, field in ((OLD, "targetCPUUtilizationPercentage"), (NEW, "metrics")):
        everything = await api.client.list(resource)
        chosen = await api.client.list(resource, label_selector="x=y")
        for listed in (everything, chosen):
            assert [field in item["spec"] for item in listed.items] == [True]


async def test_watchers_of_both_versions_hear_of_one_change_each_in_its_own_form(api: Api) -> None:
    start = (await api.client.list(NEW)).resource_version
    await api.client.create(NEW, autoscaler(metrics=[CPU]), **HERE)
    await api.client.delete(NEW, "a", **HERE)
    for resource, field in ((OLD, "targetCPUUtilizationPercentage"), (NEW, "metrics")):
        async with api.client.watch(resource, resource_version=start) as events:
            for kind in ("ADDED", "DELETED"):
                event = await anext(events)
                assert (event.type, event.object["apiVersion"]) == (kind, f"autoscaling/{resource.version}")
                assert field in event.object["spec"]


async def test_an_event_is_one_thing_in_both_groups(api: Api) -> None:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    event = {
        "metadata": {"name": "e"},
        "involvedObject": about,
        "reason": "Odd",
        "message": "it is",
        "type": "Normal",
    }
    await api.client.create(CORE_EVENTS, event, **HERE)
    read = await api.client.get(NEW_EVENTS, "e", **HERE)
    assert (read["apiVersion"], read["regarding"], read["note"]) == ("events.k8s.io/v1", about, "it is")
    await api.client.delete(NEW_EVENTS, "e", **HERE)
    assert (await api.client.list(CORE_EVENTS)).items == []


async def test_events_are_selected_by_the_names_that_each_group_has_for_their_fields(api: Api) -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
        "reason": "Started",
        "reportingComponent": "kubelet",
        "reportingInstance": "n",
        "action": "Start",
        "eventTime": "2024-01-01T00:00:00.000000Z",
        "type": "Normal",
    }
    await api.client.create(CORE_EVENTS, event, **HERE)
    for resource, about, who in (
        (CORE_EVENTS, "involvedObject.name", "reportingComponent"),
        (NEW_EVENTS, "regarding.name", "reportingController"),
    ):
        for selector, count in (
            (f"{about}=web,{who}=kubelet", 1),
            (f"{who}!=kubelet", 0),
            ("type=Normal", 1),
        ):
            assert len((await api.client.list(resource, field_selector=selector, **HERE)).items) == count
    with pytest.raises(BadRequest, match="field label not supported: involvedObject"):
        await api.client.list(NEW_EVENTS, field_selector="involvedObject.name=web", **HERE)
