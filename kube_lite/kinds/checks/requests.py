"""Rules for what is asked of signers: certificates."""

import base64
import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import duplicate, invalid, one_of, required
from kube_lite.api.identity import Json

from ..certificates import LEGACY_SIGNER

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system",
    "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc",
    "ocsp signing", "s/mime", "server auth", "signing", "timestamping",
)  # fmt: skip
EXPIRY_MIN = 600
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\s.*?-----END \1-----", re.DOTALL)


def check_signing(request: Json) -> Iterator[Cause]:
    """A CertificateSigningRequest."""
    spec = request.get("spec") or {}
    encoded = spec.get("request") or ""
    pem = _PEM.search(base64.b64decode(encoded).decode("utf-8", "replace"))
    if pem is None or pem[1] != "CERTIFICATE REQUEST":
        yield invalid("spec.request", encoded, "PEM block type must be CERTIFICATE REQUEST")
    usages = spec.get("usages") or ()
    if not usages:
        yield required("spec.usages")
    seen: set[str] = set()
    for position, usage in enumerate(usages):
        yield from one_of(f"spec.usages[{position}]", usage, USAGES)
        if usage in seen:
            yield duplicate(f"spec.usages[{position}]", usage)
        seen.add(usage)
    signer = spec.get("signerName") or ""
    domain, slash, path = signer.partition("/")
    if not signer:
        yield required("spec.signerName")
    elif not slash or not path or "." not in domain:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid("spec.signerName", signer, why)
    elif signer == LEGACY_SIGNER:
        yield invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < EXPIRY_MIN:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, why)
