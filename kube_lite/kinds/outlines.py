"""What the server must know of a CustomResourceDefinition to serve it, short of its schemas.

A definition may be a megabyte of schemas that nobody looks at for days. Its outline is some hundred bytes:
the names, the versions with their columns and paths, and a tag for each schema that changes when the
schema does. It lies in the header beside the stored definition, so that a start with hundreds of them
decodes none.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from kube_lite.api.discovery import version_rank
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.meta import annotations_of, has_finalizer, is_being_deleted, is_condition_true

FIELD = "outline"
"""Where in the header of a definition it lies, beside the fields that selectors see."""
TAG_LETTERS = 12
WEBHOOK = "Webhook"
"""The strategy of conversion that asks somebody else."""
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until its objects are gone."""
APPROVAL = "api-approved.kubernetes.io"
"""The annotation that tells where the API of a protected group was reviewed."""


class Version(NamedTuple):
    """One version.

    Attributes:
        warning: what requests for it are warned of, empty for nothing.
        scale: ``specReplicasPath statusReplicasPath labelSelectorPath``, empty for no such subresource.
        columns: as the definition has them.
        selectable: the paths of the fields that its objects may be selected by.
        tag: of its schema, see above.
        has_rules: there may be rules in CEL in its schema.
    """

    name: str
    is_served: bool
    warning: str
    has_status: bool
    scale: Json
    columns: list[Json]
    selectable: list[str]
    tag: str
    has_rules: bool


class Outline(NamedTuple):
    """A definition in short.

    Attributes:
        generation: of its spec.
        approval: what its annotation says of the review of its API.
        wanted: the names that it asks for (``plural singular kind listKind shortNames categories``).
        names: those that were accepted.
        is_established: it is to be served.
        is_ending: it was deleted, and its objects have to go first.
        is_held: its finalizer is still there.
        storage: the version in which objects are stored.
        conversion: between versions: ``None`` or ``WEBHOOK``.
    """

    name: str
    uid: str
    group: str
    generation: int
    approval: str
    is_namespaced: bool
    wanted: Json
    names: Json
    is_established: bool
    is_ending: bool
    is_held: bool
    storage: str
    conversion: str
    versions: list[Version]

    @property
    def lacks_names(self) -> bool:
        """Some of the names it asks for are not its own."""
        return self.wanted != self.names

    def text(self) -> str:
        """As it lies in the header."""
        return orjson.dumps([*self[:-1], [[*version] for version in self.versions]]).decode()

    def gvk(self, version: Version) -> GroupVersionKind:
        """What objects of a version say they are."""
        return GroupVersionKind(self.group, version.name, self.names.get("kind", ""))


def read_outline(text: str) -> Outline:
    """What ``text`` made of an outline."""
    *fields, versions = orjson.loads(text)
    return Outline._make((*fields, [Version._make(version) for version in versions]))


def outline_of(definition: Json) -> Outline:
    """The outline of a definition that was validated."""
    metadata, spec, status = definition["metadata"], definition["spec"], definition.get("status") or {}
    versions = spec.get("versions") or []
    return Outline(
        name=metadata["name"],
        uid=metadata["uid"],
        group=spec["group"],
        generation=metadata.get("generation", 0),
        approval=annotations_of(definition).get(APPROVAL, ""),
        is_namespaced=spec.get("scope") == "Namespaced",
        wanted=spec.get("names") or {},
        names=status.get("acceptedNames") or {},
        is_established=is_condition_true(definition, "Established"),
        is_ending=is_being_deleted(definition),
        is_held=has_finalizer(definition, CLEANUP),
        storage=next((version["name"] for version in versions if version.get("storage")), ""),
        conversion=(spec.get("conversion") or {}).get("strategy", "None"),
        versions=[_version(version, deprecation(spec, version)) for version in versions],
    )


def schema_document(definition: Json, version: str) -> Json:
    """The ``openAPIV3Schema`` of a version; anything goes where a definition of old has none."""
    for entry in definition["spec"]["versions"]:
        if entry["name"] == version:
            document: Json = (entry.get("schema") or {}).get("openAPIV3Schema") or {}
            if document and not definition["spec"].get("preserveUnknownFields"):
                return document
            from .legacy.definitions import preserving  # definitions of old

            return preserving(document or {"type": "object"})
    raise KeyError(version)


def definition_name(gvk: GroupVersionKind) -> str:
    """The name that its schema has in documents: ``com.example.v1.Gadget``."""
    return ".".join((*reversed(gvk.group.split(".")), gvk.version, gvk.kind))


def deprecation(spec: Json, version: Json) -> str:
    """What requests for a version are warned of, or nothing.

    Source: ``defaultDeprecationWarning`` in apiextensions-apiserver's ``customresource_handler.go``.
    """
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        told: str = version["deprecationWarning"]
        return told
    group, kind = spec["group"], spec["names"]["kind"]
    told = f"{group}/{version['name']} {kind} is deprecated"
    newer = sorted(_newer(spec["versions"], version["name"]), key=version_rank)
    return f"{told}; use {group}/{newer[0]} {kind}" if newer else told


def _newer(versions: Iterable[Json], than: str) -> Iterable[str]:
    for version in versions:
        is_offered = version.get("served") and not version.get("deprecated")
        if is_offered and version_rank(version["name"]) < version_rank(than):
            yield version["name"]


def _version(version: Json, warning: str) -> Version:
    subresources = version.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    selectable = [field["jsonPath"] for field in version.get("selectableFields") or ()]
    tagged = orjson.dumps([schema, selectable], option=orjson.OPT_SORT_KEYS)
    return Version(
        name=version["name"],
        is_served=version.get("served", False),
        warning=warning,
        has_status=subresources.get("status") is not None,
        scale=subresources.get("scale") or {},
        columns=version.get("additionalPrinterColumns") or [],
        selectable=selectable,
        tag=hashlib.sha256(tagged).hexdigest()[:TAG_LETTERS],
        has_rules=b'"x-kubernetes-validations"' in tagged,
    )
