"""Rules for the variables of containers, and for the fields and amounts that variables and files show.

Source: ``ValidateEnv`` and ``ValidateEnvFrom`` in ``pkg/apis/core/validation/validation.go``.
"""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import each, invalid, not_found, not_supported, required
from kube_lite.api.identity import Json
from kube_lite.api.names import (
    check_config_key,
    check_label,
    check_qualified_name,
    check_subdomain,
    for_prefix,
)
from kube_lite.api.quantity import canonical_quantity, parse_quantity

from .values import check_no_backsteps

FIELD_PATHS = frozenset([
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
])  # fmt: skip
ALL_FIELD_PATHS = FIELD_PATHS | {
    "metadata.labels", "metadata.annotations", "spec.restartPolicy", "spec.schedulerName", "status.phase",
}  # fmt: skip
RESOURCE_FIELDS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
HUGE_PAGES = ("requests.hugepages-", "limits.hugepages-")
BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
BAD_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"
SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_NAME = re.compile("[ -<>-~]+")
_SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]", re.DOTALL)


def check_variables(container: Json, path: str) -> Iterator[Cause]:
    """The variables of a container."""
    for position, variable in enumerate(container.get("env") or ()):
        yield from _check_variable(variable, f"{path}.env[{position}]")
    for position, source in enumerate(container.get("envFrom") or ()):
        yield from _check_many(source, f"{path}.envFrom", f"{path}.envFrom[{position}]")


def _check_variable(variable: Json, path: str) -> Iterator[Cause]:
    name = variable.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif not _NAME.fullmatch(name):
        yield invalid(f"{path}.name", name, BAD_NAME)
    if variable.get("valueFrom") is not None:
        yield from _check_source(variable, f"{path}.valueFrom")


def _check_source(variable: Json, path: str) -> Iterator[Cause]:
    source = variable["valueFrom"]
    count = 0
    if source.get("fieldRef") is not None:
        count += 1
        yield from check_field_ref(source["fieldRef"], f"{path}.fieldRef", FIELD_PATHS)
    if source.get("resourceFieldRef") is not None:
        count += 1
        yield from check_resource_ref(source["resourceFieldRef"], f"{path}.resourceFieldRef", is_file=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if source.get(kind) is not None:
            count += 1
            yield from _check_key_ref(source[kind], f"{path}.{kind}")
    if source.get("fileKeyRef") is not None:
        count += 1
        yield from _check_file_ref(source["fileKeyRef"], f"{path}.fileKeyRef")
    if count == 0:
        yield invalid(path, "", f"must specify one of: {SOURCES}")
    elif variable.get("value"):
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def check_field_ref(reference: Json, path: str, known: frozenset[str]) -> Iterator[Cause]:
    """A field of the Pod that a variable or a file shows."""
    field, version = reference.get("fieldPath") or "", reference.get("apiVersion") or ""
    here = f"{path}.fieldPath"
    if not version:
        yield required(f"{path}.apiVersion")
    elif not field:
        yield required(here)
    elif version != "v1":
        yield invalid(here, field, f"error converting fieldPath: unsupported pod version: {version}")
    else:
        subscripted = _SUBSCRIPTED.fullmatch(field)
        of_map = subscripted and subscripted[1] in ("metadata.annotations", "metadata.labels")
        if subscripted and of_map:
            key = subscripted[2].lower() if subscripted[1] == "metadata.annotations" else subscripted[2]
            yield from each(path, key, check_qualified_name(key))
        elif subscripted:
            why = "error converting fieldPath: field label does not support subscript: "
            yield invalid(here, field, why + field)
        elif field not in ALL_FIELD_PATHS:
            yield invalid(here, field, f"error converting fieldPath: field label not supported: {field}")
        elif field not in known:
            yield not_supported(here, field, sorted(known))


def check_resource_ref(reference: Json, path: str, *, is_file: bool) -> Iterator[Cause]:
    """An amount of resources that a variable or a file shows."""
    resource = reference.get("resource") or ""
    if is_file and not reference.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in RESOURCE_FIELDS and not resource.startswith(HUGE_PAGES):
        yield not_supported(f"{path}.resource", resource, RESOURCE_FIELDS)
    divisor = reference.get("divisor")
    if divisor is not None and parse_quantity(divisor).nanos != 0:
        yield from _check_divisor(resource, canonical_quantity(divisor), f"{path}.divisor")


def _check_divisor(resource: str, divisor: str, path: str) -> Iterator[Cause]:
    kind = resource.partition(".")[2]
    if kind == "cpu" and divisor not in ("1m", "1"):
        yield invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
    told = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind)
    if resource.startswith(HUGE_PAGES):
        told = "hugepages"
    if told and divisor not in BYTES:
        why = f"only divisor's values {', '.join(BYTES)} are supported with the {told} resource"
        yield invalid(path, resource, why)


def _check_key_ref(reference: Json, path: str) -> Iterator[Cause]:
    name, key = reference.get("name") or "", reference.get("key") or ""
    yield from each(f"{path}.name", name, check_subdomain(name))
    if not key:
        yield required(f"{path}.key")
    else:
        yield from each(f"{path}.key", key, check_config_key(key))


def _check_file_ref(reference: Json, path: str) -> Iterator[Cause]:
    key, volume, place = (reference.get(field) or "" for field in ("key", "volumeName", "path"))
    if not key:
        yield required(f"{path}.key")
    elif not _NAME.fullmatch(key):
        yield invalid(f"{path}.key", key, BAD_NAME)
    if not volume:
        yield required(f"{path}.volumeName")
    else:
        yield from each(f"{path}.volumeName", volume, check_label(volume))
    if not place:
        yield required(f"{path}.path")
    else:
        yield from check_no_backsteps(f"{path}.path", place)


def check_files_of_variables(spec: Json, path: str, lists: tuple[str, ...]) -> Iterator[Cause]:
    """Files that variables are read from lie in volumes that begin empty."""
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for kind in lists:
        for position, container in enumerate(spec.get(kind) or ()):
            for place, variable in enumerate(container.get("env") or ()):
                reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if reference is None:
                    continue
                name = reference.get("volumeName") or ""
                here = f"{path}.{kind}[{position}].env[{place}].valueFrom.fileKeyRef.volumeName"
                if name not in volumes:
                    yield not_found(here, name)
                elif volumes[name].get("emptyDir") is None:
                    yield invalid(here, name, "referenced volume must be of type emptyDir")


def _check_many(source: Json, path: str, here: str) -> Iterator[Cause]:
    prefix = source.get("prefix")
    if prefix and not _NAME.fullmatch(prefix):
        yield invalid(f"{here}.prefix", prefix, BAD_NAME)
    kinds = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
    for kind in kinds:
        name = source[kind].get("name") or ""
        if not name:
            yield required(f"{here}.{kind}.name")
        else:
            yield from each(f"{here}.{kind}.name", name, for_prefix(check_subdomain)(name))
    if not kinds:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(kinds) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")
