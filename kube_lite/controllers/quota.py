"""ResourceQuota: how much of what it limits is used.

Every hard limit names a resource, so only those are watched that some quota names: a cluster without quotas
watches nothing but quotas. Any object that comes, goes or changes what it counts for brings the quotas of its
namespace here, and each is counted anew.

Source: kubernetes/pkg/controller/resourcequota/resource_quota_controller.go.
"""

from collections.abc import Callable, Iterable

from kube_lite.api.identity import GroupResource, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.quantity import canonical_quantity
from kube_lite.api.quota import concerns, resource_of, total, usage_of
from kube_lite.api.resource import Registry
from kube_lite.client.controller import Controller, Keys, RequeueAfter
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import RESOURCE_QUOTAS


def plan_status(quota: Json, objects: Iterable[tuple[GroupResource, Json]], now: float) -> Json:
    """The status that goes with these objects of its namespace.

    Of what is not served there is nothing, so a limit of it is not used.
    """
    hard = quota["spec"].get("hard") or {}
    usages = (usage_of(resource, obj, now) for resource, obj in objects if concerns(quota, resource, obj))
    used = {name: str(amount) for name, amount in total(usages, hard).items()}
    return {"hard": {name: canonical_quantity(limit) for name, limit in hard.items()}, "used": used}


class Quotas(Controller):
    """Keeps the status of every quota.

    Args:
        resources: the rows that are served; a collection, iterated anew whenever it matters.
    """

    def __init__(self, client: Client, informers: Informers, clock: Clock, resources: Registry) -> None:
        super().__init__("quotas", clock)
        self._client = client
        self._source = informers
        self._resources = resources
        self._counted: dict[GroupVersionResource, Informer] = {}
        self._quotas = informers.informer(RESOURCE_QUOTAS)
        self.watch(self._quotas)

    async def run(self, ready: Callable[[], None]) -> None:
        """As any controller; what comes to be served may be counted, what ceases to be cannot."""
        forget = self._resources.on_change(self._look_at_all)
        try:
            await super().run(ready)
        finally:
            forget()

    def _look_at_all(self) -> None:
        for quota in self._quotas.list():
            self.queue.add(key_of(quota))

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Count, and write the status if it is not so."""
        quota = self._quotas.get(key)
        if quota is None:
            return None
        objects: list[tuple[GroupResource, Json]] = []
        for resource in sorted({resource_of(name) for name in quota["spec"].get("hard") or {}}):
            informer = self._informer_of(resource)
            if informer is not None:
                await informer.synced()
                objects += [(resource, obj) for obj in informer.list(key.namespace)]
        status = plan_status(quota, objects, self.clock.now())
        if status != quota.get("status"):
            changed = {**quota, "status": status}
            await self._client.update(RESOURCE_QUOTAS, changed, namespace=key.namespace, subresource="status")
        return None

    def _informer_of(self, resource: GroupResource) -> Informer | None:
        """The informer of what is counted, watched from the first time it is asked for."""
        rows = [row for row in self._resources if row.gvr.group_resource == resource and row.namespaced]
        if not rows:
            return None
        informer = self._counted.get(rows[0].gvr)
        if informer is None:
            informer = self._counted[rows[0].gvr] = self._source.informer(rows[0].gvr)
            self.watch(informer, self._keys_of_counted(resource))
        return informer

    def _keys_of_counted(self, resource: GroupResource) -> Keys:
        def keys(event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
            obj = new or old
            quotas = self._quotas.list(obj["metadata"]["namespace"]) if obj is not None else []
            if not quotas or (old is not None and new is not None and not self._differ(resource, old, new)):
                return []
            return [
                key_of(quota)
                for quota in quotas
                if any(resource_of(name) == resource for name in quota["spec"].get("hard") or {})
            ]

        return keys

    def _differ(self, resource: GroupResource, old: Json, new: Json) -> bool:
        now = self.clock.now()
        return usage_of(resource, old, now) != usage_of(resource, new, now)
