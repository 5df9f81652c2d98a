"""What an APIService says, whether its server can be asked, and what such a server says of itself.

Pure decisions, with the reasons and texts of the real server's condition ``Available``. The server of a group
is found as for any Service, except that one of its endpoints is asked directly, so that it makes no
difference whether this host routes the addresses of Services.
Source: ``pkg/controllers/status/remote`` of kube-aggregator, ``pkg/util/proxy`` and
``pkg/endpoints/installer.go`` of apiserver.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kube_lite.api import service_addresses
from kube_lite.api.identity import GroupVersion, Json
from kube_lite.api.meta import is_condition_true
from kube_lite.api.service_addresses import Address, numbers_in, port_of, ready_in
from kube_lite.auth.user import User

AVAILABLE = "Available"
REGISTRATION = "apiregistration.k8s.io"
HTTPS_PORT = 443
HEADER_CHARACTERS = frozenset(b"!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Backend(NamedTuple):
    """A Service that serves groups and versions, and how it is known to be the right one.

    ``bundle`` is PEM in base64, or empty for the authorities that this host trusts.
    """

    namespace: str
    name: str
    port: int
    bundle: str
    is_insecure: bool

    @property
    def host(self) -> str:
        """The name that its certificate has to have."""
        return f"{self.name}.{self.namespace}.svc"


class Extension(NamedTuple):
    """A group and version that another server serves. ``name`` is that of the APIService."""

    name: str
    group_version: GroupVersion
    backend: Backend
    is_available: bool


class Verdict(NamedTuple):
    """What the condition ``Available`` of an APIService says."""

    status: str
    reason: str
    message: str


LOCAL = Verdict("True", "Local", "Local APIServices are always available")
PASSED = Verdict("True", "Passed", "all checks passed")


def group_version_of(service: Json) -> GroupVersion:
    """What an APIService is about; its name says it, so that this cannot change."""
    version, _, group = service["metadata"]["name"].partition(".")
    return GroupVersion(group, version)


def priorities_of(service: Json) -> tuple[int, int]:
    """Of the group among groups, and of the version in its group."""
    spec = service.get("spec") or {}
    return spec.get("groupPriorityMinimum") or 0, spec.get("versionPriority") or 0


def extension_of(service: Json) -> Extension | None:
    """An APIService that names a Service; None where this server itself is meant."""
    spec = service.get("spec") or {}
    reference = spec.get("service")
    group_version = group_version_of(service)
    if reference is None or group_version.group == REGISTRATION:  # whose place nobody can take
        return None
    backend = Backend(
        reference.get("namespace") or "",
        reference.get("name") or "",
        reference.get("port") or HTTPS_PORT,
        spec.get("caBundle") or "",
        bool(spec.get("insecureSkipTLSVerify")),
    )
    is_available = is_condition_true(service, AVAILABLE)
    return Extension(service["metadata"]["name"], group_version, backend, is_available)


def path_of(group_version: GroupVersion) -> str:
    """Where it answers: ``/apis/metrics.k8s.io/v1beta1``."""
    group, version = group_version
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def judge_service(backend: Backend, service: Json | None, slices: Sequence[Json]) -> Verdict | None:
    """Why nobody could answer for the Service; None if somebody may."""
    what = f'service/{backend.name} in "{backend.namespace}"'
    if service is None:
        return Verdict("False", "ServiceNotFound", f"{what} is not present")
    if service["spec"].get("type", "ClusterIP") != "ClusterIP":
        return None
    port = port_of(service, backend.port)
    if port is None:
        return Verdict("False", "ServicePortError", f"{what} is not listening on port {backend.port}")
    if not slices:
        return Verdict("False", "EndpointsNotFound", f"cannot find endpointslices for {what}")
    name = port.get("name") or ""
    if not any(ready_in(entry) and numbers_in(entry, name) for entry in slices):
        why = f'endpointslices for {what} have no addresses with port name "{name}"'
        return Verdict("False", "MissingEndpoints", why)
    return None


def addresses_of(
    backend: Backend, service: Json | None, slices: Iterable[Json], source: random.Random
) -> list[Address]:
    """Who serves it, those of the Service's first family first, else in random order.

    Raises:
        ServiceUnavailable: nobody does.
    """
    return service_addresses.addresses_of(backend.name, backend.port, service, slices, source)


def entries_of(document: object) -> tuple[Json, ...] | None:
    """The resources of an APIResourceList in the form of aggregated discovery; None if it is none."""
    if not isinstance(document, dict) or document.get("kind") != "APIResourceList":
        return None
    listed = document.get("resources")
    entries: dict[str, Json] = {}
    for told in listed if isinstance(listed, list) else ():
        if not isinstance(told, dict):
            continue
        name, slash, subresource = _text(told, "name").partition("/")
        if not slash:
            entries[name] = {**_entry(told, name), **_subresources(entries.get(name))}
            continue
        parent = entries.setdefault(name, _parent(told, name))
        parent.setdefault("subresources", []).append(_subresource(told, subresource))
    return tuple(entries.values())


def _entry(told: Json, name: str) -> Json:
    entry: Json = {"resource": name, "responseKind": _kind(told), "scope": _scope(told)}
    entry |= {"singularResource": _text(told, "singularName"), "verbs": _texts(told, "verbs")}
    names = {field: _texts(told, field) for field in ("shortNames", "categories")}
    return entry | {field: texts for field, texts in names.items() if texts}


def _parent(told: Json, name: str) -> Json:
    """A resource of which only parts are listed, as those of ``custom.metrics.k8s.io``."""
    return {
        "resource": name,
        "responseKind": {"group": "", "version": "", "kind": ""},
        "scope": _scope(told),
        "singularResource": "",
        "verbs": [],
    }


def _subresources(entry: Json | None) -> Json:
    return {"subresources": entry["subresources"]} if entry and entry.get("subresources") else {}


def _subresource(told: Json, name: str) -> Json:
    return {"subresource": name, "responseKind": _kind(told), "verbs": _texts(told, "verbs")}


def _scope(told: Json) -> str:
    return "Namespaced" if told.get("namespaced") else "Cluster"


def _kind(told: Json) -> Json:
    return {field: _text(told, field) for field in ("group", "version", "kind")}


def _text(told: Json, field: str) -> str:
    value = told.get(field)
    return value if isinstance(value, str) else ""


def _texts(told: Json, field: str) -> list[str]:
    values = told.get(field)
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def identity_of(user: User) -> Iterator[tuple[str, str]]:
    """The headers that tell the other server who asks.

    Source: ``SetAuthProxyHeaders`` in client-go's ``transport/round_trippers.go``.
    """
    yield "X-Remote-User", user.name
    if user.uid:
        yield "X-Remote-Uid", user.uid
    for group in user.groups:
        yield "X-Remote-Group", group
    for key, values in user.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{_as_header(key)}", value


def is_identity(header: str) -> bool:
    """Whether a header claims something about who asks, which clients may not."""
    word = header.lower()
    return word in ("x-remote-user", "x-remote-uid", "x-remote-group") or word.startswith("x-remote-extra-")


def _as_header(key: str) -> str:
    letters = (chr(byte) if byte in HEADER_CHARACTERS else f"%{byte:02X}" for byte in key.encode())
    return "".join(letters)


def query_of(query: Mapping[str, str]) -> str:
    """A query string, or nothing."""
    from urllib.parse import urlencode

    return f"?{urlencode(query)}" if query else ""
