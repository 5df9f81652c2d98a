"""Making X.509 certificates: a root, and leaves that it signs; apart from ``pki``, for the library is heavy.

Keys are on the P-256 curve, because making one takes a millisecond where RSA takes hundreds. The library
makes them and signs with them. Certificates are written here (``der``): the part of the library that writes
them takes 25 ms to import, four times as long as everything else that a first start does about certificates.

Source: RFC 5280 for certificates, RFC 5480 and 5915 for keys, RFC 5958 for the form these are kept in.
"""

import hashlib
import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from . import der

ROOT_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
RENEWAL_SHARE = 5  # renewed in the last fifth of its life
CLOCK_SKEW = timedelta(minutes=5)  # valid since a little before now, for peers whose clocks are behind

NUMBER_BYTES = 32  # of this curve
SERIAL_BYTES = 20  # at most, RFC 5280, 4.1.2.2
COMMON_NAME, ORGANIZATION = der.object_id("2.5.4.3"), der.object_id("2.5.4.10")
SUBJECT_KEY, KEY_USAGE, ALTERNATIVE_NAME, CONSTRAINTS, ISSUER_KEY, EXTENDED_USAGE = (
    der.object_id(f"2.5.29.{number}") for number in (14, 15, 17, 19, 35, 37)
)
SERVER_AUTH, CLIENT_AUTH = (der.object_id(f"1.3.6.1.5.5.7.3.{number}") for number in (1, 2))
KEY_SORT = der.sequence(der.object_id("1.2.840.10045.2.1"), der.object_id("1.2.840.10045.3.1.7"))
"""Keys on this curve."""
SIGNED_SO = der.sequence(der.object_id("1.2.840.10045.4.3.2"))
"""ECDSA over SHA-256."""
MAY_SIGN, MAY_SIGN_CERTIFICATES = der.bits(b"\x80", 7), der.bits(b"\x86", 1)
"""Key usages: signatures; those, certificates and lists of revoked ones."""
DNS_NAME, IP_ADDRESS = 2, 7  # numbers of the sorts of names, RFC 5280, 4.2.1.6


class Issued(NamedTuple):
    """A certificate and its key in PEM; ``renew_at`` is in seconds since the epoch."""

    certificate: bytes
    key: bytes
    renew_at: float


class Signer(NamedTuple):
    """Who signs: the name as a certificate has it, and the key."""

    subject: bytes
    key: ec.EllipticCurvePrivateKey


class _Ecdsa(ec.ECDSA):
    """ECDSA over SHA-256; the library's own loads, when it is made, more of the library than all of this."""

    algorithm = hashes.SHA256()
    deterministic_signing = False

    def __init__(self) -> None:
        pass


def create_root(name: str, now: float) -> tuple[Issued, Signer]:
    """A new authority's own certificate, and what it signs with."""
    signer = Signer(_name(name), ec.generate_private_key(ec.SECP256R1()))
    constraints = _extension(CONSTRAINTS, der.sequence(der.boolean(True)), critical=True)
    usage = _extension(KEY_USAGE, MAY_SIGN_CERTIFICATES, critical=True)
    return _issued(signer, signer.subject, signer.key, [constraints, usage], now, ROOT_LIFE), signer


