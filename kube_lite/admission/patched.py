"""What others have made of an object, read again before anybody relies upon its form."""

from kube_lite.api.errors import BadRequest
from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import read_object

from .chain import Attempt

MISPLACED = "the namespace of the provided object does not match the namespace sent on the request"


def typed(attempt: Attempt, row: Resource, patched: Json) -> Json:
    """What came of a patch as an object of its kind, with defaults. Raises ``BadRequest``."""
    if patched.get("kind") != row.kind or row.schema not in attempt.definitions:
        after = patched
    else:
        try:
            after = read_object(patched, attempt.definitions.schema(row.schema)).value
        except TypeMismatch as error:
            raise BadRequest(str(error)) from error
        after["kind"], after["apiVersion"] = row.kind, row.api_version
    if not isinstance(after.get("metadata"), dict):
        after["metadata"] = {}
    if after.get("kind") != row.kind:  # of a subresource
        return after
    if after["metadata"].get("namespace", "") != attempt.namespace:
        raise BadRequest(MISPLACED)
    row.strategy.default(after)
    return after
