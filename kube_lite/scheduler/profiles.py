"""Which rules decide, and with which weights: the default profile, and those of a configuration file.

A ``KubeSchedulerConfiguration`` as kube-scheduler reads it: profiles by ``schedulerName``, plugins enabled
and disabled, weights, arguments. Plugins are named as upstream names them; what a profile switches off is not
asked. Extenders and plugins of third parties are refused, since there is nothing here that could run them.

Source: kubernetes/pkg/scheduler/apis/config (``v1/default_plugins.go``, ``types_pluginargs.go``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from kube_lite.api.identity import Json
from kube_lite.api.times import parse_duration

from .scoring import LEAST, MOST, RATIO, Strategy
from .spread import SYSTEM_DEFAULTS

DEFAULT_NAME = "default-scheduler"

UNSCHEDULABLE, TAINTS, AFFINITY = "NodeUnschedulable", "TaintToleration", "NodeAffinity"
PORTS, FIT, BALANCE, IMAGES = (
    "NodePorts",
    "NodeResourcesFit",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
)
SPREAD, POD_AFFINITY = "PodTopologySpread", "InterPodAffinity"
RESTRICTIONS, BINDING, ZONES = "VolumeRestrictions", "VolumeBinding", "VolumeZone"
CLAIMS = "DynamicResources"
PREEMPTION, GATES = "DefaultPreemption", "SchedulingGates"

FILTERS = frozenset({
    UNSCHEDULABLE, TAINTS, AFFINITY, PORTS, FIT, SPREAD, POD_AFFINITY, RESTRICTIONS, BINDING, ZONES,
    "NodeName", "NodeVolumeLimits", CLAIMS,
})  # fmt: skip
WEIGHTS: Mapping[str, int] = {
    TAINTS: 3, AFFINITY: 2, FIT: 1, SPREAD: 2, POD_AFFINITY: 2, BALANCE: 1, IMAGES: 1, CLAIMS: 1,
}  # fmt: skip
OTHERS = frozenset({PREEMPTION, GATES, "PrioritySort", "DefaultBinder"})
KNOWN = FILTERS | set(WEIGHTS) | OTHERS
API_VERSIONS = ("kubescheduler.config.k8s.io/v1",)


class ProfileError(Exception):
    """A configuration that makes no sense; the message says where."""


@dataclass(frozen=True)
class Profile:
    """One way of scheduling.

    Attributes:
        weights: scoring rule → its weight; rules that are not in it are not asked.
        filters: the rules that may refuse a node.
        balanced: the resources whose use should be even.
        constraints: spread constraints of pods that have none of their own.
        needs_all_keys: nodes without one of the labels of ``constraints`` get no score from them.
        hard_weight: see ``pod_affinity.scores``.
        preempts: pods may drive away less important ones.
    """

    name: str = DEFAULT_NAME
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)
    filters: frozenset[str] = FILTERS
    strategy: Strategy = field(default_factory=Strategy)
    balanced: tuple[str, ...] = ("cpu", "memory")
    constraints: Sequence[Json] = SYSTEM_DEFAULTS
    needs_all_keys: bool = False
    hard_weight: int = 1
    preempts: bool = True


@dataclass(frozen=True)
class Settings:
    """Everything that a scheduler can be told; seconds."""

    profiles: Mapping[str, Profile] = field(default_factory=lambda: {DEFAULT_NAME: Profile()})
    percentage: int = 0
    """How many of the nodes to find before scoring; 0: fewer in larger clusters."""
    initial_backoff: float = 1.0
    max_backoff: float = 10.0


def parse_settings(document: Any) -> Settings:
    """A ``KubeSchedulerConfiguration``, as YAML says it.

    Raises:
        ProfileError: it is none, or says something that cannot be done.
    """
    if not isinstance(document, dict) or document.get("kind") != "KubeSchedulerConfiguration":
        raise ProfileError("this is no KubeSchedulerConfiguration")
    if document.get("apiVersion") not in API_VERSIONS:
        raise ProfileError(f"apiVersion: {document.get('apiVersion')!r} is not {API_VERSIONS[0]}")
    if document.get("extenders"):
        raise ProfileError("extenders: there is nothing here that would call them")
    entries = document.get("profiles") or [{}]
    profiles = [_profile(entry, f"profiles[{place}]") for place, entry in enumerate(entries)]
    named = {profile.name: profile for profile in profiles}
    if len(named) < len(profiles):
        raise ProfileError("profiles: two have the same schedulerName")
    percentage = _number(document, "percentageOfNodesToScore", "", 0)
    if not 0 <= percentage <= 100:
        raise ProfileError("percentageOfNodesToScore: must be between 0 and 100")
    return Settings(
        named,
        percentage,
        float(_number(document, "podInitialBackoffSeconds", "", 1)),
        float(_number(document, "podMaxBackoffSeconds", "", 10)),
    )


def _profile(entry: Any, path: str) -> Profile:
    if not isinstance(entry, dict):
        raise ProfileError(f"{path}: must be an object")
    profile = Profile(name=str(entry.get("schedulerName") or DEFAULT_NAME))
    weights, filters, preempts = dict(WEIGHTS), set(FILTERS), True
    for point, change in (entry.get("plugins") or {}).items():
        disabled, enabled = _names(change, "disabled", path), _names(change, "enabled", path)
        everything = "*" in disabled
        if point in ("multiPoint", "score"):
            weights = _changed(weights, disabled, enabled, everything=everything)
        if point in ("multiPoint", "filter"):
            filters = (set() if everything else filters - set(disabled)) | (set(enabled) & FILTERS)
        if point in ("multiPoint", "postFilter"):
            preempts = (preempts and not everything and PREEMPTION not in disabled) or PREEMPTION in enabled
    profile = replace(profile, weights=weights, filters=frozenset(filters), preempts=preempts)
    for config in entry.get("pluginConfig") or ():
        profile = _configured(profile, config, f"{path}.pluginConfig")
    return profile


def _names(change: Any, field_name: str, path: str) -> dict[str, int]:
    """Plugin → weight, of those that are listed."""
    found: dict[str, int] = {}
    for plugin in (change or {}).get(field_name) or ():
        name = plugin.get("name", "")
        if name != "*" and name not in KNOWN:
            raise ProfileError(f"{path}.plugins: there is no plugin {name!r}")
        found[name] = int(plugin.get("weight") or 0)
    return found


def _changed(
    weights: Mapping[str, int], disabled: Mapping[str, int], enabled: Mapping[str, int], *, everything: bool
) -> dict[str, int]:
    kept = {} if everything else {name: weight for name, weight in weights.items() if name not in disabled}
    for name, weight in enabled.items():
        if name in WEIGHTS:
            kept[name] = weight or WEIGHTS[name]
    return kept


def _configured(profile: Profile, config: Json, path: str) -> Profile:
    arguments = config.get("args") or {}
    match config.get("name"):
        case "NodeResourcesFit":
            return replace(profile, strategy=_strategy(arguments.get("scoringStrategy") or {}, path))
        case "NodeResourcesBalancedAllocation":
            names = tuple(one["name"] for one in arguments.get("resources") or ())
            return replace(profile, balanced=names or profile.balanced)
        case "PodTopologySpread":
            given = arguments.get("defaultConstraints") or ()
            if arguments.get("defaultingType", "System") == "List":
                return replace(profile, constraints=tuple(given), needs_all_keys=True)
            if given:
                raise ProfileError(f"{path}: defaultConstraints need the defaultingType List")
            return profile
        case "InterPodAffinity":
            weight = _number(arguments, "hardPodAffinityWeight", path, 1)
            if not 0 <= weight <= 100:
                raise ProfileError(f"{path}: hardPodAffinityWeight must be between 0 and 100")
            return replace(profile, hard_weight=weight)
        case name if name in KNOWN:
            return profile  # arguments that only matter to how upstream goes about it
        case name:
            raise ProfileError(f"{path}: there is no plugin {name!r}")


def _strategy(given: Json, path: str) -> Strategy:
    kind = given.get("type") or LEAST
    if kind not in (LEAST, MOST, RATIO):
        raise ProfileError(f"{path}: {kind!r} is no scoring strategy")
    resources = {one["name"]: int(one.get("weight") or 1) for one in given.get("resources") or ()}
    points = (given.get("requestedToCapacityRatio") or {}).get("shape") or ()
    shape = tuple((int(point.get("utilization", 0)), 10 * int(point.get("score", 0))) for point in points)
    if kind == RATIO and not shape:
        raise ProfileError(f"{path}: RequestedToCapacityRatio needs a shape")
    if any(right[0] <= left[0] for left, right in pairwise(shape)):
        raise ProfileError(f"{path}: the shape's utilization must rise")
    return Strategy(kind, resources or Strategy().resources, shape)


def _number(document: Json, name: str, path: str, default: int) -> int:
    value = document.get(name)
    if value is None:
        return default
    if isinstance(value, str):
        return int(parse_duration(value))
    if not isinstance(value, int):
        raise ProfileError(f"{path}.{name}: must be a number".lstrip("."))
    return value
