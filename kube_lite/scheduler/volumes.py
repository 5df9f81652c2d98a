"""Volumes: a pod may only go where the volumes behind its claims can be reached.

A claim that is bound has a volume, whose node affinity and zone labels say where it is. One that waits for
its first consumer gets a volume when the node is chosen: one that is there and can be reached from the node
is kept for it, else its provisioner is told the node. Then the pod is bound once the claims are.

Source: kubernetes/pkg/scheduler/framework/plugins/volumebinding, volumezone, volumerestrictions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from kube_lite.api import meta
from kube_lite.api.identity import Json, ObjectKey
from kube_lite.api.placement import term_matches
from kube_lite.api.quantity import parse_quantity
from kube_lite.api.selectors import label_selector
from kube_lite.api.storage import class_of

from .snapshot import NodeInfo

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
AFFINITY_CONFLICT = "node(s) had volume node affinity conflict"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
NO_ZONE = "node(s) had no available volume zone"
NOT_ALONE = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
ZONE_LABELS = (
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
)  # fmt: skip


class Impossible(Exception):
    """The pod cannot go anywhere as things are; the message says why."""


class Storage(Protocol):
    """What is known of claims, volumes and classes; informers are meant."""

    def claim(self, key: ObjectKey) -> Json | None:
        """One claim."""
        ...

    def volume(self, name: str) -> Json | None:
        """One volume."""
        ...

    def volumes(self) -> Iterable[Json]:
        """Every volume."""
        ...

    def storage_class(self, name: str) -> Json | None:
        """One class."""
        ...


class Choice(NamedTuple):
    """What is to be done for a pod's waiting claims when it goes to a node.

    Attributes:
        kept: claim → the name of the volume that is to be kept for it.
        made: claims whose provisioner is to be told the node.
    """

    kept: Mapping[ObjectKey, str]
    made: tuple[ObjectKey, ...]


def claim_keys(pod: Json) -> Iterator[tuple[ObjectKey, bool]]:
    """The claims that a pod uses, and whether each is its own (a generic ephemeral volume)."""
    metadata = pod["metadata"]
    for volume in pod["spec"].get("volumes") or ():
        if volume.get("persistentVolumeClaim") is not None:
            yield ObjectKey(metadata["namespace"], volume["persistentVolumeClaim"]["claimName"]), False
        elif volume.get("ephemeral") is not None:
            yield ObjectKey(metadata["namespace"], f"{metadata['name']}-{volume['name']}"), True


class Limits:
    """What the claims of one pod say of nodes.

    Args:
        used_elsewhere: claim → the node on which another pod uses it, for those that only one pod may use.

    Raises:
        Impossible: on making it.
    """

    def __init__(
        self, pod: Json, storage: Storage, used_elsewhere: Callable[[ObjectKey], bool] = lambda key: False
    ) -> None:
        self._storage = storage
        self._bound: list[Json | None] = []
        self._waiting: list[tuple[ObjectKey, Json, Json]] = []
        self._alone = False
        for key, is_own in claim_keys(pod):
            claim = storage.claim(key)
            _check_claim(pod, key, claim, is_own=is_own)
            if claim is not None:
                self._take(key, claim)
                if claim["spec"].get("accessModes") == ["ReadWriteOncePod"] and used_elsewhere(key):
                    self._alone = True

    def _take(self, key: ObjectKey, claim: Json) -> None:
        name = claim["spec"].get("volumeName")
        if name and (claim.get("status") or {}).get("phase") == "Bound":
            self._bound.append(self._storage.volume(name))
            return
        found = self._storage.storage_class(class_of(claim)) if class_of(claim) else None
        if found is None or found.get("volumeBindingMode") != "WaitForFirstConsumer":
            raise Impossible(UNBOUND)
        self._waiting.append((key, claim, found))

    def is_idle(self) -> bool:
        """Whether nothing speaks against any node."""
        return not (self._bound or self._waiting)

    def refusal(self, info: NodeInfo) -> tuple[str, bool] | None:
        """Why not a node, and whether it could help that others leave; None if it may."""
        if self._alone:
            return NOT_ALONE, True
        for volume in self._bound:
            if volume is None:
                return GONE, False
            if not reaches(volume, info):
                return AFFINITY_CONFLICT, False
            if not _is_in_zone(volume, info):
                return NO_ZONE, False
        return None if self.choose(info) is not None else (NOTHING_TO_BIND, False)

    def choose(self, info: NodeInfo) -> Choice | None:
        """What to do for the waiting claims if the pod goes there; None when it cannot be done."""
        kept: dict[ObjectKey, str] = {}
        made: list[ObjectKey] = []
        for key, claim, storage_class in self._waiting:
            volume = self._find(claim, info, set(kept.values()))
            if volume is not None:
                kept[key] = volume["metadata"]["name"]
            elif may_be_made(storage_class, info):
                made.append(key)
            else:
                return None
        return Choice(kept, tuple(made))

    def _find(self, claim: Json, info: NodeInfo, taken: set[str]) -> Json | None:
        """The smallest free volume for a claim that the node reaches."""
        fitting = [
            volume
            for volume in self._storage.volumes()
            if volume["metadata"]["name"] not in taken and fits(volume, claim) and reaches(volume, info)
        ]
        return min(fitting, key=lambda one: parse_quantity(one["spec"]["capacity"]["storage"]), default=None)


def _check_claim(pod: Json, key: ObjectKey, claim: Json | None, *, is_own: bool) -> None:
    if claim is None:
        if is_own:
            words = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
            raise Impossible(f'{words} "{key.name}"')
        raise Impossible(f'persistentvolumeclaim "{key.name}" not found')
    if (claim.get("status") or {}).get("phase") == "Lost":
        name = claim["spec"].get("volumeName", "")
        raise Impossible(
            f'persistentvolumeclaim "{key.name}" bound to non-existent persistentvolume "{name}"'
        )
    if meta.is_being_deleted(claim):
        raise Impossible(f'persistentvolumeclaim "{key.name}" is being deleted')
    if is_own and not meta.is_controlled_by(claim, pod):
        words = f"PVC {key} was not created for pod {key.namespace}/{pod['metadata']['name']}"
        raise Impossible(f"{words} (pod is not owner)")


def reaches(volume: Json, info: NodeInfo) -> bool:
    """Whether a volume's node affinity lets it be used on a node."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if required is None or info.node is None:
        return True
    return any(term_matches(term, info.node) for term in required.get("nodeSelectorTerms") or ())


