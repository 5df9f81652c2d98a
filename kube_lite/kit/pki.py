"""A small certificate authority that lives in a directory.

Everything is a PEM file with mode 0600, written in one step, and is made anew only when there is none, when
it is near its end, when the authority has changed, or when it should say other names than it does. A note
beside each pair tells all this, so that a start that finds everything in order need not load the library that
reads certificates, which takes longer than all the rest here:

    {"files": "SHA-256 of both", "issuer": "SHA-256 of its files", "says": ["admin", …], "renew_at": 1.8e9}
"""

import hashlib
import json
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import write_private

if TYPE_CHECKING:
    from .x509 import Issued, Signer


class Pair(NamedTuple):
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def note(self) -> Path:
        """What is known of the two without reading them."""
        return self.certificate.with_suffix(".json")


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
        self._signer: Signer | None = None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files = self._pair(name)
        if not self._is_good(self.files, [name], issuer=""):
            self._adopt_or_create(name)
        self._issuer = _digest(self.files)

    @property
    def certificate_pem(self) -> bytes:
        """The authority's own certificate, for those who shall trust it."""
        return self.files.certificate.read_bytes()

    def serving(self, name: str, hosts: Sequence[str]) -> Pair:
        """A server's certificate for these DNS names and IP addresses; the first is its common name."""
        return self._leaf(name, hosts[0], (), sorted(set(hosts)))

    def client(self, name: str, common_name: str, organizations: Sequence[str] = ()) -> Pair:
        """A client's certificate: ``common_name`` is the user, ``organizations`` are its groups."""
        return self._leaf(name, common_name, organizations, ())

    def sign(self, request: bytes, seconds: float, usages: Iterable[str]) -> bytes:
        """A certificate (PEM) for what a request (PKCS #10, PEM) asks; see ``signing.sign_request``.

        Raises:
            ValueError: the request cannot be read.
        """
        from .signing import sign_request

        root, key = self.files.certificate.read_bytes(), self.files.key.read_bytes()
        return sign_request(root, key, request, now=self._now(), seconds=seconds, usages=usages)

    def _leaf(self, name: str, common_name: str, organizations: Sequence[str], hosts: Sequence[str]) -> Pair:
        files = self._pair(name)
        says = [common_name, list(organizations), list(hosts)]
        if not self._is_good(files, says, self._issuer):
            from . import x509

            if self._signer is None:
                root, key = self.files.certificate.read_bytes(), self.files.key.read_bytes()
                self._signer = x509.load_signer(root, key)
            issued = x509.create_leaf(
                self._signer, self._now(), common_name=common_name, organizations=organizations, hosts=hosts
            )
            _save(files, issued, says, self._issuer)
        return files

    def _adopt_or_create(self, name: str) -> None:
        """Take the authority that is there, if it is one and has time left, or make a new one."""
        from . import x509

        try:
            certificate, key = self.files.certificate.read_bytes(), self.files.key.read_bytes()
            issued = x509.Issued(certificate, key, x509.renewal_of(certificate, key))
        except (FileNotFoundError, ValueError):  # ValueError: cut short by a crash
            issued, self._signer = x509.create_root(name, self._now())
        if issued.renew_at < self._now():
            issued, self._signer = x509.create_root(name, self._now())
        _save(self.files, issued, [name], "")

    def _pair(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")

    def _is_good(self, files: Pair, says: list[Any], issuer: str) -> bool:
        try:
            note = json.loads(files.note.read_bytes())
            wanted = {"files": _digest(files), "issuer": issuer, "says": says}
            return note | wanted == note and bool(self._now() < note["renew_at"])
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False


def _digest(files: Pair) -> str:
    return hashlib.sha256(files.certificate.read_bytes() + files.key.read_bytes()).hexdigest()


def _save(files: Pair, issued: "Issued", says: list[Any], issuer: str) -> None:
    """The note goes last: a crash in between leaves one that does not fit, and all is made anew."""
    write_private(files.key, issued.key, durable=False)
    write_private(files.certificate, issued.certificate, durable=False)
    note = {"files": _digest(files), "issuer": issuer, "says": says, "renew_at": issued.renew_at}
    write_private(files.note, json.dumps(note).encode(), durable=False)


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


def trust_in(authorities: str) -> ssl.SSLContext:
    """TLS for a client that trusts certificates (PEM), as Go has it: any of them will do, however issued.

    Without any it trusts those whom this host trusts. Raises ``ValueError`` or ``ssl.SSLError`` for bad ones.
    """
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if authorities:
        trust.load_verify_locations(cadata=authorities)
    else:
        trust.load_default_certs()
    return trust
