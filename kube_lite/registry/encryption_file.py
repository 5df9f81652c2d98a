"""What an ``EncryptionConfiguration`` file says: which resources are encrypted, with what.

The file is upstream's (``apiserver.config.k8s.io/v1``), and it is read as strictly: unknown fields, keys of
the wrong length, rules that hide each other are all told at once, each with its path, never with a secret.

    resources:
      - resources: [secrets, "*.example.com"]
        providers:                                  the first writes, all read
          - aescbc: {keys: [{name: key1, secret: <base64>}]}
          - identity: {}

Beyond upstream, the ``endpoint`` of a ``kms`` provider may name a file of keys (``file:///path``) or an
environment variable with keys (``env:NAME``) instead of a socket. KMS v1 is refused: upstream has dropped it.
Source: ``validation_encryption.go`` in ``apiserver/pkg/apis/apiserver/validation``, and ``config.go`` in
``apiserver/pkg/server/options/encryptionconfig``.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import Shown, invalid, required
from kube_lite.api.identity import GroupResource
from kube_lite.api.times import parse_duration

from .encryption import EVERYTHING, Keys, Kms, Plain, Rule, Spec

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
KEY_BYTES = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}
SCHEMES = (*KEY_BYTES, "identity", "kms")
KMS_FIELDS = ("apiVersion", "cachesize", "endpoint", "name", "timeout")
NO_REST = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")


class EncryptionFileInvalid(Exception):
    """What is wrong with a configuration: every cause, with its path."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        super().__init__("; ".join(f"{cause.field}: {cause.message}" for cause in causes))
        self.causes = tuple(causes)


def parse_encryption(document: object) -> Sequence[Rule]:
    """The rules of a decoded file, in order. Raises ``EncryptionFileInvalid``."""
    causes = list(_causes(document))
    if causes:
        raise EncryptionFileInvalid(causes)
    assert isinstance(document, Mapping)  # or there were causes
    rules = [
        Rule(
            [_group_resource(name) for name in entry["resources"]],
            [_spec(provider) for provider in entry["providers"]],
        )
        for entry in document["resources"]
    ]
    causes = list(_masked(rules))
    if causes:
        raise EncryptionFileInvalid(causes)
    return rules


def _causes(document: object) -> Iterator[Cause]:
    if not isinstance(document, Mapping):
        yield required("", f"a {KIND}")
        return
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.get(field) != wanted:
            yield invalid(field, document.get(field), f"must be {wanted}")
    yield from _unknown(document, ("apiVersion", "kind", "resources"), "")
    entries = document.get("resources")
    if not entries or not isinstance(entries, list):
        yield required("resources", "at least one resources is required")
        return
    names: set[str] = set()
    for number, entry in enumerate(entries):
        yield from _entry_causes(entry, f"resources[{number}]", names)


def _entry_causes(entry: object, path: str, names: set[str]) -> Iterator[Cause]:
    if not isinstance(entry, Mapping):
        yield invalid(path, entry, "must be an object")
        return
    yield from _unknown(entry, ("resources", "providers"), path)
    for field in ("resources", "providers"):
        if not entry.get(field) or not isinstance(entry[field], list):
            yield required(f"{path}.{field}", f"at least one {path}.{field} is required")
    if isinstance(entry.get("resources"), list):
        yield from _resource_causes(entry["resources"], f"{path}.resources")
    if isinstance(entry.get("providers"), list):
        for number, provider in enumerate(entry["providers"]):
            yield from _provider_causes(provider, f"{path}.providers[{number}]", names)


def _resource_causes(resources: Sequence[object], path: str) -> Iterator[Cause]:
    parsed = [_group_resource(str(resource)) for resource in resources]
    if len(set(parsed)) < len(parsed):
        yield invalid(path, resources, "the same resource cannot be specified multiple times")
    if _overlaps(parsed):
        yield invalid(
            path,
            resources,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed "
            "as they will be masked",
        )
    for number, resource in enumerate(resources):
        why = _why_not(resource)
        if why:
            yield invalid(f"{path}[{number}]", resource, why)


def _overlaps(resources: Sequence[GroupResource]) -> bool:
    different = set(resources)
    if len(different) < 2:
        return False
    groups = [resource.group for resource in different]
    wild = [resource.group for resource in different if resource.resource == "*"]
    return EVERYTHING in different or any(groups.count(group) > 1 for group in wild)


def _why_not(resource: object) -> str:
    if not isinstance(resource, str):
        return "must be a resource such as secrets or deployments.apps"
    group, name = _group_resource(resource)
    reasons = (
        (resource.lower() != resource, "resource name should not contain capital letters"),
        (
            resource == "*",
            "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
        ),
        (resource in NO_REST, "resources which do not have REST API/s cannot be encrypted"),
        (
            group == "events.k8s.io",
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. "
            "Use 'events' instead in the config file",
        ),
        (group == "extensions", "'extensions' group has been removed and cannot be used for encryption"),
        (group == "*" and name != "*", "encrypting the same resource across groups is not supported"),
    )
    return next((why for applies, why in reasons if applies), "")


