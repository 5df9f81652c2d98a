"""CustomResourceDefinition before ``v1``: one schema, one set of subresources and columns for all versions.

A definition of old may say things once, at the top, or for each version. What all versions share is shown at
the top, however it was written, as upstream does: so what ``v1`` reads is the same, and a definition survives
any number of ways. Source: conversion.go and defaults.go of apiextensions-apiserver's ``v1`` and ``v1beta1``.
"""

from collections.abc import Callable

from kube_lite.api.identity import Json

from .parts import changed, renamed

SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""What versions have of their own → what it is called at the top."""


def default_definition(definition: Json) -> None:
    """One version if only its name is told; names that follow from the kind; unknown fields stay."""
    spec = definition.setdefault("spec", {})
    spec["scope"] = spec.get("scope") or "Namespaced"
    versions, first = spec.get("versions"), spec.get("version")
    if not versions and first:
        spec["versions"] = [{"name": first, "served": True, "storage": True}]
    elif versions and not first:
        spec["version"] = versions[0].get("name", "")
    conversion = spec["conversion"] = spec.get("conversion") or {"strategy": "None"}
    if conversion.get("strategy") == "Webhook" and not conversion.get("conversionReviewVersions"):
        conversion["conversionReviewVersions"] = ["v1beta1"]
    if spec.get("preserveUnknownFields") is None:
        spec["preserveUnknownFields"] = True


def newer_definition(definition: Json) -> Json:
    """``v1beta1`` → ``v1``."""
    spec = definition.get("spec")
    if not spec:
        return definition
    spec = dict(spec)
    top = {field: spec.pop(above, None) for field, above in SHARED.items()}
    shared = {field: value for field, value in top.items() if value is not None}
    first = spec.pop("version", "")
    versions = spec.get("versions") or ([{"name": first, "served": True, "storage": True}] if first else [])
    if versions:
        spec["versions"] = [_with_columns({**version, **shared}, _newer_column) for version in versions]
    if spec.get("conversion"):
        spec["conversion"] = _newer_conversion(spec["conversion"])
    if not spec.get("preserveUnknownFields"):
        spec.pop("preserveUnknownFields", None)  # where ``v1`` does not mention it, it is false
    return changed(definition, spec=spec)


def older_definition(definition: Json) -> Json:
    """``v1`` → ``v1beta1``."""
    spec = definition.get("spec")
    if not spec:
        return definition
    spec = dict(spec)
    versions = [_with_columns(version, _older_column) for version in spec.get("versions") or ()]
    if versions:
        for field, above in SHARED.items():
            common = versions[0].get(field)
            if common is not None and all(version.get(field) == common for version in versions):
                spec[above] = common
                versions = [_without(version, field) for version in versions]
        spec["version"] = versions[0].get("name", "")
        spec["versions"] = versions
    if spec.get("conversion"):
        spec["conversion"] = _older_conversion(spec["conversion"])
    spec.setdefault("preserveUnknownFields", False)
    return changed(definition, spec=spec)


def preserving(document: Json) -> Json:
    """The schema of a definition with ``preserveUnknownFields``: what it does not mention stays."""
    kept = dict(document)
    for word in ("items", "additionalProperties"):
        if isinstance(document.get(word), dict):
            kept[word] = preserving(document[word])
    if document.get("properties"):
        kept["properties"] = {name: preserving(below) for name, below in document["properties"].items()}
    if document.get("type", "object") == "object" and not isinstance(kept.get("additionalProperties"), dict):
        kept["x-kubernetes-preserve-unknown-fields"] = True
    return kept


def _without(version: Json, field: str) -> Json:
    return {name: value for name, value in version.items() if name != field}


def _with_columns(version: Json, convert: Callable[[Json], Json]) -> Json:
    columns = version.get("additionalPrinterColumns")
    if not columns:
        return version
    return {**version, "additionalPrinterColumns": [convert(column) for column in columns]}


def _newer_column(column: Json) -> Json:
    return renamed(column, {"JSONPath": "jsonPath"})


def _older_column(column: Json) -> Json:
    return renamed(column, {"jsonPath": "JSONPath"})


_OF_WEBHOOK = {"webhookClientConfig": "clientConfig", "conversionReviewVersions": "conversionReviewVersions"}


def _newer_conversion(conversion: Json) -> Json:
    webhook = {_OF_WEBHOOK[field]: value for field, value in conversion.items() if field in _OF_WEBHOOK}
    rest = {field: value for field, value in conversion.items() if field not in _OF_WEBHOOK}
    return {**rest, "webhook": webhook} if webhook else rest


def _older_conversion(conversion: Json) -> Json:
    rest = dict(conversion)
    webhook = rest.pop("webhook", None) or {}
    names = {"clientConfig": "webhookClientConfig"}
    return {**rest, **renamed(webhook, names)}
