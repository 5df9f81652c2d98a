"""How good a node is for a pod, as far as that depends on the node and its pods alone: 0 to 100 by rule.

Source: kubernetes/pkg/scheduler/framework/plugins/noderesources (``least_allocated.go``,
``most_allocated.go``, ``requested_to_capacity_ratio.go``, ``balanced_allocation.go``) and imagelocality.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kube_lite.api.identity import Json

from .fit import Amounts

FULL_SCORE = 100
MEBI = 1024 * 1024
MIN_IMAGE_BYTES, MAX_IMAGE_BYTES = 23 * MEBI, 1000 * MEBI
LEAST, MOST, RATIO = "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"


class Strategy(NamedTuple):
    """How what is left on a node is valued.

    Attributes:
        kind: ``LeastAllocated`` spreads, ``MostAllocated`` packs, ``RequestedToCapacityRatio`` is a curve.
        resources: name → weight.
        shape: for the curve: per cent used → 0 to 100, by rising use; straight lines in between.
    """

    kind: str = LEAST
    resources: Mapping[str, int] = {"cpu": 1, "memory": 1}
    shape: tuple[tuple[int, int], ...] = ()


def room(strategy: Strategy, requests: Amounts, allocatable: Amounts, used: Amounts) -> float:
    """What a strategy makes of the room on a node."""
    total, weights = 0.0, 0
    for name, weight in strategy.resources.items():
        capacity = allocatable.get(name, 0)
        if not capacity:
            continue
        share = (used.get(name, 0) + requests.get(name, 0)) / capacity
        total += weight * _value(strategy, share)
        weights += weight
    return total / weights if weights else 0.0


def _value(strategy: Strategy, share: float) -> float:
    if strategy.kind == RATIO:
        return _on_curve(strategy.shape, 100 * min(1.0, share))
    if share > 1.0:
        return 0.0 if strategy.kind == LEAST else float(FULL_SCORE)
    return FULL_SCORE * (1 - share) if strategy.kind == LEAST else FULL_SCORE * share


def _on_curve(shape: Sequence[tuple[int, int]], use: float) -> float:
    before = shape[0]
    for point in shape:
        if use <= point[0]:
            if point[0] == before[0]:
                return float(point[1])
            part = (use - before[0]) / (point[0] - before[0])
            return before[1] + part * (point[1] - before[1])
        before = point
    return float(before[1])


def balance(requests: Amounts, allocatable: Amounts, used: Amounts, names: Sequence[str]) -> float:
    """How evenly a node's resources would be used."""
    shares = [
        min(1.0, (used.get(name, 0) + requests.get(name, 0)) / allocatable[name])
        for name in names
        if allocatable.get(name)
    ]
    if len(shares) < 2:
        return float(FULL_SCORE)
    if len(shares) == 2:
        return FULL_SCORE * (1 - abs(shares[0] - shares[1]) / 2)
    mean = sum(shares) / len(shares)
    return FULL_SCORE * (1 - math.sqrt(sum((share - mean) ** 2 for share in shares) / len(shares)))


def images(pod_spec: Json, present: Mapping[str, int], spread: Mapping[str, float]) -> float:
    """How much of a pod's images a node has already.

    Args:
        present: image → bytes, of the node.
        spread: image → the share of all nodes that have it, so that not everything goes where one has it.
    """
    containers = [*(pod_spec.get("initContainers") or ()), *pod_spec["containers"]]
    total = sum(
        present[name] * spread.get(name, 0.0)
        for container in containers
        if (name := full_name(container.get("image", ""))) in present
    )
    most = MAX_IMAGE_BYTES * len(containers)
    held = min(max(total, MIN_IMAGE_BYTES), most)
    return FULL_SCORE * (held - MIN_IMAGE_BYTES) / (most - MIN_IMAGE_BYTES)


def full_name(image: str) -> str:
    """``nginx`` → ``nginx:latest``, as nodes name what they have."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"
