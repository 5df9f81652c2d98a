"""Defaults belong to the version that was used at creation, and so do a few rules."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.resource import Resource
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds import builtin
from kube_lite.kinds.legacy.certificates import guess_signer
from kube_lite.kinds.schemas import definitions

REGISTRY = builtin(legacy=True)
DEFINITIONS = definitions(legacy=True)
LABELS = {"app": "web"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "i"}]}}
SELECTED = {"matchLabels": LABELS}
UNLIMITED = 2**31 - 1


def row(api_version: str, kind: str) -> Resource:
    found = REGISTRY.by_gvk(GroupVersionKind(*parse_api_version(api_version), kind))
    assert found is not None
    return found


def defaulted(api_version: str, kind: str, **fields: Any) -> Json:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}
    old = row(api_version, kind)
    obj: Json = read_object(body, DEFINITIONS.schema(old.schema)).value
    old.strategy.default(obj)
    return obj


@pytest.mark.parametrize(
    ("api_version", "rolling", "history", "deadline"),
    [
        ("extensions/v1beta1", {"maxSurge": 1, "maxUnavailable": 1}, UNLIMITED, UNLIMITED),
        ("apps/v1beta1", {"maxSurge": "25%", "maxUnavailable": "25%"}, 2, 600),
        ("apps/v1beta2", {"maxSurge": "25%", "maxUnavailable": "25%"}, 10, 600),
        ("apps/v1", {"maxSurge": "25%", "maxUnavailable": "25%"}, 10, 600),
    ],
)
def test_deployments_roll_as_their_version_did(
    api_version: str, rolling: Json, history: int, deadline: int
) -> None:
    spec = defaulted(api_version, "Deployment", spec={"template": TEMPLATE, "strategy": {}})["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (history, deadline)


@pytest.mark.parametrize(
    ("api_version", "kind", "strategy"),
    [
        ("extensions/v1beta1", "DaemonSet", "OnDelete"),
        ("apps/v1beta2", "DaemonSet", "RollingUpdate"),
        ("apps/v1beta1", "StatefulSet", "OnDelete"),
        ("apps/v1beta2", "StatefulSet", "RollingUpdate"),
    ],
)
def test_pods_are_replaced_as_the_version_did(api_version: str, kind: str, strategy: str) -> None:
    spec = defaulted(api_version, kind, spec={"template": TEMPLATE})["spec"]
    assert (spec["updateStrategy"]["type"], spec["revisionHistoryLimit"]) == (strategy, 10)


@pytest.mark.parametrize(
    ("api_version", "kind", "is_optional"),
    [
        ("extensions/v1beta1", "Deployment", True),
        ("extensions/v1beta1", "DaemonSet", True),
        ("extensions/v1beta1", "ReplicaSet", True),
        ("apps/v1beta1", "Deployment", True),
        ("apps/v1beta1", "StatefulSet", True),
        ("apps/v1beta2", "Deployment", False),
        ("apps/v1beta2", "StatefulSet", False),
    ],
)
def test_a_selector_could_be_left_out(api_version: str, kind: str, is_optional: bool) -> None:
    made = defaulted(api_version, kind, spec={"template": TEMPLATE})
    assert made["spec"].get("selector") == (SELECTED if is_optional else None)
    assert made["metadata"].get("labels") == (LABELS if is_optional else None)
    wrong = [cause.field for cause in row(api_version, kind).strategy.validate(made)]
    assert ("spec.selector" in wrong) is not is_optional


def test_a_selector_could_be_changed() -> None:
    old = defaulted("extensions/v1beta1", "Deployment", spec={"template": TEMPLATE})
    template = {**TEMPLATE, "metadata": {"labels": {"app": "b"}}}
    new = defaulted("extensions/v1beta1", "Deployment", spec={"template": template})
    assert not row("extensions/v1beta1", "Deployment").strategy.validate_update(new, old)
    causes = row("apps/v1beta2", "Deployment").strategy.validate_update(
        {**new, "apiVersion": "apps/v1beta2"}, {**old, "apiVersion": "apps/v1beta2"}
    )
    assert [cause.field for cause in causes] == ["spec.selector"]


def test_webhooks_were_asked_politely() -> None:
    webhook = {"name": "a.b.c", "clientConfig": {"url": "https://a"}}
    made = defaulted(
        "admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", webhooks=[webhook]
    )
    [found] = made["webhooks"]
    assert (found["failurePolicy"], found["matchPolicy"], found["timeoutSeconds"]) == ("Ignore", "Exact", 30)
    assert (found["sideEffects"], found["admissionReviewVersions"]) == ("Unknown", ["v1beta1"])
    old = row("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration")
    assert not old.strategy.validate(made)
    today = row("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
    same = {**made, "apiVersion": "admissionregistration.k8s.io/v1"}
    assert [cause.field for cause in today.strategy.validate(same)] == ["webhooks[0].sideEffects"]
    assert not today.strategy.validate_next(same, same)


def request_for(common_name: str, organization: str, *names: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ])  # fmt: skip
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


KUBELET = ("system:node:a", "system:nodes")
SERVER = ["digital signature", "server auth"]
CLIENT = ["digital signature", "key encipherment", "client auth"]


@pytest.mark.parametrize(
    ("request_text", "usages", "signer"),
    [
        (request_for(*KUBELET), CLIENT, "kubernetes.io/kube-apiserver-client-kubelet"),
        (request_for(*KUBELET, "a.example.com"), SERVER, "kubernetes.io/kubelet-serving"),
        (request_for(*KUBELET), SERVER, "kubernetes.io/legacy-unknown"),
        (request_for(*KUBELET, "a.example.com"), CLIENT, "kubernetes.io/legacy-unknown"),
        (request_for("jane", "system:nodes"), CLIENT, "kubernetes.io/legacy-unknown"),
        (request_for("system:node:a", "others"), CLIENT, "kubernetes.io/legacy-unknown"),
        ("bm90aGluZw==", CLIENT, "kubernetes.io/legacy-unknown"),
        ("?", CLIENT, "kubernetes.io/legacy-unknown"),
    ],
)
def test_the_signer_of_a_request_is_guessed(request_text: str, usages: list[str], signer: str) -> None:
    assert guess_signer(request_text, usages) == signer


def test_a_path_matches_as_its_controller_likes() -> None:
    paths = [{"path": "/", "backend": {"serviceName": "a", "servicePort": 80}}]
    made = defaulted("extensions/v1beta1", "Ingress", spec={"rules": [{"http": {"paths": paths}}]})
    assert made["spec"]["rules"][0]["http"]["paths"][0]["pathType"] == "ImplementationSpecific"
    assert not row("extensions/v1beta1", "Ingress").strategy.validate(made)


def test_a_definition_that_says_little_is_completed() -> None:
    spec = {"group": "example.com", "version": "v1", "names": {"plural": "things", "kind": "Thing"}}
    made = defaulted(
        "apiextensions.k8s.io/v1beta1",
        "CustomResourceDefinition",
        metadata={"name": "things.example.com"},
        spec=spec,
    )
    found = made["spec"]
    assert (found["scope"], found["preserveUnknownFields"]) == ("Namespaced", True)
    assert found["versions"] == [{"name": "v1", "served": True, "storage": True}]
    assert (found["names"]["singular"], found["names"]["listKind"]) == ("thing", "ThingList")


def test_a_pod_security_policy_says_how_everything_is_chosen() -> None:
    chosen = {"rule": "RunAsAny"}
    spec = {field: chosen for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
    good = defaulted("extensions/v1beta1", "PodSecurityPolicy", spec={**spec, "volumes": ["*"]})
    assert good["spec"]["allowPrivilegeEscalation"] is True
    strategy = row("extensions/v1beta1", "PodSecurityPolicy").strategy
    assert not strategy.validate(good)
    span = {"rule": "MustRunAs", "ranges": [{"min": 9, "max": 1}]}
    bad = defaulted(
        "policy/v1beta1", "PodSecurityPolicy", spec={**spec, "seLinux": {}, "fsGroup": span, "volumes": ["x"]}
    )
    causes = row("policy/v1beta1", "PodSecurityPolicy").strategy.validate(bad)
    assert [cause.field for cause in causes] == [
        "spec.seLinux.rule",
        "spec.fsGroup.ranges[0].min",
        "spec.volumes[0]",
    ]
