"""Where a webhook is: a URL, or a Service; and the certificates it is trusted by.

Source: ``apiserver/pkg/util/webhook/validation.go``.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import each, invalid, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_subdomain

from .values import BAD_PORT, is_port

FORM = "desired format: https://host[/path]"
HTTPS_PORT = 443
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def check_client(path: str, client: Json) -> Iterator[Cause]:
    """Either a URL or a Service."""
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from check_url(f"{path}.url", url)
    elif service is not None:
        yield from check_service(f"{path}.service", service)


def check_url(path: str, url: str) -> Iterator[Cause]:
    """An https URL that says where, and no more."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        yield required(path, f'url must be a valid URL: parse "{url}": {_why_no_url(url)}; {FORM}')
        return
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme; {FORM}")
    user, at, host = parts.netloc.rpartition("@")
    if not host:
        yield invalid(path, "", f"host must be specified; {FORM}")
    yield from _check_extras(path, parts, user if at else None)


def _check_extras(path: str, parts: SplitResult, user: str | None) -> Iterator[Cause]:
    if user is not None:
        yield invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def _why_no_url(url: str) -> str:
    host = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    if "[" in host and "]" not in host:
        return "missing ']' in host"
    return f'invalid port ":{host.rpartition(":")[2]}" after host'


def check_service(path: str, service: Json) -> Iterator[Cause]:
    """The Service, its port, and a path of subdomains.

    Of a name and a namespace that are missing the reference takes one for the other.
    """
    for field, missing in (("name", "namespace"), ("namespace", "name")):
        if not service.get(missing):
            yield required(f"{path}.{field}")
    port = service.get("port", HTTPS_PORT)
    if not is_port(port):
        yield invalid(f"{path}.port", port, f"port is not valid: {BAD_PORT}")
    yield from _check_path(f"{path}.path", service.get("path") or "/")


def _check_path(path: str, value: str) -> Iterator[Cause]:
    if value == "/":
        return
    if value == "//":
        yield invalid(path, value, "segment[0] may not be empty")
        return
    if not value.startswith("/"):
        yield invalid(path, value, "must start with a '/'")
    for position, segment in enumerate(value[1:].removesuffix("/").split("/")):
        if not segment:
            yield invalid(path, value, f"segment[{position}] may not be empty")
        else:
            yield from each(path, value, (f"segment[{position}]: {why}" for why in check_subdomain(segment)))


def check_bundle(path: str, bundle: str) -> Iterator[Cause]:
    """Certificates as PEM, in base64; what is no certificate between them is passed over."""
    try:
        pem = b64decode(bundle, validate=True)
    except ValueError:
        pem = b""
    found = _CERTIFICATE.findall(pem)
    if not found or not all(map(_is_certificate, found)):
        why = "unable to load root certificates: unable to parse bytes as PEM block"
        yield invalid(path, bundle, why)


def _is_certificate(pem: bytes) -> bool:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return True
