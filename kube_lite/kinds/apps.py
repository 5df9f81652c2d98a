"""Deployment, ReplicaSet, StatefulSet, DaemonSet, ControllerRevision, ReplicationController."""

from collections.abc import Mapping

from kube_lite.api.identity import Json, parse_api_version
from kube_lite.api.meta import controller_of
from kube_lite.api.strategy import AGE, NAME, Column

from .base import ChangeFirst, Described, Kind, Row, age_of, scale
from .cells import CONTAINERS, IMAGES, NONE, labels_text, selector_text, template_cells

WIDE_CONTAINERS = CONTAINERS._replace(priority=1)
WIDE_IMAGES = IMAGES._replace(priority=1)
READY = Column("Ready", description="Number of the pod with ready state")

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Annotation of DaemonSets that counts the changes of their template; a field in API versions of old."""


class DeploymentStrategy(Kind):
    """Pods that are replaced step by step."""

    has_generation = True
    initial_status = "{}"
    kept_by_status = ("labels",)
    table = (
        NAME,
        READY,
        Described("Up-to-date", "apps.v1.DeploymentStatus", "updatedReplicas"),
        Described("Available", "apps.v1.DeploymentStatus", "availableReplicas"),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "apps.v1.DeploymentSpec", "selector", priority=1),
    )

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """A change of annotations is a generation too, because they go to the ReplicaSets.

        Source: ``PrepareForUpdate`` in kubernetes/pkg/registry/apps/deployment/strategy.go.
        """
        if (obj["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {}):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a Deployment."""
        spec, status = obj["spec"], obj.get("status", {})
        return [
            obj["metadata"]["name"],
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0),
            age_of(obj, now),
            *template_cells(obj),
            selector_text(spec.get("selector"), ""),
        ]


def _replica_cells(obj: Json, now: float) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    return [
        obj["metadata"]["name"],
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age_of(obj, now),
        *template_cells(obj),
    ]


class ReplicaSetStrategy(Kind):
    """So many pods of one template."""

    has_generation = True
    initial_status = '{"replicas":0}'
    table = (
        NAME,
        Described("Desired", "apps.v1.ReplicaSetSpec", "replicas", type="integer"),
        Described("Current", "apps.v1.ReplicaSetStatus", "replicas", type="integer"),
        Described("Ready", "apps.v1.ReplicaSetStatus", "readyReplicas", type="integer"),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "apps.v1.ReplicaSetSpec", "selector", priority=1),
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a ReplicaSet."""
        return [*_replica_cells(obj, now), selector_text(obj["spec"].get("selector"))]


class ReplicationControllerStrategy(Kind):
    """What ReplicaSets were called first."""

    has_generation = True
    initial_status = '{"replicas":0}'
    labels = ("status.replicas",)
    table = (
        NAME,
        Described("Desired", "core.v1.ReplicationControllerSpec", "replicas", type="integer"),
        Described("Current", "core.v1.ReplicationControllerStatus", "replicas", type="integer"),
        Described("Ready", "core.v1.ReplicationControllerStatus", "readyReplicas", type="integer"),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "core.v1.ReplicationControllerSpec", "selector", priority=1),
    )

    def default_propagation(self) -> str:
        """Its pods stay, as they did before there was a garbage collector."""
        return "Orphan"

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """How many pods there are."""
        return {"status.replicas": str(obj.get("status", {}).get("replicas", 0))}

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a ReplicationController."""
        return [*_replica_cells(obj, now), labels_text(obj["spec"].get("selector"))]


