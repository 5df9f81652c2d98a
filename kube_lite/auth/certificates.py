"""Client certificates: the common name is the user, the organizations are the groups.

Whether the certificate was issued by our authority was settled by TLS before anybody gets here.
"""

import hashlib
from collections import OrderedDict

from kube_lite.api.errors import Unauthorized

from .authenticate import Credentials
from .user import User

REMEMBERED = 256  # certificates whose user is kept, since reading one costs more than a whole GET


class CertificateAuthenticator:
    """Reads users out of client certificates."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, User] = OrderedDict()

    def authenticate(self, credentials: Credentials) -> User | None:
        """The certificate's user; None where there is no certificate.

        Raises:
            Unauthorized: it names nobody.
        """
        der = credentials.certificate_der
        if der is None:
            return None
        user = self._known.get(der)
        if user is None:
            user = self._known[der] = read_user(der)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return user


def read_user(der: bytes) -> User:
    """The user that a certificate names.

    Raises:
        Unauthorized: it has no common name, or is no certificate.
    """
    from cryptography import x509  # start-up does without it where certificates are there already
    from cryptography.x509.oid import NameOID

    try:
        subject = x509.load_der_x509_certificate(der).subject
    except ValueError as error:
        raise Unauthorized("Unauthorized") from error
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not names or not names[0]:
        raise Unauthorized("Unauthorized")
    groups = tuple(str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    fingerprint = f"X509SHA256={hashlib.sha256(der).hexdigest()}"
    return User(names[0], groups=groups, extra={"authentication.kubernetes.io/credential-id": (fingerprint,)})
