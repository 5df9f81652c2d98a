"""Nodes and the pods on them, as far as placing another pod is concerned.

Kept up to date change by change, so looking at it costs nothing. A pod counts from the moment it is decided
where it goes (it is *assumed* there) and not only when the API says so: otherwise the next of a burst of
pods would be placed as if the one before did not exist. Whoever asks how many pods of a sort there are where
(``tally``) is answered from counts that are kept from then on, until others are asked for more often; whoever
asks again and again is told which nodes have changed meanwhile (``changed_since``).
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson

from kube_lite.api import meta
from kube_lite.api.identity import Json
from kube_lite.api.selectors import LabelSelector, label_selector

from .fit import allocatable_of, requests_of, usual_requests_of
from .ports import HostPort, host_ports_of

MAX_TALLIES = 512


class Needs(NamedTuple):
    """What a pod takes from its node."""

    requests: dict[str, int]
    usual: dict[str, int]
    ports: frozenset[HostPort]
    delegated: frozenset[str] = frozenset()
    """Resources that devices stand in for on nodes that have none of them."""


class Placed(NamedTuple):
    """A pod on a node, or assumed there; ``pod`` is what ``outline_of`` leaves of it."""

    pod: Json
    needs: Needs
    node: str


class Sort(NamedTuple):
    """Which pods are meant: those with these labels, in these namespaces.

    Attributes:
        labels: a label selector in JSON, so that sorts can be compared.
        namespaces: names; with an empty ``chosen`` all that count.
        chosen: a label selector for further namespaces, in JSON; ``b"{}"`` for all of them, empty for none.
    """

    labels: bytes
    namespaces: frozenset[str]
    chosen: bytes = b""


def sort_of(selector: Json | None, namespaces: frozenset[str], chosen: Json | None = None) -> Sort:
    """The sort that selectors describe; a selector of None is for no pod at all."""
    labels = orjson.dumps(selector, option=orjson.OPT_SORT_KEYS)
    by_labels = b"" if chosen is None else orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS)
    return Sort(labels, namespaces, by_labels)


def outline_of(pod: Json) -> Json:
    """What others may ask of a pod that is somewhere: a tenth of it, and there may be many thousands."""
    spec, status = pod["spec"], pod.get("status") or {}
    kept = {name: spec[name] for name in ("priority", "schedulerName", "affinity") if spec.get(name)}
    volumes = [volume for volume in spec.get("volumes") or () if not CLAIMING.isdisjoint(volume)]
    if volumes:
        kept["volumes"] = volumes
    metadata = {name: value for name, value in pod["metadata"].items() if name not in UNASKED}
    started = {"startTime": status["startTime"]} if status.get("startTime") else {}
    return {"metadata": metadata, "spec": kept, "status": started}


CLAIMING = frozenset({"persistentVolumeClaim", "ephemeral"})
UNASKED = frozenset({"managedFields", "annotations", "ownerReferences", "finalizers"})


def needs_of(pod: Json) -> Needs:
    """What counts of a pod once it is somewhere."""
    return Needs(requests_of(pod), usual_requests_of(pod), host_ports_of(pod))


class NodeInfo:
    """One node and the sum of its pods. ``node`` is None while only pods of it are known.

    ``generation`` changes with everything that may matter to a pod that depends on this node alone.
    """

    __slots__ = (
        "allocatable", "generation", "images", "labels", "name", "node", "nominated", "pods", "used",
        "usually_used",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Json | None = None
        self.labels: Mapping[str, str] = {}
        self.allocatable: dict[str, int] = {}
        self.images: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.usually_used: dict[str, int] = {}
        self.pods: dict[str, Placed] = {}
        self.nominated: dict[str, Placed] = {}
        self.generation = 0

    def set_node(self, node: Json | None) -> None:
        """Take the node as it is now."""
        self.node = node
        self.generation += 1
        self.labels = meta.labels_of(node) if node is not None else {}
        self.allocatable = allocatable_of(node) if node is not None else {}
        images = ((node or {}).get("status") or {}).get("images") or ()
        self.images = {
            name: image.get("sizeBytes", 0) for image in images for name in image.get("names") or ()
        }

    def ports(self) -> Iterator[HostPort]:
        """Every host port that is taken."""
        for placed in self.pods.values():
            yield from placed.needs.ports

    def add(self, placed: Placed) -> None:
        """Count a pod."""
        self.pods[placed.pod["metadata"]["uid"]] = placed
        self._change(placed.needs, 1)

    def remove(self, uid: str) -> Placed:
        """Count it no longer."""
        placed = self.pods.pop(uid)
        self._change(placed.needs, -1)
        return placed

    def without(self, uids: set[str]) -> "NodeInfo":
        """The same node as it would be if these pods left; the original stays as it is."""
        made = NodeInfo(self.name)
        made.node, made.labels, made.allocatable = self.node, self.labels, self.allocatable
        made.images, made.nominated = self.images, self.nominated
        for uid, placed in self.pods.items():
            if uid not in uids:
                made.add(placed)
        return made

    def _change(self, needs: Needs, sign: int) -> None:
        self.generation += 1
        for total, amounts in ((self.used, needs.requests), (self.usually_used, needs.usual)):
            for name, amount in amounts.items():
                total[name] = total.get(name, 0) + sign * amount


class Tally:
    """How many pods of a sort are on each node; pods that are ending do not count.

    Args:
        nodes: every node by name, whose labels tell the domains.
    """

    def __init__(
        self, sort: Sort, namespaces: Mapping[str, Json], nodes: "Mapping[str, NodeInfo] | None" = None
    ) -> None:
        self.sort = sort
        self.by_node: dict[str, int] = {}
        self._nodes = nodes or {}
        self._by_domain: dict[str, dict[str, int]] = {}
        self._selector: LabelSelector = label_selector(orjson.loads(sort.labels))
        self._chosen = label_selector(orjson.loads(sort.chosen)) if sort.chosen else None
        self._namespaces = namespaces

    def matches(self, pod: Json) -> bool:
        """Whether a pod is of the sort."""
        return (
            self.includes(pod["metadata"]["namespace"])
            and not meta.is_being_deleted(pod)
            and self._selector.matches_object(pod)
        )

    def includes(self, namespace: str) -> bool:
        """Whether pods of a namespace may be of the sort."""
        if namespace in self.sort.namespaces:
            return True
        if self._chosen is None:
            return False
        return self._chosen.matches(self._namespaces.get(namespace) or {})

    def change(self, placed: Placed, sign: int) -> None:
        """A pod came or went."""
        if not self.matches(placed.pod):
            return
        self.by_node[placed.node] = self.by_node.get(placed.node, 0) + sign
        for key, counts in self._by_domain.items():
            self._count(counts, key, placed.node, sign)

    def by_domain(self, key: str) -> Mapping[str, int]:
        """Domain of a label → how many pods of the sort are in it; domains without any may be left out."""
        counts = self._by_domain.get(key)
        if counts is None:
            counts = self._by_domain[key] = {}
            for node, count in self.by_node.items():
                self._count(counts, key, node, count)
        return counts

    def forget_domains(self) -> None:
        """Labels of nodes have changed."""
        self._by_domain.clear()

    def _count(self, counts: dict[str, int], key: str, node: str, number: int) -> None:
        info = self._nodes.get(node)
        domain = info.labels.get(key) if info is not None else None
        if domain is not None:
            counts[domain] = counts.get(domain, 0) + number


class Snapshot:
    """Every node, by name, and where every pod is, by uid."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Json] = {}
        """The labels of every namespace."""
        self.choosy: dict[str, Placed] = {}
        """The pods that say something about which pods they want beside them, by uid."""
        self._nodes: dict[str, NodeInfo] = {}
        self._existing: list[NodeInfo] | None = None
        self._places: dict[str, tuple[str, int, bool]] = {}
        self._nominations: dict[str, str] = {}
        self._tallies: OrderedDict[Sort, Tally] = OrderedDict()
        self.changes = 0
        """How often something about a node has changed so far."""
        self.departures = 0
        """How many nodes have gone; ``changed_since`` does not tell of them."""
        self._changed: dict[str, int] = {}
        """Node → as how manieth change it changed last, in this order."""

    def changed_since(self, changes: int) -> Iterator[str]:
        """The nodes that have changed since there had been so many ``changes``, the latest first."""
        for name, number in reversed(self._changed.items()):
            if number <= changes:
                return
            yield name

    def nodes(self) -> list[NodeInfo]:
        """The nodes that exist."""
        if self._existing is None:
            self._existing = [info for info in self._nodes.values() if info.node is not None]
        return self._existing

    def node(self, name: str) -> NodeInfo | None:
        """One of them."""
        info = self._nodes.get(name)
        return info if info is not None and info.node is not None else None

    def set_node(self, node: Json) -> None:
        """A node is there, or has changed."""
        info = self._info(node["metadata"]["name"])
        if info.node is None:
            self._existing = None
        before = info.labels
        info.set_node(node)
        self._touch(info.name)
        if info.pods and before != info.labels:
            self._forget_domains()

    def remove_node(self, name: str) -> None:
        """A node is gone; its pods are not, as far as anyone has said."""
        info = self._nodes.get(name)
        if info is not None:
            self._existing = None
            self.departures += 1
            info.set_node(None)
            self._changed.pop(name, None)
            if info.pods:
                self._forget_domains()
            self._forget_if_empty(info)

    def set_namespace(self, name: str, labels: Json | None) -> None:
        """A namespace has these labels, or is gone; tallies over namespaces begin anew."""
        if labels is None:
            self.namespaces.pop(name, None)
        elif self.namespaces.get(name) == labels:
            return
        else:
            self.namespaces[name] = labels
        for sort in [sort for sort in self._tallies if sort.chosen]:
            del self._tallies[sort]

    def place(self, pod: Json, node_name: str, needs: Needs | None = None) -> None:
        """A pod is on a node, or will be. Saying so again changes nothing unless what counts has changed."""
        metadata = pod["metadata"]
        uid = metadata["uid"]
        labels = hash(orjson.dumps(metadata.get("labels") or {}))
        place = (node_name, metadata.get("generation", 0) ^ labels, meta.is_being_deleted(pod))
        if self._places.get(uid) == place:
            return
        self.displace(uid)
        self.nominate(pod, "")
        self._places[uid] = place
        placed = Placed(outline_of(pod), needs or needs_of(pod), node_name)
        self._info(node_name).add(placed)
        self._touch(node_name)
        if is_choosy(pod):
            self.choosy[uid] = placed
        self._tell(placed, 1)

    def displace(self, uid: str) -> bool:
        """A pod takes nothing any more; False if it did not anyway."""
        place = self._places.pop(uid, None)
        if place is None:
            return False
        info = self._nodes[place[0]]
        placed = info.remove(uid)
        self._touch(info.name)
        self.choosy.pop(uid, None)
        self._tell(placed, -1)
        self._forget_if_empty(info)
        return True

    def nominate(self, pod: Json, node_name: str) -> None:
        """Others have been asked to leave a node for this pod; an empty name takes that back."""
        uid = pod["metadata"]["uid"]
        before = self._nominations.pop(uid, "")
        if before and before in self._nodes:
            self._nodes[before].nominated.pop(uid, None)
            self._nodes[before].generation += 1
        if node_name and node_name in self._nodes:
            self._nominations[uid] = node_name
            self._nodes[node_name].nominated[uid] = Placed(outline_of(pod), needs_of(pod), node_name)
            self._nodes[node_name].generation += 1

    def has_nominations(self) -> bool:
        """Whether pods have been asked to leave any node for others."""
        return bool(self._nominations)

    def place_of(self, uid: str) -> str:
        """The node a pod is on or assumed on, or an empty text."""
        place = self._places.get(uid)
        return place[0] if place else ""

    def tally(self, sort: Sort) -> Tally:
        """How many pods of a sort are on each node, as of now and from now on."""
        tally = self._tallies.get(sort)
        if tally is None:
            tally = self._tallies[sort] = Tally(sort, self.namespaces, self._nodes)
            for info in self._nodes.values():
                for placed in info.pods.values():
                    tally.change(placed, 1)
            if len(self._tallies) > MAX_TALLIES:
                self._tallies.popitem(last=False)
        else:
            self._tallies.move_to_end(sort)
        return tally

    def _touch(self, name: str) -> None:
        """Something about a node has changed that may matter to a pod."""
        self.changes += 1
        self._changed.pop(name, None)
        self._changed[name] = self.changes

    def _forget_domains(self) -> None:
        for tally in self._tallies.values():
            tally.forget_domains()

    def _tell(self, placed: Placed, sign: int) -> None:
        for tally in self._tallies.values():
            tally.change(placed, sign)

    def _info(self, name: str) -> NodeInfo:
        info = self._nodes.get(name)
        if info is None:
            info = self._nodes[name] = NodeInfo(name)
        return info

    def _forget_if_empty(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            self._nodes.pop(info.name, None)
            self._changed.pop(info.name, None)


def is_choosy(pod: Json) -> bool:
    """Whether a pod says which pods it wants beside it, or does not."""
    affinity = pod["spec"].get("affinity") or {}
    return bool(affinity.get("podAffinity") or affinity.get("podAntiAffinity"))
