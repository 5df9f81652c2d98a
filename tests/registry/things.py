"""Objects as the registry takes them: complete, as if the verbs had stamped them."""

from kube_lite.api.identity import GroupVersionResource, Json
from kube_lite.api.resource import Registry, Resource


def row(registry: Registry, plural: str, group: str = "", version: str = "v1") -> Resource:
    found = registry.by_gvr(GroupVersionResource(group, version, plural))
    assert found is not None
    return found


def config_map(name: str, namespace: str = "x", **labels: str) -> Json:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"k": "v"}}
