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
PATH = ("f:spec", "f:replicas")
REPLICAS: FieldSet = {PATH[0]: {PATH[1]: LEAF}}


def owners_of_scale(managed_fields: Sequence[Json]) -> list[Json]:
    """The ``managedFields`` of a workload's Scale."""
    entries = [entry for entry in read_entries(managed_fields) if has(entry.fields, PATH)]
    return as_json(entry._replace(api_version=SCALE_VERSION, fields=REPLICAS) for entry in entries)


def owners_after_scale(
    managed_fields: Sequence[Json], scale_fields: Sequence[Json], api_version: str
) -> list[Json]:
    """The ``managedFields`` of a workload after its Scale was written.

    Args:
        managed_fields: of the workload before.
        scale_fields: of the Scale afterwards.
        api_version: of the workload.
    """
    owners = {_name(entry): entry for entry in read_entries(scale_fields) if has(entry.fields, PATH)}
    kept: list[Entry] = []
    for entry in read_entries(managed_fields):
        if has(entry.fields, PATH) and owners.pop(_name(entry), None) is None:
            entry = entry._replace(fields=difference(entry.fields, REPLICAS))
        if entry.fields:
            kept.append(entry)
    won = [entry._replace(api_version=api_version, time="", fields=REPLICAS) for entry in owners.values()]
    return as_json([*kept, *won])


def _name(entry: Entry) -> tuple[str, str, str]:
    return entry.manager, entry.operation, entry.subresource
