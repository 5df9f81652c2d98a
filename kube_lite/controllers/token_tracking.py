"""Note on which day a token without end was last used: a label of the Secret that holds it.

A ConfigMap in ``kube-system`` tells since when that is done, because a Secret without the label means
something only then. The server tells of every use on a new day; Secrets are labelled beside the requests.
Source: ``pkg/controlplane/controller/legacytokentracking``, ``pkg/serviceaccount/legacy.go``.
"""

from collections.abc import Callable
from contextlib import suppress

from kube_lite.api.errors import NotFound
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.legacy_tokens import LAST_USED, day_of, start_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, PatchType
from kube_lite.kit.clock import Clock

from .resources import CONFIG_MAPS, SECRETS

CONFIG = ObjectKey("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
SINCE = "since"

Used = Callable[[ObjectKey, str], None]
"""Is told a Secret and its uid when its token was used."""


def plan_config(found: Json | None, now: float) -> Json | None:
    """The ConfigMap that tells since when uses are noted; None if it does."""
    if found is not None and start_of((found.get("data") or {}).get(SINCE) or "") is not None:
        return None
    if found is not None:
        return {**found, "data": {**(found.get("data") or {}), SINCE: day_of(now)}}
    metadata = {"name": CONFIG.name, "namespace": CONFIG.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {SINCE: day_of(now)}}


class TokenTracking(Controller):
    """Keeps that ConfigMap, and labels Secrets whose tokens are used.

    Args:
        follow: has the server call what it is given for every use that is not noted yet.
    """

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, follow: Callable[[Used], None]
    ) -> None:
        super().__init__("legacy-token-tracking", clock)
        self._client = client
        self._uids: dict[ObjectKey, str] = {}
        self._config = informers.informer(
            CONFIG_MAPS, namespace=CONFIG.namespace, field_selector=f"metadata.name={CONFIG.name}"
        )
        self.watch(self._config)
        self.queue.add(CONFIG)
        follow(self._used)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write the ConfigMap, or label a Secret."""
        if key in self._uids:
            await self._label(key)
        elif key == CONFIG:
            found = self._config.get(CONFIG)
            wanted = plan_config(found, self.clock.now())
            if wanted is not None:
                write = self._client.create if found is None else self._client.update
                await write(CONFIG_MAPS, wanted, namespace=CONFIG.namespace)
        return None

    async def _label(self, key: ObjectKey) -> None:
        labels = {LAST_USED: day_of(self.clock.now())}
        patch = {"metadata": {"uid": self._uids[key], "labels": labels}}
        with suppress(NotFound):
            await self._client.patch(
                SECRETS, key.name, patch, namespace=key.namespace, patch_type=PatchType.MERGE
            )
        self._uids.pop(key, None)

    def _used(self, secret: ObjectKey, uid: str) -> None:
        if secret not in self._uids:
            self._uids[secret] = uid
            self.queue.add(secret)
