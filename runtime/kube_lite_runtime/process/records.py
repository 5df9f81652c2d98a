"""What goes over the wire and into the journal, and the types that callers know: one to the other."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..types import ContainerSpec, ContainerState, ExitStatus, SandboxSpec, SandboxState, State


def sandbox_record(sandbox_id: str, spec: SandboxSpec, *, hostname: str, now: float) -> dict[str, Any]:
    """A new sandbox; ``complete`` when it has its addresses and files as well as its namespaces."""
    return {
        "id": sandbox_id,
        "namespace": spec.namespace,
        "name": spec.name,
        "uid": spec.uid,
        "attempt": spec.attempt,
        "ready": False,
        "complete": False,
        "created_at": now,
        "addresses": [],
        "labels": dict(spec.labels),
        "annotations": dict(spec.annotations),
        "hostname": hostname,
        "host_pid": spec.host_pid,
        "namespaces": 0,
        "shared_memory": "",
    }


def is_complete(record: Mapping[str, Any]) -> bool:
    """Whether a sandbox was made to the end; those of a maker that was killed meanwhile are of no use."""
    return bool(record.get("complete", True))  # older records do not say


def sandbox_state(record: Mapping[str, Any]) -> SandboxState:
    """A sandbox as callers see it."""
    return SandboxState(
        id=record["id"],
        namespace=record["namespace"],
        name=record["name"],
        uid=record["uid"],
        attempt=record["attempt"],
        ready=record["ready"],
        created_at=record["created_at"],
        addresses=tuple(record["addresses"]),
        labels=record["labels"],
        annotations=record["annotations"],
    )


def container_record(
    container_id: str, sandbox_id: str, spec: ContainerSpec, *, image_id: str, now: float
) -> dict[str, Any]:
    """A new container. Neither its command nor its environment is in it: they may carry secrets."""
    return {
        "id": container_id,
        "sandbox_id": sandbox_id,
        "name": spec.name,
        "attempt": spec.attempt,
        "image": spec.image,
        "image_id": image_id,
        "state": State.CREATED.value,
        "created_at": now,
        "started_at": 0.0,
        "finished_at": 0.0,
        "exit": None,
        "pid": 0,
        "labels": dict(spec.labels),
        "log_path": str(spec.log_path) if spec.log_path else "",
    }


def container_state(record: Mapping[str, Any]) -> ContainerState:
    """A container as callers see it."""
    return ContainerState(
        id=record["id"],
        sandbox_id=record["sandbox_id"],
        name=record["name"],
        attempt=record["attempt"],
        image=record["image"],
        image_id=record["image_id"],
        state=State(record["state"]),
        created_at=record["created_at"],
        started_at=record["started_at"],
        finished_at=record["finished_at"],
        exit=exit_status(record["exit"]) if record["exit"] else None,
        pid=record["pid"],
        labels=record["labels"],
        log_path=Path(record["log_path"]) if record["log_path"] else None,
    )


def exit_status(ending: Mapping[str, Any]) -> ExitStatus:
    """How a process ended."""
    return ExitStatus(
        code=ending["code"],
        signal=ending["signal"],
        oom_killed=ending.get("oom_killed", False),
        message=ending.get("message", ""),
    )


def plan_message(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A container's plan for the wire: the job as text, which is parsed only in the child that does it."""
    return {**plan, "job": json.dumps(plan["job"], separators=(",", ":"))}
