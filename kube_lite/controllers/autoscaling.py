"""HorizontalPodAutoscaler: the number of replicas of a target follows metrics.

Every fifteen seconds, and when its object changes, an autoscaler is looked at: the scale of its target, what
each metric asks for (``autoscaling_replicas.py``), how far that may go (``autoscaling_limits.py``). Earlier
recommendations and changes are kept here only: after a restart the first recommendation stands for all before
it, so that nothing is scaled down sooner than a window after the start.

Source: ``pkg/controller/podautoscaler/horizontal.go``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kube_lite.api import meta
from kube_lite.api.errors import ApiError
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey, parse_api_version
from kube_lite.api.quantity import Quantity, parse_quantity
from kube_lite.api.resource import Resource
from kube_lite.api.selectors import label_selector, parse_label_selector
from kube_lite.api.times import format_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informer import Informer
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .autoscaling_limits import Moment, longest_period, plan_limits, window_of
from .autoscaling_metrics import Metrics
from .autoscaling_replicas import (
    CannotTell,
    Proposal,
    Tolerances,
    group_pods,
    plan_by_average,
    plan_by_share,
    plan_by_total,
    plan_by_value,
    pod_requests,
)
from .resources import HORIZONTAL_POD_AUTOSCALERS, PODS

SYNC_SECONDS = 15.0
ABOVE_MAXIMUM = "Current number of replicas above Spec.MaxReplicas"
BELOW_MINIMUM = "Current number of replicas below Spec.MinReplicas"


class Failed(Exception):
    """A metric says nothing. The reason of the condition, and the whole sentence for events."""

    def __init__(self, reason: str, why: str, sentence: str) -> None:
        super().__init__(why)
        self.reason = reason
        self.sentence = sentence


class Means(NamedTuple):
    """What every look needs."""

    client: Client
    recorder: Recorder
    resources: Iterable[Resource]
    pods: Informer


class Answer(NamedTuple):
    """What a metric asks for, its name in reasons, and how the status shows it."""

    replicas: int
    name: str
    status: Json


class Target(NamedTuple):
    """What is scaled, as one look at it found it."""

    namespace: str
    scale: Json
    selector: str
    pods: list[Json]

    @property
    def current(self) -> int:
        """How many replicas there should be now."""
        return int((self.scale.get("spec") or {}).get("replicas", 0))

    @property
    def present(self) -> int:
        """How many there are."""
        return int((self.scale.get("status") or {}).get("replicas", 0))


@dataclass
class Memory:
    """What is remembered of one autoscaler."""

    recommended: list[Moment] = field(default_factory=list)
    ups: list[Moment] = field(default_factory=list)
    downs: list[Moment] = field(default_factory=list)

    def forget(self, behavior: Json | None, now: float) -> None:
        """Drop what no window and no policy looks at any more."""
        window = max(window_of(behavior, "scaleUp"), window_of(behavior, "scaleDown"))
        self.recommended = [one for one in self.recommended if one.at > now - window]
        period = longest_period(behavior)
        self.ups = [one for one in self.ups if one.at > now - period]
        self.downs = [one for one in self.downs if one.at > now - period]


class Autoscalers(Controller):
    """Scales what autoscalers point to.

    Args:
        resources: the rows that are served, to find what they point to.
    """

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, recorder: Recorder,
        resources: Iterable[Resource],
    ) -> None:  # fmt: skip
        super().__init__("autoscaling", clock)
        pods = informers.informer(PODS)
        self._means = Means(client, recorder.of("horizontal-pod-autoscaler"), resources, pods)
        self._autoscalers = informers.informer(HORIZONTAL_POD_AUTOSCALERS)
        self._memories: dict[ObjectKey, Memory] = {}
        self._next: dict[ObjectKey, tuple[Json, float]] = {}
        self.watch(self._autoscalers, pace=_in_its_turn)
        self.needs(pods)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Look at one autoscaler, unless only its status has changed since the last look."""
        found = self._autoscalers.get(key)
        if found is None:
            self._memories.pop(key, None)
            self._next.pop(key, None)
            return None
        now = self.clock.now()
        spec, due = self._next.get(key, ({}, 0.0))
        if spec == found["spec"] and now < due:
            return RequeueAfter(due - now)
        self._next[key] = (found["spec"], now + SYNC_SECONDS)
        await Look(self._means, found, self._memories.setdefault(key, Memory()), now).perform()
        return RequeueAfter(SYNC_SECONDS)


