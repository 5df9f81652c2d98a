"""CertificateSigningRequests: approved where policy says so, signed, and cleared away.

Requests of nodes for certificates of their own are approved when whoever asks may have them (a review of
access to ``nodeclient`` and ``selfnodeclient``); all others wait for somebody with a mind. What is approved
for one of the signers of a cluster is held against that signer's rules and signed by the cluster's authority.

Source: ``pkg/controller/certificates`` (``approver``, ``signer``, ``cleaner``);
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kube_lite.api import meta
from kube_lite.api.errors import NotFound
from kube_lite.api.identity import GroupVersionResource, Json, ObjectKey
from kube_lite.api.times import parse_time
from kube_lite.client.controller import Controller, RequeueAfter
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client
from kube_lite.kit.clock import Clock

if TYPE_CHECKING:
    from kube_lite.kit.signing import Wish

REQUESTS = GroupVersionResource("certificates.k8s.io", "v1", "certificatesigningrequests")
ACCESS_REVIEWS = GroupVersionResource("authorization.k8s.io", "v1", "subjectaccessreviews")

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY)

LIFE_SECONDS = 365 * 24 * 3600.0  # upstream's --cluster-signing-duration
PENDING_SECONDS = 24 * 3600.0
DECIDED_SECONDS = 3600.0
NODES_GROUP, NODE_PREFIX = "system:nodes", "system:node:"
CLIENT_USAGES = {"client auth", "digital signature", "key encipherment"}
_AS_CLIENT = ("client auth", CLIENT_USAGES)
SERVING_USAGES = {"server auth", "digital signature", "key encipherment"}

USAGE_WORDS = {
    "signing": "digital_signature", "digital signature": "digital_signature",
    "content commitment": "content_commitment", "key encipherment": "key_encipherment",
    "key agreement": "key_agreement", "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign", "crl sign": "crl_sign", "encipher only": "encipher_only",
    "decipher only": "decipher_only", "any": "any", "server auth": "server_auth",
    "client auth": "client_auth", "code signing": "code_signing", "email protection": "email_protection",
    "s/mime": "email_protection", "timestamping": "time_stamping", "ocsp signing": "ocsp_signing",
}  # fmt: skip
"""Kubernetes' words for usages → those of RFC 5280; IPsec's and the old gated-crypto ones have none there."""

_WHO = {"user": "username", "uid": "uid", "groups": "groups", "extra": "extra"}

Sign = Callable[[bytes, float, Iterable[str]], bytes]
"""Request (PEM), seconds, usages in RFC 5280's words → certificate (PEM)."""


def why_not(signer: str, wish: "Wish", usages: Iterable[str]) -> str:
    """Why a signer does not sign this; empty if it does."""
    if signer == LEGACY:
        return ""
    why = ""
    if signer == KUBELET_CLIENT and (wish.hosts or wish.other_names):
        why = "subject alternative names are not allowed"
    elif signer == KUBELET_SERVING and not wish.hosts:
        why = "DNS or IP subjectAltName is required"
    elif signer == KUBELET_SERVING and wish.other_names:
        why = "subjectAltNames of e-mail addresses and URIs are not allowed"
    if signer != CLIENT:
        why = _why_no_node(wish) or why
    needed, allowed = ("server auth", SERVING_USAGES) if signer == KUBELET_SERVING else _AS_CLIENT
    wanted = set(usages)
    return why or ("" if needed in wanted and wanted <= allowed else "usages did not match")


def _why_no_node(wish: "Wish") -> str:
    if wish.organizations != (NODES_GROUP,):
        return 'subject organization is not "system:nodes"'
    if not wish.common_name.startswith(NODE_PREFIX):
        return 'subject common name does not begin with "system:node:"'
    return ""


def has_condition(request: Json, *types: str) -> bool:
    """Whether one of these was decided."""
    return any(meta.is_condition_true(request, type_) for type_ in types)


