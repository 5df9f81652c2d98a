"""What a PKCS#10 request for a certificate asks for."""

from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

BEGIN, END = b"-----BEGIN CERTIFICATE REQUEST-----", b"-----END CERTIFICATE REQUEST-----"


class Wanted(NamedTuple):
    """The subject, and the other names by sort."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]


def read_request(pem: bytes) -> Wanted | None:
    """What the first request in a PEM text asks for; None where there is none that can be read."""
    begin, end = pem.find(BEGIN), pem.find(END)
    if begin < 0 or end < begin:
        return None
    try:
        request = x509.load_pem_x509_csr(pem[begin : end + len(END)])
        subject = request.subject
        alternatives = _alternatives(request)
    except ValueError:
        return None
    common = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [str(name.value) for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Wanted(
        common[-1] if common else "",
        tuple(organizations),
        tuple(alternatives.get_values_for_type(x509.DNSName)),
        tuple(map(str, alternatives.get_values_for_type(x509.IPAddress))),
        tuple(alternatives.get_values_for_type(x509.RFC822Name)),
        tuple(alternatives.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _alternatives(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName:
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])
