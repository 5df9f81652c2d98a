"""DaemonSet → Pods, one on every node that fits.

Changes of nodes' labels and taints concern every set; what a node reports about itself does not. A Pod that
has failed is replaced after a delay that grows from failure to failure on that node, so that a broken
template does not keep the cluster busy.

Source: kubernetes/pkg/controller/daemon.
"""

from collections.abc import Iterable, Sequence

from kube_lite.api import meta
from kube_lite.api.errors import ApiError
from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.client.controller import RequeueAfter, is_namespace_ending
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.backoff import Backoff
from kube_lite.kit.clock import Clock

from . import daemonset_plan as plans
from . import pods as pod_facts
from .daemonset_plan import Changes
from .history import REVISION_HASH, History, Past
from .owners import OwnerKind, PodOwners
from .resources import DAEMON_SET, DAEMON_SETS, NODES

KIND = OwnerKind(DAEMON_SET, DAEMON_SETS, "daemonset-controller")
MAX_BURST = 250  # Pods made or ended in one pass; upstream's BurstReplicas
FIRST_DELAY, LONGEST_DELAY = 1.0, 900.0  # between failed Pods on one node


class DaemonSets(PodOwners):
    """Keeps the Pods and revisions of every DaemonSet."""

    def __init__(self, client: Client, informers: Informers, clock: Clock, recorder: Recorder) -> None:
        super().__init__(client, informers, clock, recorder, KIND)
        self._history = History(client, informers, KIND, hash_label=REVISION_HASH)
        self._nodes = informers.informer(NODES)
        self._delays = Backoff(FIRST_DELAY, LONGEST_DELAY)
        self._not_before: dict[tuple[str, str], float] = {}
        """When a failed Pod of a set (by uid) on a node may be replaced: ``{("u1", "node-1"): 12.5}``."""
        self.needs(self._history.informer)
        self.watch(self._nodes, self._keys_of_node)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Make and end Pods, then write the status."""
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return None
        if self.selector_of(owner).is_everything:
            words = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.event(owner, "Warning", "SelectingAll", words)
            return None
        may_act = self.expectations.are_met(key) and not meta.is_being_deleted(owner)
        pods = await self.owned_pods(owner)
        past = await self._history.sync(owner)
        if past is None:
            return None
        delay = None
        failure = None
        if may_act:
            failure, delay = await self._act(owner, pods, past)
        next_available = await self._write_counts(owner, pods, past)
        if failure is not None and not is_namespace_ending(failure):
            raise failure
        if may_act:
            await self._trim(owner, pods, past)
        waits = [wait for wait in (delay, next_available) if wait is not None]
        return RequeueAfter(min(waits)) if waits else None

    async def _act(
        self, owner: Json, pods: Sequence[Json], past: Past
    ) -> tuple[ApiError | None, float | None]:
        """Take one step; gives what went wrong, and in how many seconds a failed Pod may be replaced."""
        hash_, now = self._history.hash_of(past.newest), self.clock.now()
        nodes, by_node = self._nodes.list(), plans.pods_by_node(pods)
        changes = plans.plan_nodes(owner, nodes, by_node, hash_, now)
        delay = self._take_finished(owner, changes)
        if not changes.create and not changes.delete:
            wanted = sum(plans.fit(owner, node).should_run for node in nodes)
            changes = plans.plan_update(owner, by_node, wanted, hash_, now)
        return await self._perform(owner, changes, hash_), delay

    def _take_finished(self, owner: Json, changes: Changes) -> float | None:
        """Add finished Pods to what is ended, unless others failed there just before."""
        waits: list[float] = []
        self._forget_old_failures()
        for pod in changes.finished:
            name, node = str(key_of(pod)), plans.node_of(pod)
            if pod_facts.phase_of(pod) == "Succeeded":
                words = f"Found succeeded daemon pod {name} on node {node}, will try to delete it"
                self.recorder.event(owner, "Normal", "SucceededDaemonPod", words)
            else:
                place = (owner["metadata"]["uid"], node)
                wait = self._not_before.get(place, 0.0) - self.clock.monotonic()
                if wait > 0:
                    waits.append(wait)
                    continue
                self._not_before[place] = self.clock.monotonic() + self._delays.next(place)
                words = f"Found failed daemon pod {name} on node {node}, will try to kill it"
                self.recorder.event(owner, "Warning", "FailedDaemonPod", words)
            changes.delete.append(pod)
        return min(waits, default=None)

    def _forget_old_failures(self) -> None:
        oldest = self.clock.monotonic() - 2 * LONGEST_DELAY
        for place in [place for place, moment in self._not_before.items() if moment < oldest]:
            del self._not_before[place]
            self._delays.forget(place)

    async def _perform(self, owner: Json, changes: Changes, hash_: str) -> ApiError | None:
        failure = None
        if changes.create:
            new = [plans.new_pod(owner, node, hash_) for node in changes.create[:MAX_BURST]]
            failure = await self.create_pods(owner, new)
        if changes.delete:
            failure = await self.delete_pods(owner, changes.delete[:MAX_BURST]) or failure
        return failure

    async def _write_counts(self, owner: Json, pods: Sequence[Json], past: Past) -> float | None:
        status, next_available = plans.plan_status(
            owner,
            self._nodes.list(),
            plans.pods_by_node(pods),
            self._history.hash_of(past.newest),
            past.collisions,
            self.clock.now(),
        )
        await self.write_status(owner, status)
        return next_available

    async def _trim(self, owner: Json, pods: Iterable[Json], past: Past) -> None:
        hashes = {meta.labels_of(pod).get(REVISION_HASH) for pod in pods}
        hashes.add(self._history.hash_of(past.newest))
        live = {
            entry["metadata"]["name"] for entry in past.revisions if self._history.hash_of(entry) in hashes
        }
        await self._history.trim(owner, past, live)

    def _keys_of_node(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if old is not None and new is not None and _placement(old) == _placement(new):
            return []
        return [key_of(owner) for owner in self.owners.list()]


def _placement(node: Json) -> tuple[object, object]:
    return meta.labels_of(node), (node.get("spec") or {}).get("taints") or []