def _in_its_turn(event: EventType, key: ObjectKey) -> float:
    """What is new or changed waits as long as everything does: that much time for metrics to come.

    Source: ``enqueueHPA`` and ``NewFixedItemIntervalRateLimiter`` in ``pkg/controller/podautoscaler``.
    """
    return 0.0 if event is EventType.DELETED else SYNC_SECONDS


class Look:
    """One look at one autoscaler."""

    def __init__(self, means: Means, found: Json, memory: Memory, now: float) -> None:
        self._client, self._recorder, self._rows, self._pods = means
        self._metrics = Metrics(means.client)
        self._found, self._memory, self._now = found, memory, now
        self._spec: Json = found["spec"]
        self._conditions = list(meta.conditions_of(found))
        self._status: Json = dict(found.get("status") or {})

    async def perform(self) -> None:
        """Read the scale, decide, scale, and write the status."""
        try:
            resource, target = await self._target()
        except ApiError as error:
            self._tell("Warning", "FailedGetScale", error.message)
            words = f"the HPA controller was unable to get the target's current scale: {error.message}"
            self._note("AbleToScale", "False", "FailedGetScale", words)
            await self._write()
            return
        words = "the HPA controller was able to get the target's current scale"
        self._note("AbleToScale", "True", "SucceededGetScale", words)
        wanted, reason = await self._decide(target)
        if wanted is None:
            wanted = target.current
        elif wanted != target.current:
            wanted = await self._scale(resource, target, wanted, reason)
        self._status["currentReplicas"] = target.current
        self._status["desiredReplicas"] = wanted
        await self._write()

    async def _target(self) -> tuple[GroupVersionResource, Target]:
        reference, namespace = self._spec["scaleTargetRef"], self._found["metadata"]["namespace"]
        group, kind = parse_api_version(reference.get("apiVersion", "v1")).group, reference["kind"]
        rows = [row for row in self._rows if row.kind == kind and row.group == group]
        row = next((row for row in rows if row.subresource("scale") is not None), None)
        if row is None:
            raise ApiError(f'no matches for kind "{kind}" in group "{group}"')
        scale = await self._client.get(row.gvr, reference["name"], namespace=namespace, subresource="scale")
        selector = str((scale.get("status") or {}).get("selector") or "")
        chosen = parse_label_selector(selector) if selector else None
        pods = [
            pod for pod in self._pods.list(namespace) if chosen is not None and chosen.matches_object(pod)
        ]
        return row.gvr, Target(namespace, scale, selector, pods)

    async def _decide(self, target: Target) -> tuple[int | None, str]:
        """The replicas there should be, and why; None when nothing can be said."""
        least, most = int(self._spec.get("minReplicas", 1)), int(self._spec["maxReplicas"])
        if target.current == 0 and least != 0:
            words = "scaling is disabled since the replica count of the target is zero"
            self._note("ScalingActive", "False", "ScalingDisabled", words)
            return 0, ""
        if target.current > most:
            return most, ABOVE_MAXIMUM
        if target.current < least:
            return least, BELOW_MINIMUM
        found = await self._ask_metrics(target)
        if found is None:
            return None, ""
        replicas, name = found
        self._memory.forget(self._spec.get("behavior"), self._now)
        if not self._memory.recommended:
            self._memory.recommended.append(Moment(target.current, self._now))
        limits = plan_limits(
            self._spec, target.current, replicas,
            self._memory.recommended, self._memory.ups, self._memory.downs, self._now,
        )  # fmt: skip
        self._memory.recommended.append(Moment(replicas, self._now))
        self._note("AbleToScale", *limits.stabilized)
        self._note("ScalingLimited", *limits.limited)
        above = f"{name} above target"
        return limits.replicas, above if limits.replicas > target.current else "All metrics below target"

    async def _ask_metrics(self, target: Target) -> tuple[int, str] | None:
        """The most that a metric asks for, and its name; None when it cannot be told."""
        metrics = self._spec.get("metrics") or []
        answers: list[Answer] = []
        failures: list[Failed] = []
        shown = []
        for metric in metrics:
            try:
                answer = await self._ask(metric, target)
                answers.append(answer)
                shown.append(answer.status)
            except Failed as failure:
                failures.append(failure)
                shown.append({"type": ""})
        self._status["currentMetrics"] = shown
        best = max(answers, key=lambda answer: answer.replicas, default=None)
        if best is None or (failures and best.replicas < target.current):
            first = failures[0]
            for one in failures:
                self._tell("Warning", one.reason, str(one))
            counted = f"invalid metrics ({len(failures)} invalid out of {len(metrics)})"
            words = f"{counted}, first error is: {first.sentence}: {first}"
            self._tell("Warning", "FailedComputeMetricsReplicas", words)
            words = f"the HPA was unable to compute the replica count: {first}"
            self._note("ScalingActive", "False", first.reason, words)
            return None
        words = f"the HPA was able to successfully calculate a replica count from {best.name}"
        self._note("ScalingActive", "True", "ValidMetricFound", words)
        return best.replicas, best.name

    async def _ask(self, metric: Json, target: Target) -> Answer:
        match metric["type"]:
            case "Resource":
                return await self._resource(metric["resource"], target, "Resource")
            case "ContainerResource":
                return await self._resource(metric["containerResource"], target, "ContainerResource")
            case "Pods":
                return await self._pods_metric(metric["pods"], target)
            case "Object":
                return await self._object(metric["object"], target)
            case _:
                return await self._external(metric["external"], target)

    async def _resource(self, source: Json, target: Target, kind: str) -> Answer:
        resource, wanted, container = source["name"], source["target"], source.get("container", "")
        share = wanted.get("averageUtilization")
        words = f"failed to get {resource} {'utilization' if share is not None else 'usage'}: "
        try:
            measured = await self._metrics.of_resource(target.namespace, target.selector, resource, container)
            pods = self._selected(target)
            groups = group_pods(pods, measured, self._now, is_cpu=resource == "cpu")
            if share is not None:
                asked = pod_requests(pods, resource, container)
                known = {name: one for name, one in measured.items() if name in asked}
                found = plan_by_share(target.current, share, known, asked, groups, self._tolerances())
            else:
                average = parse_quantity(wanted["averageValue"]).milli_value
                found = plan_by_average(target.current, average, measured, groups, self._tolerances())
        except CannotTell as error:
            label = f"{resource} container resource" if container else f"{resource} resource"
            sentence = f"failed to get {label} metric value"
            reason = f"FailedGet{kind}Metric"
            raise Failed(reason, f"{words}{error}", sentence) from error
        current: Json = {"averageValue": str(Quantity.of_milli(found.average))}
        if share is not None:
            current["averageUtilization"] = found.measured
        status: Json = {"name": resource, "current": current}
        if container:
            status["container"] = container
        name = f"{resource} container resource" if container else f"{resource} resource"
        if share is not None:
            name += " utilization (percentage of request)"
        member = "containerResource" if container else "resource"
        return Answer(found.replicas, name, {"type": kind, member: status})

    async def _pods_metric(self, source: Json, target: Target) -> Answer:
        metric = source["metric"]["name"]
        average = parse_quantity(source["target"]["averageValue"]).milli_value
        try:
            measured = await self._metrics.of_pods(target.namespace, metric)
            pods = self._selected(target)
            names = {pod["metadata"]["name"] for pod in pods}
            known = {name: one for name, one in measured.items() if name in names}
            groups = group_pods(pods, known, self._now, is_cpu=False)
            found = plan_by_average(target.current, average, known, groups, self._tolerances())
        except CannotTell as error:
            why = f"unable to get metric {metric}: {error}"
            raise Failed("FailedGetPodsMetric", why, "failed to get pods metric value") from error
        status = {
            "metric": source["metric"],
            "current": {"averageValue": str(Quantity.of_milli(found.average))},
        }
        return Answer(found.replicas, f"pods metric {metric}", {"type": "Pods", "pods": status})

    async def _object(self, source: Json, target: Target) -> Answer:
        described, metric = source["describedObject"], source["metric"]["name"]
        group = parse_api_version(described.get("apiVersion", "v1")).group
        row = next((row for row in self._rows if row.kind == described["kind"] and row.group == group), None)
        try:
            if row is None:
                raise CannotTell(f'no matches for kind "{described["kind"]}" in group "{group}"')
            name = f"{row.plural}.{group}".rstrip(".")
            value = await self._metrics.of_object(target.namespace, name, described["name"], metric)
        except CannotTell as error:
            why = f"unable to get metric {metric}: {described['kind']} on {target.namespace} {error}"
            raise Failed("FailedGetObjectMetric", why, "failed to get object metric value") from error
        found, current = self._from_value(source["target"], target, value)
        status = {"describedObject": described, "metric": source["metric"], "current": current}
        return Answer(found, f"{described['kind']} metric {metric}", {"type": "Object", "object": status})

    async def _external(self, source: Json, target: Target) -> Answer:
        metric, selector = source["metric"]["name"], source["metric"].get("selector")
        text = str(label_selector(selector)) if selector else ""
        try:
            value = await self._metrics.from_outside(target.namespace, metric, text)
        except CannotTell as error:
            why = f"unable to get external metric {target.namespace}/{metric}/{text or 'nil'}: {error}"
            sentence = f"failed to get {metric} external metric value"
            raise Failed("FailedGetExternalMetric", why, sentence) from error
        found, current = self._from_value(source["target"], target, value)
        status = {"metric": source["metric"], "current": current}
        name = f"external metric {metric}({'&LabelSelector' if selector else 'nil'}{text})"
        return Answer(found, name, {"type": "External", "external": status})

    def _from_value(self, wanted: Json, target: Target, value: int) -> tuple[int, Json]:
        """Replicas for something that is not measured by Pod, and how the status shows what was measured."""
        tolerances = self._tolerances()
        if wanted.get("averageValue") is not None:
            average = parse_quantity(wanted["averageValue"]).milli_value
            found = plan_by_total(target.present, value, average, tolerances)
            return found.replicas, {"averageValue": str(Quantity.of_milli(found.average))}
        limit = parse_quantity(wanted["value"]).milli_value
        ready = sum(
            (pod.get("status") or {}).get("phase") == "Running" and meta.is_condition_true(pod, "Ready")
            for pod in target.pods
        )
        plan: Proposal = plan_by_value(target.current, ready, value, limit, tolerances)
        return plan.replicas, {"value": str(Quantity.of_milli(value))}

    def _selected(self, target: Target) -> list[Json]:
        if not target.pods:
            raise CannotTell("no pods returned by selector while calculating replica count")
        return target.pods

    def _tolerances(self) -> Tolerances:
        behavior = self._spec.get("behavior") or {}
        given: dict[str, Any] = {}
        for name, direction in (("up", "scaleUp"), ("down", "scaleDown")):
            tolerance = (behavior.get(direction) or {}).get("tolerance")
            if tolerance is not None:
                given[name] = parse_quantity(tolerance).milli_value / 1000
        return Tolerances(**given)

    async def _scale(self, resource: GroupVersionResource, target: Target, wanted: int, reason: str) -> int:
        scale = {**target.scale, "spec": {**(target.scale.get("spec") or {}), "replicas": wanted}}
        told = f"New size: {wanted}; reason: {reason}"
        try:
            await self._client.update(resource, scale, namespace=target.namespace, subresource="scale")
        except ApiError as error:
            self._tell("Warning", "FailedRescale", f"{told}; error: {error.message}")
            words = f"the HPA controller was unable to update the target scale: {error.message}"
            self._note("AbleToScale", "False", "FailedUpdateScale", words)
            return target.current
        words = f"the HPA controller was able to update the target scale to {wanted}"
        self._note("AbleToScale", "True", "SucceededRescale", words)
        self._tell("Normal", "SuccessfulRescale", told)
        change = Moment(abs(wanted - target.current), self._now)
        (self._memory.ups if wanted > target.current else self._memory.downs).append(change)
        self._status["lastScaleTime"] = format_time(self._now)
        return wanted

    def _tell(self, type_: str, reason: str, words: str) -> None:
        self._recorder.event(self._found, type_, reason, words)

    def _note(self, type_: str, status: str, reason: str, message: str) -> None:
        entry = {"type": type_, "status": status, "reason": reason, "message": message}
        self._conditions = meta.with_condition(self._conditions, entry, self._now)

    async def _write(self) -> None:
        status = {**self._status, "conditions": self._conditions}
        status.setdefault("desiredReplicas", 0)
        generation = meta.generation(self._found)
        if generation:
            status["observedGeneration"] = generation
        if status != self._found.get("status"):
            await self._client.update(
                HORIZONTAL_POD_AUTOSCALERS,
                {**self._found, "status": status},
                namespace=self._found["metadata"]["namespace"],
                subresource="status",
            )
