"""Requests for certificates (PKCS #10): what they ask for, and the certificate that is given for one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .x509 import CLOCK_SKEW

KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
"""What a key may be used for, in the words of RFC 5280, 4.2.1.3."""
EXTENDED_USAGES = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "time_stamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
"""And a certificate (4.2.1.12)."""


class Wish(NamedTuple):
    """What a request asks to be certified; ``other_names`` are e-mail addresses and URIs."""

    common_name: str
    organizations: tuple[str, ...]
    hosts: tuple[str, ...]
    other_names: tuple[str, ...]


def read_request(pem: bytes) -> Wish:
    """What a request asks for.

    Raises:
        ValueError: it is none, or not signed by the key in it.
    """
    request = x509.load_pem_x509_csr(pem)
    if not request.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    names = [str(entry.value) for entry in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    hosts: list[str] = []
    others: list[str] = []
    try:
        alternatives = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alternatives = None
    for name in alternatives or ():
        known = hosts if isinstance(name, x509.DNSName | x509.IPAddress) else others
        known.append(str(name.value))
    common_name = names[-1] if names else ""
    return Wish(common_name, tuple(str(entry.value) for entry in groups), tuple(hosts), tuple(others))


def sign_request(
    root: bytes, root_key: bytes, request: bytes, *, now: float, seconds: float, usages: Iterable[str]
) -> bytes:
    """A certificate (PEM) for the subject, names and key of a request.

    Args:
        root, root_key: of the authority, in PEM.
        seconds: how long it is to be valid; it never outlives the authority.
        usages: words of ``KEY_USAGES`` and ``EXTENDED_USAGES``.

    Raises:
        ValueError: one of the three cannot be read.
    """
    issuer = x509.load_pem_x509_certificate(root)
    key = serialization.load_pem_private_key(root_key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not on an elliptic curve")
    asked, wanted = x509.load_pem_x509_csr(request), set(usages)
    begin = datetime.fromtimestamp(now, UTC)
    end = min(begin + timedelta(seconds=seconds), issuer.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(issuer.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if wanted & set(KEY_USAGES):
        usage = x509.KeyUsage(**{name: name in wanted for name in KEY_USAGES})
        builder = builder.add_extension(usage, critical=True)
    extended = [oid for name, oid in EXTENDED_USAGES.items() if name in wanted]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    try:
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        builder = builder.add_extension(names, critical=False)
    except x509.ExtensionNotFound:
        names = None
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
