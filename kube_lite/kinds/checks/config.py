"""Rules for ConfigMaps, Secrets and Namespaces."""

import json
from base64 import b64decode
from collections.abc import Iterator

from kube_lite.api.codecs import DecodeError
from kube_lite.api.codecs.json import loads
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import each, forbidden, immutable, invalid, required, too_long
from kube_lite.api.identity import Json
from kube_lite.api.names import check_config_key, check_qualified_name

SIZE_MAX = 1024 * 1024
REDACTED = "<secret contents redacted>"
SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/basic-auth": ("username", "password"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
ACCOUNT_NAME = "kubernetes.io/service-account.name"


def check_config_map(config: Json) -> Iterator[Cause]:
    """Keys that can be file names, each once, and no more than a megabyte."""
    data, binary = config.get("data") or {}, config.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        yield from each(f"data[{key}]", key, check_config_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size += len(value.encode())
    for key, value in binary.items():
        yield from each(f"binaryData[{key}]", key, check_config_key(key))
        size += len(value or "") * 3 // 4
    if size > SIZE_MAX:
        yield too_long("[]", SIZE_MAX)


def check_config_map_update(new: Json, old: Json) -> Iterator[Cause]:
    """An immutable one stays so."""
    yield from _check_frozen(new, old, ("data", "binaryData"))


def _check_frozen(new: Json, old: Json, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    why = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield forbidden("immutable", why)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            yield forbidden(field, why)


def check_secret(secret: Json) -> Iterator[Cause]:
    """Keys that can be file names, no more than a megabyte, and what the type promises."""
    data = secret.get("data") or {}
    size = 0
    for key, value in data.items():
        yield from each(f"data[{key}]", key, check_config_key(key))
        size += len(value or "") * 3 // 4
    if size > SIZE_MAX:
        yield too_long("data", SIZE_MAX)
    yield from _check_secret_type(secret, data)


def _check_secret_type(secret: Json, data: Json) -> Iterator[Cause]:
    kind = secret.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        if not (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME):
            yield required(f"metadata.annotations[{ACCOUNT_NAME}]")
    elif kind == "kubernetes.io/basic-auth":
        if not any(key in data for key in SECRET_FIELDS[kind]):
            for key in SECRET_FIELDS[kind]:
                yield required(f"data[{key}]")
    else:
        for key in SECRET_FIELDS.get(kind, ()):
            if key not in data:
                yield required(f"data[{key}]")
            elif kind.startswith("kubernetes.io/docker"):
                yield from _check_docker(data[key] or "", f"data[{key}]")


def _check_docker(encoded: str, path: str) -> Iterator[Cause]:
    try:
        value = loads(b64decode(encoded))
    except DecodeError as error:
        yield invalid(path, REDACTED, str(error))
        return
    if not isinstance(value, dict):
        what = "map[string]interface {}"
        yield invalid(
            path, REDACTED, f"json: cannot unmarshal {json.dumps(value)[:1]} into Go value of type {what}"
        )


def check_secret_update(new: Json, old: Json) -> Iterator[Cause]:
    """The type stays; an immutable one stays as it is."""
    yield from immutable("type", new.get("type"), old.get("type"))
    yield from _check_frozen(new, old, ("data",))


def check_namespace(namespace: Json) -> Iterator[Cause]:
    """Finalizers of its contents."""
    for finalizer in (namespace.get("spec") or {}).get("finalizers") or ():
        yield from each("spec.finalizers", finalizer, check_qualified_name(finalizer))
        if "/" not in finalizer and finalizer != "kubernetes":
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid("spec.finalizers", finalizer, why)
