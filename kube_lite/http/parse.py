"""URL → what is asked for. The only file that knows the grammar of API paths:

    /api/VERSION/REST                        the core group
    /apis/GROUP/VERSION/REST                 every other group
    REST = [watch/] [namespaces/NS/] RESOURCE [/NAME [/SUBRESOURCE [/PATH…]]]

``watch/`` is the form that watches had before ``?watch=true``; it still works. Paths that fit no row are told
apart as the real server does: 404 with a Status inside a known group, 405 where only the method is wrong,
and ``404 page not found`` as plain text (``UnknownPath``) where no group answers at all.
Source: ``apiserver/pkg/endpoints/request/requestinfo.go`` and ``endpoints/installer.go``.
"""

from collections.abc import Mapping
from functools import lru_cache
from string import hexdigits
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from kube_lite.api.errors import MethodNotAllowed, NotFound, details_of, not_found
from kube_lite.api.identity import GroupVersionResource
from kube_lite.api.resource import ALL_VERBS, Registry, Resource, Subresource
from kube_lite.verbs.options import Repeated

_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_SUBRESOURCE_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
_PARTS_OF_A_NAMESPACE = {"finalize", "status"}  # so /namespaces/a/status is not a resource called status
NO_QUERY: Mapping[str, str] = MappingProxyType({})
KEPT_LENGTH = 256  # longer targets are rare, and what is kept for them could add up
STREAMS = {"exec", "attach", "portforward", "log", "proxy"}
"""Subresources that answer with a stream instead of an object."""


class Address(NamedTuple):
    """A split target: ``path`` decoded, ``query`` with the first value of each parameter."""

    path: str
    query: Mapping[str, str]
    raw_query: str


class Asked(NamedTuple):
    """The words of an API path, whether or not there is such a thing; ``verb`` is for authorization."""

    verb: str
    group: str
    version: str
    resource: str
    namespace: str
    name: str
    subresource: str
    rest: str


class Target(NamedTuple):
    """A row of the API, and which of its objects is meant. ``rest`` is the path behind ``proxy``."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    rest: str = ""


class UnknownPath(Exception):
    """Nothing answers at the path; told as plain text, because no API is concerned."""


def parse_request(method: str, raw: str) -> tuple[Address, Asked | None]:
    """Everything that a request line says."""
    return _parse_kept(method, raw) if len(raw) <= KEPT_LENGTH else _parse(method, raw)


def _parse(method: str, raw: str) -> tuple[Address, Asked | None]:
    address = parse_target(raw)
    return address, parse_words(method, address.path, address.query)


_parse_kept = lru_cache(maxsize=1024)(_parse)  # clients ask for the same things again and again


def parse_target(raw: str) -> Address:
    """Split the target of a request line. Empty values count: ``?watch`` is ``{"watch": ""}``."""
    path, _, raw_query = raw.partition("?")
    if "%" in path:
        path = unquote(path)
    if not raw_query:
        return Address(path, NO_QUERY, "")
    good = raw_query
    if ";" in good or "%" in good:
        good = "&".join(part for part in good.split("&") if not _is_broken(part))
    query: dict[str, str] = {}
    more: dict[str, list[str]] = {}
    for name, value in parse_qsl(good, keep_blank_values=True):
        if name in query:
            more.setdefault(name, []).append(value)
        else:
            query[name] = value
    # kept and shared, so nobody may change it
    return Address(path, Repeated(query, more) if more else MappingProxyType(query), raw_query)


def _is_broken(parameter: str) -> bool:
    """Whether Go leaves a parameter out, because it has a semicolon or half an escape."""
    return ";" in parameter or any(not _is_hex(rest[:2]) for rest in parameter.split("%")[1:])


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(digit in hexdigits for digit in digits)


def is_true(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter as API machinery reads it: all but absence, ``false`` and ``0`` is true."""
    value = query.get(name)
    return value is not None and value.lower() not in ("false", "0")


