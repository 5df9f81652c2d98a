"""A small certificate authority that lives in a directory.

Keys are on the P-256 curve, because making one takes a millisecond where RSA takes hundreds. Everything is
a PEM file with mode 0600, written in one step, and is made anew only when there is none, when it is near its
end, when the authority has changed, or when it should carry other names than it does.
"""

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .files import write_private

AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
RENEWAL_SHARE = 5  # renewed in the last fifth of its life
CLOCK_SKEW = timedelta(minutes=5)  # valid since a little before now, for peers whose clocks are behind


class Pair(NamedTuple):
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; whatever it signs is kept beside it.

    Args:
        directory: where the files are; made, with mode 0700, when it is missing.
        name: the authority's common name, and the stem of its files.
        now: seconds since the epoch, as ``Clock.now``.
    """

    def __init__(self, directory: Path, name: str, now: Callable[[], float]) -> None:
        self._directory = directory
        self._now = now
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files = Pair(directory / f"{name}.crt", directory / f"{name}.key")
        found = _load(self.files)
        if found is None or self._is_ending(found[0]):
            found = self._create_root(name)
        self._certificate, self._key = found

    @property
    def certificate_pem(self) -> bytes:
        """The authority's own certificate, for those who shall trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def serving(self, name: str, hosts: Sequence[str]) -> Pair:
        """A server's certificate for these DNS names and IP addresses; the first is its common name."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        return self._issue(name, subject, sorted(set(hosts)), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str, common_name: str, organizations: Sequence[str] = ()) -> Pair:
        """A client's certificate: ``common_name`` is the user, ``organizations`` are its groups."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        return self._issue(name, x509.Name(attributes), (), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, name: str, subject: x509.Name, hosts: Sequence[str], usage: x509.ObjectIdentifier
    ) -> Pair:
        files = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        found = _load(files)
        if found is None or not self._is_still_good(found[0], subject, hosts):
            key = ec.generate_private_key(ec.SECP256R1())
            builder = (
                self._builder(subject, key.public_key(), LEAF_LIFE)
                .issuer_name(self._certificate.subject)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .add_extension(_key_usage(signs_certificates=False), critical=True)
            )
            if hosts:
                names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
                builder = builder.add_extension(names, critical=False)
            _save(files, self._sign(builder, self._key), key)
        return files

    def _create_root(self, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            self._builder(subject, key.public_key(), AUTHORITY_LIFE)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
        )
        certificate = self._sign(builder, key)
        _save(self.files, certificate, key)
        return certificate, key

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(self._now(), UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )

    @staticmethod
    def _sign(builder: x509.CertificateBuilder, issuer_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        return builder.add_extension(identifier, critical=False).sign(issuer_key, hashes.SHA256())

    def _is_still_good(self, certificate: x509.Certificate, subject: x509.Name, hosts: Sequence[str]) -> bool:
        if certificate.subject != subject or _hosts_of(certificate) != sorted(hosts):
            return False
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return not self._is_ending(certificate)

    def _is_ending(self, certificate: x509.Certificate) -> bool:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return datetime.fromtimestamp(self._now(), UTC) > end - (end - begin) / RENEWAL_SHARE


def server_context(
    pair: Pair, client_authority: Path | None = None, *, demands_certificate: bool = False
) -> ssl.SSLContext:
    """TLS for a server; clients may, or must, show a certificate signed by ``client_authority``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["http/1.1"])
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED if demands_certificate else ssl.CERT_OPTIONAL
    return context


def client_context(server_authority: Path, pair: Pair | None = None) -> ssl.SSLContext:
    """TLS for a client that trusts only ``server_authority`` and shows ``pair`` when asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(server_authority)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _hosts_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(
        names.get_values_for_type(x509.DNSName)
        + [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    )


def _load(files: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """What the files hold; None when one is missing or they do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):  # ValueError: cut short by a crash, or not ours
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return certificate, key


def _save(files: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """The key goes first: a crash in between leaves a pair that does not fit, and is made anew."""
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(files.key, private)
    write_private(files.certificate, certificate.public_bytes(pem))
