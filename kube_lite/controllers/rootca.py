"""The ConfigMap ``kube-root-ca.crt`` in every namespace: whom Pods may trust when they talk to the API."""

from collections.abc import Iterable

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import CONFIG_MAPS, NAMESPACES
from .serviceaccounts import create_in, is_active_namespace

NAME = "kube-root-ca.crt"
FIELD = "ca.crt"
DESCRIPTION = "kubernetes.io/description"
WORDS = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints "
    "such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
)


class RootCertificates(Controller):
    """Keeps the ConfigMap of every namespace. Keys are names of namespaces."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, ca_pem: str) -> None:
        super().__init__("rootca", clock)
        self._client = client
        self._contents = {FIELD: ca_pem}
        self._namespaces = informers.informer(NAMESPACES)
        self._maps = informers.informer(CONFIG_MAPS, field_selector=f"metadata.name={NAME}")
        self.watch(self._namespaces)
        self.watch(self._maps, _namespace_of)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make it, or put back what it should hold."""
        if not is_active_namespace(self._namespaces.get(key)):
            return None
        found = self._maps.get(ObjectKey(key.name, NAME))
        if found is None:
            metadata = {"name": NAME, "namespace": key.name, "annotations": {DESCRIPTION: WORDS}}
            config_map = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "data": dict(self._contents),
            }
            await create_in(self._client.create(CONFIG_MAPS, config_map, namespace=key.name))
        elif found.get("data") != self._contents or DESCRIPTION not in meta.annotations_of(found):
            changed = meta.copy(found) | {"data": dict(self._contents)}
            changed["metadata"]["annotations"] = {**meta.annotations_of(found), DESCRIPTION: WORDS}
            try:
                await self._client.update(CONFIG_MAPS, changed, namespace=key.name)
            except NotFound:
                return None
        return None


def _namespace_of(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
    obj = new or old
    if obj is not None:
        yield ObjectKey("", obj["metadata"]["namespace"])
