"""Owners of a workload's replicas, as the ``scale`` subresource shows and changes them.

Whoever owns ``spec.replicas`` of the workload owns that of its Scale. What a write of the Scale makes of them
goes back: who lost the replicas there loses them here, who won them gets an entry for that alone, which has
no time. Source: ``apimachinery/pkg/util/managedfields/scalehandler.go``.
"""

from collections.abc import Sequence

from kube_lite.api.identity import Json

from .fieldset import LEAF, FieldSet, difference, has
from .ownership import Entry, as_json, read_entries

SCALE_VERSION = "autoscaling/v1"
Path = tuple[str, ...]
PATH: Path = ("f:spec", "f:replicas")
REPLICAS: FieldSet = {PATH[0]: {PATH[1]: LEAF}}


def path_of(text: str) -> Path:
    """Where a custom resource has its replicas: ``.spec.size`` → ``("f:spec", "f:size")``."""
    return tuple(f"f:{field}" for field in text.removeprefix(".").split("."))


def owners_of_scale(managed_fields: Sequence[Json], path: Path = PATH) -> list[Json]:
    """The ``managedFields`` of a workload's Scale; ``path`` is where the workload has its replicas."""
    entries = [entry for entry in read_entries(managed_fields) if has(entry.fields, path)]
    return as_json(entry._replace(api_version=SCALE_VERSION, fields=REPLICAS) for entry in entries)


def owners_after_scale(
    managed_fields: Sequence[Json], scale_fields: Sequence[Json], api_version: str, path: Path = PATH
) -> list[Json]:
    """The ``managedFields`` of a workload after its Scale was written.

    Args:
        managed_fields: of the workload before.
        scale_fields: of the Scale afterwards.
        api_version: of the workload.
        path: where it has its replicas.
    """
    replicas: FieldSet = LEAF
    for field in reversed(path):
        replicas = {field: replicas}
    owners = {_name(entry): entry for entry in read_entries(scale_fields) if has(entry.fields, PATH)}
    kept: list[Entry] = []
    for entry in read_entries(managed_fields):
        if has(entry.fields, path) and owners.pop(_name(entry), None) is None:
            entry = entry._replace(fields=difference(entry.fields, replicas))
        if entry.fields:
            kept.append(entry)
    won = [entry._replace(api_version=api_version, time="", fields=replicas) for entry in owners.values()]
    return as_json([*kept, *won])


def _name(entry: Entry) -> tuple[str, str, str]:
    return entry.manager, entry.operation, entry.subresource
