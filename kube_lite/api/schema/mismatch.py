"""What is said of a value that is not of the type of its field: where it is, and what Go calls the types.

Source: ``sigs.k8s.io/json``; the names of fields' types are those of k8s.io/api.
"""

import pathlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from kube_lite.api.codecs import json_type

from .load import INT_OR_STRING, Schema

Path = tuple[Any, str | int | tuple[str]] | None
"""Where a value is: the path of what holds it, and its field, its index, or, in a tuple, its key there."""

RESOURCE_LIST = "v1.ResourceList"


class TypeMismatch(ValueError):
    """A value is not of the type of its field.

    The message is that of Go's JSON decoder; ``restored`` is what the reference says instead where an object
    that it has in memory already is converted, which is so for strategic merge patches.
    """

    def __init__(self, message: str, restored: str = "") -> None:
        super().__init__(message)
        self.restored = restored or message


def go_type(schema: Schema) -> str:
    """A type as Go prints it: ``[]v1.Container``, ``map[string]string``, ``int32``."""
    if schema.name == INT_OR_STRING:
        return "int32"
    if schema.type == "array":
        return "[]" + (go_type(schema.items) if schema.items is not None else "interface {}")
    if schema.type == "object" and schema.additional is not None:
        return "map[string]" + go_type(schema.additional)
    if schema.type == "object" or (schema.name and not schema.type):
        return ".".join(schema.name.split(".")[-2:])
    if schema.format == "byte":
        return "[]uint8"
    if schema.type == "integer":
        return schema.format or "int64"
    return {"boolean": "bool", "number": "float64"}.get(schema.type, "string")


def mismatch(value: Any, schema: Schema, path: Path, owner: str, *, is_number: bool = False) -> TypeMismatch:
    """The refusal of a value; ``is_number`` for one that is a number, but none that fits."""
    what = f"number {value}" if is_number else json_type(value)
    field, kind = field_path(owner, path), named(owner, path, go_type(schema))
    message = f"json: cannot unmarshal {what} into Go struct field {field} of type {kind}"
    return TypeMismatch(message, _restored(value, schema, kind))


def named(owner: str, path: Path, kind: str) -> str:
    """The type with the name it has in Go, where it has one of its own: ``v1.ServiceType`` for ``string``."""
    while path is not None and type(path[1]) is not str:
        path = path[0]
    name = _names().get((owner, path[1] if path else ""))
    if name is None:
        return kind
    if name == RESOURCE_LIST:
        return name if kind.startswith("map") else kind
    return kind.removesuffix("string").removesuffix("int32") + name


@cache
def _names() -> dict[tuple[str, object], str]:
    """(struct, field) → the name of its type, or of its items' type, for fields that are plain in documents.

    ``go_names.txt`` has a line per struct. Source: the published types of k8s.io/api, by their names only.
    """
    found: dict[tuple[str, object], str] = {}
    for line in pathlib.Path(__file__).with_name("go_names.txt").read_text().splitlines():
        struct, *fields = line.split(" ")
        found.update(((struct, name), kind) for name, _, kind in (entry.partition(":") for entry in fields))
    return found


def field_path(owner: str, path: Path) -> str:
    """``PodSpec.spec.containers``: the names of the fields on the way, without keys of maps and indices."""
    names: list[str] = []
    while path is not None:
        path, key = path
        if type(key) is str:
            names.append(key)
    names.reverse()
    return ".".join((owner, *_with_embedded(names)))


def _with_embedded(names: list[str]) -> Iterator[str]:
    """The names with those of structs between that Go embeds, and documents do not show."""
    before = ""
    for name in names:
        between = _EMBEDDED.get(before)
        if between is not None and name in between[0]:
            yield between[1]
        yield name
        before = name


_VOLUMES = frozenset([
    "hostPath", "emptyDir", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "secret", "nfs", "iscsi",
    "glusterfs", "persistentVolumeClaim", "rbd", "flexVolume", "cinder", "cephfs", "flocker", "downwardAPI",
    "fc", "azureFile", "configMap", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk",
    "projected", "portworxVolume", "scaleIO", "storageos", "csi", "ephemeral", "image", "local",
])  # fmt: skip
_CONTAINER = frozenset([
    "name", "image", "command", "args", "workingDir", "ports", "envFrom", "env", "resources", "resizePolicy",
    "restartPolicy", "restartPolicyRules", "volumeMounts", "volumeDevices", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy",
    "securityContext", "stdin", "stdinOnce", "tty",
])  # fmt: skip
_HANDLERS = (frozenset(["exec", "httpGet", "tcpSocket", "grpc"]), "ProbeHandler")
_REFERENCE = (frozenset(["name"]), "LocalObjectReference")
_EMBEDDED: dict[str, tuple[frozenset[str], str]] = {
    "volumes": (_VOLUMES, "VolumeSource"),
    "rules": (frozenset(["http"]), "IngressRuleValue"),
    "spec": (_VOLUMES, "PersistentVolumeSource"),
    "inlineVolumeSpec": (_VOLUMES, "PersistentVolumeSource"),
    "ephemeralContainers": (_CONTAINER, "EphemeralContainerCommon"),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _HANDLERS),
    **dict.fromkeys(
        ("configMap", "configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef", "secret"), _REFERENCE
    ),
}
"""Field → fields in it that stand in an embedded struct, and its name. Source: the published types."""


def _restored(value: Any, schema: Schema, named: str) -> str:
    """What the converter says: ``cannot restore slice from map``, ``unrecognized type: int32``.

    Go can make texts of whole numbers and whole numbers of others, so it refuses these in other words.
    Source: ``apimachinery/pkg/runtime/converter.go``.
    """
    kinds = {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64", float: "float64"}
    kind = kinds.get(type(value), "interface")
    if schema.type == "array":
        return f"cannot restore slice from {kind}"
    if schema.additional is not None:
        return f"cannot restore map from {kind}"
    if schema.type == "object":
        return f"cannot restore struct from: {kind}"
    if schema.name == INT_OR_STRING:
        what = f"number {value}" if kind == "float64" else json_type(value)
        return f"json: cannot unmarshal {what} into Go value of type int32"
    wanted = go_type(schema)
    if (kind, wanted) == ("int64", "string") or (kind == "float64" and wanted.startswith("int")):
        return f"cannot convert {kind} to {named}"
    return f"unrecognized type: {wanted}"


def spell_path(path: Path) -> str:
    """``spec.containers[0].image``."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key[0] if isinstance(key, tuple) else key}")
    return "".join(reversed(parts)).removeprefix(".")