def create_leaf(
    signer: Signer,
    now: float,
    *,
    common_name: str,
    organizations: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> Issued:
    """A certificate for a server of ``hosts``, or, without any, for a client."""
    extensions = [
        _extension(CONSTRAINTS, der.sequence(), critical=True),
        _extension(EXTENDED_USAGE, der.sequence(SERVER_AUTH if hosts else CLIENT_AUTH)),
        _extension(KEY_USAGE, MAY_SIGN, critical=True),
    ]
    if hosts:
        extensions.append(_extension(ALTERNATIVE_NAME, der.sequence(*map(_general_name, hosts))))
    key = ec.generate_private_key(ec.SECP256R1())
    return _issued(signer, _name(common_name, organizations), key, extensions, now, LEAF_LIFE)


def load_signer(certificate: bytes, key: bytes) -> Signer:
    """An authority from its files.

    Raises:
        ValueError: this is no certificate, or the key is not its own.
    """
    return _load(certificate, key)[0]


def renewal_of(certificate: bytes, key: bytes) -> float:
    """When a certificate that was found should be renewed.

    Raises:
        ValueError: this is no certificate, or the key is not its own.
    """
    _, begin, end = _load(certificate, key)
    return _renewal(begin, end)


def _load(certificate: bytes, key: bytes) -> tuple[Signer, datetime, datetime]:
    from cryptography import x509  # most starts find everything in order
    from cryptography.hazmat.primitives import serialization

    loaded = x509.load_pem_x509_certificate(certificate)
    private = serialization.load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
        raise ValueError("certificate and key do not belong together")
    signer = Signer(loaded.subject.public_bytes(), private)
    return signer, loaded.not_valid_before_utc, loaded.not_valid_after_utc


def _issued(
    signer: Signer,
    subject: bytes,
    key: ec.EllipticCurvePrivateKey,
    extensions: Sequence[bytes],
    now: float,
    life: timedelta,
) -> Issued:
    moment = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
    begin, end = moment - CLOCK_SKEW, moment + life
    point, signers_point = _point(key), _point(signer.key)
    identifier = der.tagged(0, _digest(signers_point), holds_values=False)
    to_sign = der.sequence(
        der.tagged(0, der.integer(2)),  # version 3
        der.integer(int.from_bytes(os.urandom(SERIAL_BYTES), "big") >> 1),
        SIGNED_SO,
        signer.subject,
        der.sequence(der.time(begin), der.time(end)),
        subject,
        der.sequence(KEY_SORT, der.bits(point)),
        der.tagged(
            3,
            der.sequence(
                _extension(SUBJECT_KEY, der.octets(_digest(point))),
                *extensions,
                _extension(ISSUER_KEY, der.sequence(identifier)),
            ),
        ),
    )
    signature = signer.key.sign(to_sign, _Ecdsa())
    certificate = der.sequence(to_sign, SIGNED_SO, der.bits(signature))
    return Issued(der.as_pem("CERTIFICATE", certificate), _key_pem(key), _renewal(begin, end))


def _renewal(begin: datetime, end: datetime) -> float:
    return (end - (end - begin) / RENEWAL_SHARE).timestamp()


def _name(common_name: str, organizations: Sequence[str] = ()) -> bytes:
    parts = [(ORGANIZATION, group) for group in organizations] + [(COMMON_NAME, common_name)]
    return der.sequence(*(der.set_of(der.sequence(sort, der.text(words))) for sort, words in parts))


def _extension(sort: bytes, content: bytes, *, critical: bool = False) -> bytes:
    return der.sequence(sort, *([der.boolean(True)] if critical else []), der.octets(content))


def _general_name(host: str) -> bytes:
    try:
        return der.tagged(IP_ADDRESS, ipaddress.ip_address(host).packed, holds_values=False)
    except ValueError:
        return der.tagged(DNS_NAME, host.encode("ascii"), holds_values=False)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key: both coordinates, uncompressed."""
    numbers = key.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(NUMBER_BYTES, "big") + numbers.y.to_bytes(NUMBER_BYTES, "big")


def _digest(point: bytes) -> bytes:
    """What a key is called, RFC 5280, 4.2.1.2; nothing depends on nobody finding another for it."""
    return hashlib.sha1(point, usedforsecurity=False).digest()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    number = key.private_numbers().private_value.to_bytes(NUMBER_BYTES, "big")
    private = der.sequence(der.integer(1), der.octets(number), der.tagged(1, der.bits(_point(key))))
    return der.as_pem("PRIVATE KEY", der.sequence(der.integer(0), KEY_SORT, der.octets(private)))
