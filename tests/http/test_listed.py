"""Lists whose objects are decoded in part say the same as those that are decoded whole."""

from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionResource

from .site import Site, config_map

SETS = GroupVersionResource("apps", "v1", "statefulsets")
MAPS = GroupVersionResource("", "v1", "configmaps")
LIKE_THE_END = '}]},"spec":{"x":['


def stateful_set(name: str, managed_fields: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "annotations": {"like-the-end": LIKE_THE_END}}
    if managed_fields is not None:
        metadata["managedFields"] = managed_fields
    container = {"name": "main", "image": "x", "env": [{"name": "A", "value": LIKE_THE_END}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "serviceName": "a",
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data", "managedFields": []},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }
            ],
        },
    }


@pytest.mark.parametrize("kind", ["Table", "PartialObjectMetadataList"])
async def test_what_is_not_decoded_is_the_same_in_the_answer(site: Site, kind: str) -> None:
    made = await site.client.create(SETS, stateful_set("a"), namespace="default")
    await site.client.create(SETS, stateful_set("b", []), namespace="default")
    relinquished = {**made, "metadata": {**made["metadata"], "managedFields": [{}]}}
    await site.client.update(SETS, relinquished, namespace="default")
    await site.client.create(MAPS, config_map("a", **{"k": LIKE_THE_END}), namespace="default")
    http = await site.session(headers={"Accept": f"application/json;as={kind};v=v1;g=meta.k8s.io"})
    for path in ("/apis/apps/v1/statefulsets", "/api/v1/configmaps", "/api/v1/namespaces"):
        async with http.get(path) as response:
            light = await response.json()
        async with http.get(f"{path}?pretty=true") as response:
            assert light == await response.json()
