import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_lite.api.identity import Json
from kube_lite.controllers.certificates import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LEGACY,
    REQUESTS,
    plan_end,
    why_not,
)
from kube_lite.kit.clock import ManualClock
from kube_lite.kit.signing import Wish, read_request

from .harness import World, world

CONTROLLERS = ["certificate-signing", "certificate-cleanup"]
NODE = Wish("system:node:n1", ("system:nodes",), (), ())
SERVER = NODE._replace(hosts=("n1",))


def pem(common_name: str, organization: str, hosts: Sequence[str] = ()) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("signer", "wish", "usages", "why"),
    [
        (CLIENT, Wish("anna", ("team",), (), ()), ["client auth"], ""),
        (CLIENT, Wish("anna", ("team",), (), ()), ["server auth"], "usages did not match"),
        (KUBELET_CLIENT, NODE, ["client auth", "digital signature"], ""),
        (KUBELET_CLIENT, Wish("a", (), (), ()), [], 'subject organization is not "system:nodes"'),
        (KUBELET_CLIENT, SERVER, ["client auth"], "subject alternative names are not allowed"),
        (KUBELET_SERVING, SERVER, ["server auth"], ""),
        (KUBELET_SERVING, NODE, ["server auth"], "DNS or IP subjectAltName is required"),
        (LEGACY, Wish("anyone", (), (), ()), ["code signing"], ""),
    ],
)  # fmt: skip
def test_each_signer_has_its_rules(signer: str, wish: Wish, usages: list[str], why: str) -> None:
    assert why_not(signer, wish, usages) == why


def test_a_request_tells_what_it_asks_for() -> None:
    wish = read_request(pem("system:node:n1", "system:nodes", ["n1", "n1.local"]))
    assert wish == Wish("system:node:n1", ("system:nodes",), ("n1", "n1.local"), ())


async def ask(it: World, signer: str, request: bytes, *usages: str, **spec: object) -> None:
    made = {"signerName": signer, "usages": list(usages), "request": base64.b64encode(request).decode()}
    await it.client.create(REQUESTS, {"metadata": {"name": "r"}, "spec": {**made, **spec}})


async def approve(it: World) -> None:
    found = await it.get(REQUESTS, "r", "")
    entry = {"type": "Approved", "status": "True", "reason": "ByHand", "message": "fine"}
    status = {"conditions": [entry]}
    await it.client.update(REQUESTS, {**found, "status": status}, subresource="approval")


async def test_what_is_approved_is_signed_for_the_time_and_use_that_were_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        usages = ["client auth", "digital signature"]
        await ask(it, CLIENT, pem("anna", "team"), *usages, expirationSeconds=3600)
        await approve(it)

        async def is_issued() -> bool:
            return bool((await it.get(REQUESTS, "r", "")).get("status", {}).get("certificate"))

        await it.until(is_issued)
        found = base64.b64decode((await it.get(REQUESTS, "r", ""))["status"]["certificate"])
        certificate = x509.load_pem_x509_certificate(found)
        assert certificate.subject.rfc4514_string() == "CN=anna,O=team"
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        life = certificate.not_valid_after_utc.timestamp() - it.clock.now()
        assert 3500 < life <= 3600


async def test_what_the_signer_may_not_sign_fails(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await ask(it, CLIENT, pem("anna", "team"), "server auth")
        await approve(it)

        async def has_failed() -> bool:
            conditions = (await it.get(REQUESTS, "r", ""))["status"]["conditions"]
            return "SignerValidationFailure" in [entry["reason"] for entry in conditions]

        await it.until(has_failed)
        assert "certificate" not in (await it.get(REQUESTS, "r", ""))["status"]


async def test_a_node_that_may_have_its_certificate_gets_it_without_being_asked(tmp_path: Path) -> None:
    async with world(tmp_path, only=CONTROLLERS) as it:
        await ask(it, KUBELET_CLIENT, pem("system:node:n1", "system:nodes"), "client auth")

        async def is_issued() -> bool:
            return bool((await it.get(REQUESTS, "r", "")).get("status", {}).get("certificate"))

        await it.until(is_issued)
        [entry] = (await it.get(REQUESTS, "r", ""))["status"]["conditions"]
        assert (entry["type"], entry["reason"]) == ("Approved", "AutoApproved")


async def test_requests_go_when_nobody_will_look_at_them_any_more(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, only=CONTROLLERS, clock=clock) as it:
        await ask(it, "example.com/mine", pem("anna", "team"), "client auth")
        found: Json = await it.get(REQUESTS, "r", "")
        assert plan_end(found) - clock.now() == 24 * 3600
        await clock.advance(24 * 3600 + 1)
        await it.until_gone(REQUESTS, "r", "")
