"""Where objects lie in the store.

A key is the resource, then the namespace where there is one, then the name:

    /pods/default/web
    /deployments.apps/default/web
    /nodes/node-1

So all objects of a resource, and those of one of its namespaces, are prefix ranges, in the order in which
a list shows them. Versions of a kind share their objects, hence no version in the key. What is no object,
such as a node port that is taken, lies under ``!`` and so is in nobody's range.
"""

from functools import lru_cache

from kube_lite_storage.types import Range

from kube_lite.api.identity import GroupResource, ObjectKey

ALIASES = {
    GroupResource(group, plural): GroupResource(stored_in, plural)
    for group, plural, stored_in in (
        ("events.k8s.io", "events", ""),
        ("extensions", "daemonsets", "apps"),
        ("extensions", "deployments", "apps"),
        ("extensions", "ingresses", "networking.k8s.io"),
        ("extensions", "networkpolicies", "networking.k8s.io"),
        ("extensions", "podsecuritypolicies", "policy"),
        ("extensions", "replicasets", "apps"),
    )
}
"""Resources of two groups that are one thing: ``Resource.alias_of`` of their rows."""


@lru_cache(maxsize=1024)
def resource_prefix(resource: GroupResource) -> bytes:
    """``/deployments.apps/``."""
    return f"/{ALIASES.get(resource, resource)}/".encode()


def storage_key(resource: GroupResource, key: ObjectKey) -> bytes:
    """``/deployments.apps/default/web``."""
    return resource_prefix(resource) + (f"{key[0]}/{key[1]}" if key[0] else key[1]).encode()


@lru_cache(maxsize=1024)
def storage_range(resource: GroupResource, namespace: str = "") -> Range:
    """The objects of one namespace, or of all."""
    prefix = resource_prefix(resource)
    return Range.prefix(prefix + namespace.encode() + b"/" if namespace else prefix)


def claim_key(pool: str, item: str) -> bytes:
    """The key whose existence says that ``item`` of ``pool`` is taken: ``!nodeports/30080``."""
    return f"!{pool}/{item}".encode()
