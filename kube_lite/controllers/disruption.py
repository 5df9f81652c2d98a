"""PodDisruptionBudget: how many of the Pods it selects may be taken away now.

The eviction of a Pod is allowed by the API while ``status.disruptionsAllowed`` is above zero; it notes the
Pod in ``status.disruptedPods`` until this controller has seen its end. How many Pods there should be is asked
of whoever owns them, by their scale, because the Pods of the moment do not say.

Source: kubernetes/pkg/controller/disruption/disruption.go.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.gotext import go_selector
from kube_lite.api.identity import Json, ObjectKey, key_of, parse_api_version
from kube_lite.api.resource import Resource
from kube_lite.api.selectors import label_selector
from kube_lite.api.times import parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from . import pods as pod_facts
from .adoption import selects
from .resources import DEPLOYMENT, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SET, REPLICA_SETS
from .rollout import share_of

DELETION_TIMEOUT = 120.0  # seconds in which an evicted Pod should have been asked to end


class Expected(NamedTuple):
    """How many Pods there should be, and how many of them healthy."""

    pods: int
    healthy: int


class CannotCount(Exception):
    """It is not known how many Pods there should be; the message says why."""


def plan_expected(budget: Json, present: int, scale: int) -> Expected:
    """What the budget asks for.

    Args:
        present: how many Pods there are.
        scale: how many their owners want.
    """
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return Expected(scale, max(0, scale - math.ceil(share_of(spec["maxUnavailable"], scale))))
    least = spec.get("minAvailable")
    if isinstance(least, int):
        return Expected(present, least)
    return Expected(scale, math.ceil(share_of(least, scale))) if least is not None else Expected(present, 0)


def needs_scale(budget: Json) -> bool:
    """Whether the budget speaks of a share of what owners want."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


class Disrupted(NamedTuple):
    """Evicted Pods whose end is awaited (name → moment), those that were given up, and when to look again."""

    awaited: Json
    overdue: list[Json]
    wait: float | None


def plan_disrupted(budget: Json, pods: Iterable[Json], now: float) -> Disrupted:
    """Sort what ``status.disruptedPods`` names; Pods that end or are gone are not awaited any more."""
    noted = (budget.get("status") or {}).get("disruptedPods") or {}
    awaited: Json = {}
    overdue: list[Json] = []
    waits: list[float] = []
    for pod in pods if noted else ():
        moment = noted.get(pod["metadata"]["name"])
        if moment is None or meta.is_being_deleted(pod):
            continue
        left = parse_time(moment) + DELETION_TIMEOUT - now
        if left < 0:
            overdue.append(pod)
        else:
            awaited[pod["metadata"]["name"]] = moment
            waits.append(left)
    return Disrupted(awaited, overdue, min(waits) + 1 if waits else None)


def plan_status(budget: Json, pods: Iterable[Json], expected: Expected, awaited: Json, now: float) -> Json:
    """The status that goes with these Pods."""
    healthy = sum(
        pod_facts.is_ready(pod) and not meta.is_being_deleted(pod) and pod["metadata"]["name"] not in awaited
        for pod in pods
    )
    allowed = max(0, healthy - expected.healthy) if expected.pods > 0 else 0
    entry = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": meta.generation(budget),
    }
    status: Json = {
        "observedGeneration": meta.generation(budget),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
        "conditions": meta.with_condition(meta.conditions_of(budget), entry, now),
    }
    return {**status, "disruptedPods": awaited} if awaited else status