def _provider_causes(provider: object, path: str, names: set[str]) -> Iterator[Cause]:
    if not isinstance(provider, Mapping):
        yield invalid(path, Shown("REDACTED"), "must be an object")
        return
    yield from _unknown(provider, SCHEMES, path)
    found = [scheme for scheme in SCHEMES if provider.get(scheme) is not None]
    if len(found) != 1:
        why = (
            "more than one provider specified in a single element, should split into different list elements"
            if found
            else "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, "
            "Identity"
        )
        yield invalid(path, Shown("REDACTED"), why)
        return
    scheme = found[0]
    content, path = provider[scheme], f"{path}.{scheme}"
    if not isinstance(content, Mapping):
        yield invalid(path, Shown("REDACTED"), "must be an object")
    elif scheme == "kms":
        yield from _kms_causes(content, path, names)
    elif scheme == "identity":
        yield from _unknown(content, (), path)
    else:
        yield from _unknown(content, ("keys",), path)
        yield from _keys_causes(content.get("keys"), f"{path}.keys", KEY_BYTES[scheme])


def _keys_causes(keys: object, path: str, lengths: Sequence[int]) -> Iterator[Cause]:
    if not keys or not isinstance(keys, list):
        yield required(path, "at least one keys is required")
        return
    for number, key in enumerate(keys):
        at = f"{path}[{number}]"
        if not isinstance(key, Mapping):
            yield invalid(at, Shown("REDACTED"), "must be an object with name and secret")
            continue
        yield from _unknown(key, ("name", "secret"), at)
        if not key.get("name"):
            yield required(f"{at}.name", "name is a mandatory field for a key")
        if not key.get("secret"):
            yield required(f"{at}.secret", "secret is a mandatory field for a key")
        else:
            yield from _secret_causes(key["secret"], f"{at}.secret", lengths)


def _secret_causes(secret: object, path: str, lengths: Sequence[int]) -> Iterator[Cause]:
    try:
        length = len(_decoded(secret))
    except binascii.Error:
        yield invalid(path, "REDACTED", "secrets must be base64 encoded")
        return
    if length not in lengths:
        shown = " ".join(map(str, lengths))
        why = f"secret is not of the expected length, got {length}, expected one of [{shown}]"
        yield invalid(path, "REDACTED", why)


def _kms_causes(kms: Mapping[str, Any], path: str, names: set[str]) -> Iterator[Cause]:
    yield from _unknown(kms, KMS_FIELDS, path)
    name = str(kms.get("name") or "")
    if not name:
        yield required(f"{path}.name", "name is a mandatory field for a provider")
    if ":" in name:
        yield invalid(f"{path}.name", name, f"invalid KMS provider name {name}, must not contain ':'")
    if name in names:
        yield invalid(f"{path}.name", name, f"duplicate KMS provider name {name}, names must be unique")
    names.add(name)
    version = kms.get("apiVersion") or "v1"  # which is what upstream takes it for
    if version != "v2":
        yield invalid(f"{path}.apiVersion", version, "only KMS v2 is supported; set apiVersion: v2")
    elif kms.get("cachesize") is not None:
        yield invalid(f"{path}.cachesize", kms["cachesize"], "cachesize is not supported in v2")
    yield from _endpoint_causes(str(kms.get("endpoint") or ""), f"{path}.endpoint")
    try:
        is_positive = parse_duration(str(kms.get("timeout") or "3s")) > 0
    except ValueError as error:
        yield invalid(f"{path}.timeout", kms["timeout"], str(error))
    else:
        if not is_positive:
            yield invalid(f"{path}.timeout", kms["timeout"], "timeout should be a positive value")


def _endpoint_causes(endpoint: str, path: str) -> Iterator[Cause]:
    scheme, colon, rest = endpoint.partition(":")
    if not endpoint:
        yield invalid(path, "", "endpoint is a mandatory field for a kms")
    elif not colon or scheme not in ("unix", "file", "env"):
        known = "unix is a plug-in's socket, file a file of keys, env an environment variable with keys"
        yield invalid(path, endpoint, f'unsupported scheme "{scheme}" for KMS provider: {known}')
    elif not rest or (scheme != "env" and not rest.startswith("///")):
        yield invalid(path, endpoint, f"{scheme}:{'NAME' if scheme == 'env' else '///PATH'} is wanted")


def _masked(rules: Sequence[Rule]) -> Iterator[Cause]:
    """Resources that an earlier rule with a wildcard takes before them."""
    seen: set[GroupResource] = set()
    for number, rule in enumerate(rules):
        for resource in rule.resources:
            for earlier in (GroupResource(resource.group, "*"), EVERYTHING):
                if earlier in seen:
                    why = f'resource "{_written(resource)}" is masked by earlier rule "{_written(earlier)}"'
                    yield invalid(f"resources[{number}].resources", _written(resource), why)
                    break
        seen.update(rule.resources)


def _spec(provider: Mapping[str, Any]) -> Spec:
    if provider.get("kms") is not None:
        kms = provider["kms"]
        return Kms(str(kms["name"]), str(kms["endpoint"]), parse_duration(str(kms.get("timeout") or "3s")))
    for scheme in KEY_BYTES:
        if provider.get(scheme) is not None:
            return Keys(
                scheme, [(str(key["name"]), _decoded(key["secret"])) for key in provider[scheme]["keys"]]
            )
    return Plain()


def _group_resource(text: str) -> GroupResource:
    """``deployments.apps`` → its parts; ``*.`` is all of the core group, ``*.*`` is everything."""
    resource, _, group = text.partition(".")
    return GroupResource(group, resource)


def _written(resource: GroupResource) -> str:
    return "*." if resource == GroupResource("", "*") else str(resource)


def _decoded(secret: object) -> bytes:
    return base64.b64decode(str(secret), validate=True)


def _unknown(found: Mapping[str, object], known: Sequence[str], path: str) -> Iterator[Cause]:
    for field in found:
        if field not in known:
            at = f"{path}.{field}" if path else str(field)
            yield Cause("FieldValueInvalid", f'unknown field "{field}"', at)
