"""LimitRanges and ResourceQuotas, as those who create things meet them."""

from typing import Any

import pytest

from kube_lite.admission.limits import find_in_claim, find_in_pod
from kube_lite.api.errors import Forbidden
from kube_lite.api.identity import GroupVersionResource, Json
from tests.serving import CONFIG_MAPS, PODS, Api, config_map, pod

LIMIT_RANGES = GroupVersionResource("", "v1", "limitranges")
QUOTAS = GroupVersionResource("", "v1", "resourcequotas")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")


def asking(name: str = "a", requests: Json | None = None, limits: Json | None = None) -> Json:
    made = pod(name)
    resources = {"requests": requests or {}, "limits": limits or {}}
    made["spec"]["containers"][0]["resources"] = {key: value for key, value in resources.items() if value}
    return made


async def limit(api: Api, **entry: Any) -> None:
    spec = {"limits": [{"type": "Container", **entry}]}
    await api.client.create(LIMIT_RANGES, {"metadata": {"name": "l"}, "spec": spec}, namespace="default")


async def quota(api: Api, used: Json | None = None, scopes: list[str] | None = None, **hard: str) -> None:
    limits = {name.replace("__", "/").replace("_", "."): value for name, value in hard.items()}
    spec: Json = {"hard": limits, **({"scopes": scopes} if scopes else {})}
    made = await api.client.create(QUOTAS, {"metadata": {"name": "q"}, "spec": spec}, namespace="default")
    status = {"hard": limits, "used": {name: "0" for name in limits} | (used or {})}
    await api.client.update(QUOTAS, {**made, "status": status}, namespace="default", subresource="status")


async def used(api: Api) -> Json:
    found: Json = (await api.client.get(QUOTAS, "q", namespace="default"))["status"]["used"]
    return found


async def test_containers_get_what_they_do_not_say(api: Api) -> None:
    await limit(api, default={"cpu": "500m", "memory": "256Mi"}, defaultRequest={"cpu": "100m"})
    made = await api.client.create(PODS, pod("a"), namespace="default")
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "256Mi"},
        "requests": {"cpu": "100m", "memory": "256Mi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container app; cpu, memory limit for container app"
    )


@pytest.mark.parametrize(
    ("entry", "requests", "limits", "told"),
    [
        ({"min": {"cpu": "9"}}, {"cpu": "1"}, {}, ["minimum cpu usage per Container is 9, but request is 1"]),
        ({"min": {"cpu": "9m"}}, {}, {}, ["minimum cpu usage per Container is 9m.  No request is specified"]),
        ({"max": {"cpu": "1"}}, {}, {"cpu": "2"}, ["maximum cpu usage per Container is 1, but limit is 2"]),
        ({"max": {"cpu": "1"}}, {}, {}, ["maximum cpu usage per Container is 1.  No limit is specified"]),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "100m"},
            {"cpu": "300m"},
            ["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
        ),
        ({"max": {"cpu": "1"}}, {"cpu": "1"}, {"cpu": "1"}, []),
    ],
)  # fmt: skip
def test_what_stands_against_a_container(entry: Json, requests: Json, limits: Json, told: list[str]) -> None:
    assert list(find_in_pod(asking("a", requests, limits), [{"type": "Container", **entry}])) == told


def test_what_stands_against_a_whole_pod_or_a_claim() -> None:
    both = asking(limits={"cpu": "600m"})
    both["spec"]["containers"].append({**both["spec"]["containers"][0], "name": "b"})
    assert list(find_in_pod(both, [{"type": "Pod", "max": {"cpu": "1"}}])) == [
        "maximum cpu usage per Pod is 1, but limit is 1200m"
    ]
    claim = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    range_ = {"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "4Gi"}}
    assert list(find_in_claim(claim, [range_])) == [
        "minimum storage usage per PersistentVolumeClaim is 2Gi, but request is 1Gi"
    ]


async def test_what_is_beyond_the_limits_is_refused(api: Api) -> None:
    await limit(api, max={"cpu": "1", "memory": "1Gi"})
    too_much = asking(limits={"cpu": "2", "memory": "2Gi"})
    with pytest.raises(Forbidden) as refused:
        await api.client.create(PODS, too_much, namespace="default")
    assert refused.value.message == (
        'pods "a" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, '
        "maximum memory usage per Container is 1Gi, but limit is 2Gi]"
    )


async def test_a_quota_lets_in_what_it_has_room_for_and_counts_it_at_once(api: Api) -> None:
    await quota(api, pods="1")
    await api.client.create(PODS, pod("a"), namespace="default")
    assert await used(api) == {"pods": "1"}
    with pytest.raises(Forbidden) as refused:
        await api.client.create(PODS, pod("b"), namespace="default")
    assert refused.value.message == (
        'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )


async def test_several_at_once_do_not_share_the_same_room(api: Api) -> None:
    await quota(api, count__configmaps="3")
    refused = 0
    for number in range(5):
        try:
            await api.client.create(CONFIG_MAPS, config_map(f"c{number}"), namespace="default")
        except Forbidden:
            refused += 1
    assert (refused, await used(api)) == (2, {"count/configmaps": "3"})


async def test_what_a_quota_limits_must_be_said(api: Api) -> None:
    await quota(api, requests_cpu="1", limits_memory="1Gi")
    with pytest.raises(Forbidden, match=r"must specify limits\.memory for: app; requests\.cpu for: app"):
        await api.client.create(PODS, pod("a"), namespace="default")


async def test_a_quota_of_some_pods_leaves_the_others_alone(api: Api) -> None:
    await quota(api, pods="0", scopes=["BestEffort"])
    await api.client.create(PODS, asking("a", {"cpu": "1"}), namespace="default")
    with pytest.raises(Forbidden, match="exceeded quota"):
        await api.client.create(PODS, pod("b"), namespace="default")


async def test_a_quota_that_was_not_counted_yet_limits_nothing(api: Api) -> None:
    spec = {"hard": {"pods": "0"}}
    await api.client.create(QUOTAS, {"metadata": {"name": "q"}, "spec": spec}, namespace="default")
    await api.client.create(PODS, pod("a"), namespace="default")
