"""What drivers publish and pods ask for, as table tests spell it."""

from collections.abc import Mapping, Sequence
from typing import Any

from kube_lite.api.identity import Json

DRIVER = "gpu.example.com"


def device(name: str, capacity: Mapping[str, str | Json] | None = None, **fields: Any) -> Json:
    """``attributes`` may be plain values: ``device("gpu-0", attributes={"model": "a"})``."""
    facts: Json = {"name": name, **fields}
    if "attributes" in fields:
        facts["attributes"] = {key: _attribute(value) for key, value in fields["attributes"].items()}
    if capacity:
        facts["capacity"] = {
            key: value if isinstance(value, dict) else {"value": value} for key, value in capacity.items()
        }
    return facts


def _attribute(value: Any) -> Json:
    kind = {bool: "bool", int: "int", str: "string"}[type(value)]
    return {kind: value}


def resource_slice(
    name: str, devices: Sequence[Json] = (), *, node: str = "", pool: str = "", generation: int = 1,
    count: int = 1, driver: str = DRIVER, **spec: Any,
) -> Json:  # fmt: skip
    """Of a node; without one, what ``spec`` says: ``allNodes=True``."""
    where = {"nodeName": node} if node else {}
    body = {"driver": driver, **where, **spec}
    body["pool"] = {"name": pool or node or "pool", "generation": generation, "resourceSliceCount": count}
    if devices:
        body["devices"] = list(devices)
    return {"metadata": {"name": name}, "spec": body}


def device_class(name: str = "gpu", selector: str = "", **spec: Any) -> Json:
    """Without a selector it is every device of the driver."""
    text = selector or f'device.driver == "{DRIVER}"'
    return {"metadata": {"name": name}, "spec": {"selectors": [{"cel": {"expression": text}}], **spec}}


def request(name: str = "r", selector: str = "", *, count: int = 1, **fields: Any) -> Json:
    """Exactly so many devices."""
    return {"name": name, "exactly": way("", selector, count=count, **fields)}


def way(name: str, selector: str = "", *, count: int = 1, **fields: Any) -> Json:
    """One alternative of a request."""
    made: Json = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count, **fields}
    if name:
        made["name"] = name
    if made["allocationMode"] == "All":
        del made["count"]
    if selector:
        made["selectors"] = [{"cel": {"expression": selector}}]
    return made


def claim(*requests: Json, name: str = "c", constraints: Sequence[Json] = (), **devices: Any) -> Json:
    """One that nobody has allocated."""
    spec: Json = {"devices": {"requests": list(requests), **devices}}
    if constraints:
        spec["devices"]["constraints"] = list(constraints)
    return {"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": spec}