class DisruptionBudgets(Controller):
    """Keeps the status of every budget.

    Args:
        resources: the rows that are served, to find whose scale to ask for.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        recorder: Recorder,
        resources: Iterable[Resource],
    ) -> None:
        super().__init__("disruption", clock)
        self._client = client
        self._recorder = recorder.of("controllermanager")
        self._resources = resources
        self._budgets = informers.informer(POD_DISRUPTION_BUDGETS)
        self._pods = informers.informer(PODS)
        self._sets = informers.informer(REPLICA_SETS)
        self.needs(self._sets)
        self.watch(self._budgets)
        self.watch(self._pods, self._keys_of_pod)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Count, and write the status if it is not so."""
        budget = self._budgets.get(key)
        if budget is None or meta.is_being_deleted(budget):
            return None
        selector = label_selector(budget["spec"].get("selector"))
        pods = [pod for pod in self._pods.list(key.namespace) if selector.matches_object(pod)]
        if not pods:
            self._recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        now = self.clock.now()
        try:
            scale = await self._scale_of(budget, pods) if needs_scale(budget) else 0
        except CannotCount as error:
            words = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", words)
            await self._fail(budget, str(error), now)
            return None
        disrupted = plan_disrupted(budget, pods, now)
        for pod in disrupted.overdue:
            words = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self._recorder.event(pod, "Warning", "NotDeleted", words)
        status = plan_status(budget, pods, plan_expected(budget, len(pods), scale), disrupted.awaited, now)
        await self._write(budget, status)
        return RequeueAfter(disrupted.wait) if disrupted.wait is not None else None

    async def _fail(self, budget: Json, message: str, now: float) -> None:
        """To be safe, nothing may be taken away while it is not known what there should be."""
        entry = {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "SyncFailed",
            "message": message,
            "observedGeneration": meta.generation(budget),
        }
        conditions = meta.with_condition(meta.conditions_of(budget), entry, now)
        await self._write(
            budget, {**(budget.get("status") or {}), "disruptionsAllowed": 0, "conditions": conditions}
        )

    async def _write(self, budget: Json, status: Json) -> None:
        if status == budget.get("status"):
            return
        changed = {**budget, "status": status}
        await self._client.update(
            POD_DISRUPTION_BUDGETS, changed, namespace=budget["metadata"]["namespace"], subresource="status"
        )

    async def _scale_of(self, budget: Json, pods: Sequence[Json]) -> int:
        """How many Pods the owners of these want in all."""
        owners: dict[str, Json] = {}
        unmanaged: list[str] = []
        for pod in pods:
            owner = self._scaled_owner(pod)
            if owner is None:
                unmanaged.append(pod["metadata"]["name"])
            else:
                owners[owner["uid"]] = owner
        if unmanaged:
            shown = go_selector(budget["spec"].get("selector"))
            words = (
                f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. "
                "As a result, the status of the PDB cannot be calculated correctly, which may result in "
                'undefined behavior. To account for these pods please set ".spec.minAvailable" field of the '
                "PDB to an integer value."
            )
            self._recorder.event(budget, "Warning", "UnmanagedPods", words)
        namespace = budget["metadata"]["namespace"]
        return sum([await self._ask_scale(namespace, owner) for owner in owners.values()])

    def _scaled_owner(self, pod: Json) -> Json | None:
        """A reference to whoever decides how many such Pods there are: of a Deployment's, the Deployment."""
        owner = meta.controller_of(pod)
        if owner is not None and owner.get("kind") == REPLICA_SET.kind:
            found = self._sets.get(ObjectKey(pod["metadata"]["namespace"], owner["name"]))
            above = meta.controller_of(found) if found is not None else None
            if above is not None and above.get("kind") == DEPLOYMENT.kind:
                return above
        return owner

    async def _ask_scale(self, namespace: str, owner: Json) -> int:
        group, kind = parse_api_version(owner["apiVersion"]).group, owner["kind"]
        row = next((row for row in self._resources if row.kind == kind and row.group == group), None)
        if row is None or all(below.name != "scale" for below in row.subresources):
            name = f"{row.plural if row is not None else kind.lower()}.{group}".rstrip(".")
            raise CannotCount(f"{name} does not implement the scale subresource")
        try:
            found = await self._client.get(row.gvr, owner["name"], namespace=namespace, subresource="scale")
        except NotFound as error:
            raise CannotCount(error.message) from error
        return int((found.get("spec") or {}).get("replicas", 0))

    def _keys_of_pod(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        pods = [pod for pod in (old, new) if pod is not None]
        for budget in self._budgets.list(pods[0]["metadata"]["namespace"]) if pods else ():
            if any(selects(budget["spec"].get("selector"), pod) for pod in pods):
                yield key_of(budget)
