"""CertificateSigningRequest before ``v1``: the signer could be left out, and was guessed.

Source: pkg/apis/certificates/v1beta1/defaults.go, pkg/apis/certificates/helpers.go.
"""

import base64
import binascii
from collections.abc import Collection

from kube_lite.api.identity import Json
from kube_lite.kit.signing_requests import Wanted, read_request

from ..certificates import LEGACY_SIGNER

KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"

NODES, NODE_PREFIX = ("system:nodes",), "system:node:"
SIGNATURE, ENCIPHERMENT = "digital signature", "key encipherment"


def default_request(request: Json) -> None:
    """The usual usages, and the signer that they and the subject suggest."""
    spec = request.setdefault("spec", {})
    if spec.get("usages") is None:
        spec["usages"] = [SIGNATURE, ENCIPHERMENT]
    if spec.get("signerName") is None:
        spec["signerName"] = guess_signer(spec.get("request") or "", spec["usages"])
    for condition in (request.get("status") or {}).get("conditions") or ():
        condition["status"] = condition.get("status") or "True"


def guess_signer(encoded: str, usages: Collection[str]) -> str:
    """The signer of a request in base64 that names none."""
    try:
        wanted = read_request(base64.b64decode(encoded))
    except binascii.Error:
        wanted = None
    if wanted is None or wanted.organizations != NODES or not wanted.common_name.startswith(NODE_PREFIX):
        return LEGACY_SIGNER
    if _is_for(usages, "client auth") and not (
        wanted.dns or wanted.addresses or wanted.emails or wanted.uris
    ):
        return KUBELET_CLIENT
    if _is_for(usages, "server auth") and _has_place(wanted):
        return KUBELET_SERVING
    return LEGACY_SIGNER


def _is_for(usages: Collection[str], purpose: str) -> bool:
    return set(usages) in ({SIGNATURE, purpose}, {SIGNATURE, ENCIPHERMENT, purpose})


def _has_place(wanted: Wanted) -> bool:
    return bool(wanted.dns or wanted.addresses) and not (wanted.emails or wanted.uris)
