"""How endpoints are spread over EndpointSlices. Pure.

A slice has endpoints of one family with the same ports, at most ``MAX_ENDPOINTS`` of them. What is already in
a slice stays there, so that a change touches as few slices as possible; new endpoints fill slices that are
written anyway, then others with room, then new ones. A Service without endpoints keeps one empty slice.

Source: kubernetes/staging/src/k8s.io/endpointslice/reconciler.go.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kube_lite.api.identity import Json

MAX_ENDPOINTS = 100

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"

Ports = tuple[tuple[str, str, int, str], ...]
"""Name, protocol, number and application protocol of each port, sorted."""


class Wanted(NamedTuple):
    """Endpoints that share ports and family; keyed by what makes an endpoint the same one."""

    family: str
    ports: Ports
    endpoints: dict[str, Json]


class Change(NamedTuple):
    """One slice to write: ``old`` is the one to update, None to create one. No ``endpoints`` may be empty."""

    old: Json | None
    family: str
    ports: Ports
    endpoints: list[Json]


class Plan(NamedTuple):
    """Slices to write and slices to delete."""

    write: list[Change]
    delete: list[Json]


def plan_slices(wanted: Sequence[Wanted], existing: Sequence[Json], families: Sequence[str]) -> Plan:
    """Compare the slices that should be with those that are.

    Args:
        wanted: one entry per family and ports.
        existing: the slices of the Service that this controller manages.
        families: families for which there should be at least an empty slice.
    """
    write: list[Change] = []
    left = list(existing)
    kept: set[str] = set()
    for group in wanted:
        mine = [
            entry for entry in left if entry["addressType"] == group.family and ports_of(entry) == group.ports
        ]
        left = [entry for entry in left if entry not in mine]
        changes, unchanged = _plan_group(group, mine, left)
        left = [entry for entry in left if all(entry is not change.old for change in changes)]
        write += changes
        if changes or unchanged:
            kept.add(group.family)
    for family in families:
        if family not in kept:
            spare = next((entry for entry in left if entry["addressType"] == family), None)
            if spare is None:
                write.append(Change(None, family, (), []))
                continue
            left.remove(spare)
            if spare.get("endpoints") or ports_of(spare):
                write.append(Change(spare, family, (), []))
    return Plan(write, left)


def _plan_group(group: Wanted, mine: list[Json], reusable: list[Json]) -> tuple[list[Change], int]:
    """The slices of one group to write, and how many stay as they are; surplus goes to ``reusable``."""
    missing = dict(group.endpoints)
    contents: list[tuple[Json, list[Json], bool]] = []
    for entry in mine:
        present = entry.get("endpoints") or []
        stays = [missing.pop(key) for endpoint in present if (key := key_of_endpoint(endpoint)) in missing]
        contents.append((entry, stays, stays != present))
    contents.sort(
        key=lambda content: (not content[2], -len(content[1]))
    )  # written anyway first, then the fullest
    changes: list[Change] = []
    unchanged = 0
    new = list(missing.values())
    for entry, stays, is_changed in contents:
        room = MAX_ENDPOINTS - len(stays)
        added, new = new[:room], new[room:]
        if not stays and not added:
            reusable.append(entry)
        elif is_changed or added:
            changes.append(Change(entry, group.family, group.ports, stays + added))
        else:
            unchanged += 1
    while new:
        added, new = new[:MAX_ENDPOINTS], new[MAX_ENDPOINTS:]
        empty = next(
            (
                entry
                for entry in reusable
                if entry["addressType"] == group.family and not entry.get("endpoints")
            ),
            None,
        )
        if empty is not None:
            reusable.remove(empty)
        changes.append(Change(empty, group.family, group.ports, added))
    return changes, unchanged


def key_of_endpoint(endpoint: Json) -> str:
    """What makes two endpoints the same one, whatever their conditions."""
    target = endpoint.get("targetRef") or {}
    return f"{','.join(endpoint['addresses'])} {target.get('uid', '')}"


def ports_of(entry: Json) -> Ports:
    """The ports of a slice in comparable form."""
    return tuple(
        sorted(
            (
                port.get("name") or "",
                port.get("protocol") or "TCP",
                port.get("port") or 0,
                port.get("appProtocol") or "",
            )
            for port in entry.get("ports") or ()
        )
    )


def ports_as_json(ports: Ports) -> list[Json] | None:
    """The ports of a slice as they are written: null where there are none."""
    written = []
    for name, protocol, number, app_protocol in ports:
        port: Json = {"name": name, "protocol": protocol, "port": number}
        if app_protocol:
            port["appProtocol"] = app_protocol
        written.append(port)
    return written or None
