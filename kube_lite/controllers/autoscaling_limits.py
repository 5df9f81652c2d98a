"""How far and how fast the number of replicas may go: bounds, stabilization windows, policies.

What the metrics ask for passes three gates. Stabilization: going down waits until nothing within the window
asked for more (going up, less). Rate: the policies allow so many Pods, or per cent, in so many seconds.
Bounds: ``minReplicas`` and ``maxReplicas``. Without ``behavior`` the figures of upstream's flags hold. All
functions are pure.

Source: ``pkg/controller/podautoscaler/horizontal.go``.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kube_lite.api.identity import Json

DOWN_WINDOW_SECONDS = 300.0
GROWTH_FACTOR, GROWTH_MINIMUM = 2, 4

FASTER_UP = "the desired replica count is increasing faster than the maximum scale rate"
FASTER_DOWN = "the desired replica count is decreasing faster than the maximum scale rate"
ABOVE = "the desired replica count is more than the maximum replica count"
BELOW = "the desired replica count is less than the minimum replica count"
WITHIN = "the desired count is within the acceptable range"
HELD_DOWN = "recent recommendations were higher than current one, applying the highest recent recommendation"
HELD_UP = "recent recommendations were lower than current one, applying the lowest recent recommendation"
READY = "recommended size matches current size"


class Moment(NamedTuple):
    """A number of replicas and when it was: recommended, or changed by."""

    replicas: int
    at: float


class Limited(NamedTuple):
    """The replicas that are allowed, and two conditions as (status, reason, message)."""

    replicas: int
    stabilized: tuple[str, str, str]
    limited: tuple[str, str, str]


def plan_limits(
    spec: Json, current: int, wanted: int, history: Sequence[Moment], ups: Sequence[Moment],
    downs: Sequence[Moment], now: float,
) -> Limited:  # fmt: skip
    """What becomes of a recommendation.

    Args:
        history: earlier recommendations.
        ups, downs: by how many Pods the target was changed, and when.
    """
    behavior = spec.get("behavior")
    held, stabilized = _stabilize(behavior, current, wanted, history, now)
    least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
    if behavior is None:
        allowed, limited = _without_rules(current, held, least, most)
    else:
        allowed, limited = _with_rules(behavior, current, held, least, most, ups, downs, now)
    return Limited(allowed, stabilized, limited)


def window_of(behavior: Json | None, direction: str) -> float:
    """Seconds over which recommendations are held against each other: ``scaleUp`` or ``scaleDown``."""
    rules = (behavior or {}).get(direction) or {}
    usual = 0.0 if direction == "scaleUp" else DOWN_WINDOW_SECONDS
    return float(rules.get("stabilizationWindowSeconds", usual))


def longest_period(behavior: Json | None) -> float:
    """How long changes have to be remembered for the policies, in seconds."""
    periods = [
        policy["periodSeconds"]
        for rules in (behavior or {}).values()
        for policy in (rules or {}).get("policies") or ()
    ]
    return float(max(periods, default=0))


def _stabilize(
    behavior: Json | None, current: int, wanted: int, history: Sequence[Moment], now: float
) -> tuple[int, tuple[str, str, str]]:
    up_since = now - window_of(behavior, "scaleUp")
    down_since = now - window_of(behavior, "scaleDown")
    floor = min((one.replicas for one in history if one.at > up_since), default=wanted)
    ceiling = max((one.replicas for one in history if one.at > down_since), default=wanted)
    if behavior is None:  # going up has no window of its own, so the ceiling alone decides
        held = max(wanted, ceiling)
    else:
        held = current
        held = max(held, min(floor, wanted))
        held = min(held, max(ceiling, wanted))
    if held == wanted:
        return held, ("True", "ReadyForNewScale", READY)
    if held > wanted:
        return held, ("True", "ScaleDownStabilized", HELD_DOWN)
    return held, ("True", "ScaleUpStabilized", HELD_UP)


def _without_rules(current: int, wanted: int, least: int, most: int) -> tuple[int, tuple[str, str, str]]:
    rate = max(GROWTH_FACTOR * current, GROWTH_MINIMUM)
    if wanted < least:
        return least, ("True", "TooFewReplicas", BELOW)
    if wanted > min(rate, most):
        return (
            (rate, ("True", "ScaleUpLimit", FASTER_UP))
            if rate < most
            else (most, ("True", "TooManyReplicas", ABOVE))
        )
    return wanted, ("False", "DesiredWithinRange", WITHIN)


def _with_rules(
    behavior: Json, current: int, wanted: int, least: int, most: int,
    ups: Sequence[Moment], downs: Sequence[Moment], now: float,
) -> tuple[int, tuple[str, str, str]]:  # fmt: skip
    if wanted > current:
        rate = max(_rate(behavior.get("scaleUp") or {}, current, ups, downs, now, up=True), current)
        if wanted > min(rate, most):
            reason = ("ScaleUpLimit", FASTER_UP) if rate < most else ("TooManyReplicas", ABOVE)
            return min(rate, most), ("True", *reason)
    elif wanted < current:
        rate = min(_rate(behavior.get("scaleDown") or {}, current, ups, downs, now, up=False), current)
        if wanted < max(rate, least):
            reason = ("ScaleDownLimit", FASTER_DOWN) if rate > least else ("TooFewReplicas", BELOW)
            return max(rate, least), ("True", *reason)
    return wanted, ("False", "DesiredWithinRange", WITHIN)


def _rate(
    rules: Json, current: int, ups: Sequence[Moment], downs: Sequence[Moment], now: float, *, up: bool
) -> int:
    """As far as the policies let the number go from where it was when their periods began."""
    choice = rules.get("selectPolicy") or "Max"
    if choice == "Disabled":
        return current
    offers: list[int] = []
    for policy in rules.get("policies") or ():
        since = now - policy["periodSeconds"]
        start = current - _changed(ups, since) + _changed(downs, since)
        step = policy["value"] if policy["type"] == "Pods" else start * policy["value"] / 100
        offers.append(math.ceil(start + step) if up else math.floor(start - step))
    return max(offers) if up == (choice == "Max") else min(offers)


def _changed(moments: Iterable[Moment], since: float) -> int:
    return sum(one.replicas for one in moments if one.at > since)
