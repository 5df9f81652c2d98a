"""An operator on a custom resource, which keeps its progress and its results in the status."""

from typing import Any

import kopf

GROUP = "kopf.example.test"


@kopf.on.startup()
def start(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.StatusProgressStorage(field="status.progress")
    settings.peering.lifetime = 10


@kopf.on.create(GROUP, "v1", "widgets")
def created(spec: kopf.Spec, body: kopf.Body, retry: int, **_: Any) -> dict[str, int]:
    """Fails once; what is returned goes into the status under the function's name."""
    if retry == 0:
        raise kopf.TemporaryError("not yet", delay=0.1)
    kopf.info(body, reason="Made", message=f"A widget of size {spec['size']}.")
    return {"size": spec["size"]}


@kopf.on.update(GROUP, "v1", "widgets", field="spec.size")
def resized(old: int, new: int, patch: kopf.Patch, **_: Any) -> None:
    patch.status["resized"] = {"from": old, "to": new}


@kopf.on.delete(GROUP, "v1", "widgets")
def deleted(body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Unmade", message="The widget is taken apart.")
