"""ResourceQuota: how much of what it limits is used.

Every hard limit names a resource, so only those are watched that some quota names: a cluster without quotas
watches nothing but quotas. Any object that comes, goes or changes what it counts for brings the quotas of its
namespace here, and each is counted anew.

Source: kubernetes/pkg/controller/resourcequota/resource_quota_controller.go.
"""

from collections.abc import Callable, Iterable

from kube_lite.api.identity import GroupResource, GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.api.quantity import canonical_quantity, parse_quantity
from kube_lite.api.quota import concerns, resource_of, total, usage_of
from kube_lite.api.resource import Registry
from kube_lite.client.controller import Controller, Keys, RequeueAfter
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .resources import RESOURCE_QUOTAS

DOUBT_SECONDS = 30.0  # by then everything has been seen that was let in before


def plan_status(quota: Json, objects: Iterable[tuple[GroupResource, Json]], now: float) -> Json:
    """The status that goes with these objects of its namespace.

    Of what is not served there is nothing, so a limit of it is not used.
    """
    hard = quota["spec"].get("hard") or {}
    usages = (usage_of(resource, obj, now) for resource, obj in objects if concerns(quota, resource, obj))
    used = {name: str(amount) for name, amount in total(usages, hard).items()}
    return {"hard": {name: canonical_quantity(limit) for name, limit in hard.items()}, "used": used}


def plan_raise(status: Json, before: Json) -> Json:
    """The status that says at least as much is used as it did before, for what is limited as before."""
    used = dict(status["used"])
    for name, amount in (before.get("used") or {}).items():
        is_same = (before.get("hard") or {}).get(name) == status["hard"].get(name)
        if name in used and is_same and parse_quantity(amount) > parse_quantity(used[name]):
            used[name] = amount
    return {**status, "used": used}


def _shown_limits(quota: Json) -> Json | None:
    """The limits of the status, which others may write, too."""
    return (quota.get("status") or {}).get("hard")


class Quotas(Controller):
    """Keeps the status of every quota.

    What is new the API server itself notes as used before it is seen here, so what was counted says that less
    is used only after something has gone or changed, or the quota is another; else it would let in too much.
    Where less was counted all the same it is counted anew after ``DOUBT_SECONDS``.

    Args:
        resources: the rows that are served; a collection, iterated anew whenever it matters.
    """

    def __init__(self, client: Client, informers: Informers, clock: Clock, resources: Registry) -> None:
        super().__init__("quotas", clock)
        self._client = client
        self._source = informers
        self._resources = resources
        self._counted: dict[GroupVersionResource, Informer] = {}
        self._freed: set[ObjectKey] = set()
        """Quotas of which less may be used than they say."""
        self._doubted: dict[ObjectKey, float] = {}
        """Quotas of which less was counted, and when that is to be believed."""
        self._quotas = informers.informer(RESOURCE_QUOTAS)
        self.watch(self._quotas, self._quota_changed)

    async def run(self, ready: Callable[[], None]) -> None:
        """As any controller; what comes to be served may be counted, what ceases to be cannot."""
        forget = self._resources.on_change(self._look_at_all)
        try:
            await super().run(ready)
        finally:
            forget()

    def _look_at_all(self) -> None:
        for quota in self._quotas.list():
            self._freed.add(key_of(quota))
            self.queue.add(key_of(quota))

    def _quota_changed(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if new is None:
            return ()
        if old is None or new["spec"] != old["spec"]:
            self._freed.add(key_of(new))
        elif _shown_limits(new) == _shown_limits(old):
            return ()
        return (key_of(new),)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Count, and write the status if it is not so."""
        quota = self._quotas.get(key)
        if quota is None:
            self._freed.discard(key)
            self._doubted.pop(key, None)
            return None
        now = self.clock.monotonic()
        is_free = key in self._freed or self._doubted.get(key, now + 1) <= now
        objects: list[tuple[GroupResource, Json]] = []
        for resource in sorted({resource_of(name) for name in quota["spec"].get("hard") or {}}):
            informer = self._informer_of(resource)
            if informer is not None:
                await informer.synced()
                objects += [(resource, obj) for obj in informer.list(key.namespace)]
        status, before = plan_status(quota, objects, self.clock.now()), quota.get("status") or {}
        counted = status
        if not is_free:
            status = plan_raise(status, before)
        if status != before:
            changed = {**quota, "status": status}
            await self._client.update(RESOURCE_QUOTAS, changed, namespace=key.namespace, subresource="status")
        self._freed.discard(key)
        if status == counted:
            self._doubted.pop(key, None)
            return None
        due = self._doubted.setdefault(key, now + DOUBT_SECONDS)
        return RequeueAfter(due - now)

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
            concerned = [
                key_of(quota)
                for quota in quotas
                if any(resource_of(name) == resource for name in quota["spec"].get("hard") or {})
            ]
            if old is not None:
                self._freed.update(concerned)
            return concerned

        return keys

    def _differ(self, resource: GroupResource, old: Json, new: Json) -> bool:
        now = self.clock.now()
        return usage_of(resource, old, now) != usage_of(resource, new, now)
