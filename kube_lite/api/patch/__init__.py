"""The kinds of patch: each module reads a body (``parse``) and makes a new object (``apply``)."""

from typing import Any

from kube_lite.api.codecs import DecodeError, json_type
from kube_lite.api.codecs.json import loads
from kube_lite.api.errors import BadRequest, Cause, Invalid, details_of
from kube_lite.api.gotext import go_quote, go_text
from kube_lite.api.identity import GroupResource

MAP_TYPE = "map[string]interface {}"


def read(body: bytes, before: str = "") -> Any:
    """The JSON of a patch body; ``before`` goes in front of the text of an error.

    Raises:
        BadRequest: it is not JSON.
    """
    try:
        return loads(body)
    except DecodeError as error:
        raise BadRequest(f"{before}{error}") from error


def wrong_type(value: Any, wanted: str, before: str = "") -> BadRequest:
    """``json: cannot unmarshal array into Go value of type …``."""
    return BadRequest(f"{before}json: cannot unmarshal {json_type(value)} into Go value of type {wanted}")


def refused(patch: Any, why: str) -> Invalid:
    """The answer to a patch whose result is not an object of the kind; ``why`` is the decoder's text.

    A text is shown as it stands: the result of a JSON or merge patch. Of a strategic merge patch the
    reference shows the patch.
    """
    shown = go_quote(patch) if isinstance(patch, str) else f'"{go_text(patch)}"'
    message = f"Invalid value: {shown}: {why}"
    causes = [Cause("FieldValueInvalid", message, "patch")]
    return Invalid(
        f' "" is invalid: patch: {message}', details=details_of(GroupResource("", ""), causes=causes)
    )
