"""The account ``default`` in every namespace: what Pods run as when they do not say otherwise."""

from collections.abc import Awaitable, Iterable

from kube_lite.api import meta
from kube_lite.api.errors import AlreadyExists, ApiError, NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.controller import Controller, RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import NAMESPACES, SERVICE_ACCOUNTS

DEFAULT = "default"


def is_active_namespace(namespace: Json | None) -> bool:
    """Whether things may be put into it."""
    if namespace is None or meta.is_being_deleted(namespace):
        return False
    return bool((namespace.get("status") or {}).get("phase") != "Terminating")


class DefaultAccounts(Controller):
    """Makes the account of every namespace that has none. Keys are names of namespaces."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("serviceaccounts", clock)
        self._client = client
        self._namespaces = informers.informer(NAMESPACES)
        self._accounts = informers.informer(SERVICE_ACCOUNTS, field_selector=f"metadata.name={DEFAULT}")
        self.watch(self._namespaces)
        self.watch(self._accounts, _namespace_of)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make the account if it is not there."""
        account = ObjectKey(key.name, DEFAULT)
        if not is_active_namespace(self._namespaces.get(key)) or self._accounts.get(account) is not None:
            return None
        metadata = {"name": DEFAULT, "namespace": key.name}
        await create_in(
            self._client.create(
                SERVICE_ACCOUNTS,
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
                namespace=key.name,
            )
        )
        return None


async def create_in(creation: Awaitable[Json]) -> None:
    """Await a creation in a namespace; fine if somebody was faster, or if the namespace is about to go."""
    try:
        await creation
    except (AlreadyExists, NotFound):
        return
    except ApiError as error:
        if not is_namespace_ending(error):
            raise


def _namespace_of(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    if new is None and old is not None:
        yield ObjectKey("", old["metadata"]["namespace"])
