"""The body of a request as a custom resource: metadata like everybody's, the rest pruned to the schema.

Source: ``unstructuredSchemaCoercer`` in apiextensions-apiserver's ``customresource_handler.go``.
"""

from typing import Any

from kube_lite.api.codecs import json_type
from kube_lite.api.identity import Json
from kube_lite.api.numbers import copy_as_written
from kube_lite.api.schema.load import CustomSchema
from kube_lite.api.schema.mismatch import TypeMismatch
from kube_lite.api.schema.prune import Read, read_object

from .pruning import prune


def read_custom(body: Json, schema: CustomSchema) -> Read:
    """Read a decoded body; what comes of it shares nothing with it.

    Raises:
        TypeMismatch: metadata, of the object or of one within it, is not as it has to be.
    """
    value: dict[str, Any] = {name: copy_as_written(item) for name, item in body.items() if name != "metadata"}
    unknown: list[str] = []
    metadata = body.get("metadata")
    if metadata is not None:
        if type(metadata) is not dict:
            why = f"json: cannot unmarshal {json_type(metadata)} into Go value of type v1.ObjectMeta"
            raise TypeMismatch(why)
        value["metadata"], paths = read_object(metadata, schema.metadata)
        unknown += (text.replace('"', '"metadata.', 1) for text in paths)
    unknown += (f'unknown field "{path}"' for path in prune(value, schema.structure))
    return Read(value, tuple(unknown))
