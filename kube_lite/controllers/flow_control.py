"""Which requests belong together and how much of the server they may use, as objects of the API.

The levels and schemas that every cluster has are made when they are missing. Every FlowSchema says in a
condition whether its level exists. Part of the API server rather than of the controllers, so it runs with
the API alone.
Source: ``apiserver/pkg/apis/flowcontrol/bootstrap`` and ``apiserver/pkg/util/flowcontrol/apf_controller.go``.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from kube_lite.api.errors import AlreadyExists, NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.api.meta import condition, with_condition
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType, PatchType
from kube_lite.kit.clock import Clock

GROUP, VERSION = "flowcontrol.apiserver.k8s.io", "v1"
SCHEMAS = GroupVersionResource(GROUP, VERSION, "flowschemas")
LEVELS = GroupVersionResource(GROUP, VERSION, "prioritylevelconfigurations")
DANGLING = "Dangling"
PRODUCER = "api-priority-and-fairness-config-producer-v1"
"""Whose the levels and schemas of every cluster are."""
CONSUMER = "api-priority-and-fairness-config-consumer-v1"
"""Whose the conditions are."""
ANNOTATIONS = {"apf.kubernetes.io/autoupdate-spec": "true"}
BY_LEVEL = "priority levels"

# Name: shares, percentage that may be lent, and where requests wait: queues, hand size, length of a queue.
_LEVELS: dict[str, tuple[int, int, tuple[int, int, int] | None]] = {
    "catch-all": (5, 0, None),
    "global-default": (20, 50, (128, 6, 50)),
    "leader-election": (10, 0, (16, 4, 50)),
    "node-high": (40, 25, (64, 6, 50)),
    "system": (30, 33, (64, 6, 50)),
    "workload-high": (40, 50, (128, 6, 50)),
    "workload-low": (100, 90, (128, 6, 50)),
}
_EVERYBODY = ("Group system:unauthenticated", "Group system:authenticated")
_CONTROL_PLANE = ("User system:kube-controller-manager", "User system:kube-scheduler")
_SYSTEM_ACCOUNTS = "ServiceAccount kube-system/*"
_ANYTHING: Json = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
_LEASES: Json = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}
_NODES: Json = {
    "verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": True,
    "namespaces": ["*"],
}  # fmt: skip
_HEALTH: Json = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}

# Name, level, precedence, by what requests are kept apart, whose they are, and what they ask for.
_SCHEMAS: tuple[tuple[str, str, int, str, tuple[str, ...], Json], ...] = (
    ("exempt", "exempt", 1, "", ("Group system:masters",), _ANYTHING),
    ("probes", "exempt", 2, "", _EVERYBODY, {"nonResourceRules": [_HEALTH]}),
    ("system-leader-election", "leader-election", 100, "ByUser", (*_CONTROL_PLANE, _SYSTEM_ACCOUNTS),
     {"resourceRules": [{"verbs": ["get", "create", "update"], **_LEASES}]}),
    ("system-node-high", "node-high", 400, "ByUser", ("Group system:nodes",),
     {"resourceRules": [_NODES, {"verbs": ["*"], **_LEASES}]}),
    ("system-nodes", "system", 500, "ByUser", ("Group system:nodes",), _ANYTHING),
    ("kube-controller-manager", "workload-high", 800, "ByNamespace", _CONTROL_PLANE[:1], _ANYTHING),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", _CONTROL_PLANE[1:], _ANYTHING),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", (_SYSTEM_ACCOUNTS,), _ANYTHING),
    ("service-accounts", "workload-low", 9000, "ByUser", ("Group system:serviceaccounts",), _ANYTHING),
    ("global-default", "global-default", 9900, "ByUser", _EVERYBODY, _ANYTHING),
    ("catch-all", "catch-all", 10000, "ByUser", _EVERYBODY, _ANYTHING),
)  # fmt: skip


def plan_levels() -> Iterator[Json]:
    """The priority levels of every cluster."""
    yield _level(
        "exempt", {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    )
    for name, (shares, lendable, queues) in _LEVELS.items():
        response: Json = {"type": "Reject"}
        if queues is not None:
            fields = ("queues", "handSize", "queueLengthLimit")
            response = {"type": "Queue", "queuing": dict(zip(fields, queues, strict=True))}
        limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
        yield _level(name, {"type": "Limited", "limited": limited})


def _level(name: str, spec: Json) -> Json:
    return {"metadata": {"name": name, "annotations": ANNOTATIONS}, "spec": spec}


def plan_schemas() -> Iterator[Json]:
    """The flow schemas of every cluster."""
    for name, level, precedence, apart, subjects, rules in _SCHEMAS:
        rule = {"subjects": [_subject(text) for text in subjects], **rules}
        spec: Json = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
        if apart:
            spec["distinguisherMethod"] = {"type": apart}
        spec["rules"] = [rule]
        yield {"metadata": {"name": name, "annotations": ANNOTATIONS}, "spec": spec}


def _subject(text: str) -> Json:
    """``Group system:nodes`` as a subject; of a ServiceAccount the namespace is told too."""
    kind, _, name = text.partition(" ")
    field = kind[0].lower() + kind[1:]
    if kind != "ServiceAccount":
        return {"kind": kind, field: {"name": name}}
    namespace, _, account = name.partition("/")
    return {"kind": kind, field: {"namespace": namespace, "name": account}}


class FlowControl(Controller):
    """Makes what every cluster has, then keeps the conditions. Keys are names of FlowSchemas."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("flow-control", clock, workers=1)
        self._client = client
        self._schemas = informers.informer(SCHEMAS)
        self._levels = informers.informer(LEVELS)
        self._schemas.add_index(BY_LEVEL, lambda schema: [level_of(schema)])
        self.watch(self._schemas)
        self.watch(self._levels, self._affected)

    async def run(self, ready: Callable[[], None]) -> None:
        """Work until cancelled; ready before anything is made, because nobody waits for it."""
        ready()
        await self._levels.synced()
        await self._schemas.synced()
        async with asyncio.TaskGroup() as group:  # together, so that they share commits
            for informer, plan in ((self._levels, plan_levels), (self._schemas, plan_schemas)):
                for obj in plan():
                    if informer.get(ObjectKey("", obj["metadata"]["name"])) is None:
                        group.create_task(self._make(informer.resource, obj))
        await super().run(lambda: None)

    async def _make(self, resource: GroupVersionResource, obj: Json) -> None:
        try:
            await self._client.create(resource, obj)
        except AlreadyExists:  # by another server on the same store
            return

    def _affected(self, event: EventType, old: Json | None, new: Json | None) -> Iterable[ObjectKey]:
        if event is EventType.MODIFIED:
            return ()
        level = new or old
        name = level["metadata"]["name"] if level is not None else ""
        return [
            ObjectKey("", schema["metadata"]["name"]) for schema in self._schemas.by_index(BY_LEVEL, name)
        ]

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Write the condition where it says something else."""
        schema = self._schemas.get(key)
        if schema is None:
            return None
        level = level_of(schema)
        wanted = dangling(level, is_there=self._levels.get(ObjectKey("", level)) is not None)
        found = condition(schema, DANGLING) or {}
        if all(found.get(field) == value for field, value in wanted.items()):
            return None
        applied = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "FlowSchema",
            "metadata": {"name": key.name},
            "status": {"conditions": with_condition([found] if found else [], wanted, self.clock.now())},
        }
        try:
            await self._client.patch(
                SCHEMAS, key.name, applied, subresource="status",
                patch_type=PatchType.APPLY, field_manager=CONSUMER, force=True,
            )  # fmt: skip
        except NotFound:
            return None
        return None


def level_of(schema: Json) -> str:
    """The name of the level that a FlowSchema refers to."""
    name: str = schema["spec"]["priorityLevelConfiguration"]["name"]
    return name


def dangling(level: str, *, is_there: bool) -> Json:
    """The condition that says whether a schema's level exists."""
    told = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    if is_there:
        return {"type": DANGLING, "status": "False", "reason": "Found", "message": f"{told} and it exists"}
    message = f"{told} but there is no such object"
    return {"type": DANGLING, "status": "True", "reason": "NotFound", "message": message}
