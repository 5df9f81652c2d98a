"""CertificateSigningRequest."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.resource import Subresource
from kube_lite.api.strategy import AGE, NAME, Column
from kube_lite.api.table import human_duration
from kube_lite.api.times import format_time

from .base import READ_WRITE, Described, Kind, Row, age_of
from .cells import NONE

LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
SIGNER_DESCRIPTION = """\
Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. \
If empty, it will be defaulted:
 1. If it's a kubelet client certificate, it is assigned
    "kubernetes.io/kube-apiserver-client-kubelet".
 2. If it's a kubelet serving certificate, it is assigned
    "kubernetes.io/kubelet-serving".
 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".
Distribution of trust for signers happens out of band. \
You can select on this field using `spec.signerName`."""


class SigningRequestStrategy(Kind):
    """A request for a certificate; who asks is filled in from the request."""

    initial_status = "{}"
    out_of_reach: ClassVar[Mapping[str, Sequence[str]]] = {
        "": ("spec", "status"),
        "status": ("spec", "status.conditions"),
        "approval": ("spec", "status.certificate"),
    }
    labels = ("spec.signerName",)
    table = (
        NAME,
        AGE,
        Column("SignerName", description=SIGNER_DESCRIPTION),
        Column("Requestor", description="Base64-encoded PKCS#10 CSR data"),
        Described("RequestedDuration", "certificates.v1.CertificateSigningRequestSpec", "expirationSeconds"),
        Column("Condition", description="Conditions applied to the request, such as approval or denial."),
    )

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """What is asked for never changes."""
        obj["spec"] = old["spec"]

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The signer that requests of ``v1beta1`` had by default may stay."""
        causes = super().validate_next(obj, old)
        if (old.get("spec") or {}).get("signerName") != LEGACY_SIGNER:
            return causes
        return [cause for cause in causes if cause.field != "spec.signerName"]

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """Conditions say when they were written and when their status changed.

        Source: ``populateConditionTimestamps`` in pkg/registry/certificates/certificates/strategy.go.
        """
        before = {entry["type"]: entry for entry in old.get("status", {}).get("conditions") or ()}
        moment = format_time(now)
        for entry in (obj.get("status") or {}).get("conditions") or ():
            entry["lastUpdateTime"] = entry.get("lastUpdateTime") or moment
            if not entry.get("lastTransitionTime"):
                last = before.get(entry.get("type"), {})
                is_same = last.get("status") == entry.get("status")
                entry["lastTransitionTime"] = (is_same and last.get("lastTransitionTime")) or moment

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """Who is to sign."""
        return {"spec.signerName": obj["spec"].get("signerName", "")}

    def cells(self, obj: Json, now: float) -> list[object]:
        """As kubectl shows a request."""
        spec = obj["spec"]
        seconds = spec.get("expirationSeconds")
        return [
            obj["metadata"]["name"],
            age_of(obj, now),
            spec.get("signerName", ""),
            spec.get("username", ""),
            human_duration(seconds) if seconds is not None else NONE,
            _condition(obj.get("status", {})),
        ]


def _condition(status: Json) -> str:
    given = {entry["type"] for entry in status.get("conditions") or ()}
    word = "Denied" if "Denied" in given else "Approved" if "Approved" in given else "Pending"
    failed = ",Failed" if "Failed" in given else ""
    return f"{word}{failed}{',Issued' if status.get('certificate') else ''}"


CERTIFICATES = (
    Row(
        "CertificateSigningRequest",
        "certificatesigningrequests",
        SigningRequestStrategy,
        namespaced=False,
        short_names=("csr",),
        status=True,
        subresources=(Subresource("approval", READ_WRITE, "CertificateSigningRequest"),),
    ),
)
