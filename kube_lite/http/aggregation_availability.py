"""Whether the servers of other groups answer, written to the condition ``Available`` of their APIServices.

Each is looked at when somebody says that something about it has changed, and every half minute; one that
does not answer sooner, after pauses that grow. A look asks several endpoints for what the server serves,
which is also what discovery tells from then on.
"""

import asyncio
import logging
from collections.abc import Callable

from kube_lite.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_lite.api.identity import GroupVersion, GroupVersionResource, Json
from kube_lite.api.meta import conditions_of, with_condition
from kube_lite.api.service_addresses import Address
from kube_lite.kit.backoff import Backoff
from kube_lite.kit.clock import Clock
from kube_lite.kit.workqueue import WorkQueue
from kube_lite.verbs.local import LocalClient

from .aggregation_backends import Backends
from .aggregation_plan import (
    AVAILABLE,
    LOCAL,
    PASSED,
    Extension,
    Verdict,
    addresses_of,
    entries_of,
    extension_of,
    group_version_of,
    judge_service,
    path_of,
)

log = logging.getLogger(__name__)

API_SERVICES = GroupVersionResource("apiregistration.k8s.io", "v1", "apiservices")
CHECK_SECONDS = 30.0
LONGEST_PAUSE = 30.0  # between looks at a server that does not answer
ATTEMPTS = 5  # endpoints that are asked at once
FAILED = "FailedDiscoveryCheck"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ALWAYS = "true"  # made and deleted with what it is about

Local = Callable[[GroupVersion], Json | None]
"""The APIService of a group and version that this server serves itself, if it should have one."""


class Availability:
    """Looks at APIServices by name, as they are added to ``queue``.

    Args:
        local: the APIServices of what this server serves itself, which are made where they are missing.
        note: is told what a server serves, as aggregated discovery lists it.
    """

    def __init__(
        self,
        client: LocalClient,
        backends: Backends,
        clock: Clock,
        local: Local,
        note: Callable[[Extension, tuple[Json, ...]], None],
    ) -> None:
        self.queue: WorkQueue[str] = WorkQueue(clock, Backoff(maximum=LONGEST_PAUSE))
        self._client = client
        self._backends = backends
        self._clock = clock
        self._local = local
        self._note = note

    async def work(self) -> None:
        """Work on the queue until cancelled."""
        while True:
            name = await self.queue.get()
            try:
                failed = await self._check(name)
            except (Conflict, NotFound):  # what others did will be seen in a moment
                failed = True
            except ApiError as error:
                log.warning("not checked", extra={"api_service": name, "why": error.message})
                failed = True
            finally:
                self.queue.done(name)
            if failed:
                self.queue.add_rate_limited(name)
            else:
                self.queue.forget(name)

    async def _check(self, name: str) -> bool:
        """Write down whether a server answers; whether to look again soon."""
        try:
            service = await self._client.get(API_SERVICES, name)
        except NotFound:
            await self._restore(name)
            return False
        extension = extension_of(service)
        if extension is None and is_managed(service) and self._local(group_version_of(service)) is None:
            await self._client.delete(API_SERVICES, name)
            return False
        verdict = LOCAL if extension is None else await self._judge(extension)
        if verdict_of(service) != verdict:
            await self._tell(service, verdict)
        if extension is not None:
            self.queue.add_after(name, CHECK_SECONDS)
        return verdict.reason == FAILED

    async def _restore(self, name: str) -> None:
        version, _, group = name.partition(".")
        local = self._local(GroupVersion(group, version))
        if local is not None:
            try:
                await self._client.create(API_SERVICES, local)
            except AlreadyExists:
                return

    async def _judge(self, extension: Extension) -> Verdict:
        backend = extension.backend
        service, slices = await self._backends.look(backend)
        verdict = judge_service(backend, service, slices)
        if verdict is not None:
            return verdict
        try:
            addresses = addresses_of(backend, service, slices, self._backends.source)[:ATTEMPTS]
        except ApiError as error:
            return Verdict("False", FAILED, error.message)
        return await self._probe(extension, addresses)

    async def _probe(self, extension: Extension, addresses: list[Address]) -> Verdict:
        try:
            link = self._backends.link(extension.backend)
        except ApiError as error:
            return Verdict("False", FAILED, error.message)
        path = path_of(extension.group_version)
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(link.probe(address, path)) for address in addresses]
        answers = [look.result() for look in looks]
        for why, document in answers:
            if not why:
                entries = entries_of(document)
                if entries is not None:
                    self._note(extension, entries)
                return PASSED
        return Verdict("False", FAILED, answers[-1][0])

    async def _tell(self, service: Json, verdict: Verdict) -> None:
        condition: Json = {"type": AVAILABLE, **verdict._asdict()}
        conditions = with_condition(conditions_of(service), condition, self._clock.now())
        changed = {**service, "status": {**(service.get("status") or {}), "conditions": conditions}}
        await self._client.update(API_SERVICES, changed, subresource="status")


def is_managed(service: Json) -> bool:
    """Whether an APIService comes and goes with what it is about."""
    return (service["metadata"].get("labels") or {}).get(MANAGED) == ALWAYS


def verdict_of(service: Json) -> Verdict | None:
    """What is written to the condition."""
    for entry in conditions_of(service):
        if entry.get("type") == AVAILABLE:
            return Verdict(entry.get("status", ""), entry.get("reason", ""), entry.get("message", ""))
    return None
