"""One request from beginning to end, whatever brought it here: may they, what is it, do it.

``handle`` answers everything but watches (``watch``) and streams, which whoever carries bytes fetches from
the node. Failures that a client is told about are ``ApiError``; anything else is a bug of ours, logged here
with its traceback and answered as an internal error.
"""

import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from kube_lite.admission.chain import Chain
from kube_lite.api.errors import ApiError, InternalError, MethodNotAllowed, NotFound
from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json
from kube_lite.api.resource import ALL_VERBS, Registry
from kube_lite.api.schema.load import Definitions, Schema
from kube_lite.auth.authorize import Authorizer
from kube_lite.auth.defaults import default_authorizer
from kube_lite.auth.service_accounts import TokenIssuer
from kube_lite.kit.clock import Clock
from kube_lite.registry.deleting import Deleting
from kube_lite.registry.inventory import Inventory, take_inventory
from kube_lite.registry.objects import Objects, Store
from kube_lite.registry.services import SERVICE_CIDR, ServiceAddresses
from kube_lite.registry.watching import Change, Watching

from .components import COMPONENT_STATUSES, Components
from .definitions import CustomResources
from .deleting import DeletingVerbs
from .elsewhere import Elsewhere
from .faults import Faults
from .founding import found
from .parts import Parts
from .permission import check_permission
from .reading import Reading
from .request import Answer, Listing, Request
from .watching import watch
from .writing import Writing

if TYPE_CHECKING:
    from .patching import PatchingVerbs
    from .subresources import Subresources

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Answer | Listing]]


class Pipeline:
    """Everything that can be asked of the API.

    Args:
        authorizer: decides who may do what; by default the roles in the store.
        service_cidr: where the addresses of Services come from.
        tokens: issues and knows tokens of ServiceAccounts; without it there are none.
        source: randomness, for names, uids and addresses.
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        definitions: Definitions,
        clock: Clock,
        admission: Chain,
        authorizer: Authorizer | None = None,
        service_cidr: str = SERVICE_CIDR,
        tokens: TokenIssuer | None = None,
        source: random.Random | None = None,
    ) -> None:
        source = source or random.Random()
        objects = Objects(store)
        self.registry = registry
        self.authorizer = authorizer = authorizer or default_authorizer(objects)
        self.elsewhere: Elsewhere | None = None
        """Who passes on what other servers serve."""
        self._parts = parts = Parts(
            objects=objects,
            watching=Watching(objects),
            deleting=Deleting(objects, clock),
            registry=registry,
            definitions=definitions,
            clock=clock,
            authorizer=authorizer,
            admission=admission,
            addresses=ServiceAddresses(store, source, service_cidr),
            tokens=tokens,
            source=source,
        )
        if tokens is not None:
            tokens.look_up_with(parts.lookup)
        self.figures = (*admission.figures, *objects.figures.shown())
        """What is counted of writes."""
        self.faults = Faults(clock, source)
        self._reading = Reading(parts)
        self.components = Components()
        self.components.tell("etcd-0", objects.trouble)
        self._writing = writing = Writing(parts)
        self._deleting = deleting = DeletingVerbs(parts, writing)
        self.custom_resources = CustomResources(parts, writing, deleting)
        self._handlers: dict[str, Handler] = {
            "create": self._create,
            "update": writing.update,
            "patch": lambda request: self._patching.patch(request),
            "delete": deleting.delete,
            "deletecollection": deleting.delete_collection,
        }

    @cached_property
    def _patching(self) -> "PatchingVerbs":
        from .patching import PatchingVerbs  # start-up does without patches

        return PatchingVerbs(self._parts, self._writing)

    @cached_property
    def _subresources(self) -> "Subresources":
        from .subresources import Subresources  # and without these

        return Subresources(self._parts, self._writing, self._patching, self._deleting)

    async def handle(self, request: Request) -> Answer | Listing:
        """Do what is asked, and answer.

        Raises:
            ApiError: every failure.
        """
        self.authorize(request)
        self._check_verb(request)
        lost = await self.faults.before(request) if self.faults else None
        answer = await self._answer(request)
        if lost is not None:
            raise lost
        return answer

    async def _answer(self, request: Request) -> Answer | Listing:
        try:
            if not request.subresource:
                if request.verb in ("get", "list") and request.resource.gvr == COMPONENT_STATUSES:
                    components = self.components
                    return components.get(request) if request.name else components.list(request)
                if request.verb == "get":
                    return await self._parts.objects.resolved(lambda: self._reading.get(request))
                if request.verb == "list":
                    return await self._parts.objects.resolved(lambda: self._reading.list(request))
                return await self._handlers[request.verb](request)
            return await self._subresources.handle(request)
        except ApiError:
            raise
        except Exception as error:
            log.exception("request failed", extra={"verb": request.verb, "resource": request.resource.plural})
            raise InternalError(f"Internal error occurred: {error}") from error

    async def _create(self, request: Request) -> Answer:
        can_be_read = "get" in request.resource.verbs  # reviews and bindings cannot: they are never stored
        answer = None if can_be_read else self._subresources.review(request)
        return await (self._writing.create(request) if answer is None else answer)

    def get(self, request: Request) -> Answer:
        """Do a plain ``get`` at once, for callers that cannot wait.

        Raises:
            ApiError: every failure that has to do with the request.
        """
        self.authorize(request)
        self._check_verb(request)
        return self._reading.get(request)

    def watch(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Changes of a collection, for the length of the block; see ``registry.watching``.

        Raises:
            ApiError: at once, on entering, or from the iterator.
        """
        self.authorize(request)
        self._check_verb(request)
        changes = watch(self._parts, request)
        return self.faults.watch(request, changes) if self.faults else changes

    async def found(
        self,
        manager: str,
        objects: Iterable[tuple[GroupVersionResource, Json]],
        *,
        judged: Collection[GroupVersionResource] = (),
    ) -> list[tuple[Json, Json]]:
        """Make what is there from the start, in one transaction; see ``founding``."""
        return await found(self._parts, manager, objects, judged=judged)

    def schema_of(self, kind: GroupVersionKind) -> Schema | None:
        """What objects of a kind look like; None where nobody has said."""
        row = self.registry.by_gvk(kind)
        return None if row is None else self._parts.schema(row)

    def inventory(self) -> Inventory:
        """How much of what is stored."""
        return take_inventory(self._parts.objects, self.registry)

    def authorize(self, request: Request) -> None:
        """Let pass who may. Raises ``Forbidden``."""
        check_permission(self.authorizer, request)

    def _check_verb(self, request: Request) -> None:
        resource = request.resource
        verbs = resource.verbs
        if request.subresource:
            subresource = resource.subresource(request.subresource)
            if subresource is None:
                raise NotFound("the server could not find the requested resource", details={})
            verbs = subresource.verbs
        is_custom = bool(resource.definition)  # whose row has what discovery tells, in the end not all
        if request.verb not in (ALL_VERBS if is_custom and not request.subresource else verbs):
            raise MethodNotAllowed(
                "the server does not allow this method on the requested resource", details={}
            )
