"""Defaults of apps, batch and autoscaling: ``pkg/apis/{apps,batch,autoscaling}/*/defaults.go``."""

from kube_lite.api.identity import Json
from kube_lite.kinds.apps import TEMPLATE_GENERATION

from . import Default
from .core import default_claim
from .pods import default_template

HISTORY_LIMIT = 10
PROGRESS_SECONDS = 600
BACKOFF_LIMIT = 6
BACKOFF_UNLIMITED = 2**31 - 1
CPU_PERCENT = 80


def default_deployment(deployment: Json) -> None:
    """Rolls a quarter at a time."""
    spec = deployment.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", HISTORY_LIMIT)
    spec.setdefault("progressDeadlineSeconds", PROGRESS_SECONDS)


def default_replicaset(replicaset: Json) -> None:
    """One replica."""
    spec = replicaset.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    spec.setdefault("replicas", 1)


def default_statefulset(statefulset: Json) -> None:
    """In order, and claims stay."""
    spec = statefulset.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    rolling = strategy.get("rollingUpdate")
    if rolling is not None:
        rolling.pop("maxUnavailable", None)  # of a feature that is off by default
        if strategy["type"] == "RollingUpdate":
            rolling.setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", HISTORY_LIMIT)
    for claim in spec.get("volumeClaimTemplates") or ():
        default_claim(claim)
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"


def default_daemonset(daemonset: Json) -> None:
    """One node at a time; the annotation stands for a field, which is always there."""
    if daemonset.get("apiVersion") == "apps/v1":
        metadata = daemonset["metadata"]
        if TEMPLATE_GENERATION not in (metadata.get("annotations") or {}):
            metadata["annotations"] = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: "0"}
    spec = daemonset.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", HISTORY_LIMIT)


def default_job(job: Json) -> None:
    """Once, on one Pod, with six retries."""
    spec = job.setdefault("spec", {})
    template = spec.setdefault("template", {})
    default_template(template)
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", BACKOFF_UNLIMITED if "backoffLimitPerIndex" in spec else BACKOFF_LIMIT)
    labels = template["metadata"].get("labels")
    if labels:
        job["metadata"].setdefault("labels", labels)  # the same, as what is added to them later shows
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    policy = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "Failed" if policy is not None else "TerminatingOrFailed")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def default_cronjob(cronjob: Json) -> None:
    """Keeps the last three successes and the last failure."""
    spec = cronjob.setdefault("spec", {})
    default_template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}).setdefault("template", {}))
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)


def default_autoscaler(autoscaler: Json) -> None:
    """At least one replica; version 2 spells out the metric and how fast to scale."""
    spec = autoscaler.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if autoscaler.get("apiVersion") == "autoscaling/v1":
        return
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior:
        _default_rules(behavior.setdefault("scaleUp", {}), SCALE_UP)
        _default_rules(behavior.setdefault("scaleDown", {}), SCALE_DOWN)


def _default_rules(rules: Json, otherwise: Json) -> None:
    for field, value in otherwise.items():
        if field not in rules:
            rules[field] = [dict(policy) for policy in value] if isinstance(value, list) else value


SCALE_UP: Json = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
SCALE_DOWN: Json = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}

DEFAULTS: dict[tuple[str, str], Default] = {
    ("apps", "Deployment"): default_deployment,
    ("apps", "ReplicaSet"): default_replicaset,
    ("apps", "StatefulSet"): default_statefulset,
    ("apps", "DaemonSet"): default_daemonset,
    ("batch", "Job"): default_job,
    ("batch", "CronJob"): default_cronjob,
    ("autoscaling", "HorizontalPodAutoscaler"): default_autoscaler,
}