class CertificateSigning(Controller):
    """Approves what nodes may have, and signs what was approved.

    Args:
        sign: the cluster's authority.
    """

    def __init__(self, client: Client, informers: Informers, clock: Clock, sign: Sign) -> None:
        super().__init__("certificate-signing", clock)
        self._client = client
        self._sign = sign
        self._requests = informers.informer(REQUESTS)
        self.watch(self._requests)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Take one step with a request."""
        request = self._requests.get(key)
        if request is None or request["spec"]["signerName"] not in SIGNERS:
            return None
        if has_condition(request, "Denied", "Failed") or (request.get("status") or {}).get("certificate"):
            return None
        if has_condition(request, "Approved"):
            await self._issue(request)
        elif request["spec"]["signerName"] == KUBELET_CLIENT:
            await self._consider(request)
        return None

    async def _issue(self, request: Json) -> None:
        from kube_lite.kit.signing import read_request  # the library behind it is heavy, and often not needed

        spec = request["spec"]
        pem, usages = base64.b64decode(spec["request"]), spec.get("usages") or []
        status = dict(request.get("status") or {})
        try:
            refusal = why_not(spec["signerName"], await asyncio.to_thread(read_request, pem), usages)
            seconds = min(float(spec.get("expirationSeconds") or LIFE_SECONDS), LIFE_SECONDS)
            words = [USAGE_WORDS[usage] for usage in usages if usage in USAGE_WORDS]
            certificate = b"" if refusal else await asyncio.to_thread(self._sign, pem, seconds, words)
        except ValueError as error:
            refusal, certificate = str(error), b""
        if refusal:
            entry = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure"}
            entry["message"] = refusal
            status["conditions"] = meta.with_condition(meta.conditions_of(request), entry, self.clock.now())
        else:
            status["certificate"] = base64.b64encode(certificate).decode()
        await self._client.update(REQUESTS, {**request, "status": status}, subresource="status")

    async def _consider(self, request: Json) -> None:
        """Approve a node's request for a client certificate, if whoever asks may have it."""
        from kube_lite.kit.signing import read_request

        spec = request["spec"]
        try:
            wish = await asyncio.to_thread(read_request, base64.b64decode(spec["request"]))
        except ValueError:
            return
        if why_not(KUBELET_CLIENT, wish, spec.get("usages") or []):
            return
        kinds = [("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")]
        if spec.get("username") == wish.common_name:
            told = "Auto approving self kubelet client certificate after SubjectAccessReview."
            kinds.insert(0, ("selfnodeclient", told))
        for subresource, message in kinds:
            if await self._may(spec, subresource):
                entry = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
                conditions = meta.with_condition(meta.conditions_of(request), entry, self.clock.now())
                status = {**(request.get("status") or {}), "conditions": conditions}
                await self._client.update(REQUESTS, {**request, "status": status}, subresource="approval")
                return

    async def _may(self, spec: Json, subresource: str) -> bool:
        attributes = {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": "create",
            "subresource": subresource,
        }
        asked = {field: spec[name] for field, name in _WHO.items() if spec.get(name)}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {**asked, "resourceAttributes": attributes},
        }
        answer = await self._client.create(ACCESS_REVIEWS, review)
        return bool(answer["status"]["allowed"])


class CertificateCleanup(Controller):
    """Deletes requests that nobody will look at any more."""

    def __init__(self, client: Client, informers: Informers, clock: Clock) -> None:
        super().__init__("certificate-cleanup", clock)
        self._client = client
        self._requests = informers.informer(REQUESTS)
        self.watch(self._requests)

    async def reconcile(self, key: ObjectKey) -> RequeueAfter | None:
        """Delete it, or come back when its time is over."""
        request = self._requests.get(key)
        if request is None:
            return None
        left = plan_end(request) - self.clock.now()
        if left > 0:
            return RequeueAfter(left)
        try:
            await self._client.delete(REQUESTS, key.name, uid=request["metadata"]["uid"])
        except NotFound:
            return None
        return None


def plan_end(request: Json) -> float:
    """When a request goes, in seconds since the epoch: an hour after a decision, a day without one."""
    decided = [
        parse_time(entry.get("lastUpdateTime") or entry["lastTransitionTime"])
        for entry in meta.conditions_of(request)
        if entry["type"] in ("Approved", "Denied", "Failed") and entry["status"] == "True"
    ]
    if decided:
        return min(decided) + DECIDED_SECONDS
    return parse_time(request["metadata"]["creationTimestamp"]) + PENDING_SECONDS
