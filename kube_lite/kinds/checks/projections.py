"""Rules for files that volumes show: keys of ConfigMaps and Secrets, fields of the Pod, tokens, certificates.

Source: ``validateProjectionSources`` in ``pkg/apis/core/validation/validation.go``.
"""

from collections.abc import Callable, Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, one_of, required, too_long
from kube_lite.api.identity import Json
from kube_lite.api.metadata_rules import ANNOTATIONS_MAX

from .environment import check_field_ref, check_resource_ref
from .go_struct import go_struct
from .selectors import check_label_selector, show_selector
from .signers import check_bundle_name, check_signer_name, is_kubernetes_signer
from .values import check_domain_prefixed_key, check_inner_path

MODE_MAX = 0o777
BAD_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
FILE_FIELDS = frozenset([
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
])  # fmt: skip
TOKEN_MIN, TOKEN_MAX = 600, 1 << 32
CERTIFICATE_MIN, CERTIFICATE_MAX, OWN_CERTIFICATE_MAX = 3600, 7862400, 86400
KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def check_mode(mode: int | None, path: str) -> Iterator[Cause]:
    """The permissions of a file."""
    if mode is not None and not 0 <= mode <= MODE_MAX:
        yield invalid(path, mode, BAD_MODE)


def check_items(source: Json, path: str) -> Iterator[Cause]:
    """Which keys become which files."""
    for position, item in enumerate(source.get("items") or ()):
        yield from _check_item(item, f"{path}[{position}]")


def _check_item(item: Json, path: str) -> Iterator[Cause]:
    if not item.get("key"):
        yield required(f"{path}.key")
    yield from _check_path(f"{path}.path", item.get("path") or "")
    yield from check_mode(item.get("mode"), f"{path}.mode")


def _check_path(path: str, value: str) -> Iterator[Cause]:
    if not value:
        yield required(path)
    yield from check_inner_path(path, value)


def check_downward(source: Json, path: str) -> Iterator[Cause]:
    """Files with fields of the Pod."""
    yield from check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        yield from _check_downward_file(item, path)  # the reference does not say which item


def _check_downward_file(item: Json, path: str) -> Iterator[Cause]:
    yield from _check_path(f"{path}.path", item.get("path") or "")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        yield from check_field_ref(field, f"{path}.fieldRef", FILE_FIELDS)
        if resource is not None:
            why = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield invalid(path, "resource", why)
    elif resource is not None:
        yield from check_resource_ref(resource, f"{path}.resourceFieldRef", is_file=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from check_mode(item.get("mode"), f"{path}.mode")


class Places:
    """The files of one projected volume, no two of which may have one path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._taken: set[str] = set()

    def take(self, place: str, shown: str) -> Iterator[Cause]:
        """Say so where the place is taken."""
        if place in self._taken:
            yield invalid(self.path, shown, "conflicting duplicate paths")
        self._taken.add(place)


def check_projected(source: Json, path: str) -> Iterator[Cause]:
    """Several sources in one directory."""
    yield from check_mode(source.get("defaultMode"), f"{path}.defaultMode")
    places = Places(path)
    for position, entry in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{position}]"
        found = [kind for kind in PROJECTIONS if entry.get(kind) is not None]
        for kind in found:
            yield from PROJECTIONS[kind](entry[kind], f"{here}.{kind}", places)
        if len(found) > 1:
            yield forbidden(here, "may not specify more than 1 volume type per source")


def _check_named(source: Json, path: str, places: Places) -> Iterator[Cause]:
    name = source.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    for position, item in enumerate(source.get("items") or ()):
        yield from _check_item(item, f"{path}.items[{position}]")
        if item.get("path"):
            yield from places.take(item["path"], name)


def _check_fields(source: Json, path: str, places: Places) -> Iterator[Cause]:
    for item in source.get("items") or ():
        yield from _check_downward_file(item, path)
        if item.get("path"):
            yield from places.take(item["path"], item["path"])


def _check_token(source: Json, path: str, places: Places) -> Iterator[Cause]:
    seconds, here = source.get("expirationSeconds", TOKEN_MIN), f"{path}.expirationSeconds"
    if seconds < TOKEN_MIN:
        yield invalid(here, seconds, "may not specify a duration less than 10 minutes")
    elif seconds > TOKEN_MAX:
        yield invalid(here, seconds, "may not specify a duration larger than 2^32 seconds")
    yield from _check_path(f"{places.path}.path", source.get("path") or "")


def _check_bundle(source: Json, path: str, places: Places) -> Iterator[Cause]:
    name, signer, selector = source.get("name"), source.get("signerName"), source.get("labelSelector")
    if name is not None and signer is not None:
        yield invalid(
            path,
            go_struct(source, "core.v1.ClusterTrustBundleProjection"),
            "only one of name and signerName may be used",
        )
    elif name is not None:
        if not name:
            yield required(f"{path}.name", "must be a valid object name")
        for text in check_bundle_name(name):
            yield invalid(f"{path}.name", name, f"not a valid clustertrustbundlename: {text}")
        if selector is not None:
            why = "labelSelector must be unset if name is specified"
            yield invalid(f"{path}.labelSelector", show_selector(selector), why)
    elif signer is not None:
        if not signer:
            yield required(f"{path}.signerName", "must be a valid signer name")
        yield from check_signer_name(f"{path}.signerName", signer)
        yield from check_label_selector(selector, f"{path}.labelSelector")
    else:
        yield required(path, "either name or signerName must be specified")
    place = source.get("path") or ""
    yield from _check_path(f"{path}.path", place)
    yield from places.take(place, place)


def _check_certificate(source: Json, path: str, places: Places) -> Iterator[Cause]:
    signer = source.get("signerName") or ""
    yield from check_signer_name(f"{path}.signerName", signer)
    if source.get("userAnnotations") is not None:
        yield from _check_user_annotations(source["userAnnotations"], f"{path}.userAnnotations")
    yield from one_of(f"{path}.keyType", source.get("keyType") or "", KEY_TYPES)
    seconds, here = source.get("maxExpirationSeconds"), f"{path}.maxExpirationSeconds"
    limit = OWN_CERTIFICATE_MAX if is_kubernetes_signer(signer) else CERTIFICATE_MAX
    if seconds is not None and seconds < CERTIFICATE_MIN:
        why = f"if provided, maxExpirationSeconds must be >= {CERTIFICATE_MIN}"
        yield invalid(here, seconds, why)
    elif seconds is not None and seconds > limit:
        yield invalid(here, seconds, f"if provided, maxExpirationSeconds must be <= {limit}")
    for field in CERTIFICATE_PATHS:
        if source.get(field):
            yield from check_inner_path(f"{path}.{field}", source[field])
            yield from places.take(source[field], source[field])
    if not any(source.get(field) for field in CERTIFICATE_PATHS):
        why = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        yield required(path, why)


def _check_user_annotations(annotations: Json, path: str) -> Iterator[Cause]:
    for key in annotations:
        yield from check_domain_prefixed_key(path, key.lower())
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX:
        yield too_long(path, ANNOTATIONS_MAX)


PROJECTIONS: dict[str, Callable[[Json, str, Places], Iterator[Cause]]] = {
    "secret": _check_named,
    "configMap": _check_named,
    "downwardAPI": _check_fields,
    "serviceAccountToken": _check_token,
    "clusterTrustBundle": _check_bundle,
    "podCertificate": _check_certificate,
}
"""In the order in which the reference looks for them."""
