"""Devices that have to be made ready before a pod is bound: how far they are. Pure functions.

The driver, or who sets up its devices, says so by conditions in ``status.devices`` of the claim.
"""

from collections.abc import Iterator

from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.times import parse_time

BINDING_SECONDS = 600.0  # upstream's default for ``bindingTimeout``


def needs_readying(claim: Json) -> bool:
    """Whether any of its devices has to be made ready."""
    return any(result.get("bindingConditions") for result in _results(claim))


def is_ready(claim: Json) -> bool:
    """Whether all of them are; a claim without such devices is."""
    return all(
        _statuses(claim, result).get(condition) == "True"
        for result in _results(claim)
        for condition in result.get("bindingConditions") or ()
    )


def fault(claim: Json) -> str:
    """What went wrong with one of them, or an empty text."""
    for result in _results(claim):
        if not result.get("bindingConditions"):
            continue
        for entry in _conditions(claim, result):
            failures = result.get("bindingFailureConditions") or ()
            if entry["type"] in failures and entry["status"] == "True":
                why = f"reason={entry.get('reason', '')}, message={go_quote(entry.get('message', ''))}"
                return f"claim {claim['metadata']['name']} binding failed: {why}"
    return ""


def is_overdue(claim: Json, now: float) -> bool:
    """Whether they take too long."""
    since = ((claim.get("status") or {}).get("allocation") or {}).get("allocationTimestamp")
    if not since or not needs_readying(claim):
        return False
    return parse_time(since) + BINDING_SECONDS < now


def _results(claim: Json) -> list[Json]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return (allocation.get("devices") or {}).get("results") or []


def _statuses(claim: Json, result: Json) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in _conditions(claim, result)}


def _conditions(claim: Json, result: Json) -> Iterator[Json]:
    name = tuple(result[field] for field in ("driver", "pool", "device"))
    for device in (claim.get("status") or {}).get("devices") or ():
        if name == tuple(device[field] for field in ("driver", "pool", "device")):
            yield from device.get("conditions") or ()