class StatefulSetStrategy(Kind):
    """Pods with names and storage of their own."""

    has_generation = True
    initial_status = '{"replicas":0,"availableReplicas":0}'
    table = (NAME, READY, AGE, WIDE_CONTAINERS, WIDE_IMAGES)

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a StatefulSet."""
        ready = obj.get("status", {}).get("readyReplicas", 0)
        return [
            obj["metadata"]["name"],
            f"{ready}/{obj['spec'].get('replicas', 0)}",
            age_of(obj, now),
            *template_cells(obj),
        ]


class DaemonSetStrategy(ChangeFirst):
    """One pod per node."""

    has_generation = True
    initial_status = (
        '{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}'
    )
    table = (
        NAME,
        Described("Desired", "apps.v1.DaemonSetStatus", "desiredNumberScheduled", type="integer"),
        Described("Current", "apps.v1.DaemonSetStatus", "currentNumberScheduled", type="integer"),
        Described("Ready", "apps.v1.DaemonSetStatus", "numberReady", type="integer"),
        Described("Up-to-date", "apps.v1.DaemonSetStatus", "updatedNumberScheduled", type="integer"),
        Described("Available", "apps.v1.DaemonSetStatus", "numberAvailable", type="integer"),
        Described("Node Selector", "core.v1.PodSpec", "nodeSelector"),
        AGE,
        WIDE_CONTAINERS,
        WIDE_IMAGES,
        Described("Selector", "apps.v1.DaemonSetSpec", "selector", priority=1),
    )

    def prepare_for_create(self, obj: Json) -> None:
        """The template's first generation, unless the client says otherwise."""
        super().prepare_for_create(obj)
        annotations = obj["metadata"].get("annotations") or {}
        if _number(annotations.get(TEMPLATE_GENERATION)) < 1:
            obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: "1"}

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Another template, another generation of it."""
        before = _number((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION))
        changed = obj["spec"].get("template") != old["spec"].get("template")
        annotations = obj["metadata"].get("annotations") or {}
        generation = str(before + 1 if changed else before)
        if generation != "0":
            obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: generation}

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """The template's generation stays; it is a part of the spec, whatever it looks like."""
        super().prepare_for_status_update(obj, old, now)
        generation = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION)
        if generation is not None:
            annotations = obj["metadata"].get("annotations") or {}
            obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: generation}

    def bare(self, obj: Json) -> Json:
        """Without the annotation, which stands for a field that this version does not have any more."""
        annotations = obj["metadata"].get("annotations") or {}
        if TEMPLATE_GENERATION not in annotations:
            return obj
        metadata = {field: value for field, value in obj["metadata"].items() if field != "annotations"}
        others = {name: value for name, value in annotations.items() if name != TEMPLATE_GENERATION}
        return {**obj, "metadata": {**metadata, "annotations": others} if others else metadata}

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a DaemonSet."""
        spec, status = obj["spec"], obj.get("status", {})
        return [
            obj["metadata"]["name"],
            status.get("desiredNumberScheduled", 0),
            status.get("currentNumberScheduled", 0),
            status.get("numberReady", 0),
            status.get("updatedNumberScheduled", 0),
            status.get("numberAvailable", 0),
            labels_text(spec["template"].get("spec", {}).get("nodeSelector")),
            age_of(obj, now),
            *template_cells(obj),
            selector_text(spec.get("selector")),
        ]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


class ControllerRevisionStrategy(Kind):
    """A template as it once was."""

    table = (
        NAME,
        Column("Controller", description="Controller of the object"),
        Described("Revision", "apps.v1.ControllerRevision", "revision"),
        AGE,
    )

    def cells(self, obj: Json, now: float) -> list[object]:
        """Whose revision it is, and which."""
        owner = controller_of(obj)
        controller = NONE
        if owner is not None:
            group = parse_api_version(owner["apiVersion"]).group
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            controller = f"{kind.lower()}/{owner['name']}"
        return [obj["metadata"]["name"], controller, obj.get("revision", 0), age_of(obj, now)]


REPLICATION_CONTROLLER = Row(
    "ReplicationController",
    "replicationcontrollers",
    ReplicationControllerStrategy,
    short_names=("rc",),
    categories=("all",),
    status=True,
    subresources=(scale(),),
)
APPS = (
    Row("ControllerRevision", "controllerrevisions", ControllerRevisionStrategy),
    Row("DaemonSet", "daemonsets", DaemonSetStrategy, short_names=("ds",), categories=("all",), status=True),
    Row(
        "Deployment",
        "deployments",
        DeploymentStrategy,
        short_names=("deploy",),
        categories=("all",),
        status=True,
        subresources=(scale(),),
    ),
    Row(
        "ReplicaSet",
        "replicasets",
        ReplicaSetStrategy,
        short_names=("rs",),
        categories=("all",),
        status=True,
        subresources=(scale(),),
    ),
    Row(
        "StatefulSet",
        "statefulsets",
        StatefulSetStrategy,
        short_names=("sts",),
        categories=("all",),
        status=True,
        subresources=(scale(),),
    ),
)
