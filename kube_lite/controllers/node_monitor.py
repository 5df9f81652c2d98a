"""Notice that nothing is heard of a node any more, say so of it and of its Pods, and have them leave it.

A sign of life is a renewed Lease or a new heartbeat in the status. What counts is when it was seen here, by a
clock of our own, for those of the nodes may be wrong; and that clock counts only while somebody looks: when
this process was stopped, or its host asleep, or when it had no time for anything, the nodes could not be
heard, and are not lost. One timer looks at all nodes.

The taints themselves are written by ``node_lifecycle``, which asks here whether a node may drive Pods away.
Source: ``monitorNodeHealth`` in ``pkg/controller/nodelifecycle``.
"""

import asyncio
from collections.abc import Callable

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, key_of
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock
from kube_lite.kit.metrics import Counter, Gauge, Labels, Shown

from .node_health import (
    EXCLUDED,
    GRACE_SECONDS,
    STARTUP_SECONDS,
    Allowance,
    Count,
    ZoneState,
    plan_disruption,
    plan_lost,
    plan_unready,
    zone_of,
)
from .pod_cleanup import BY_NODE, assigned_node
from .resources import NODES, PODS

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
LEASE_NAMESPACE = "kube-node-lease"
PERIOD = 5.0  # seconds between two looks; upstream's --node-monitor-period
ZONE = ("zone",)
LONGEST_GAP = 2 * PERIOD  # what counts of a longer time without a look


class _Health:
    """What was seen of a node last.

    Attributes:
        ready: the status of its condition, empty when it has none.
        seen: when there was a sign of life, by the monitor's clock.
        has_stale_pods: its Pods may say that they are ready, which nobody can know.
    """

    __slots__ = ("excluded", "has_stale_pods", "heartbeat", "ready", "renewed", "seen", "uid", "zone")

    def __init__(self, uid: str, seen: float) -> None:
        self.uid = uid
        self.seen = seen
        self.ready = self.heartbeat = self.renewed = self.zone = ""
        self.excluded = self.has_stale_pods = False


