"""Rules for ConfigMaps, Secrets, Namespaces, Nodes, limits and quotas."""

import json
from base64 import b64decode
from collections.abc import Iterator

from kube_lite.api.codecs import DecodeError
from kube_lite.api.codecs.json import loads
from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import each, forbidden, immutable, invalid, not_supported, required, too_long
from kube_lite.api.identity import Json
from kube_lite.api.names import check_config_key, check_label_value, check_qualified_name
from kube_lite.api.quantity import parse_quantity

from .amounts import STANDARD_RESOURCES
from .values import WHOLE, check_amount, check_cidr, check_resource_name, is_whole

SIZE_MAX = 1024 * 1024
REDACTED = "<secret contents redacted>"
WHOLE_RESOURCES = frozenset([
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
])  # fmt: skip
QUOTA_RESOURCES = STANDARD_RESOURCES
SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/basic-auth": ("username", "password"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
ACCOUNT_NAME = "kubernetes.io/service-account.name"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
CONFLICTING_SCOPES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


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


def check_node(node: Json) -> Iterator[Cause]:
    """Address ranges and taints."""
    spec = node.get("spec") or {}
    seen: set[tuple[str, str]] = set()
    for position, taint in enumerate(spec.get("taints") or ()):
        here = f"metadata.taints[{position}]"  # the reference says metadata, where taints once were
        key, effect, value = taint.get("key") or "", taint.get("effect") or "", taint.get("value") or ""
        yield from each(f"{here}.key", key, check_qualified_name(key))
        yield from each(f"{here}.value", value, check_label_value(value))
        if not effect:
            yield required(f"{here}.effect")
        elif effect not in TAINT_EFFECTS:
            yield not_supported(f"{here}.effect", effect, TAINT_EFFECTS)
        if (key, effect) in seen:
            yield invalid(here, f"{key}:{effect}", "taints must be unique by key and effect pair")
        seen.add((key, effect))
    for position, cidr in enumerate(spec.get("podCIDRs") or ()):
        yield from check_cidr(f"spec.podCIDRs[{position}]", cidr)


def check_node_update(new: Json, old: Json) -> Iterator[Cause]:
    """What identifies a node is set once."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        yield forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        yield forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


SCOPED_RESOURCES = (
    "pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory",
)  # fmt: skip
"""What quotas with a scope may count; of Pods without requests and limits only their number."""


def check_quota(quota: Json) -> Iterator[Cause]:
    """A ResourceQuota."""
    spec = quota.get("spec") or {}
    for name, text in (spec.get("hard") or {}).items():
        here = f"spec.hard[{name}]"
        yield from check_resource_name(here, name, STANDARD_RESOURCES)
        if "/" not in name and name not in QUOTA_RESOURCES and "hugepages-" not in name:
            yield invalid(here, name, "must be a standard resource for quota")
        yield from check_amount(here, text)
        if (name in WHOLE_RESOURCES or name.startswith("count/")) and not is_whole(text):
            yield invalid(here, text, WHOLE)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        countable = SCOPED_RESOURCES[:1] if scope == "BestEffort" else SCOPED_RESOURCES
        for name in sorted(spec.get("hard") or ()):
            if name in QUOTA_RESOURCES and name not in countable:
                yield invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in CONFLICTING_SCOPES:
        if set(pair) <= set(scopes):
            yield invalid("spec.scopes", sorted(scopes), "conflicting scopes")


def check_quota_update(new: Json, old: Json) -> Iterator[Cause]:
    """What it counts stays."""
    scopes = (new.get("spec") or {}).get("scopes") or []
    if scopes != ((old.get("spec") or {}).get("scopes") or []):
        yield invalid("spec.scopes", scopes, "field is immutable")


def check_limit_range(limits: Json) -> Iterator[Cause]:
    """minimum ≤ default request ≤ default ≤ maximum."""
    for position, item in enumerate((limits.get("spec") or {}).get("limits") or ()):
        here = f"spec.limits[{position}]"
        if item.get("type") == "Pod":
            for field in ("default", "defaultRequest"):
                if item.get(field):
                    yield forbidden(f"{here}.{field}", "may not be specified when `type` is 'Pod'")
        names = dict.fromkeys(
            name for field in ("max", "min", "default", "defaultRequest") for name in item.get(field) or ()
        )
        for name in names:
            yield from _check_order(item, name, here)


def _check_order(item: Json, name: str, path: str) -> Iterator[Cause]:
    low, high = (item.get("min") or {}).get(name), (item.get("max") or {}).get(name)
    default, request = (item.get("default") or {}).get(name), (item.get("defaultRequest") or {}).get(name)
    for field, left, left_words, right, right_words, shown in (
        ("min", low, "min value", high, "max value", low),
        ("defaultRequest", low, "min value", request, "default request value", request),
        ("defaultRequest", request, "default request value", high, "max value", request),
        ("defaultRequest", request, "default request value", default, "default limit value", request),
        ("default", low, "min value", default, "default value", low),
        ("default", default, "default value", high, "max value", high),
    ):
        if left is not None and right is not None and parse_quantity(left) > parse_quantity(right):
            why = f"{left_words} {left} is greater than {right_words} {right}"
            yield invalid(f"{path}.{field}[{name}]", shown, why)
