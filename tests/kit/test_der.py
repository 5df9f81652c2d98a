import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.kit import der


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        pytest.param(der.integer(0), "020100", id="zero"),
        pytest.param(der.integer(127), "02017f", id="a byte"),
        pytest.param(der.integer(128), "02020080", id="not negative"),
        pytest.param(der.boolean(True), "0101ff", id="true"),
        pytest.param(der.bits(b"\x86", 1), "03020186", id="bits"),
        pytest.param(der.object_id("1.2.840.10045.3.1.7"), "06082a8648ce3d030107", id="a curve"),
        pytest.param(der.octets(bytes(200)), "0481c8" + "00" * 200, id="a length of two bytes"),
        pytest.param(der.octets(bytes(256)), "04820100" + "00" * 256, id="a length of three bytes"),
        pytest.param(der.sequence(der.integer(5), der.text("hi")), "30070201050c026869", id="nested"),
        pytest.param(
            der.time(datetime.datetime(2049, 12, 31, 23, 59, 59)),
            "170d" + b"491231235959Z".hex(),
            id="1949+100",
        ),
        pytest.param(
            der.time(datetime.datetime(2050, 1, 1)), "180f" + b"20500101000000Z".hex(), id="four digits"
        ),
    ],
)
def test_values_are_written_as_the_standard_says(written: bytes, wanted: str) -> None:
    assert written.hex() == wanted


def test_a_subject_is_read_as_other_libraries_wrote_it() -> None:
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Ärzte"),
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "CH"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane"),
        ]
    )
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert list(der.read_name(der.subject_of(certificate))) == [
        (der.object_id("2.5.4.10"), "system:masters"),
        (der.object_id("2.5.4.10"), "Ärzte"),
        (der.object_id("2.5.4.6"), "CH"),
        (der.object_id("2.5.4.3"), "jane"),
    ]


@given(
    st.binary(max_size=64) | st.binary(max_size=64).map(lambda content: der.sequence(der.sequence(content)))
)
def test_what_is_no_certificate_is_refused_in_one_way(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - no more is promised
        list(der.read_name(der.subject_of(content)))
