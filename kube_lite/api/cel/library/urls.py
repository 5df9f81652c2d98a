"""URLs as Go reads them.

Source: ``k8s.io/apiserver/pkg/cel/library/urls.go``; Go's ``net/url`` for what is one and what is wrong.
"""

import re
from typing import ClassVar, NamedTuple

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import URL, function, method, remembering
from kube_lite.api.cel.types import Type
from kube_lite.api.cel.values import Map, Opaque
from kube_lite.api.gotext import go_quote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):", re.ASCII)
_PORT = re.compile(r"(?::[0-9]*)?", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_LOW_ESCAPE = re.compile(r"%(?!25)[0-7][0-9A-Fa-f]")
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_HOST = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]*")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", re.ASCII)
_PATH_SAFE = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:@/%\[\]]*", re.ASCII)
_ESCAPE_IN_PATH = re.compile(r"[^A-Za-z0-9\-_.~$&+,/:;=@]", re.ASCII)


class Parts(NamedTuple):
    """What a URL consists of; ``path`` as it was written."""

    scheme: str = ""
    opaque: str = ""
    user: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""


class Address(Opaque):
    """A URL."""

    __slots__ = ()
    type: ClassVar[Type] = URL
    value: Parts


def parse_url(text: str) -> Parts:
    """A URL that is absolute or begins with a slash.

    Raises:
        ValueError: with Go's text.
    """
    try:
        _parse(text, is_request=True)
        body, _, fragment = text.partition("#")
        return _parse(body, is_request=False)._replace(fragment=_unescaped(fragment))
    except ValueError as error:
        raise ValueError(f"parse {go_quote(text)}: {error}") from error


def why_no_uri(text: str) -> str:
    """What ``url.ParseRequestURI`` says of a text; empty when it is fine."""
    try:
        _parse(text, is_request=True)
    except ValueError as error:
        return f"parse {go_quote(text)}: {error}"
    return ""


def _parse(text: str, *, is_request: bool) -> Parts:
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise ValueError("net/url: invalid control character in URL")
    if not text and is_request:
        raise ValueError("empty url")
    if text == "*":
        return Parts(path="*")
    if text.startswith(":"):
        raise ValueError("missing protocol scheme")
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    rest, _, query = (text[found.end() :] if found else text).partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Parts(scheme, opaque=rest, query=query)
        if is_request:
            raise ValueError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    user = host = ""
    if rest.startswith("//") and (scheme or (not is_request and not rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, host = _authority(authority)
    _unescaped(rest)
    return Parts(scheme, "", user, host, rest, query)


def _authority(text: str) -> tuple[str, str]:
    user, at, host = text.rpartition("@")
    host = _host(host)
    if at and not _USER.fullmatch(user):
        raise ValueError("net/url: invalid userinfo")
    if at:
        _unescaped(user)
    return user, host


def _host(text: str) -> str:
    port = ""
    if text.startswith("["):
        end = text.rfind("]")
        if end < 0:
            raise ValueError("missing ']' in host")
        port = text[end + 1 :]
    elif ":" in text:
        port = text[text.rfind(":") :]
    if not _PORT.fullmatch(port):
        raise ValueError(f"invalid port {go_quote(port)} after host")
    low = _LOW_ESCAPE.search(text)
    if low:
        raise ValueError(f"invalid URL escape {go_quote(low[0])}")
    good = _HOST.match(text)
    if good is not None and good.end() < len(text):
        raise ValueError(f"invalid character {go_quote(text[good.end()])} in host name")
    return _unescaped(text)


def _unescaped(text: str) -> str:
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise ValueError(f"invalid URL escape {go_quote(bad[0][:3])}")
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(errors="replace"), text)


@remembering
def _url(text: str) -> Address:
    try:
        return Address(parse_url(text))
    except ValueError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from error


def _without_port(host: str) -> tuple[str, str]:
    name, port = host, ""
    colon = host.rfind(":")
    if colon >= 0 and _PORT.fullmatch(host[colon:]):
        name, port = host[:colon], host[colon + 1 :]
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return name, port


def _escaped_path(address: Address) -> str:
    path = address.value.path
    if _PATH_SAFE.fullmatch(path):
        return path
    return _ESCAPE_IN_PATH.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass")),
        _unescaped(path),
    )


def _query(address: Address) -> Map:
    found: dict[str, list[str]] = {}
    for part in address.value.query.split("&"):
        if not part or ";" in part:
            continue
        key, _, value = part.partition("=")
        try:
            found.setdefault(_unescaped(key.replace("+", " ")), []).append(
                _unescaped(value.replace("+", " "))
            )
        except ValueError:  # such parts are left out
            continue
    return Map(found.items())


OVERLOADS = (
    function("url", "string_to_url", "string -> url", _url),
    method("getScheme", "url_get_scheme", "url -> string", lambda address: address.value.scheme),
    method("getHost", "url_get_host", "url -> string", lambda address: address.value.host),
    method(
        "getHostname",
        "url_get_hostname",
        "url -> string",
        lambda address: _without_port(address.value.host)[0],
    ),
    method("getPort", "url_get_port", "url -> string", lambda address: _without_port(address.value.host)[1]),
    method("getEscapedPath", "url_get_escaped_path", "url -> string", _escaped_path),
    method("getQuery", "url_get_query", "url -> map(string, list(string))", _query),
    function("isURL", "is_url_string", "string -> bool", lambda text: not why_no_uri(text)),
)
