"""What the scheduler looks at besides pods and nodes: storage, namespaces, budgets, and whose a pod is."""

from collections.abc import Iterable, Mapping

from kube_lite.api import meta
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers

NAMESPACES = GroupVersionResource("", "v1", "namespaces")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
VOLUMES = GroupVersionResource("", "v1", "persistentvolumes")
CLASSES = GroupVersionResource("storage.k8s.io", "v1", "storageclasses")
BUDGETS = GroupVersionResource("policy", "v1", "poddisruptionbudgets")
SERVICES = GroupVersionResource("", "v1", "services")
OWNERS: Mapping[str, GroupVersionResource] = {
    "ReplicaSet": GroupVersionResource("apps", "v1", "replicasets"),
    "StatefulSet": GroupVersionResource("apps", "v1", "statefulsets"),
    "ReplicationController": GroupVersionResource("", "v1", "replicationcontrollers"),
}


class Surroundings:
    """Informers, and the questions that rules ask of them; fulfils ``volumes.Storage``."""

    def __init__(self, informers: Informers) -> None:
        self.namespaces = informers.informer(NAMESPACES)
        self.claims = informers.informer(CLAIMS)
        self.persistent_volumes = informers.informer(VOLUMES)
        self.classes = informers.informer(CLASSES)
        self._budgets = informers.informer(BUDGETS)
        self._services = informers.informer(SERVICES)
        self.reserved: set[str] = set()
        """Volumes that are about to be kept for a claim, and not offered to others."""
        self._owners = {kind: informers.informer(resource) for kind, resource in OWNERS.items()}

    async def synced(self) -> None:
        """Wait until all of it is known."""
        everything: list[Informer] = [
            self.namespaces,
            self.claims,
            self.persistent_volumes,
            self.classes,
            self._budgets,
            self._services,
            *self._owners.values(),
        ]
        for informer in everything:
            await informer.synced()

    def claim(self, key: ObjectKey) -> Json | None:
        """One claim."""
        return self.claims.get(key)

    def volume(self, name: str) -> Json | None:
        """One volume."""
        return self.persistent_volumes.get(ObjectKey("", name))

    def volumes(self) -> Iterable[Json]:
        """Every volume that may be offered."""
        return [one for one in self.persistent_volumes.list() if one["metadata"]["name"] not in self.reserved]

    def storage_class(self, name: str) -> Json | None:
        """One class."""
        return self.classes.get(ObjectKey("", name))

    def budgets(self) -> Iterable[Json]:
        """Every disruption budget."""
        return self._budgets.list()

    def selector_of(self, pod: Json) -> Json | None:
        """The selector of what a pod belongs to: its Services' and its owner's together; None for nothing.

        Source: ``DefaultSelector`` in kubernetes/pkg/scheduler/framework/plugins/helper/spread.go.
        """
        namespace, labels = pod["metadata"]["namespace"], meta.labels_of(pod)
        wanted: dict[str, str] = {}
        for service in self._services.list(namespace) if labels else ():
            chosen = service["spec"].get("selector") or {}
            if chosen and chosen.items() <= labels.items():
                wanted |= chosen
        owner = meta.controller_of(pod)
        informer = self._owners.get(owner["kind"]) if owner is not None else None
        found = informer.get(ObjectKey(namespace, owner["name"])) if informer and owner else None
        selector = found["spec"].get("selector") if found is not None else None
        if selector is None:
            return {"matchLabels": wanted} if wanted else None
        if owner is not None and owner["kind"] == "ReplicationController":
            return {"matchLabels": {**wanted, **selector}}
        return {**selector, "matchLabels": {**wanted, **(selector.get("matchLabels") or {})}}
