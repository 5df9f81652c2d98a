"""Rules for Nodes: ``ValidateNode`` and ``ValidateNodeUpdate`` in ``pkg/apis/core/validation``."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, each, forbidden, invalid, not_supported, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_value, check_qualified_name

from .amounts import check_resource_amount
from .go_struct import go_struct
from .values import check_cidr, parse_network

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
FAMILIES = 2


def check_node(node: Json) -> Iterator[Cause]:
    """A Node; most of its status is looked at when it is written."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    yield from _check_taints(spec.get("taints") or ())
    yield from _check_amounts(status)
    yield from _check_features(status.get("declaredFeatures") or ())
    ranges = spec.get("podCIDRs") or []
    for position, cidr in enumerate(ranges):
        yield from check_cidr(f"spec.podCIDRs[{position}]", cidr)
    if len(ranges) > 1:
        versions = {network.version for network in map(parse_network, ranges) if network is not None}
        if len(versions) < FAMILIES or len(ranges) > FAMILIES:
            why = "may specify no more than one CIDR for each IP family"
            yield invalid("spec.podCIDRs", ranges, why)


def _check_taints(taints: Sequence[Json]) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for position, taint in enumerate(taints):
        here = f"metadata.taints[{position}]"  # the reference says metadata, where taints once were
        key, effect, value = taint.get("key") or "", taint.get("effect") or "", taint.get("value") or ""
        yield from each(f"{here}.key", key, check_qualified_name(key))
        texts = check_label_value(value)
        if texts:
            yield invalid(f"{here}.value", value, ";".join(texts))
        if not effect:
            yield required(f"{here}.effect")
        elif effect not in TAINT_EFFECTS:
            yield not_supported(f"{here}.effect", effect, TAINT_EFFECTS)
        if (key, effect) in seen:
            cause = duplicate(here, go_struct(taint, "core.v1.Taint"))
            yield cause._replace(message=f"{cause.message}: taints must be unique by key and effect pair")
        seen.add((key, effect))


def _check_amounts(status: Json) -> Iterator[Cause]:
    for field in ("capacity", "allocatable"):
        for name, text in (status.get(field) or {}).items():
            yield from check_resource_amount(f"status.{field}.{name}", name, text)


def _check_features(names: Sequence[str]) -> Iterator[Cause]:
    here = "status.declaredFeatures"
    for position, (name, following) in enumerate(pairwise(names), 1):
        if name == following:
            yield duplicate(f"{here}[{position}]", following)
        elif name > following:
            yield invalid(f"{here}[{position}]", following, "list must be sorted alphabetically")


def check_node_update(new: Json, old: Json) -> Iterator[Cause]:
    """What identifies a node is set once."""
    spec, before, status = new.get("spec") or {}, old.get("spec") or {}, new.get("status") or {}
    yield from _check_amounts(status)
    yield from _check_features(status.get("declaredFeatures") or ())
    addresses = status.get("addresses") or []
    for position, address in enumerate(addresses):
        if address in addresses[:position]:
            shown = go_struct(address, "core.v1.NodeAddress")
            yield duplicate(f"status.addresses[{position}]", shown)
    ranges, had = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    why = 'node updates may not change podCIDR except from "" to valid'
    if had and len(had) != len(ranges):
        yield forbidden("spec.podCIDRs", why)
    elif had:
        for one, other in zip(ranges, had, strict=True):
            if one != other:
                yield forbidden("spec.podCIDRs", why)
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        why = 'node updates may not change providerID except from "" to valid'
        yield forbidden("spec.providerID", why)
    yield from _check_taints(spec.get("taints") or ())
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        yield forbidden("spec.externalID", "may not be updated")
