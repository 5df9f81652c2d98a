"""AdmissionReviews: what a webhook is asked, and what its answer means.

Source: ``apiserver/pkg/admission/plugin/webhook``: ``request/admissionreview.go``, ``errors/statuserror.go``.
"""

from base64 import b64decode
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from kube_lite.api.codecs import json_type
from kube_lite.api.errors import ApiError
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json, parse_api_version

GROUP, KIND = "admission.k8s.io", "AdmissionReview"
VERSIONS = ("v1", "v1beta1")
CHECKED = "v1"
"""The version of reviews whose answers must say what they are, and to which question."""
JSON_PATCH = "JSONPatch"
FIELDS: dict[str, tuple[type, str]] = {
    "uid": (str, "types.UID"), "allowed": (bool, "bool"), "status": (dict, "v1.Status"),
    "patch": (str, "[]uint8"), "patchType": (str, "v1.PatchType"), "warnings": (list, "[]string"),
}  # fmt: skip
BAD_REQUEST = 400


class NotCalled(Exception):
    """A webhook that could not be called, or whose answer cannot be used; says why."""


class Verdict(NamedTuple):
    """What a webhook says.

    ``status`` explains a refusal; ``patch`` is JSON, empty where nothing is to be changed.
    """

    is_allowed: bool
    status: Json
    warnings: tuple[str, ...] = ()
    patch: bytes = b""
    patch_type: str = ""


def choose_version(offered: Iterable[str]) -> str:
    """The first of ``admissionReviewVersions`` that is known. Raises ``NotCalled``."""
    for version in offered:
        if version in VERSIONS:
            return version
    why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
    raise NotCalled(f"could not create admission objects: {why}")


def write_review(version: str, uid: str, request: Json, new: Json | None, old: Json | None) -> bytes:
    """The body of the call."""
    asked = {"uid": uid, **request, "object": new, "oldObject": old}
    return orjson.dumps({"kind": KIND, "apiVersion": f"{GROUP}/{version}", "request": asked})


def read_verdict(answer: Any, version: str, uid: str, *, may_patch: bool) -> Verdict:
    """What comes of the answer.

    Raises:
        NotCalled: it answers nothing, or something else.
    """
    response = _response_of(answer)
    if response is None:
        raise _invalid("webhook response was absent")
    patch = response.get("patch") or ""
    patch_type = response.get("patchType")
    if version == CHECKED:
        _check_identity(answer, response, uid)
        _check_patch(patch, patch_type, may_patch=may_patch)
    elif patch:
        patch_type = JSON_PATCH
    try:
        decoded = b64decode(patch, validate=True) if may_patch else b""
    except ValueError as error:
        raise NotCalled("failed to call webhook: illegal base64 data at input byte 0") from error
    return Verdict(
        response.get("allowed") is True,
        response.get("status") or {},
        tuple(str(text) for text in response.get("warnings") or ()),
        decoded,
        patch_type or "",
    )


def _response_of(answer: Any) -> Json | None:
    if not isinstance(answer, dict):
        told = f"json: cannot unmarshal {json_type(answer)} into Go value of type v1.{KIND}"
        raise NotCalled(f"failed to call webhook: {told}")
    response = answer.get("response")
    if response is None:
        return None
    place = f"{KIND}.response"
    if not isinstance(response, dict):
        raise _mistyped(response, place, "v1.AdmissionResponse")
    for name, (kind, go_type) in FIELDS.items():
        value = response.get(name)
        if value is not None and not isinstance(value, kind):
            raise _mistyped(value, f"{place}.{name}", go_type)
    return response


def _mistyped(value: Any, place: str, go_type: str) -> NotCalled:
    told = f"json: cannot unmarshal {json_type(value)} into Go struct field {place} of type {go_type}"
    return NotCalled(f"failed to call webhook: {told}")


def _check_identity(answer: Json, response: Json, uid: str) -> None:
    given = response.get("uid") or ""
    if given != uid:
        raise _invalid(f"expected response.uid={go_quote(uid)}, got {go_quote(given)}")
    expected = f"{GROUP}/{CHECKED}, Kind={KIND}"
    group, version = parse_api_version(str(answer.get("apiVersion") or ""))
    found = f"{group}/{version}, Kind={answer.get('kind') or ''}"
    if found != expected:
        raise _invalid(f"expected webhook response of {expected}, got {found}")


def _check_patch(patch: str, patch_type: str | None, *, may_patch: bool) -> None:
    if not may_patch:
        if patch:
            raise _invalid("validating webhook may not return response.patch")
        if patch_type is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif patch and patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif patch_type is not None and not patch:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif patch_type == "":
        raise _invalid('webhook returned invalid response.patchType of ""')


def _invalid(why: str) -> NotCalled:
    return NotCalled(f"received invalid webhook response: {why}")


class Refused(ApiError):
    """A webhook has denied the request; what it says of that is told, as far as it is a refusal."""

    def __init__(self, webhook: str, status: Json) -> None:
        why = f"admission webhook {go_quote(webhook)} denied the request"
        told = status.get("message") or status.get("reason")
        super().__init__(f"{why}: {told}" if told else f"{why} without explanation")
        code = status.get("code")
        self.code = code if isinstance(code, int) and BAD_REQUEST <= code < 600 else BAD_REQUEST
        self.reason = str(status.get("reason") or "")
        details = status.get("details")
        self.details = details if isinstance(details, dict) else None
