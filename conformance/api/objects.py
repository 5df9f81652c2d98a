"""Small objects that tests send."""

import os
from typing import Any

from conformance.http import Answer, Json

# An image with a shell that every node has or may pull.
IMAGE = os.environ.get("KUBE_LITE_IMAGE", "localhost/host")


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        **({"data": data} if data is not None else {}),
    }


def pod(name: str, *command: str, **spec: Any) -> Json:
    """A Pod that runs ``command``, or sleeps."""
    container = {"name": "main", "image": IMAGE, "command": list(command or ("sleep", "600"))}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def deployment(name: str, replicas: int = 0, **metadata: Any) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **metadata},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": IMAGE}]},
            },
        },
    }


def refusal(answer: Answer) -> tuple[int, str]:
    """Code and reason of a Status, which must be a whole one."""
    status = answer.body
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure"), answer
    assert status["code"] == answer.status, answer
    assert status["message"], answer
    return answer.status, status.get("reason", "")


def causes(answer: Answer) -> list[tuple[str, str]]:
    """Field and reason of every cause."""
    return [(cause["field"], cause["reason"]) for cause in answer.body["details"]["causes"]]


def names(listed: Answer) -> list[str]:
    """Names of the items of a list."""
    assert listed.status == 200, listed
    return [item["metadata"]["name"] for item in listed.body["items"]]
