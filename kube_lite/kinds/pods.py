"""Pod, PodTemplate, the pod's subresources and the Binding that is posted to one of them."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.resource import Subresource
from kube_lite.api.strategy import AGE, NAME, Column
from kube_lite.api.table import age
from kube_lite.api.times import parse_time

from .base import READ_WRITE, Described, Kind, Row, age_of
from .cells import CONTAINERS, IMAGES, NONE, containers_cells, labels_text
from .pod_resources import quality_of_service

DEFAULT_GRACE_SECONDS = 30  # of a pod's containers between SIGTERM and SIGKILL
TERMINAL_PHASES = ("Failed", "Succeeded")
GATED: Json = {
    "type": "PodScheduled",
    "lastProbeTime": None,
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
STREAM = ("create", "get")
PROXY = ("create", "delete", "get", "patch", "update")


class PodStrategy(Kind):
    """Pods have a life of their own: a phase, a grace period, and a status column that sums up all of it."""

    returns_deleted = True
    has_generation = True
    kept_by_status = ("ownerReferences",)
    table = (
        NAME,
        Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", description="The aggregate status of the containers in this pod."),
        Column(
            "Restarts",
            description="The number of times the containers in this pod have been restarted and when the "
            "last container in this pod has restarted.",
        ),
        AGE,
        Described("IP", "core.v1.PodStatus", "podIP", priority=1),
        Described("Node", "core.v1.PodSpec", "nodeName", priority=1),
        Described("Nominated Node", "core.v1.PodStatus", "nominatedNodeName", priority=1),
        Described("Readiness Gates", "core.v1.PodSpec", "readinessGates", priority=1),
    )
    labels = (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    )

    def prepare_for_create(self, obj: Json) -> None:
        """A new pod waits for a node; its quality of service follows from its requests and limits."""
        obj["status"] = {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
        if obj["spec"].get("schedulingGates"):
            made = obj["metadata"].get("creationTimestamp")
            obj["status"]["conditions"] = [{**GATED, "lastTransitionTime": made}]

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """The quality of service stays when it is not told; who owns the pod is no matter of its status.

        Source: ``podStatusStrategy`` in kubernetes/pkg/registry/core/pod/strategy.go.
        """
        super().prepare_for_status_update(obj, old, now)
        quality = old.get("status", {}).get("qosClass")
        if quality:
            status = obj.setdefault("status", {})
            status["qosClass"] = status.get("qosClass") or quality

    def default_grace_seconds(self, obj: Json) -> int | None:
        """None for pods that run nowhere: they have nothing to stop.

        Source: ``CheckGracefulDelete`` in kubernetes/pkg/registry/core/pod/strategy.go.
        """
        spec = obj["spec"]
        if not spec.get("nodeName") or obj.get("status", {}).get("phase") in TERMINAL_PHASES:
            return None
        seconds = spec.get("terminationGracePeriodSeconds")
        if seconds is None:
            return DEFAULT_GRACE_SECONDS
        return int(seconds) if seconds >= 0 else 1

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """The fields that node agents and controllers select by."""
        spec, status = obj["spec"], obj.get("status", {})
        return {
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.restartPolicy": spec.get("restartPolicy", ""),
            "spec.schedulerName": spec.get("schedulerName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase", ""),
            "status.podIP": status.get("podIP", ""),
            "status.podIPs": status.get("podIP", ""),
            "status.nominatedNodeName": status.get("nominatedNodeName", ""),
        }

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a pod."""
        spec, status = obj["spec"], obj.get("status", {})
        summary = Summary(obj)
        addresses = status.get("podIPs")
        return [
            obj["metadata"]["name"],
            f"{summary.ready}/{summary.total}",
            summary.reason,
            summary.restarts_text(now),
            age_of(obj, now),
            addresses[0].get("ip") or NONE if addresses else status.get("podIP") or NONE,
            spec.get("nodeName") or NONE,
            status.get("nominatedNodeName") or NONE,
            _gates(spec, status),
        ]


def _gates(spec: Json, status: Json) -> str:
    gates = spec.get("readinessGates")
    if not gates:
        return NONE
    true = {entry["type"] for entry in status.get("conditions", ()) if entry["status"] == "True"}
    return f"{sum(gate['conditionType'] in true for gate in gates)}/{len(gates)}"


