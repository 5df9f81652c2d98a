import os
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kube_lite.kit.clock import ManualClock
from kube_lite.kit.pki import Authority, Pair, client_context, server_context

DAY = 86400.0


def certificate_in(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Let both talk through memory until they agree, and return the server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [client_end, server_end]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return server_end


def test_a_client_with_a_certificate_of_ours_is_known_to_the_server_by_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    serving = authority.serving("apiserver", ["localhost", "127.0.0.1", "::1"])
    admin = authority.client("admin", "kubernetes-admin", ["system:masters"])
    server = server_context(serving, authority.files.certificate)

    ended = handshake(server, client_context(authority.files.certificate, admin), "127.0.0.1")

    shown = ended.getpeercert(binary_form=True)
    assert shown is not None
    subject = x509.load_der_x509_certificate(shown).subject.rfc4514_string()
    assert subject == "CN=kubernetes-admin,O=system:masters"


def test_a_client_without_a_certificate_may_connect_all_the_same(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    server = server_context(authority.serving("apiserver", ["localhost"]), authority.files.certificate)
    ended = handshake(server, client_context(authority.files.certificate), "localhost")
    assert ended.getpeercert(binary_form=True) is None


def test_a_name_that_was_not_asked_for_is_refused_by_clients(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    server = server_context(authority.serving("apiserver", ["localhost"]))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client_context(authority.files.certificate), "elsewhere.example")


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "ca", time.time)
    authority.serving("apiserver", ["localhost"])
    before = os.umask(0)
    os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    assert modes == {0o600 & ~before}


def test_a_second_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        Authority(tmp_path, "ca", time.time).serving("apiserver", ["localhost", "10.0.0.1"])
        contents.append({path.name: path.read_bytes() for path in tmp_path.iterdir()})
    assert contents[0] == contents[1]


def test_other_names_make_a_new_serving_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    before = certificate_in(authority.serving("apiserver", ["localhost"]))
    after = certificate_in(authority.serving("apiserver", ["localhost", "10.0.0.1"]))
    assert before.serial_number != after.serial_number


async def test_a_certificate_is_renewed_in_the_last_fifth_of_its_life(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = Authority(tmp_path, "ca", clock.now)
    first = certificate_in(authority.client("admin", "admin")).serial_number
    await clock.advance(280 * DAY)
    assert certificate_in(authority.client("admin", "admin")).serial_number == first
    await clock.advance(20 * DAY)
    assert certificate_in(authority.client("admin", "admin")).serial_number != first


def test_a_half_written_pair_is_made_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    pair = authority.client("admin", "admin")
    pair.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    assert certificate_in(authority.client("admin", "admin")).subject is not None


def test_a_new_authority_replaces_what_the_old_one_signed(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    before = certificate_in(authority.client("admin", "admin")).serial_number
    authority.files.key.unlink()
    again = Authority(tmp_path, "ca", time.time)
    assert certificate_in(again.client("admin", "admin")).serial_number != before


def test_a_start_that_finds_everything_in_order_reads_no_certificate(tmp_path: Path) -> None:
    program = f"""
import sys, time, pathlib
from kube_lite.kit.pki import Authority
authority = Authority(pathlib.Path({str(tmp_path)!r}), "ca", time.time)
authority.serving("apiserver", ["localhost"])
print("cryptography" in sys.modules)
"""
    seen = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert seen == ["True", "False"]


def test_an_authority_without_a_note_is_adopted(tmp_path: Path) -> None:
    before = Authority(tmp_path, "ca", time.time)
    pem = before.certificate_pem
    before.files.note.unlink()
    assert Authority(tmp_path, "ca", time.time).certificate_pem == pem


def test_other_libraries_read_what_was_written(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca", time.time)
    pair = authority.serving("apiserver", ["localhost", "api.example", "127.0.0.1", "::1"])
    root, leaf = certificate_in(authority.files), certificate_in(pair)
    leaf.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    said = {extension.oid: extension for extension in leaf.extensions}
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["api.example", "localhost"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["127.0.0.1", "::1"]
    assert {oid for oid, extension in said.items() if extension.critical} == {
        x509.OID_BASIC_CONSTRAINTS,
        x509.OID_KEY_USAGE,
    }
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.OID_SERVER_AUTH
    ]
    for certificate, is_authority in ((root, True), (leaf, False)):
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (
            True,
            is_authority,
            is_authority,
        )
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is is_authority
        own = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
        assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == own
    signers = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    roots = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert signers.key_identifier == roots.digest


def test_a_key_is_that_of_its_certificate(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca", time.time).client("admin", "admin", ["system:masters"])
    key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    assert key.public_key() == certificate_in(pair).public_key()


def test_an_authority_that_is_found_signs_as_before(tmp_path: Path) -> None:
    before = Authority(tmp_path, "ca", time.time)
    pair = Authority(tmp_path, "ca", time.time).client("admin", "admin")
    certificate_in(pair).verify_directly_issued_by(certificate_in(before.files))
