"""Client certificates: the common name is the user, the organizations are the groups.

Whether the certificate was issued by our authority was settled by TLS before anybody gets here.
"""

import hashlib
from collections import OrderedDict

from kube_lite.api.errors import Unauthorized
from kube_lite.kit import der

from .authenticate import Credentials
from .user import User

REMEMBERED = 256  # certificates whose user is kept, since reading one costs more than a whole GET
COMMON_NAME, ORGANIZATION = der.object_id("2.5.4.3"), der.object_id("2.5.4.10")


class CertificateAuthenticator:
    """Reads users out of client certificates."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, User] = OrderedDict()

    def authenticate(self, credentials: Credentials) -> User | None:
        """The certificate's user; None where there is no certificate.

        Raises:
            Unauthorized: it names nobody.
        """
        certificate = credentials.certificate_der
        if certificate is None:
            return None
        user = self._known.get(certificate)
        if user is None:
            user = self._known[certificate] = read_user(certificate)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return user


def read_user(certificate: bytes) -> User:
    """The user that a certificate names.

    Raises:
        Unauthorized: it has no common name, or is no certificate.
    """
    try:
        subject = _subject_of(certificate)
    except ValueError as error:
        raise Unauthorized("Unauthorized") from error
    names = [text for sort, text in subject if sort == COMMON_NAME]
    if not names or not names[0]:
        raise Unauthorized("Unauthorized")
    groups = tuple(text for sort, text in subject if sort == ORGANIZATION)
    fingerprint = f"X509SHA256={hashlib.sha256(certificate).hexdigest()}"
    return User(names[0], groups=groups, extra={"authentication.kubernetes.io/credential-id": (fingerprint,)})


def _subject_of(certificate: bytes) -> list[tuple[bytes, str]]:
    """What a certificate's subject says, as ``der.read_name`` has it.

    The library that reads every certificate takes 30 ms to import, which the first request of nearly every
    run would wait for; so it is only asked for those with texts in other encodings than today's.

    Raises:
        ValueError: it is no certificate.
    """
    try:
        return list(der.read_name(der.subject_of(certificate)))
    except ValueError:
        from cryptography import x509

        subject = x509.load_der_x509_certificate(certificate).subject
        return [(der.object_id(part.oid.dotted_string), str(part.value)) for part in subject]
