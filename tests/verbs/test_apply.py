import asyncio
from typing import Any

import pytest

from kube_lite.api.errors import ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.auth.user import AUTHENTICATED, User
from kube_lite.client.protocol import PatchType
from kube_lite.verbs.request import Answer, Request
from tests.serving import ADMIN, CONFIG_MAPS, DEPLOYMENTS, PODS, Api, config_map, pod

APPLY = PatchType.APPLY.value


def config(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    usual = {"selector": {"matchLabels": {"app": "a"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {**usual, **spec},
    }


async def send(
    api: Api,
    resource: GroupVersionResource,
    body: Json | bytes,
    *,
    subresource: str = "",
    user: User = ADMIN,
    **query: str,
) -> Answer:
    row = api.pipeline.registry.by_gvr(resource)
    assert row is not None
    query = {"fieldManager": "x", **query}
    request = Request("patch", row, user, "default", "a", subresource, query, body, APPLY)
    answer = await api.pipeline.handle(request)
    assert isinstance(answer, Answer)
    return answer


def managers(obj: Json) -> list[tuple[str, str, str]]:
    return [
        (entry["manager"], entry["operation"], entry.get("subresource", ""))
        for entry in obj["metadata"].get("managedFields", ())
    ]


async def test_what_is_not_there_is_created_and_otherwise_merged(api: Api) -> None:
    assert (await send(api, CONFIG_MAPS, config(k="1"))).code == 201
    merged = await send(api, CONFIG_MAPS, config(l="2"), fieldManager="y")
    assert merged.code == 200
    assert merged.as_object()["data"] == {"k": "1", "l": "2"}
    assert managers(merged.as_object()) == [("x", "Apply", ""), ("y", "Apply", "")]


async def test_applying_the_same_again_writes_nothing(api: Api) -> None:
    first = await send(api, DEPLOYMENTS, deployment(replicas=2))
    second = await send(api, DEPLOYMENTS, deployment(replicas=2))
    assert second.as_object() == first.as_object()


async def test_a_configuration_may_be_yaml_with_keys_given_twice(api: Api) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: v\n  k: w\n"
    answer = await send(api, CONFIG_MAPS, body)
    assert answer.as_object()["data"] == {"k": "w"}
    assert answer.warnings == ('line 6: key "k" already set in map',)
    with pytest.raises(BadRequest, match="error strict decoding YAML"):
        await send(api, CONFIG_MAPS, body, fieldValidation="Strict")


async def test_everybody_who_writes_is_told_of(api: Api) -> None:
    made = await api.client_of(User("system:maker", groups=ADMIN.groups)).create(
        CONFIG_MAPS, config_map("a"), namespace="default"
    )
    assert managers(made) == [("maker", "Update", "")]
    changed = await api.client.update(CONFIG_MAPS, {**made, "data": {"k": "other"}})
    assert managers(changed) == [("admin", "Update", ""), ("maker", "Update", "")]
    patched = await api.client.patch(
        CONFIG_MAPS, "a", {"data": {"n": "1"}}, namespace="default", field_manager="patcher"
    )
    assert ("patcher", "Update", "") in managers(patched)


async def test_a_conflict_names_the_owner_and_force_takes_over(api: Api) -> None:
    await send(api, DEPLOYMENTS, deployment(replicas=2))
    with pytest.raises(Conflict, match=r'1 conflict: conflict with "x": \.spec\.replicas'):
        await send(api, DEPLOYMENTS, deployment(replicas=3), fieldManager="y")
    forced = await send(api, DEPLOYMENTS, deployment(replicas=3), fieldManager="y", force="true")
    assert forced.as_object()["spec"]["replicas"] == 3
    assert forced.as_object()["metadata"]["generation"] == 2


async def test_what_is_merged_is_checked_like_any_body(api: Api) -> None:
    with pytest.raises(Invalid, match="must be greater than or equal to 0"):
        await send(api, DEPLOYMENTS, deployment(replicas=-1))
    with pytest.raises(ApiError, match="expected numeric"):
        await send(api, DEPLOYMENTS, deployment(replicas="many"))
    with pytest.raises(BadRequest, match="does not match the name on the URL"):
        await send(api, CONFIG_MAPS, config("b"))


async def test_the_status_is_applied_apart(api: Api) -> None:
    with pytest.raises(NotFound):
        await send(api, DEPLOYMENTS, deployment(), subresource="status")
    await send(api, DEPLOYMENTS, {**deployment(), "status": {"replicas": 7}})
    said = {**deployment(replicas=9), "status": {"replicas": 1}}
    answer = await send(api, DEPLOYMENTS, said, subresource="status", fieldManager="watcher")
    obj = answer.as_object()
    assert (obj["spec"]["replicas"], obj["status"]) == (1, {"replicas": 1})
    assert managers(obj) == [("watcher", "Apply", "status"), ("x", "Apply", "")]


async def test_the_scale_owns_replicas(api: Api) -> None:
    await send(api, DEPLOYMENTS, deployment(replicas=1))
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "a"},
        "spec": {"replicas": 3},
    }
    with pytest.raises(Conflict, match=r'conflict with "x": \.spec\.replicas'):
        await send(api, DEPLOYMENTS, scale, subresource="scale", fieldManager="scaler")
    forced = await send(api, DEPLOYMENTS, scale, subresource="scale", fieldManager="scaler", force="true")
    assert forced.as_object()["spec"] == {"replicas": 3}
    found = await api.client.get(DEPLOYMENTS, "a", namespace="default")
    assert managers(found) == [("scaler", "Apply", "scale"), ("x", "Apply", "")]
    assert "f:replicas" not in found["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"]


async def test_owners_given_up_by_a_patch_are_gone(api: Api) -> None:
    await send(api, CONFIG_MAPS, config(k="1"))
    reset_forms: list[list[Json]] = [[], [{}]]
    for sent in reset_forms:
        await send(api, CONFIG_MAPS, config(k="1"))
        patch = {"metadata": {"managedFields": sent}}
        reset = await api.client.patch(
            CONFIG_MAPS, "a", patch, namespace="default", patch_type=PatchType.MERGE
        )
        assert managers(reset) == []


async def test_who_may_not_create_cannot_apply_what_is_not_there(api: Api) -> None:
    with pytest.raises(Forbidden, match="cannot"):
        await send(api, CONFIG_MAPS, config(k="1"), user=User("someone", groups=(AUTHENTICATED,)))


async def test_a_dry_run_shows_what_would_be(api: Api) -> None:
    answer = await send(api, CONFIG_MAPS, config(k="1"), dryRun="All")
    assert answer.code == 201
    assert managers(answer.as_object()) == [("x", "Apply", "")]
    with pytest.raises(NotFound):
        await api.client.get(CONFIG_MAPS, "a", namespace="default")


async def test_applies_at_the_same_time_all_count(api: Api) -> None:
    keys = [f"k{number}" for number in range(8)]
    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(send(api, CONFIG_MAPS, config(**{key: "v"}), fieldManager=key))
    found = await api.client.get(CONFIG_MAPS, "a", namespace="default")
    assert sorted(found["data"]) == keys
    assert len(managers(found)) == len(keys)


async def test_what_admission_fills_in_nobody_owns(api: Api) -> None:
    made = await api.client.create(PODS, pod("p"), namespace="default")
    spec = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert "f:containers" in spec
    assert not {"f:serviceAccountName", "f:tolerations", "f:volumes", "f:priority"} & set(spec)


async def test_owners_who_speak_another_version_lose_what_it_means_to_them(api: Api) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}

    async def scaled(version: str, manager: str, **spec: Any) -> Json:
        row = GroupVersionResource("autoscaling", version, "horizontalpodautoscalers")
        body = {
            "apiVersion": f"autoscaling/{version}",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "scaleTargetRef": target, **spec},
        }
        return (await send(api, row, body, fieldManager=manager, force="true")).as_object()

    aim = {"type": "Utilization", "averageUtilization": 60}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": aim}}]
    await scaled("v1", "old", targetCPUUtilizationPercentage=50)
    made = await scaled("v2", "new", metrics=metrics)
    fields = {
        entry["manager"]: set(entry["fieldsV1"]["f:spec"]) for entry in made["metadata"]["managedFields"]
    }
    assert fields == {
        "old": {"f:maxReplicas", "f:scaleTargetRef"},
        "new": {"f:maxReplicas", "f:scaleTargetRef", "f:metrics"},
    }
