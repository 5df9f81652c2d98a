"""An operator on ConfigMaps: it keeps a copy of each in capitals, and takes it away again.

What it is told and does is seen in the cluster alone: annotations, events, and the copies.
"""

from typing import Any

import kopf
from kubernetes import client, config

WATCHED = {"labels": {"role": "original"}}


@kopf.on.startup()
def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    config.load_kube_config()
    settings.persistence.finalizer = "example.test/operator"
    settings.posting.enabled = True
    settings.watching.server_timeout = 60


def large(data: dict[str, str] | None) -> dict[str, str]:
    return {key: value.upper() for key, value in (data or {}).items()}


@kopf.on.create("v1", "configmaps", **WATCHED)
def created(body: kopf.Body, name: str, namespace: str, retry: int, **_: Any) -> None:
    """Fails once, so that its progress is kept in an annotation meanwhile."""
    if retry == 0:
        raise kopf.TemporaryError("not yet", delay=0.1)
    copy = {"metadata": {"name": f"{name}-copy"}, "data": large(body.get("data"))}
    kopf.append_owner_reference(copy, owner=body)
    client.CoreV1Api().create_namespaced_config_map(namespace, copy)
    kopf.info(body, reason="Copied", message="The copy is made.")


@kopf.on.update("v1", "configmaps", field="data", **WATCHED)
def updated(new: dict[str, str], name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    client.CoreV1Api().patch_namespaced_config_map(f"{name}-copy", namespace, {"data": large(new)})
    patch.meta.annotations["example.test/keys"] = ",".join(sorted(new))


@kopf.on.delete("v1", "configmaps", **WATCHED)
def deleted(name: str, namespace: str, **_: Any) -> None:
    note = {"metadata": {"name": f"{name}-gone"}}
    client.CoreV1Api().create_namespaced_config_map(namespace, note)
