"""Whether the API of a definition in a group of the community has been approved, as an annotation says.

Source: ``apiextensions-apiserver/pkg/apihelpers/helpers.go``.
"""

from typing import NamedTuple

from kube_lite.api.custom.formats import is_request_uri
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json
from kube_lite.api.meta import annotations_of

from .outlines import APPROVAL

PROTECTED = ("k8s.io", "kubernetes.io")
SEE = "see https://github.com/kubernetes/enhancements/pull/1111"
NEEDED = f'protected groups must have approval annotation "{APPROVAL}"'


class Approval(NamedTuple):
    """``state`` is ``Approved``, ``Unapproved`` (and known to be), ``Missing`` or ``Invalid``."""

    state: str
    why: str


def is_protected(group: str) -> bool:
    """Whether a group belongs to the community, whose APIs are reviewed."""
    return any(group == name or group.endswith(f".{name}") for name in PROTECTED)


def approval_of(definition: Json) -> Approval:
    """What the annotation of a definition says."""
    given = annotations_of(definition).get(APPROVAL) or ""
    if not given:
        return Approval("Missing", f"{NEEDED}, {SEE}")
    if given.startswith("unapproved"):
        return Approval("Unapproved", f"not approved: {go_quote(given)}")
    if is_request_uri(given) and given.partition("://")[2].partition("/")[0]:
        return Approval("Approved", f"approved in {given}")
    return Approval("Invalid", f'{NEEDED} with either a URL or a reason starting with "unapproved", {SEE}')
