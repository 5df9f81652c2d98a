"""The OpenAPI definitions of the release that is served, out of the ``kubernetes-validate`` package.

The package carries the published document of each release as one JSON file of megabytes, bent for
validators: every type may be null, ``apiVersion`` and ``kind`` have an enum of one. It is bent back once,
without loading the package's code, and kept in the user's cache directory; opening that takes a millisecond
or two. Where nothing can be written the same bytes are used from memory.

A cache file is a line of JSON, the index, and then the pieces it points to, each a JSON text:

    {"definitions": {"io.k8s.api.core.v1.Pod": [0, 812], …}, "descriptions": {…}, "kinds": {…}}\\n
    {"type":"object","properties":{…}}{"type":…}…{"": "Pod is a collection of …", "spec": "…"}…

It is written beside its name and moved there, so a reader sees a whole file or none; its name changes with
our format, with the release and with the package's file (size and time of change), so nothing in it can be
stale.
"""

import contextlib
import hashlib
import importlib.util
import mmap
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.schema.load import INT_OR_STRING, QUANTITY, Definitions

FORMAT = 2  # of the cache file; raise it when the text of the pieces changes
PACKAGE = "kubernetes_validate"

RBD_DEFAULTS = {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}
MARKED_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ISCSIVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.ISCSIPersistentVolumeSource": {"iscsiInterface": "default"},
    "io.k8s.api.core.v1.RBDVolumeSource": RBD_DEFAULTS,
    "io.k8s.api.core.v1.RBDPersistentVolumeSource": RBD_DEFAULTS,
    "io.k8s.api.core.v1.ScaleIOVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "io.k8s.api.core.v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared",
    },
}  # fmt: skip
"""The defaults that upstream marks in its types (``+default``), which the package's documents leave out.

Source: the markers in ``staging/src/k8s.io/api/core/v1/types.go``.
"""


class ReleaseUnknown(Exception):
    """The installed ``kubernetes-validate`` package has no definitions for the release."""


def definitions(version: str = "1.36", *, legacy: bool = False) -> Definitions:
    """The definitions of a release, such as ``1.36``; shared by all who ask, for they never change.

    Args:
        legacy: those of the API versions of old as well, see ``kinds.legacy``.

    Raises:
        ReleaseUnknown: the release is not among the installed ones; its text names those.
    """
    return _definitions(version, legacy)


@lru_cache(maxsize=8)
def _definitions(version: str, legacy: bool) -> Definitions:
    pieces = _pieces(version)
    if not legacy:
        return Definitions(pieces)
    from .legacy.source import WithLegacy  # only who serves versions of old needs it

    return Definitions(WithLegacy(pieces))


@lru_cache(maxsize=4)
def _pieces(version: str) -> "Pieces":
    return open_pieces(published_file(version), cache_directory(), version)


