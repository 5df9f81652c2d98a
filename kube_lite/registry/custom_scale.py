"""The ``Scale`` of a custom resource, whose definition says where the numbers are.

Source: ``scaleFromCustomResource`` in ``apiextensions-apiserver/pkg/registry/customresource``.
"""

from collections.abc import Mapping

from kube_lite.api.errors import ApiError, BadRequest, InternalError
from kube_lite.api.identity import Json
from kube_lite.kinds.custom_values import NotThere, nested, with_nested

UNSET = -(2**31)
"""The replicas of a Scale whose object says nothing of any; the smallest number that fits, as upstream."""
SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def custom_scale_of(obj: Json, paths: Mapping[str, str]) -> Json:
    """The ``Scale`` of an object; ``UNSET`` replicas where it has none.

    Raises:
        ApiError: what lies at a path is no number, or no text.
    """
    try:
        replicas = nested(obj, paths["specReplicasPath"], int)
        current = nested(obj, paths["statusReplicasPath"], int) or 0
        selector = nested(obj, paths["labelSelectorPath"], str) if paths.get("labelSelectorPath") else ""
    except NotThere as error:
        raise ApiError(str(error)) from error
    metadata = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in SHOWN if field in metadata},
        "spec": {"replicas": UNSET if replicas is None else replicas} if replicas != 0 else {},
        "status": {"replicas": current} | ({"selector": selector} if selector else {}),
    }


def shown(scale: Json, paths: Mapping[str, str]) -> Json:
    """The ``Scale`` as it is read. Raises ``InternalError`` where the object has no replicas."""
    if scale["spec"].get("replicas") == UNSET:
        why = f'the spec replicas field "{paths["specReplicasPath"]}" does not exist'
        raise InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})
    return scale


def custom_scaled(obj: Json, scale: Json, paths: Mapping[str, str]) -> Json:
    """The object with the replicas that a ``Scale`` asks for; shares all else. Raises ``ApiError``."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    path = paths["specReplicasPath"]
    if replicas == UNSET:
        raise BadRequest(f'the spec replicas field "{path}" cannot be empty')
    try:
        changed = with_nested(obj, path, replicas)
    except NotThere as error:
        raise ApiError(str(error)) from error
    return {**changed, "metadata": dict(obj["metadata"])}
