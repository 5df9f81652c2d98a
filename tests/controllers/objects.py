"""Objects as they would come from the API, for tests of plans."""

from kube_lite.api.identity import Json

NOW = 1_700_000_000.0
CREATED = "2023-11-14T22:00:00Z"


def deployment(name: str = "web", *, replicas: int = 2, image: str = "web:1", **spec: object) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"d-{name}",
            "generation": 1,
            "creationTimestamp": CREATED,
            "annotations": {},
        },
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
            **spec,
        },
    }


def template(app: str = "web", image: str = "web:1") -> Json:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def replica_set(
    name: str = "web-a",
    *,
    replicas: int = 2,
    image: str = "web:1",
    annotations: Json | None = None,
    status: Json | None = None,
    created: str = CREATED,
) -> Json:
    metadata: Json = {
        "name": name,
        "namespace": "default",
        "uid": f"r-{name}",
        "generation": 1,
        "creationTimestamp": created,
    }
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(image=image),
        },
        "status": {"replicas": replicas, "observedGeneration": 1} if status is None else status,
    }


def pod(
    name: str,
    *,
    ready: bool = True,
    phase: str = "Running",
    node: str = "n1",
    created: str = CREATED,
    ready_since: str = CREATED,
    restarts: int = 0,
    annotations: Json | None = None,
    deleting: bool = False,
    labels: Json | None = None,
    address: str = "",
) -> Json:
    metadata: Json = {
        "name": name,
        "namespace": "default",
        "uid": f"p-{name}",
        "creationTimestamp": created,
        "labels": labels if labels is not None else {"app": "web"},
    }
    if annotations:
        metadata["annotations"] = annotations
    if deleting:
        metadata["deletionTimestamp"] = CREATED
    status: Json = {"phase": phase, "containerStatuses": [{"name": "c", "restartCount": restarts}]}
    status["conditions"] = [
        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": ready_since}
    ]
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    spec: Json = {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
