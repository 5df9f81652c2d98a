"""Workloads that tests apply, and what is asked about them."""

import json
from typing import Any

from conformance.api.objects import IMAGE
from conformance.kubectl import Kubectl

Json = dict[str, Any]

SLEEP = ("sleep", "600")


def template(name: str, *command: str, **spec: Any) -> Json:
    """A template of Pods of one container that sleeps, or runs ``command``."""
    container: Json = {"name": "main", "image": IMAGE, "command": list(command or SLEEP)}
    for field in ("env", "readinessProbe", "volumeMounts"):
        if field in spec:
            container[field] = spec.pop(field)
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def workload(kind: str, name: str, **spec: Any) -> Json:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet whose Pods sleep."""
    spec.setdefault("template", template(name))
    head = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}}
    return {**head, "spec": {"selector": {"matchLabels": {"app": name}}, **spec}}


def job(name: str, *command: str, **spec: Any) -> Json:
    """A Job of one container."""
    made = template(name, *command, restartPolicy=spec.pop("restartPolicy", "Never"))
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": made, **spec},
    }


def apply(kubectl: Kubectl, *objects: Json) -> None:
    """Apply objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("apply", "-f", "-", stdin=text)


def get(kubectl: Kubectl, *what: str) -> Json:
    """An object, or a list of them."""
    found: Json = json.loads(kubectl("get", *what, "-o", "json"))
    return found


def pods(kubectl: Kubectl, app: str) -> list[Json]:
    """The Pods of a workload that are not ending, by name."""
    items = get(kubectl, "pods", "-l", f"app={app}")["items"]
    staying = [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]
    return sorted(staying, key=lambda pod: str(pod["metadata"]["name"]))


def names(objects: list[Json]) -> list[str]:
    """Their names."""
    return [obj["metadata"]["name"] for obj in objects]


def ready(pod: Json) -> bool:
    """Whether a Pod says that it is ready."""
    conditions = pod["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def events(kubectl: Kubectl, reason: str) -> list[str]:
    """The messages of Events with a reason."""
    return [event["message"] for event in get(kubectl, "events")["items"] if event["reason"] == reason]
