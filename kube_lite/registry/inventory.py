"""How much of what is stored: for those who watch over a server, not for the API."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kube_lite.api.identity import GroupResource
from kube_lite.api.resource import Resource

from . import keys
from .objects import Objects


class Inventory(NamedTuple):
    """Objects by resource, and the bytes that the store takes on disk."""

    objects: Mapping[GroupResource, int]
    used_bytes: int


def take_inventory(objects: Objects, rows: Iterable[Resource]) -> Inventory:
    """Count everything. What is served in several versions or groups is counted once, by its first name."""
    counted: dict[bytes, tuple[GroupResource, int]] = {}
    for row in rows:
        prefix = keys.resource_prefix(row.group_resource)
        if {"list", "create"} <= set(row.verbs) and prefix not in counted:
            count = objects.store.count(keys.storage_range(row.group_resource))
            counted[prefix] = (row.group_resource, count)
    return Inventory(dict(counted.values()), objects.store.status().used_bytes)
