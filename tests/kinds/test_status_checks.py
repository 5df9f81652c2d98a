"""What may be written to a status, and what not: rules of a few kinds each, as tables."""

import base64
from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.kinds.checks import validate_status_update
from kube_lite.kinds.checks.signing import check_approval

PLACES = {
    "Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "Job": "batch",
    "CertificateSigningRequest": "certificates.k8s.io", "PodDisruptionBudget": "policy",
}  # fmt: skip
DONE = {"type": "Complete", "status": "True"}
MET = {"type": "SuccessCriteriaMet", "status": "True"}
EARLY, LATE = "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"


def wrong(kind: str, status: Json, before: Json | None = None, **fields: Any) -> list[tuple[str, str]]:
    """Field and text of every cause."""
    metadata = {"name": "a", **fields.pop("metadata", {})}
    new = {"metadata": metadata, "spec": {}, **fields, "status": status}
    old = {**new, "status": before or {}}
    gvk = GroupVersionKind(PLACES.get(kind, ""), "v1", kind)
    return [(cause.field, cause.message) for cause in validate_status_update(gvk, new, old)]


@pytest.mark.parametrize(
    ("kind", "status", "before", "fields"),
    [
        pytest.param("Deployment", {"replicas": 2, "readyReplicas": 2}, {}, [], id="fits together"),
        pytest.param("Deployment", {"observedGeneration": -1}, {}, ["observedGeneration"], id="negative"),
        pytest.param(
            "Deployment", {"replicas": 1, "readyReplicas": 2}, {}, ["readyReplicas"], id="more than all"
        ),
        pytest.param(
            "StatefulSet", {"replicas": 1, "availableReplicas": 1}, {}, ["availableReplicas"],
            id="available, but not ready",
        ),
        pytest.param(
            "DaemonSet", {"collisionCount": 1}, {"collisionCount": 2}, ["collisionCount"], id="counted back"
        ),
        pytest.param("PodDisruptionBudget", {"currentHealthy": -1}, {}, ["currentHealthy"], id="budget"),
        pytest.param("Job", {"active": 1, "ready": 2}, {}, ["ready"], id="more ready than active"),
        pytest.param("Job", {"failed": 1}, {"failed": 2}, ["failed"], id="fewer failures than before"),
        pytest.param(
            "Job",
            {"conditions": [MET, DONE], "startTime": EARLY, "completionTime": LATE},
            {"startTime": EARLY},
            [],
            id="a job that has ended",
        ),
        pytest.param(
            "Job",
            {"conditions": [MET, DONE], "startTime": LATE, "completionTime": EARLY},
            {},
            ["completionTime"],
            id="ended before it began",
        ),
        pytest.param(
            "Job", {"conditions": [DONE]}, {}, ["completionTime", "conditions", "startTime"], id="at once"
        ),
        pytest.param("Job", {"startTime": LATE}, {"startTime": EARLY}, ["startTime"], id="begun twice"),
        pytest.param("Pod", {"podIPs": [{"ip": "x"}]}, {}, ["podIPs[0]"], id="no address"),
        pytest.param(
            "Pod", {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}, {}, ["podIPs"], id="one family twice"
        ),
        pytest.param(
            "Ingress", {"loadBalancer": {"ingress": [{"hostname": "10.0.0.1"}]}}, {},
            ["loadBalancer.ingress[0].hostname"], id="an address for a name",
        ),
    ],
)  # fmt: skip
def test_a_status_makes_sense(kind: str, status: Json, before: Json, fields: list[str]) -> None:
    PLACES.setdefault("Ingress", "networking.k8s.io")
    assert [field for field, _ in wrong(kind, status, before)] == [f"status.{field}" for field in fields]


@pytest.mark.parametrize(
    ("policy", "code", "is_wrong"),
    [("Never", 0, True), ("OnFailure", 0, True), ("OnFailure", 1, False), ("Always", 0, False)],
)
def test_a_container_that_is_not_restarted_stays_ended(policy: str, code: int, is_wrong: bool) -> None:
    ended = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]}
    running = {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    assert bool(wrong("Pod", running, ended, spec={"restartPolicy": policy})) == is_wrong


@pytest.mark.parametrize(("phase", "deleted", "is_wrong"), [
    ("Active", False, False), ("Terminating", False, True),
    ("Active", True, True), ("Terminating", True, False),
])  # fmt: skip
def test_a_namespace_is_terminating_when_it_is_being_deleted(
    phase: str, deleted: bool, is_wrong: bool
) -> None:
    metadata = {"deletionTimestamp": EARLY} if deleted else {}
    assert bool(wrong("Namespace", {"phase": phase}, metadata=metadata)) == is_wrong


def test_only_a_load_balancer_has_entrances() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
    assert wrong("Service", status, spec={"type": "LoadBalancer"}) == []
    assert [field for field, _ in wrong("Service", status, spec={"type": "ClusterIP"})] == [
        "status.loadBalancer.ingress"
    ]


APPROVED = {"type": "Approved", "status": "True"}
DENIED = {"type": "Denied", "status": "True"}


def approvals(new: Json, old: Json) -> list[str]:
    return [cause.message for cause in check_approval({"status": new}, {"status": old})]


def test_an_approver_approves_or_denies_once_and_for_all() -> None:
    assert approvals({"conditions": [APPROVED]}, {}) == []
    assert approvals({"conditions": [APPROVED, DENIED]}, {"conditions": [APPROVED]}) == [
        'Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]
    assert approvals({}, {"conditions": [APPROVED]}) == [
        'Forbidden: updates may not remove a condition of type "Approved"'
    ]
    assert approvals({"conditions": [{**APPROVED, "status": "False"}]}, {}) == [
        'Unsupported value: "False": supported values: "True"'
    ]


def certificate(text: str) -> Json:
    return {"certificate": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param({"conditions": [APPROVED]}, "may not add a condition of type", id="approves"),
        pytest.param(certificate("x"), "must contain at least one CERTIFICATE", id="no certificate"),
        pytest.param(
            certificate("-----BEGIN KEY-----\nAA==\n-----END KEY-----\n"), "only CERTIFICATE PEM", id="a key"
        ),
    ],
)
def test_a_signer_signs_and_no_more(status: Json, text: str) -> None:
    [(_, message)] = wrong("CertificateSigningRequest", status)
    assert text in message
