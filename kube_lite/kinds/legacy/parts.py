"""What conversions have in common: objects that share all parts with the given one but those that differ."""

from kube_lite.api.identity import Json


def changed(obj: Json, **parts: object) -> Json:
    """The object with other parts; those that are None are left as they are, missing or not."""
    return {**obj, **{name: part for name, part in parts.items() if part is not None}}


def with_annotation(obj: Json, name: str, value: str) -> Json:
    """The object with an annotation more."""
    metadata = obj.get("metadata") or {}
    return {
        **obj,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), name: value}},
    }


def without_annotation(obj: Json, name: str) -> tuple[Json, str]:
    """The object without an annotation, and what that said; itself and an empty text if it has none."""
    metadata = obj.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if name not in annotations:
        return obj, ""
    rest = {key: value for key, value in annotations.items() if key != name}
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    if rest:
        kept["annotations"] = rest
    return {**obj, "metadata": kept}, annotations[name]


def renamed(given: Json, names: dict[str, str]) -> Json:
    """The same fields in the same order, some by other names."""
    return {names.get(field, field): value for field, value in given.items()}
