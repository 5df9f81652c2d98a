"""What a conversion webhook is asked, and whether its answer may be believed.

A webhook may change everything of an object but its identity: of the metadata that it returns, labels and
annotations are taken, all else stays as it was.
Source: ``apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from kube_lite.api.codecs import json_type
from kube_lite.api.errors import Cause, ConversionFailed
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json, parse_api_version
from kube_lite.api.metadata_rules import check_annotations, check_labels

from .custom_values import go_type

GROUP, KIND = "apiextensions.k8s.io", "ConversionReview"
VERSIONS = ("v1", "v1beta1")
CHECKED = "v1"
"""The version of reviews whose answers must say what they are, and to which question."""
REVIEW = (
    b'{"kind":"%b","apiVersion":"%b","request":{"uid":"%b","desiredAPIVersion":"%b","objects":[%b]},'
    b'"response":{"uid":"","convertedObjects":null,"result":{"metadata":{}}}}'
)
SUBJECT = "conversion webhook for"
CHANGEABLE: Sequence[tuple[str, str, Callable[[Json, str], Iterator[Cause]]]] = (
    ("labels", "metadata.labels", check_labels),
    ("annotations", "metadata.annotation", check_annotations),
)
"""What of the metadata a webhook may change, what the reference calls it, and what it must look like."""


class Unbelievable(ValueError):
    """What is wrong with a webhook's answer."""


def choose_version(offered: Iterable[str]) -> str:
    """The version of the review: the first of ``conversionReviewVersions`` that is known.

    Raises:
        ConversionFailed: there is none.
    """
    for version in offered:
        if version in VERSIONS:
            return version
    raise ConversionFailed("no supported conversion review versions")


def write_review(version: str, uid: str, wanted: str, objects: Iterable[bytes]) -> bytes:
    """The body of the request. ``wanted`` is the ``apiVersion`` that the objects (JSON) shall have."""
    texts = (KIND, f"{GROUP}/{version}", uid, wanted)
    return REVIEW % (*(text.encode() for text in texts), b",".join(objects))


def read_answer(answer: Any, version: str, uid: str, wanted: str, sent: Sequence[Json]) -> list[Json]:
    """The converted objects, in the order in which they were sent; they belong to the caller.

    Args:
        answer: the body of the response.
        version: of the review.
        uid: of the review.
        wanted: the ``apiVersion`` that they were to get.
        sent: the objects as they were.

    Raises:
        ConversionFailed: some are not there, or are not what they were.
    """
    subject = f"{SUBJECT} {kind_text(sent[0])}"
    try:
        objects = _objects_of(answer, version, uid)
    except Unbelievable as error:
        raise ConversionFailed(f"{subject} failed: {error}") from error
    if len(objects) != len(sent):
        raise ConversionFailed(f"{subject} returned {len(objects)} objects, expected {len(sent)}")
    return [_checked(before, after, wanted) for before, after in zip(sent, objects, strict=True)]


def kind_text(obj: Json) -> str:
    """What an object says it is, as Go prints it: ``zoo.example/v1, Kind=Widget``."""
    group, version = parse_api_version(str(obj.get("apiVersion") or ""))
    return f"{group}/{version}, Kind={obj.get('kind') or ''}"


def _objects_of(answer: Any, version: str, uid: str) -> list[Any]:
    if not isinstance(answer, dict):
        raise Unbelievable(f"json: cannot unmarshal {json_type(answer)} into Go value of type {KIND}")
    is_checked = version == CHECKED
    expected = {"apiVersion": f"{GROUP}/{version}", "kind": KIND}
    if is_checked and {field: answer.get(field) for field in expected} != expected:
        # A decoder that meets another kind than it was told leaves what it was to fill in empty.
        raise Unbelievable(f"expected webhook response of {kind_text(expected)}, got {kind_text({})}")
    response = answer.get("response")
    if response is None:
        raise Unbelievable("no response provided")
    _must_be(response, dict, "response", "ConversionResponse")
    if is_checked and response.get("uid", "") != uid:
        raise Unbelievable(
            f"expected response.uid={go_quote(uid)}, got {go_quote(str(response.get('uid', '')))}"
        )
    result = response.get("result") or {}
    _must_be(result, dict, "result", "Status")
    if result.get("status") != "Success":
        raise Unbelievable(
            result.get("message")
            or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        )
    objects = response.get("convertedObjects") or []
    _must_be(objects, list, "convertedObjects", "[]runtime.RawExtension")
    return list(objects)


def _must_be(value: Any, wanted: type, field: str, go_type: str) -> None:
    if not isinstance(value, wanted):
        where = f"Go struct field {KIND}.{field} of type {go_type}"
        raise Unbelievable(f"json: cannot unmarshal {json_type(value)} into {where}")


def _checked(before: Json, after: Any, wanted: str) -> Json:
    subject = f"{SUBJECT} {kind_text(before)}"
    if after is None:
        raise ConversionFailed("unexpected end of JSON input")
    if not isinstance(after, dict):
        raise ConversionFailed(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_type(after)} into Go "
            'value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }'
        )
    if not after.get("kind"):
        raise ConversionFailed(f"Object 'Kind' is missing in '{orjson.dumps(after).decode()}'")
    for name, expected, got in (
        ("groupVersion", wanted, after.get("apiVersion") or ""),
        ("kind", before["kind"], after["kind"]),
    ):
        if got != expected:
            why = f"invalid {name} (expected {expected}, received {got})"
            raise ConversionFailed(f"{subject} returned invalid object at index 0: {why}")
    try:
        _check_identity(before, after)
    except Unbelievable as error:
        raise ConversionFailed(f"{subject} returned invalid object: {error}") from error
    try:
        metadata = _restored(before, after)
    except Unbelievable as error:
        raise ConversionFailed(f"{subject} returned invalid metadata: {error}") from error
    return {**after, "metadata": metadata}


def _check_identity(before: Json, after: Json) -> None:
    given = after.get("metadata")
    metadata = given if isinstance(given, dict) else {}
    for field, name in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        expected, got = before["metadata"].get(field) or "", metadata.get(field) or ""
        if got != expected:
            raise Unbelievable(f"must have the same {name}: {expected} != {got}")


def _restored(before: Json, after: Json) -> Json:
    """The metadata as it was, with the labels and annotations that came back."""
    if "metadata" not in after:
        raise Unbelievable("missing metadata in converted object")
    given = after["metadata"]
    if not isinstance(given, dict):
        raise Unbelievable(f"invalid metadata of type {go_type(given)} in converted object")
    metadata = dict(before["metadata"])
    for field, path, check in CHANGEABLE:
        texts = given.get(field)
        if texts is None:
            metadata.pop(field, None)
            continue
        if not isinstance(texts, dict):
            raise Unbelievable(f"invalid metadata.{field} of type {go_type(texts)} in converted object")
        for key, text in texts.items():
            if not isinstance(text, str):
                why = f"must be a string, but is {go_type(text)} in converted object"
                raise Unbelievable(f"metadata.{field}[{key}] {why}")
        if texts != (metadata.get(field) or {}):
            _refuse(check(texts, path))
        metadata[field] = texts
    return metadata


def _refuse(causes: Iterable[Cause]) -> None:
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    if told:
        raise Unbelievable(told[0] if len(told) == 1 else f"[{', '.join(told)}]")
