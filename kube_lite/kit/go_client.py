"""What Go's HTTP client says of a call that came to nothing, for answers that have its words in them.

Source: Go's ``net`` and ``crypto/x509``.
"""

import asyncio
import ssl
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aiohttp import ClientConnectorCertificateError

UNTRUSTED = "certificate signed by unknown authority"
EXPIRED = 10
UNKNOWN_ISSUER = (18, 19, 20, 21)
MISMATCH = (62, 64)
"""OpenSSL's codes of what is wrong with a certificate."""
LOOK_SECONDS = 5.0
NETWORK = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ECONNRESET: "read: connection reset by peer",
}


def why_failed(error: Exception) -> str:
    """What Go's client says of a call that came to nothing."""
    from aiohttp import (
        ClientConnectorDNSError,
        ClientConnectorError,
        ClientConnectorSSLError,
        ServerDisconnectedError,
    )

    if isinstance(error, ClientConnectorSSLError):
        if getattr(error.os_error, "reason", "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return "http: server gave HTTP response to HTTPS client"
        return "remote error: tls: handshake failure"
    if isinstance(error, ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, ClientConnectorError):
        why = NETWORK.get(error.os_error.errno or 0, f"connect: {(error.os_error.strerror or '').lower()}")
        host = f"[{error.host}]" if ":" in error.host else error.host
        return f"dial tcp {host}:{error.port}: {why}"
    if isinstance(error, ServerDisconnectedError):
        return "EOF"
    if isinstance(error, OSError) and error.errno in NETWORK:
        return NETWORK[error.errno]
    return str(error) or type(error).__name__


async def why_untrusted(error: "ClientConnectorCertificateError", name: str) -> str:
    """What Go says of a certificate. It names those whom a certificate is for, so another look is needed."""
    return f"tls: failed to verify certificate: x509: {await _what_is_wrong(error, name)}"


async def _what_is_wrong(error: "ClientConnectorCertificateError", name: str) -> str:
    why = error.certificate_error
    if not isinstance(why, ssl.SSLCertVerificationError) or why.verify_code in UNKNOWN_ISSUER:
        return UNTRUSTED
    if why.verify_code == EXPIRED:
        return "certificate has expired or is not yet valid"
    if why.verify_code not in MISMATCH:
        return why.verify_message
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            names = await _names_shown(error.host, error.port, name)
    except (OSError, ValueError):
        names = Names([], [])
    return mismatch(names, name)


class Names(NamedTuple):
    """Whom a certificate is for."""

    hosts: list[str]
    addresses: list[str]


def mismatch(names: Names, name: str) -> str:
    """What is said where ``name`` is not among the names; see ``HostnameError`` in Go's ``crypto/x509``."""
    is_address = ":" in name or name.replace(".", "").isdecimal()
    valid = names.addresses if is_address else names.hosts
    if valid:
        return f"certificate is valid for {', '.join(valid)}, not {name}"
    if is_address:
        return f"cannot validate certificate for {name} because it doesn't contain any IP SANs"
    return f"certificate is not valid for any names, but wanted to match {name}"


async def _names_shown(host: str, port: int | None, name: str) -> Names:
    from cryptography import x509

    curious = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    curious.check_hostname, curious.verify_mode = False, ssl.CERT_NONE  # nothing is told it, nothing believed
    _, writer = await asyncio.open_connection(host, port, ssl=curious, server_hostname=name)
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    extensions = x509.load_der_x509_certificate(certificate).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names([], [])
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return Names(names.get_values_for_type(x509.DNSName), addresses)
