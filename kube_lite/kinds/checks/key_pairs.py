"""Certificates and keys of TLS Secrets that do not fit together.

The texts are those of Go's ``tls.X509KeyPair``, which looks at the first blocks that fit.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_BLOCK = re.compile(
    rb"-----BEGIN ([^\n-]+)-----\r?\n.*?-----END \1-----[ \t]*\r?(?:\n|\Z)", re.DOTALL
)  # found where a line begins
CERTIFICATE, KEY = "tls.crt", "tls.key"


def advise_key_pair(data: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the pair, as far as one looks before one finds something."""
    certificates, keys = (_blocks(data.get(name) or "") for name in (CERTIFICATE, KEY))
    told = _missing_certificate([kind for kind, _ in certificates])
    told = told or _missing_key([kind for kind, _ in keys])
    if told:
        yield told
        return
    first = next(block for kind, block in certificates if kind == "CERTIFICATE")
    try:
        public = x509.load_pem_x509_certificate(first).public_key()
    except (ValueError, UnsupportedAlgorithm):
        yield "x509: malformed certificate"
        return
    try:
        private = load_pem_private_key(next(block for kind, block in keys if _is_key(kind)), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield "tls: failed to parse private key"
        return
    theirs = private.public_key()
    if type(theirs) is not type(public):
        yield "tls: private key type does not match public key type"
    elif _bytes(theirs) != _bytes(public):
        yield "tls: private key does not match public key"


def _bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def _blocks(value: str) -> list[tuple[str, bytes]]:
    try:
        text = base64.b64decode(value)
    except binascii.Error:
        return []
    return [(found.group(1).decode(errors="replace"), found.group(0)) for found in _BLOCK.finditer(text)]


def _is_key(kind: str) -> bool:
    return kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY")


def _missing_certificate(kinds: list[str]) -> str:
    if "CERTIFICATE" in kinds:
        return ""
    if not kinds:
        return "tls: failed to find any PEM data in certificate input"
    if len(kinds) == 1 and kinds[0].endswith("PRIVATE KEY"):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM "
            "inputs may have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
        f"following types: [{' '.join(kinds)}]"
    )


def _missing_key(kinds: list[str]) -> str:
    if any(_is_key(kind) for kind in kinds):
        return ""
    if not kinds:
        return "tls: failed to find any PEM data in key input"
    if kinds == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM '
        f"blocks of the following types: [{' '.join(kinds)}]"
    )