def published_file(version: str) -> Path:
    """Where the installed package keeps the document of a release."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ReleaseUnknown(f"the package {PACKAGE} is not installed")
    folder = Path(found.submodule_search_locations[0]) / "kubernetes-json-schema"
    path = folder / f"v{version}.0-local" / "_definitions.json"
    if not path.exists():
        known = sorted(entry.name[1:].removesuffix(".0-local") for entry in folder.glob("v*.0-local"))
        raise ReleaseUnknown(f"no definitions of Kubernetes {version}; there are those of {', '.join(known)}")
    return path


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/kube-lite``, by default below the home directory."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / "kube-lite"  # noqa: PTH111 - never raises


class Pieces:
    """A cache file or the same bytes in memory: the ``Source`` of ``Definitions``."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content = content
        self._start = content.find(b"\n") + 1
        index = orjson.loads(content[: self._start])
        self._definitions: dict[str, list[int]] = index["definitions"]
        self._descriptions: dict[str, list[int]] = index["descriptions"]
        self._kinds: dict[str, str] = index["kinds"]
        if len(content) != self._start + index["size"]:
            raise ValueError("cut short")

    def names(self) -> Mapping[str, object]:
        """The names of all definitions, as keys."""
        return self._definitions

    def kinds(self) -> Mapping[str, str]:
        """``apps/v1/Deployment`` → the name of its definition."""
        return self._kinds

    def document(self, name: str) -> Json:
        """One definition, decoded anew."""
        return self._piece(self._definitions[name])

    def descriptions(self, name: str) -> dict[str, str]:
        """The descriptions of one definition and its fields, decoded anew."""
        return self._piece(self._descriptions[name])

    def enums(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """Field → value → what it means."""
        from .enums import enums_of  # only documents need it

        return enums_of(name)

    def _piece(self, place: list[int]) -> Json:
        start = self._start + place[0]
        piece: Json = orjson.loads(self._content[start : start + place[1]])
        return piece


def open_pieces(published: Path, cache: Path, version: str) -> Pieces:
    """The pieces of a published document: from the cache, else made and kept for the next time."""
    state = published.stat()
    stamp = hashlib.sha256(f"{published}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:16]
    path = cache / f"definitions-{version}-{FORMAT}-{stamp}"
    with contextlib.suppress(OSError, ValueError, KeyError):  # missing, cut short, or not ours: make it again
        return Pieces(_map(path))
    content = compact(orjson.loads(published.read_bytes())["$defs"])
    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason not to work
        _write(path, content)
    return Pieces(content)


def _map(path: Path) -> mmap.mmap:
    """The file's pages, shared with other processes. Raises ``OSError`` or ``ValueError`` (empty)."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to somebody else")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _write(path: Path, content: bytes) -> None:
    import tempfile  # needed once per release and machine

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, beside = tempfile.mkstemp(prefix=".definitions-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(beside).replace(path)
    except OSError:
        Path(beside).unlink(missing_ok=True)
        raise


def compact(published: Mapping[str, Json]) -> bytes:
    """The content of a cache file for a published document's ``$defs``."""
    index: Json = {"definitions": {}, "descriptions": {}, "kinds": {}}
    pieces: list[bytes] = []
    position = 0
    for section, make in (("definitions", straighten), ("descriptions", describe)):
        for name, document in published.items():
            piece = orjson.dumps(make(name, document))
            index[section][name] = (position, len(piece))
            pieces.append(piece)
            position += len(piece)
    for name, document in published.items():
        kinds = document.get("x-kubernetes-group-version-kind", ())
        if len(kinds) == 1:  # those with many (DeleteOptions, WatchEvent) are bodies of every group
            kind = kinds[0]
            index["kinds"][f"{kind['group']}/{kind['version']}/{kind['kind']}"] = name
    index["size"] = position
    return b"".join((orjson.dumps(index), b"\n", *pieces))


def straighten(name: str, document: Json) -> Json:
    """A definition as upstream publishes it: no null types, no enum of one; and without descriptions."""
    plain = _straighten(document)
    if name == QUANTITY:
        return {"type": "string"}
    if name == INT_OR_STRING:
        return {"type": "string", "format": "int-or-string"}
    if "x-kubernetes-group-version-kind" in plain:
        for field in ("apiVersion", "kind"):
            plain.get("properties", {}).get(field, {}).pop("enum", None)
    for field, value in MARKED_DEFAULTS.get(name, {}).items():
        plain["properties"][field]["default"] = value
    return plain


def _straighten(document: Json) -> Json:
    plain: Json = {}
    for word, value in document.items():
        if word == "description":
            continue
        if word == "$ref":
            plain[word] = value.rpartition("/")[2]
        elif word == "type":
            plain[word] = value if isinstance(value, str) else value[0]
        elif word == "properties":
            plain[word] = {field: _straighten(below) for field, below in value.items()}
        elif word in ("items", "additionalProperties") and isinstance(value, dict):
            plain[word] = _straighten(value)
        else:
            plain[word] = value
    return plain


def describe(_name: str, document: Json) -> dict[str, str]:
    """Field → description, the definition's own under ``""``; only those that there are."""
    told = {"": document["description"]} if "description" in document else {}
    for field, below in document.get("properties", {}).items():
        if "description" in below:
            told[field] = below["description"]
    return told
