import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type  # no public name
from cryptography.x509.oid import NameOID

from kube_lite.api.errors import Unauthorized
from kube_lite.auth.authenticate import Credentials, Union
from kube_lite.auth.certificates import CertificateAuthenticator
from kube_lite.auth.tokens import StaticTokens
from kube_lite.auth.user import AUTHENTICATED, User


def certificate(name: str | None, *groups: str, encoding: _ASN1Type = _ASN1Type.UTF8String) -> bytes:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group, encoding) for group in groups]
    if name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, name, encoding))
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name(parts),
        subject_name=x509.Name(parts),
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + datetime.timedelta(days=1),
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def union() -> Union:
    return Union([CertificateAuthenticator(), StaticTokens({"secret": User("robot", groups=("machines",))})])


def test_a_certificate_names_user_and_groups(union: Union) -> None:
    der = certificate("jane", "team", "system:masters")
    user = union.authenticate(Credentials(certificate_der=der))
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("team", "system:masters", AUTHENTICATED))
    assert union.authenticate(Credentials(certificate_der=der)) == user, "also when it is remembered"


@pytest.mark.parametrize("encoding", [_ASN1Type.PrintableString, _ASN1Type.BMPString])
def test_names_are_read_in_whatever_encoding_they_are(union: Union, encoding: _ASN1Type) -> None:
    user = union.authenticate(Credentials(certificate_der=certificate("jane", "team", encoding=encoding)))
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("team", AUTHENTICATED))


@pytest.mark.parametrize(
    "der",
    [pytest.param(certificate(None, "team"), id="no name"), pytest.param(b"no certificate", id="garbage")],
)
def test_a_certificate_that_names_nobody_is_refused(union: Union, der: bytes) -> None:
    with pytest.raises(Unauthorized):
        union.authenticate(Credentials(certificate_der=der))


def test_a_known_token_is_its_user(union: Union) -> None:
    user = union.authenticate(Credentials(bearer_token="secret"))
    assert user is not None
    assert (user.name, user.groups) == ("robot", ("machines", AUTHENTICATED))


@pytest.mark.parametrize("token", ["secre", "secrets", "", "Secret"])
def test_a_token_that_nobody_knows_is_refused(union: Union, token: str) -> None:
    with pytest.raises(Unauthorized):
        union.authenticate(Credentials(bearer_token=token))


def test_who_presents_nothing_is_nobody(union: Union) -> None:
    assert union.authenticate(Credentials()) is None
