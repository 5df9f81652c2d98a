"""Versions of kinds that earlier releases served beside today's, and later ones removed.

A release serves a beta version by default only if it was introduced before 1.24; those are the rows here,
each present where the release's definitions have it:

    1.25          autoscaling/v2beta2, flowcontrol v1beta1
    1.25 to 1.26  storage.k8s.io/v1beta1 (CSIStorageCapacity)
    1.25 to 1.28  flowcontrol v1beta2
    1.26 to 1.31  flowcontrol v1beta3

Objects are stored as today's version, so that another release finds them. Alpha versions, and betas that must
be enabled (``resource.k8s.io``, ``networking.k8s.io`` and ``admissionregistration.k8s.io`` among them), are
left out, as by a server whose ``--runtime-config`` is empty. Source: ``legacyBetaEnabledByDefaultResources``
in kubernetes/pkg/controlplane/instance.go and the ``prerelease-lifecycle-gen`` marks of each version.
"""

from collections.abc import Mapping
from typing import NamedTuple

from kube_lite.api.identity import GroupVersion, GroupVersionKind, Json

from .autoscaling import AutoscalerStrategy, autoscalers
from .base import Kind, Row
from .conversions import Way
from .flowcontrol import FlowSchemaStrategy, PriorityLevelStrategy
from .volumes import CSIStorageCapacityStrategy

FLOW_CONTROL = "flowcontrol.apiserver.k8s.io"


class Life(NamedTuple):
    """The minor releases in which a version was called deprecated and removed, and what replaces it."""

    deprecated: int
    removed: int
    replacement: str


LIVES = {
    GroupVersion("autoscaling", "v2beta2"): Life(23, 26, "autoscaling/v2"),
    GroupVersion("storage.k8s.io", "v1beta1"): Life(24, 27, "storage.k8s.io/v1"),
    GroupVersion(FLOW_CONTROL, "v1beta1"): Life(23, 26, f"{FLOW_CONTROL}/v1beta2"),
    GroupVersion(FLOW_CONTROL, "v1beta2"): Life(26, 29, f"{FLOW_CONTROL}/v1beta3"),
    GroupVersion(FLOW_CONTROL, "v1beta3"): Life(29, 32, f"{FLOW_CONTROL}/v1"),
}


class Older(Kind):
    """A version that is going away, and says so."""

    def deprecation(self) -> str:
        """What every answer warns of, from the release on that deprecated it."""
        group, version, kind = self.gvk
        life = LIVES[GroupVersion(group, version)]
        if int(self._release.split(".")[1]) < life.deprecated:
            return ""
        when = f"is deprecated in v1.{life.deprecated}+, unavailable in v1.{life.removed}+"
        return f"{self.gvk.api_version} {kind} {when}; use {life.replacement} {kind}"


class OlderAutoscaler(Older, AutoscalerStrategy):
    """``v2beta2`` has the fields of ``v2``."""


class OlderCapacity(Older, CSIStorageCapacityStrategy):
    """``v1beta1`` has the fields of ``v1``."""


class OlderFlowSchema(Older, FlowSchemaStrategy):
    """All versions have the same fields."""


class OlderPriorityLevel(Older, PriorityLevelStrategy):
    """Until ``v1beta2`` the shares of a level had another name."""

    def default(self, obj: Json) -> None:
        """As today's version, under the names of this one."""
        rename_shares(obj, ASSURED, NOMINAL)
        super().default(obj)
        if self.gvk.version in WITH_ASSURED:
            rename_shares(obj, NOMINAL, ASSURED)

    def cells(self, obj: Json, now: float) -> list[object]:
        """As today's version."""
        return super().cells(_newer_level(obj), now)


ASSURED, NOMINAL = "assuredConcurrencyShares", "nominalConcurrencyShares"
WITH_ASSURED = ("v1beta1", "v1beta2")


def rename_shares(level: Json, old: str, new: str) -> None:
    """Give the shares another name, in place; nothing happens where they have it already."""
    limited = level.get("spec", {}).get("limited")
    if limited is not None and old in limited:
        limited[new] = limited.pop(old)


def _renamed(level: Json, old: str, new: str) -> Json:
    spec = level.get("spec") or {}
    if old not in (spec.get("limited") or {}):
        return level
    copy = {**level, "spec": {**spec, "limited": dict(spec["limited"])}}
    rename_shares(copy, old, new)
    return copy


def _newer_level(level: Json) -> Json:
    return _renamed(level, ASSURED, NOMINAL)


def _older_level(level: Json) -> Json:
    return _renamed(level, NOMINAL, ASSURED)


def _level(version: str) -> GroupVersionKind:
    return GroupVersionKind(FLOW_CONTROL, version, "PriorityLevelConfiguration")


WAYS = {_level(version): Way(_newer_level, _older_level) for version in WITH_ASSURED}
"""How objects get to the stored version and back, where more than ``apiVersion`` differs."""


def flow_control() -> tuple[Row, ...]:
    """The rows of a beta version."""
    schemas = Row(
        "FlowSchema", "flowschemas", OlderFlowSchema, namespaced=False, status=True, storage_version="v1"
    )
    return (
        schemas,
        schemas._replace(
            kind="PriorityLevelConfiguration",
            plural="prioritylevelconfigurations",
            strategy=OlderPriorityLevel,
        ),
    )


ROWS: dict[GroupVersion, tuple[Row, ...]] = {
    GroupVersion("autoscaling", "v2beta2"): (autoscalers(OlderAutoscaler),),
    GroupVersion("storage.k8s.io", "v1beta1"): (
        Row("CSIStorageCapacity", "csistoragecapacities", OlderCapacity, storage_version="v1"),
    ),
    GroupVersion(FLOW_CONTROL, "v1beta3"): flow_control(),
    GroupVersion(FLOW_CONTROL, "v1beta2"): flow_control(),
    GroupVersion(FLOW_CONTROL, "v1beta1"): flow_control(),
}
"""Rows by group and version, in the order of discovery."""

RESIZE_SINCE = 33  # the minor release from which on Pods can be resized by default


def rows_of(today: Mapping[GroupVersion, tuple[Row, ...]], minor: int) -> dict[GroupVersion, tuple[Row, ...]]:
    """Today's rows as release 1.``minor`` had them, and those that it had besides, definitions permitting."""
    then = dict(today)
    if minor < RESIZE_SINCE:
        core = GroupVersion("", "v1")
        then[core] = tuple(row if row.kind != "Pod" else _without(row, "resize") for row in then[core])
    return then | ROWS


def _without(row: Row, subresource: str) -> Row:
    return row._replace(subresources=tuple(sub for sub in row.subresources if sub.name != subresource))
