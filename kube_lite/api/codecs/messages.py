"""Which number stands for which field in Kubernetes' protobuf: the table that reading and writing share.

The table, ``fields.txt``, has a line per message: its name (``core.v1.Volume``) and for each field
``number:JSON name:type``. Letters of types: ``s`` string, ``i`` integer, ``b`` boolean, ``f`` double, ``y``
bytes, ``T`` Time, ``U`` MicroTime, ``D`` Duration, ``Q`` Quantity, ``O`` int-or-string, ``R`` raw JSON, ``F``
FieldsV1, ``@name`` a message, ``(name`` a list in a message of its own, ``|name`` a message one of whose
fields is said and stands for itself in JSON. Before them ``[`` is a list, ``{`` a map from strings, ``*`` a
pointer (its zero is said, not left out), ``!`` always written, ``&`` a message whose fields stand in its
parent. Numbers never change between releases, so one table serves all.

Source: the field numbers, names and pointers of the published types in k8s.io/api, k8s.io/apimachinery,
k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kube_lite.api.identity import parse_api_version

MAGIC = b"k8s\0"
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
OPTIONS = ("DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "GetOptions", "ListOptions")
OF_NO_GROUP = ("Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList", "List")
"""Kinds of the package ``meta`` that say ``apiVersion: v1``, as if they were of the core group."""
GROUPS: Mapping[str, str] = {
    group: group.partition(".")[0] or "core"
    for group in (
        "", "admissionregistration.k8s.io", "apidiscovery.k8s.io", "apiextensions.k8s.io",
        "apiregistration.k8s.io", "apps",
        "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
        "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "extensions",
        "flowcontrol.apiserver.k8s.io", "meta.k8s.io", "networking.k8s.io", "node.k8s.io", "policy",
        "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
    )
}  # fmt: skip
"""Group → the word by which the table knows it. Other groups are not the table's: their kinds are custom."""


class Field(NamedTuple):
    """One entry of the table, with its marks taken apart."""

    name: str
    code: str
    keeps_zero: bool
    is_inline: bool


def message_of(api_version: str, kind: str) -> str:
    """``apps/v1``, ``Deployment`` → ``apps.v1.Deployment``; empty for groups that have no messages."""
    if kind in OPTIONS or (api_version == "v1" and kind in OF_NO_GROUP):
        return f"meta.v1.{kind}"
    group, version = parse_api_version(api_version)
    word = GROUPS.get(group)
    return f"{word}.{version}.{kind}" if word else ""


def has_message(api_version: str, kind: str) -> bool:
    """Whether objects of a kind have a form in protobuf; custom resources have none."""
    return message_of(api_version, kind) in table()


@lru_cache(maxsize=1)
def table() -> Mapping[str, str]:
    """The lines of the table by message, their fields still as text."""
    lines = Path(__file__).with_name("fields.txt").read_text().splitlines()
    return {name: fields for name, _, fields in (line.partition(" ") for line in lines)}


@lru_cache(maxsize=2048)
def fields_of(message: str) -> Mapping[int, Field]:
    """The fields of one message by number."""
    return dict(map(_parse_field, table()[message].split()))


def _parse_field(text: str) -> tuple[int, Field]:
    number, name, code = text.split(":", 2)
    marks = code[: len(code) - len(code.lstrip("*!&"))]
    return int(number), Field(name, code[len(marks) :], bool(set(marks) & {"*", "!"}), "&" in marks)
