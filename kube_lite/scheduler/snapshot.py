"""Nodes and the pods on them, as far as placing another pod is concerned.

Kept up to date change by change, so looking at it costs nothing. A pod counts from the moment it is decided
where it goes (it is *assumed* there) and not only when the API says so: otherwise the next of a burst of
pods would be placed as if the one before did not exist.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kube_lite.api.identity import Json

from .fit import allocatable_of, requests_of, usual_requests_of
from .ports import HostPort, host_ports_of


class Needs(NamedTuple):
    """What a pod takes from its node."""

    requests: dict[str, int]
    usual: dict[str, int]
    ports: frozenset[HostPort]


def needs_of(pod: Json) -> Needs:
    """What counts of a pod once it is somewhere."""
    return Needs(requests_of(pod), usual_requests_of(pod), host_ports_of(pod))


class NodeInfo:
    """One node and the sum of its pods. ``node`` is None while only pods of it are known."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Json | None = None
        self.allocatable: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.usually_used: dict[str, int] = {}
        self.pods: dict[str, Needs] = {}

    def set_node(self, node: Json | None) -> None:
        """Take the node as it is now."""
        self.node = node
        self.allocatable = allocatable_of(node) if node is not None else {}

    def ports(self) -> Iterator[HostPort]:
        """Every host port that is taken."""
        for needs in self.pods.values():
            yield from needs.ports

    def add(self, uid: str, needs: Needs) -> None:
        """Count a pod."""
        self.pods[uid] = needs
        _change(self.used, needs.requests, 1)
        _change(self.usually_used, needs.usual, 1)

    def remove(self, uid: str) -> None:
        """Count it no longer."""
        needs = self.pods.pop(uid)
        _change(self.used, needs.requests, -1)
        _change(self.usually_used, needs.usual, -1)


def _change(total: dict[str, int], amounts: dict[str, int], sign: int) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + sign * amount


class Snapshot:
    """Every node, by name, and where every pod is, by uid."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._places: dict[str, tuple[str, int]] = {}

    def nodes(self) -> list[NodeInfo]:
        """The nodes that exist."""
        return [info for info in self._nodes.values() if info.node is not None]

    def set_node(self, node: Json) -> None:
        """A node is there, or has changed."""
        self._info(node["metadata"]["name"]).set_node(node)

    def remove_node(self, name: str) -> None:
        """A node is gone; its pods are not, as far as anyone has said."""
        info = self._nodes.get(name)
        if info is not None:
            info.set_node(None)
            self._forget_if_empty(info)

    def place(self, pod: Json, node_name: str, needs: Needs | None = None) -> None:
        """A pod is on a node, or will be. Saying so again changes nothing unless its spec has changed."""
        metadata = pod["metadata"]
        uid, generation = metadata["uid"], metadata.get("generation", 0)
        if self._places.get(uid) == (node_name, generation):
            return
        self.displace(uid)
        self._places[uid] = (node_name, generation)
        self._info(node_name).add(uid, needs or needs_of(pod))

    def displace(self, uid: str) -> bool:
        """A pod takes nothing any more; False if it did not anyway."""
        place = self._places.pop(uid, None)
        if place is None:
            return False
        info = self._nodes[place[0]]
        info.remove(uid)
        self._forget_if_empty(info)
        return True

    def place_of(self, uid: str) -> str:
        """The node a pod is on or assumed on, or an empty text."""
        place = self._places.get(uid)
        return place[0] if place else ""

    def _info(self, name: str) -> NodeInfo:
        info = self._nodes.get(name)
        if info is None:
            info = self._nodes[name] = NodeInfo(name)
        return info

    def _forget_if_empty(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            self._nodes.pop(info.name, None)
