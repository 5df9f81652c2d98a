"""Devices that were found → ``status.allocation`` of a claim."""

from collections.abc import Callable, Iterator, Sequence

from kube_lite.api.identity import Json

from .records import Features
from .wishes import Taken, Wishes


def plan_result(
    claim: Wishes, taken: Sequence[Taken], node_name: str, features: Features, make_id: Callable[[], str]
) -> Json:
    """What is to be written for a claim: devices, how to set them up, and on which nodes they can be used.

    Args:
        make_id: gives shares of devices their names.
    """
    devices: Json = {"results": [_result(each, features, make_id) for each in taken]}
    config = [*_of_classes(claim, taken), *_of_claim(claim, taken)]
    if config:
        devices["config"] = config
    allocation: Json = {"devices": devices}
    selector = _node_selector(taken, node_name)
    if selector is not None:
        allocation["nodeSelector"] = selector
    return allocation


def _result(taken: Taken, features: Features, make_id: Callable[[], str]) -> Json:
    driver, pool, device = taken.device.id
    result: Json = {"request": taken.wish.name, "driver": driver, "pool": pool, "device": device}
    if taken.wish.is_for_admin:
        result["adminAccess"] = True
    if taken.wish.tolerations:
        result["tolerations"] = list(taken.wish.tolerations)
    for field in ("bindingConditions", "bindingFailureConditions") if features.binding_conditions else ():
        if taken.device.facts.get(field):
            result[field] = taken.device.facts[field]
    if taken.share is not None:
        result["shareID"] = make_id()
        if taken.share:
            result["consumedCapacity"] = {name: str(amount) for name, amount in taken.share.items()}
    return result


def _chosen(claim: Wishes, taken: Sequence[Taken]) -> Iterator[tuple[str, str, Json]]:
    """Of each request: its name, that of the alternative that was taken, and the class of that."""
    given = {each.wish.base: each.wish for each in taken}
    for request in claim.requests:
        wish = given.get(request[0].base, request[0])
        yield wish.base, wish.name, wish.device_class


def _of_classes(claim: Wishes, taken: Sequence[Taken]) -> list[Json]:
    """Each class's configuration, once, with the requests it is for."""
    by_class: dict[str, tuple[Json, list[str]]] = {}
    for _, name, device_class in _chosen(claim, taken):
        by_class.setdefault(device_class["metadata"]["name"], (device_class, []))[1].append(name)
    return [
        {"source": "FromClass", "requests": names, **config}
        for device_class, names in by_class.values()
        for config in device_class["spec"].get("config") or ()
    ]


def _of_claim(claim: Wishes, taken: Sequence[Taken]) -> Iterator[Json]:
    """The claim's own configuration, as far as it is for what was taken."""
    chosen = [(base, name) for base, name, _ in _chosen(claim, taken)]
    for config in claim.document["spec"]["devices"].get("config") or ():
        requests = config.get("requests") or ()
        times = 1 if not requests else sum(base in requests or name in requests for base, name in chosen)
        for _ in range(times):
            yield {"source": "FromClaim", **config}


def _node_selector(taken: Sequence[Taken], node_name: str) -> Json | None:
    """Where all of the devices can be used; None for everywhere."""
    term: dict[str, list[Json]] = {}
    for each in taken:
        placed = each.device.placed
        if placed.get("nodeName") or each.device.facts.get("bindsToNode"):
            name = {"key": "metadata.name", "operator": "In", "values": [node_name]}
            return {"nodeSelectorTerms": [{"matchFields": [name]}]}
        for found in (placed.get("nodeSelector") or {}).get("nodeSelectorTerms") or ():
            for field in ("matchFields", "matchExpressions"):
                for requirement in found.get(field) or ():
                    known = term.setdefault(field, [])
                    if requirement not in known:
                        known.append(requirement)
    return {"nodeSelectorTerms": [term]} if term else None