def parse_words(method: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """The words of an API path; None when it does not lead to a resource (``/api/v1`` does not)."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    old_watch = rest[0] == "watch" and len(rest) > 1
    if old_watch:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _PARTS_OF_A_NAMESPACE:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest[:3], "", "")[:3]
    verb = _verb(method, name, subresource)
    if old_watch or (verb == "list" and query and is_true(query, "watch")):
        verb = "watch"
    return Asked(verb, group, version, resource, namespace, name, subresource, "/".join(rest[3:]))


def _verb(method: str, name: str, subresource: str) -> str:
    if not name:
        return _COLLECTION_VERBS.get(method, method.lower())
    if not subresource:
        return _OBJECT_VERBS.get(method, "create" if method == "POST" else method.lower())
    if method == "HEAD" and subresource == "proxy":
        return "get"
    return _SUBRESOURCE_VERBS.get(method, method.lower())


def find_target(asked: Asked, method: str, registry: Registry) -> Target:
    """The row that serves the words.

    Raises:
        UnknownPath: no row has that group.
        NotFound: no row, no subresource, or the row is not where the path says.
        MethodNotAllowed: the place exists, the method does not.
    """
    row = registry.by_gvr(GroupVersionResource(asked.group, asked.version, asked.resource))
    if row is None:
        if asked.group and not any(known.group == asked.group and not known.definition for known in registry):
            raise UnknownPath
        raise not_served()
    if asked.verb == "watch" and method != "GET":
        raise not_allowed()
    if row.definition:
        return _find_custom(asked, method, row)
    if asked.namespace and not row.namespaced:
        raise not_served()
    if row.namespaced and not asked.namespace and not asked.name and "list" not in row.verbs:
        raise not_served()  # nothing is there that is to be had of all namespaces
    subresource = _subresource(asked, row)
    if row.namespaced and not asked.namespace and asked.name and asked.verb != "watch":
        raise not_served()
    allowed = row.verbs if subresource is None else subresource.verbs
    if not _is_allowed(asked, method, row, allowed):
        raise not_allowed()
    return Target(asked.verb, row, asked.namespace, asked.name, asked.subresource, asked.rest)


def _find_custom(asked: Asked, method: str, row: Resource) -> Target:
    """The same for a row that comes from a definition: there the reference looks for other things.

    Source: ``crdHandler`` in apiextensions-apiserver's ``customresource_handler.go``.
    """
    everywhere = row.namespaced and not asked.namespace
    if (asked.namespace and not row.namespaced) or (everywhere and asked.verb not in ("list", "watch")):
        raise UnknownPath
    subresource = row.subresource(asked.subresource)
    if asked.subresource and subresource is None:
        raise not_found(row.group_resource, asked.name)
    allowed = ALL_VERBS if subresource is None else subresource.verbs
    misplaced = subresource is None and asked.name and asked.verb == "create"
    if asked.verb not in allowed or misplaced or asked.rest:
        told = f'{asked.verb} is not supported on resources of kind "{row.group_resource}"'
        details = details_of(row.group_resource)
        raise MethodNotAllowed(told, details=details)
    return Target(asked.verb, row, asked.namespace, asked.name, asked.subresource)


def _subresource(asked: Asked, row: Resource) -> Subresource | None:
    if not asked.subresource:
        return None
    found = row.subresource(asked.subresource)
    if found is None or (asked.rest and asked.subresource != "proxy"):
        raise not_served()
    return found


def _is_allowed(asked: Asked, method: str, row: Resource, allowed: tuple[str, ...]) -> bool:
    if asked.verb not in allowed:
        return False
    if asked.subresource:
        return True
    if asked.name:
        return method in _OBJECT_VERBS and asked.verb != "create"
    everywhere = row.namespaced and not asked.namespace
    return method in _COLLECTION_VERBS and (not everywhere or method == "GET")


def not_served() -> NotFound:
    """What the real server says of paths inside a group that lead nowhere."""
    return NotFound("the server could not find the requested resource", details={})


def not_allowed() -> MethodNotAllowed:
    """What it says of methods that a path does not know."""
    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})