class Summary:
    """What the READY, STATUS and RESTARTS columns say of a pod.

    Init containers are looked at first and in order: the first that has not done its part gives the reason
    (``Init:1/3``, ``Init:CrashLoopBackOff``). Once all have, the last container with something to tell does.
    Source: ``printPod`` in kubernetes/pkg/printers/internalversion/printers.go.
    """

    def __init__(self, pod: Json) -> None:
        spec, status = pod["spec"], pod.get("status", {})
        self._sidecars = {
            container["name"]
            for container in spec.get("initContainers", ())
            if container.get("restartPolicy") == "Always"
        }
        self.total = len(spec["containers"]) + len(self._sidecars)
        self.ready = 0
        self.restarts = 0
        self._restarted = ""
        self.reason: str = status.get("reason") or status.get("phase", "")
        conditions = {entry["type"]: entry for entry in status.get("conditions", ())}
        if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
            self.reason = "SchedulingGated"
        initializing = self._init_containers(spec, status.get("initContainerStatuses", ()))
        if not initializing or conditions.get("Initialized", {}).get("status") == "True":
            self._containers(status.get("containerStatuses", ()), conditions)
        if "deletionTimestamp" in pod["metadata"]:
            if status.get("reason") == "NodeLost":
                self.reason = "Unknown"
            elif status.get("phase") not in TERMINAL_PHASES:
                self.reason = "Terminating"

    def restarts_text(self, now: float) -> str:
        """``0``, ``2 (3m ago)``."""
        if self.restarts and self._restarted:
            return f"{self.restarts} ({age(self._restarted, now)} ago)"
        return str(self.restarts)

    def _init_containers(self, spec: Json, statuses: list[Json]) -> bool:
        """Whether one of them is still to be waited for."""
        every, sidecars = Restarts(), Restarts()
        initializing = False
        for number, entry in enumerate(statuses):
            every.count(entry)
            sidecar = entry["name"] in self._sidecars
            if sidecar:
                sidecars.count(entry)
            if sidecar and entry.get("started") and not entry.get("state", {}).get("terminated"):
                self.ready += bool(entry.get("ready"))
                continue
            reason = _init_reason(entry, number, len(spec.get("initContainers", ())))
            if reason:
                self.reason = reason
                initializing = True
                break
        self._every, self._sidecar_restarts = every, sidecars
        self.restarts, self._restarted = every.number, every.last
        return initializing

    def _containers(self, statuses: list[Json], conditions: dict[str, Json]) -> None:
        restarts = self._sidecar_restarts
        running = False
        for entry in reversed(statuses):
            restarts.count(entry)
            state = entry.get("state", {})
            reason = _reason(state)
            if reason:
                self.reason = reason
            elif entry.get("ready") and state.get("running") is not None:
                running = True
                self.ready += 1
        self.restarts, self._restarted = restarts.number, restarts.last
        if self.reason == "Completed" and running:
            self.reason = "Running" if conditions.get("Ready", {}).get("status") == "True" else "NotReady"


class Restarts:
    """How often containers were restarted, and when one of them last ended."""

    def __init__(self) -> None:
        self.number = 0
        self.last = ""

    def count(self, status: Json) -> None:
        """Add one container's."""
        self.number += status.get("restartCount", 0)
        ended = status.get("lastState", {}).get("terminated", {}).get("finishedAt")
        if ended and (not self.last or parse_time(self.last) < parse_time(ended)):
            self.last = ended


def _init_reason(status: Json, number: int, total: int) -> str:
    """Why the pod waits for this init container; empty when it has done its part."""
    state = status.get("state", {})
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated is not None:
        return "" if terminated.get("exitCode") == 0 else f"Init:{_end(terminated)}"
    if waiting is not None and waiting.get("reason", "") not in ("", "PodInitializing"):
        return f"Init:{waiting['reason']}"
    return f"Init:{number}/{total}"


def _reason(state: Json) -> str:
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting is not None and waiting.get("reason"):
        return str(waiting["reason"])
    return _end(terminated) if terminated is not None else ""


def _end(terminated: Json) -> str:
    """``OOMKilled``, ``Signal:9``, ``ExitCode:2``."""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


class PodTemplateStrategy(Kind):
    """A pod template that lies about on its own."""

    returns_deleted = True
    has_generation = True
    table = (
        NAME,
        CONTAINERS,
        IMAGES,
        Column("Pod Labels", description="The labels for the pod template."),
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Containers, images and labels of the template."""
        template = obj["template"]
        names, images = containers_cells(template.get("spec", {}).get("containers", ()))
        labels = labels_text(template.get("metadata", {}).get("labels"))
        return [obj["metadata"]["name"], names, images, labels]


BINDING = Row("Binding", "bindings", verbs=("create",))
POD = Row(
    "Pod",
    "pods",
    PodStrategy,
    short_names=("po",),
    categories=("all",),
    status=True,
    subresources=(
        Subresource("attach", STREAM, "PodAttachOptions"),
        Subresource("binding", ("create",), "Binding"),
        Subresource("ephemeralcontainers", READ_WRITE, "Pod"),
        Subresource("eviction", ("create",), "Eviction", "policy", "v1"),
        Subresource("exec", STREAM, "PodExecOptions"),
        Subresource("log", ("get",), "Pod"),
        Subresource("portforward", STREAM, "PodPortForwardOptions"),
        Subresource("proxy", PROXY, "PodProxyOptions"),
        Subresource("resize", READ_WRITE, "Pod"),
    ),
)
POD_TEMPLATE = Row("PodTemplate", "podtemplates", PodTemplateStrategy)
