"""What a server serves, as it says itself: rows for those who have to know of every kind.

Read anew every ``AGAIN_SECONDS``, as upstream's garbage collector does, so that custom resources come and go.
A group whose server does not answer keeps the rows it had. Rows have no schema and no behaviour of their own;
controllers want neither.
"""

import logging
from collections.abc import Callable

from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupResource, Json
from kube_lite.api.resource import Registry, Resource, Subresource
from kube_lite.kit.clock import Clock

from .remote import RemoteClient

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
ALIASES = {GroupResource("events.k8s.io", "events"): GroupResource("", "events")}
"""Resources that show what another group has under a name of its own."""


async def read_rows(client: RemoteClient) -> tuple[list[Resource], set[tuple[str, str]]]:
    """Every row, the preferred version of a group first, and the groups and versions that did not answer.

    Raises:
        ApiError: the server does not say what groups there are.
    """
    rows: list[Resource] = []
    silent: set[tuple[str, str]] = set()
    core = [("", version) for version in (await client.call("GET", "/api")).get("versions") or ()]
    groups = (await client.call("GET", "/apis")).get("groups") or []
    for group, version in (*core, *(pair for one in groups for pair in _versions(one))):
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            rows += rows_of(await client.call("GET", path), group, version)
        except ApiError as error:
            log.debug("discovery failed", extra={"path": path, "why": error.message})
            silent.add((group, version))
    return rows, silent


def _versions(group: Json) -> list[tuple[str, str]]:
    preferred = (group.get("preferredVersion") or {}).get("version", "")
    versions = [entry["version"] for entry in group.get("versions") or ()]
    return [(group["name"], version) for version in sorted(versions, key=lambda one: one != preferred)]


def rows_of(document: Json, group: str, version: str) -> list[Resource]:
    """The rows of an ``APIResourceList``; subresources (``deployments/scale``) are parts of theirs."""
    entries = document.get("resources") or []
    below: dict[str, list[Subresource]] = {}
    for entry in entries:
        plural, _, name = entry["name"].partition("/")
        if name:
            verbs = tuple(entry.get("verbs") or ())
            found = Subresource(name, verbs, entry["kind"], entry.get("group", ""), entry.get("version", ""))
            below.setdefault(plural, []).append(found)
    return [
        Resource(
            group=group,
            version=version,
            plural=entry["name"],
            singular=entry.get("singularName", ""),
            kind=entry["kind"],
            namespaced=entry["namespaced"],
            verbs=tuple(entry.get("verbs") or ()),
            subresources=tuple(below.get(entry["name"], ())),
            alias_of=ALIASES.get(GroupResource(group, entry["name"])),
        )
        for entry in entries
        if "/" not in entry["name"]
    ]


class Discovered:
    """Service that keeps a table of rows as the server tells them.

    Attributes:
        rows: the table; full when the service is ready.
    """

    name = "discovery"

    def __init__(self, client: RemoteClient, clock: Clock) -> None:
        self.rows = Registry()
        self._client = client
        self._clock = clock

    async def run(self, ready: Callable[[], None]) -> None:
        """Read until cancelled. Raises ``ApiError`` when the first reading fails."""
        self._take(*await read_rows(self._client))
        ready()
        while True:
            await self._clock.sleep(AGAIN_SECONDS)
            try:
                self._take(*await read_rows(self._client))
            except ApiError as error:
                log.warning("discovery failed", extra={"why": error.message})

    def _take(self, rows: list[Resource], silent: set[tuple[str, str]]) -> None:
        told = {row.gvr: row for row in rows}
        for row in self.rows:
            if row.gvr not in told and (row.group, row.version) not in silent:
                self.rows.remove(row.gvr)
        for gvr, row in told.items():
            if self.rows.by_gvr(gvr) != row:
                self.rows.add(row)
