"""The variables that a container finds: its own, those of config maps and secrets, and some for each Service.

What stands in ``env`` wins over ``envFrom``, and both over Services. ``$(NAME)`` is replaced by the value of
a variable that stands before it; ``$$(NAME)`` stays as ``$(NAME)``, and so does what is not defined.
Source: ``makeEnvironmentVariables`` in kubernetes/pkg/kubelet, ``pkg/kubelet/envvars``.
"""

import base64
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api.identity import Json

from .downward import FieldUnknown, Surroundings, field_text, resource_text

VARIABLE = re.compile(r"\$(\$|\([^)]*\))")


class ConfigError(Exception):
    """A container that cannot be made as its spec stands; the message says what is missing."""


class Reference(NamedTuple):
    """A config map or secret of the pod's namespace; ``kind`` is ``configmap`` or ``secret``."""

    kind: str
    name: str


Sources = Mapping[Reference, Json | None]
"""The objects that were referred to; None for those that are not there."""


def references(container: Json) -> set[Reference]:
    """The config maps and secrets that a container's variables come from."""
    found = set()
    for source in container.get("envFrom") or ():
        for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
            if source.get(field):
                found.add(Reference(kind, source[field].get("name", "")))
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
            if origin.get(field):
                found.add(Reference(kind, origin[field].get("name", "")))
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)``.

    >>> expand("$(A)-$$(A)-$(B)", {"A": "1"})
    '1-$(A)-$(B)'
    """

    def replaced(found: re.Match[str]) -> str:
        inside = found[1]
        return "$" if inside == "$" else variables.get(inside[1:-1], found[0])

    return VARIABLE.sub(replaced, text) if "$" in text else text


def environment(
    pod: Json, container: Json, *, sources: Sources, services: Iterable[Json], surroundings: Surroundings
) -> dict[str, str]:
    """All variables of one container.

    Args:
        services: all Services that might be told of; those of other namespaces than the pod's are left out,
            except the API's own.

    Raises:
        ConfigError: something that is not optional is missing.
    """
    told = service_variables(pod, services)
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        variables.update(_all_of(source, sources, pod["metadata"]["namespace"]))
    for variable in container.get("env") or ():
        if variable.get("valueFrom"):
            value = _value_from(pod, container, variable["valueFrom"], sources, surroundings)
            if value is None:
                continue
        else:
            value = expand(variable.get("value") or "", ChainMap(variables, told))
        variables[variable["name"]] = value
    return {**told, **variables}


def content_of(reference: Reference, obj: Json) -> dict[str, bytes]:
    """The entries of a config map or secret."""
    if reference.kind == "secret":
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    entries = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    entries.update({key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()})
    return entries


def _texts_of(reference: Reference, obj: Json) -> dict[str, str]:
    if reference.kind == "configmap":
        return dict(obj.get("data") or {})  # binary entries are no variables
    return {key: value.decode(errors="surrogateescape") for key, value in content_of(reference, obj).items()}


def _all_of(source: Json, sources: Sources, namespace: str) -> dict[str, str]:
    for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
        chosen = source.get(field)
        if chosen:
            reference = Reference(kind, chosen.get("name", ""))
            obj = sources.get(reference)
            if obj is None and chosen.get("optional"):
                return {}
            if obj is None:
                raise ConfigError(f'{kind} "{reference.name}" not found')
            prefix = source.get("prefix") or ""
            return {prefix + key: text for key, text in _texts_of(reference, obj).items()}
    return {}


def _value_from(
    pod: Json, container: Json, origin: Json, sources: Sources, surroundings: Surroundings
) -> str | None:
    try:
        if origin.get("fieldRef"):
            return field_text(pod, origin["fieldRef"]["fieldPath"], surroundings)
        if origin.get("resourceFieldRef"):
            return resource_text(pod, origin["resourceFieldRef"], container, surroundings)
    except FieldUnknown as error:
        raise ConfigError(str(error)) from error
    for field, kind, word in (
        ("configMapKeyRef", "configmap", "ConfigMap"),
        ("secretKeyRef", "secret", "Secret"),
    ):
        chosen = origin.get(field)
        if chosen:
            reference = Reference(kind, chosen.get("name", ""))
            obj = sources.get(reference)
            if obj is None and not chosen.get("optional"):
                raise ConfigError(f'{kind} "{reference.name}" not found')
            text = _texts_of(reference, obj).get(chosen["key"]) if obj is not None else None
            if text is None and not chosen.get("optional"):
                place = f"{pod['metadata']['namespace']}/{reference.name}"
                raise ConfigError(f"couldn't find key {chosen['key']} in {word} {place}")
            return text
    return None


def service_variables(pod: Json, services: Iterable[Json]) -> dict[str, str]:
    """``WEB_SERVICE_HOST`` and its kin, for Services with an address."""
    namespace = pod["metadata"]["namespace"]
    wants_links = pod["spec"].get("enableServiceLinks", True)
    variables: dict[str, str] = {}
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        is_api = metadata["namespace"] == "default" and metadata["name"] == "kubernetes"
        is_neighbour = wants_links and metadata["namespace"] == namespace
        if (is_api or is_neighbour) and spec.get("clusterIP") not in (None, "", "None"):
            variables.update(_variables_of(metadata["name"], spec["clusterIP"], spec.get("ports") or ()))
    return variables


def _variables_of(name: str, address: str, ports: Sequence[Json]) -> dict[str, str]:
    stem = name.upper().replace("-", "_")
    if not ports:
        return {}
    host = f"[{address}]" if ":" in address else address
    variables = {f"{stem}_SERVICE_HOST": address, f"{stem}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            label = port["name"].upper().replace("-", "_")
            variables[f"{stem}_SERVICE_PORT_{label}"] = str(port["port"])
    for position, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{host}:{port['port']}"
        long = f"{stem}_PORT_{port['port']}_{protocol}"
        if position == 0:
            variables[f"{stem}_PORT"] = url
        variables[long] = url
        variables[f"{long}_PROTO"] = protocol.lower()
        variables[f"{long}_PORT"] = str(port["port"])
        variables[f"{long}_ADDR"] = address
    return variables
