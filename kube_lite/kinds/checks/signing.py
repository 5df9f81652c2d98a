"""Rules for what is answered to a certificate request: conditions that stay, and a certificate that is one.

Source: ``pkg/apis/certificates/validation``.
"""

import base64
import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, forbidden, invalid, one_of, required
from kube_lite.api.identity import Json

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
STATUSES = ("False", "True", "Unknown")
CONDITIONS = "status.conditions"
CERTIFICATE = "status.certificate"
_BLOCK = re.compile(r"-----BEGIN ([^-]+)-----\s+(.*?)-----END \1-----", re.DOTALL)


def check_approval(new: Json, old: Json) -> Iterator[Cause]:
    """What an approver may write."""
    yield from check_conditions(new, old)
    yield from _check_kept(new, old, (APPROVED, DENIED, FAILED))
    if _certificate(new) != _certificate(old):
        yield forbidden(CERTIFICATE, "updates may not set certificate content")


def check_status(new: Json, old: Json) -> Iterator[Cause]:
    """What a signer may write; approving is not its business."""
    yield from check_conditions(new, old)
    if _certificate(new) != _certificate(old):
        yield from check_certificate(_certificate(new))
    yield from _check_kept(new, old, (APPROVED, DENIED, FAILED))
    for type_ in (APPROVED, DENIED):
        before, now = _of_type(old, type_), _of_type(new, type_)
        if len(now) > len(before):
            yield forbidden(CONDITIONS, f'updates may not add a condition of type "{type_}"')
        elif len(now) == len(before) and now != before:
            yield forbidden(CONDITIONS, f'updates may not modify a condition of type "{type_}"')
    if _certificate(old) and _certificate(new) != _certificate(old):
        yield forbidden(CERTIFICATE, "updates may not modify existing certificate content")


def check_conditions(new: Json, old: Json) -> Iterator[Cause]:
    """Conditions of a known status, each type once, never both approved and denied."""
    seen: list[str] = []
    both_before = bool(_of_type(old, APPROVED) and _of_type(old, DENIED))
    for place, entry in enumerate(_conditions(new)):
        here, type_, status = f"{CONDITIONS}[{place}]", entry.get("type") or "", entry.get("status") or ""
        if not type_:
            yield required(f"{here}.type")
        if not status:
            yield required(f"{here}.status")
        else:
            known = ("True",) if type_ in (APPROVED, DENIED, FAILED) else STATUSES
            yield from one_of(f"{here}.status", status, known)
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(type_)
        if other in seen and not both_before:
            yield invalid(CONDITIONS, type_, "Approved and Denied conditions are mutually exclusive")
        if type_ in seen and len(_of_type(old, type_)) < 2:
            yield duplicate(f"{here}.type", type_)
        seen.append(type_)


def check_certificate(encoded: str) -> Iterator[Cause]:
    """One certificate or a chain of them, as PEM; what it says is not shown."""
    if not encoded:
        return
    blocks = _BLOCK.findall(base64.b64decode(encoded).decode("utf-8", "replace"))
    why = ""
    if not blocks:
        why = "must contain at least one CERTIFICATE PEM block"
    for kind, content in blocks:
        if kind != "CERTIFICATE":
            why = f'only CERTIFICATE PEM blocks are allowed, found "{kind}"'
        elif ":" in content:
            why = "no PEM block headers are permitted"
        if why:
            break
    if why:
        yield invalid(CERTIFICATE, "<certificate data>", why)


def _check_kept(new: Json, old: Json, types: tuple[str, ...]) -> Iterator[Cause]:
    for type_ in types:
        if len(_of_type(new, type_)) < len(_of_type(old, type_)):
            yield forbidden(CONDITIONS, f'updates may not remove a condition of type "{type_}"')


def _conditions(request: Json) -> list[Json]:
    return (request.get("status") or {}).get("conditions") or []


def _of_type(request: Json, type_: str) -> list[Json]:
    return [entry for entry in _conditions(request) if entry.get("type") == type_]


def _certificate(request: Json) -> str:
    return (request.get("status") or {}).get("certificate") or ""