def _is_in_zone(volume: Json, info: NodeInfo) -> bool:
    """Whether the zones that a volume's labels name, joined by ``__``, have the node."""
    labels = meta.labels_of(volume)
    zones = {key: labels[key].split("__") for key in ZONE_LABELS if key in labels}
    if not any(key in info.labels for key in ZONE_LABELS):
        return True  # a cluster that knows no zones
    return all(info.labels.get(key) in values for key, values in zones.items())


def fits(volume: Json, claim: Json) -> bool:
    """Whether a free volume would do for a claim, wherever it is."""
    spec, wanted = volume["spec"], claim["spec"]
    kept = spec.get("claimRef")
    if kept is not None:
        metadata = claim["metadata"]
        return bool(
            kept.get("name") == metadata["name"]
            and kept.get("namespace") == metadata["namespace"]
            and kept.get("uid", "") in ("", metadata["uid"])
        )
    size = ((wanted.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return (
        (volume.get("status") or {}).get("phase") == "Available"
        and class_of(volume) == class_of(claim)
        and (spec.get("volumeMode") or "Filesystem") == (wanted.get("volumeMode") or "Filesystem")
        and set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and parse_quantity((spec.get("capacity") or {}).get("storage", "0")) >= parse_quantity(size)
        and label_selector(wanted.get("selector") or {}).matches_object(volume)
    )


def may_be_made(storage_class: Json, info: NodeInfo) -> bool:
    """Whether a provisioner could make a volume for a node."""
    if storage_class["provisioner"] == NO_PROVISIONER:
        return False
    topologies = storage_class.get("allowedTopologies") or ()
    if not topologies:
        return True
    return any(
        all(info.labels.get(one["key"]) in one["values"] for one in term.get("matchLabelExpressions") or ())
        for term in topologies
    )