class NodeMonitor(Controller):
    """Writes what nodes do not say themselves any more.

    Args:
        grace: seconds for which a node may be silent.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        grace: float = GRACE_SECONDS,
    ) -> None:
        super().__init__("node-monitor", clock)
        self._client = client
        self._recorder = recorder.of("node-controller")
        self._grace = grace
        self._health: dict[str, _Health] = {}
        self._states: dict[str, ZoneState] = {}
        self._allowances: dict[str, Allowance] = {}
        self._repelling: set[str] = set()
        self._zones: dict[str, Count] = {}
        self._evictions = Counter(
            "node_collector_evictions_total",
            "Number of Node evictions that happened since current instance of NodeController started.",
            ZONE,
        )
        self._listeners: list[Callable[[ObjectKey], None]] = []
        self._counted, self._looked_at = 0.0, clock.monotonic()
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(BY_NODE, assigned_node)
        self._leases = informers.informer(LEASES, namespace=LEASE_NAMESPACE)
        for informer in (self._nodes, self._pods, self._leases):
            self.needs(informer)

    def repels(self, name: str) -> bool:
        """Whether a node that is not ready should drive Pods away by now."""
        return name in self._repelling

    def on_change(self, listener: Callable[[ObjectKey], None]) -> None:
        """Call ``listener`` with the key of a node when ``repels`` says something else of it."""
        self._listeners.append(listener)

    def shown(self) -> tuple[Shown, ...]:
        """What is counted of nodes, under upstream's names."""

        def read(figure: Callable[[Count], float]) -> Callable[[], dict[Labels, float]]:
            return lambda: {(zone,): figure(count) for zone, count in self._zones.items()}

        unhealthy = "Gauge measuring number of not Ready Nodes per zones."
        health = "Gauge measuring percentage of healthy nodes per zone."
        size = "Gauge measuring number of registered Nodes per zones."
        return (
            self._evictions,
            Gauge("node_collector_unhealthy_nodes_in_zone", unhealthy, ZONE, read(lambda count: count.other)),
            Gauge(
                "node_collector_zone_health", health, ZONE, read(lambda count: 100 * count.ready / sum(count))
            ),
            Gauge("node_collector_zone_size", size, ZONE, read(sum)),
        )

    async def run(self, ready: Callable[[], None]) -> None:
        """Listen and look until cancelled; ready when ``repels`` knows what was decided before."""
        self._nodes.add_handler(self._on_node)
        self._leases.add_handler(self._on_lease)
        await super().run(ready)

    async def work(self) -> None:
        """Look at all nodes now and then; write of those that need it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_again_and_again(), name=f"{self.name} look")
            group.create_task(super().work())

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Say that a node is lost, and that its Pods are not ready."""
        node, health = self._nodes.get(key), self._health.get(key.name)
        if node is None or health is None:
            return None
        if self._is_lost(health):
            conditions = plan_lost(node, self.clock.now())
            if conditions is not None:  # with its resourceVersion: it may be speaking just now
                status = {**(node.get("status") or {}), "conditions": conditions}
                await self._client.update(NODES, {**node, "status": status}, subresource="status")
        if health.has_stale_pods:
            for pod in self._pods.by_index(BY_NODE, key.name):
                if health.has_stale_pods:  # it has not come back meanwhile
                    await self._mark_unready(pod)
            health.has_stale_pods = False
        return None

    async def _mark_unready(self, pod: Json) -> None:
        status = plan_unready(pod, self.clock.now())
        if status is None:
            return
        namespace = pod["metadata"]["namespace"]
        try:
            await self._client.update(
                PODS, {**pod, "status": status}, namespace=namespace, subresource="status"
            )
        except NotFound:
            return
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _on_node(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is None:
            if old is not None and self._health.pop(key_of(old).name, None) is not None:
                self._repelling.discard(key_of(old).name)
                self._tell(old, "RemovingNode", "Removing Node {0} from Controller")
            return
        name, uid = new["metadata"]["name"], meta.uid_of(new)
        found = meta.condition(new, "Ready") or {}
        ready, heartbeat = found.get("status") or "", found.get("lastHeartbeatTime") or ""
        health = self._health.get(name)
        if health is None or health.uid != uid:
            health = self._health[name] = _Health(uid, self._time())
            self._meet(new, health, ready)
        elif (ready == "") != (health.ready == "") or heartbeat != health.heartbeat:
            health.seen = self._time()
        if health.ready == "True" and ready == "Unknown":
            words = f"Node {name} status is now: NodeNotReady"
            self._recorder.event(_reference(new), "Normal", "NodeNotReady", words)
            health.has_stale_pods = True
        health.ready, health.heartbeat = ready, heartbeat
        health.zone, health.excluded = zone_of(new), EXCLUDED in meta.labels_of(new)
        if ready == "True":
            self._repelling.discard(name)
            health.has_stale_pods = False
        elif health.has_stale_pods:
            self.queue.add(key_of(new))

    def _meet(self, node: Json, health: _Health, ready: str) -> None:
        """A node that was not known; what an earlier run said of it holds."""
        self._tell(node, "RegisteredNode", "Registered Node {0} in Controller")
        health.has_stale_pods = ready == "Unknown"
        taints = (node.get("spec") or {}).get("taints") or ()
        if any(
            taint.get("effect") == "NoExecute"
            and taint.get("key") in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            for taint in taints
        ):
            self._repelling.add(node["metadata"]["name"])

    def _tell(self, node: Json, reason: str, words: str) -> None:
        name = node["metadata"]["name"]
        self._recorder.event(_reference(node), "Normal", reason, f"Node {name} event: {words.format(name)}")

    def _on_lease(self, event: EventType, old: Json | None, new: Json | None) -> None:
        health = self._health.get(new["metadata"]["name"]) if new is not None else None
        if new is None or health is None:
            return
        renewed = (new.get("spec") or {}).get("renewTime") or ""
        if renewed != health.renewed:
            health.renewed, health.seen = renewed, self._time()

    async def _look_again_and_again(self) -> None:
        while True:
            self._look()
            await self.clock.sleep(PERIOD)

    def _look(self) -> None:
        self._counted = self._time()
        self._looked_at = self.clock.monotonic()
        zones: dict[str, Count] = {}
        for name, health in self._health.items():
            is_lost = self._is_lost(health)
            if is_lost and health.ready != "Unknown":
                self.queue.add(ObjectKey("", name))
            if not health.excluded:
                ready, other = zones.get(health.zone, (0, 0))
                is_ready = health.ready == "True" and not is_lost
                zones[health.zone] = Count(ready + is_ready, other + (not is_ready))
        self._judge_zones(zones)
        self._let_repel()

    def _judge_zones(self, zones: dict[str, Count]) -> None:
        found = plan_disruption(self._states, zones)
        self._states, self._zones = found.states, zones
        now = self._counted
        for zone, rate in found.rates.items():
            self._allowances.setdefault(zone, Allowance(now)).set_rate(rate, now)
        if found.all_began:
            freed, self._repelling = self._repelling, set()
            for name in freed:
                self._changed(name)
        if found.all_ended:  # nobody was heard, so it was our ears
            for health in self._health.values():
                health.seen = now

    def _let_repel(self) -> None:
        """Let as many nodes that are not ready drive their Pods away as may begin now."""
        for name, health in self._health.items():
            if name in self._repelling or not (health.ready in ("False", "Unknown") or self._is_lost(health)):
                continue
            if self._allowances.setdefault(health.zone, Allowance(self._counted)).take(self._counted):
                self._repelling.add(name)
                self._evictions.add((health.zone,))
                self._changed(name)

    def _changed(self, name: str) -> None:
        for listener in self._listeners:
            listener(ObjectKey("", name))

    def _is_lost(self, health: _Health) -> bool:
        return self._counted - health.seen > (self._grace if health.ready else STARTUP_SECONDS)

    def _time(self) -> float:
        """Seconds for which somebody has been looking."""
        return self._counted + min(self.clock.monotonic() - self._looked_at, LONGEST_GAP)


def _reference(node: Json) -> Json:
    """What Events of this controller name of a node."""
    metadata = {"name": node["metadata"]["name"], "uid": meta.uid_of(node)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
