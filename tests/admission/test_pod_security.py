"""Namespaces that ask for a level, as those who write into them meet it."""

from collections.abc import Mapping

import pytest

from kube_lite.admission.pod_security import PREFIX, Standard, policy_of
from kube_lite.api.errors import Forbidden, Invalid
from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.client.protocol import PatchType
from kube_lite.verbs.request import Answer, Request
from tests.serving import ADMIN, NAMESPACES, PODS, Api, pod

DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
HOST: Json = {"hostNetwork": True}


def labels(**modes: str) -> dict[str, str]:
    return {PREFIX + mode.replace("_", "-"): value for mode, value in modes.items()}


async def label(api: Api, **modes: str) -> None:
    patch = {"metadata": {"labels": labels(**modes)}}
    await api.client.patch(NAMESPACES, "default", patch, patch_type=PatchType.MERGE)


@pytest.mark.parametrize(
    ("said", "enforce", "warn"),
    [
        ({}, Standard(), Standard()),
        ({"enforce": "baseline"}, Standard("baseline"), Standard("baseline")),
        ({"enforce": "baseline", "warn": "restricted"}, Standard("baseline"), Standard("restricted")),
        ({"enforce": "baseline", "enforce_version": "v1.9"}, *[Standard("baseline", 9)] * 2),
        ({"enforce": "odd"}, Standard("restricted"), Standard("restricted")),
        ({"warn": "odd"}, Standard(), Standard()),
    ],
)  # fmt: skip
def test_what_labels_ask_for(said: Mapping[str, str], enforce: Standard, warn: Standard) -> None:
    assert policy_of(labels(**said))[:2] == (enforce, warn)


async def test_a_pod_beyond_the_level_is_refused_and_others_are_not(api: Api) -> None:
    await label(api, enforce="baseline")
    with pytest.raises(Forbidden) as refused:
        await api.client.create(PODS, pod("host", **HOST), namespace="default")
    assert refused.value.message == (
        'pods "host" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    )
    await api.client.create(PODS, pod("fine"), namespace="default")


async def test_labels_that_make_no_sense_are_refused(api: Api) -> None:
    with pytest.raises(Invalid, match="must be one of privileged, baseline, restricted"):
        await label(api, enforce="odd")
    with pytest.raises(Invalid, match=r'must be "latest" or "v1\.x"'):
        await label(api, warn_version="1.25")


async def warnings(
    api: Api, verb: str, resource: GroupVersionResource, obj: Json, name: str = ""
) -> tuple[str, ...]:
    """What a write is warned of."""
    row = api.pipeline.registry.by_gvr(resource)
    assert row is not None
    namespace = "default" if row.namespaced else ""
    merge = "application/merge-patch+json"
    answer = await api.pipeline.handle(
        Request(verb, row, ADMIN, namespace, name, body=obj, content_type=merge)
    )
    assert isinstance(answer, Answer)
    return answer.warnings


async def test_templates_of_pods_are_only_warned_of(api: Api) -> None:
    await label(api, enforce="baseline")
    selected = {"app": "web"}
    template = {"metadata": {"labels": selected}, "spec": {**pod("p")["spec"], **HOST}}
    spec = {"selector": {"matchLabels": selected}, "template": template}
    told = await warnings(api, "create", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    assert told == ('would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',)


async def test_a_namespace_that_becomes_stricter_tells_of_the_pods_in_it(api: Api) -> None:
    await api.client.create(PODS, pod("a", **HOST), namespace="default")
    await api.client.create(PODS, pod("b", **HOST), namespace="default")
    patch = {"metadata": {"labels": labels(enforce="baseline")}}
    assert await warnings(api, "patch", NAMESPACES, patch, "default") == (
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    )


async def test_a_pod_that_is_there_may_still_be_labelled(api: Api) -> None:
    await api.client.create(PODS, pod("a", **HOST), namespace="default")
    await label(api, enforce="baseline")
    patch = {"metadata": {"labels": {"a": "b"}}}
    await api.client.patch(PODS, "a", patch, namespace="default", patch_type=PatchType.MERGE)
    image = {"spec": {"containers": [{"name": "app", "image": "other"}]}}
    with pytest.raises(Forbidden, match="violates PodSecurity"):
        await api.client.patch(PODS, "a", image, namespace="default")
