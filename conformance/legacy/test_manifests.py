"""Manifests as they were written for Kubernetes 1.12 to 1.22: applied, read as today's, edited, deleted."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conformance.conftest import new_namespace
from conformance.http import Api, Json
from conformance.kubectl import Kubectl, eventually
from conformance.legacy.conftest import releases

MANIFESTS = Path(__file__).parent / "manifests"
TODAY = {
    "autoscaling": "autoscaling/v2",
    "policy": "policy/v1",
    "networking.k8s.io": "networking.k8s.io/v1",
}
"""Group → the version in which a plain ``kubectl get`` reads, where that is not ``v1``."""
GROUPS = {
    "DaemonSet": "apps",
    "Deployment": "apps",
    "Ingress": "networking.k8s.io",
    "NetworkPolicy": "networking.k8s.io",
    "PodSecurityPolicy": "policy",
    "ReplicaSet": "apps",
}
"""Kind of ``extensions`` → the group that has it today."""


def documents() -> list[Json]:
    return [
        document
        for file in sorted(MANIFESTS.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]


def today(document: Json) -> tuple[str, str]:
    """The apiVersion that an object has today, and what kubectl calls it."""
    group = document["apiVersion"].partition("/")[0]
    kind = document["kind"]
    if group == "extensions":
        group = GROUPS[kind]
    version = "policy/v1beta1" if kind == "PodSecurityPolicy" else TODAY.get(group, f"{group}/v1")
    return version, f"{kind.lower()}.{version.partition('/')[2]}.{group}/{document['metadata']['name']}"


@pytest.fixture(scope="module", params=releases(), ids=lambda path: path.name)
def applied(request: pytest.FixtureRequest, target: Path, api: Api) -> Iterator[Kubectl]:
    """A release in a namespace in which everything was applied by it, and is deleted by it in the end."""
    with new_namespace(api) as namespace:
        client = Kubectl(request.param, target, namespace)
        done = client.run("apply", "-f", str(MANIFESTS))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(" created") == len(documents()), done.stdout
        yield client
        client("delete", "-f", str(MANIFESTS), "--wait=false")
        names = [today(document)[1] for document in documents()]
        eventually(lambda: not client("get", *names, "--ignore-not-found", "-o", "name"))


def read(client: Kubectl, what: str) -> Json:
    return json.loads(client("get", what, "-o", "json"))


def read_all(client: Kubectl, names: list[str]) -> list[Json]:
    """The objects of those names, in this order."""
    found: list[Json] = json.loads(client("get", *names, "-o", "json"))["items"]
    return found


def old_name(document: Json) -> str:
    group, _, version = document["apiVersion"].partition("/")
    return f"{document['kind'].lower()}.{version}.{group}/{document['metadata']['name']}"


def test_all_of_them_are_read_and_edited_as_the_kinds_of_today(
    applied: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions, names = zip(*map(today, documents()), strict=True)
    found = read_all(applied, list(names))
    assert [each["apiVersion"] for each in found] == list(versions)
    applied("label", *names, "looked=at")
    old = read_all(applied, [old_name(document) for document in documents()])
    assert [each["apiVersion"] for each in old] == [document["apiVersion"] for document in documents()]
    assert [each["metadata"]["uid"] for each in old] == [each["metadata"]["uid"] for each in found]
    assert {each["metadata"]["labels"]["looked"] for each in old} == {"at"}
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/at$/after/")
    applied("edit", "deployment.v1beta1.extensions/frontend")
    applied("edit", "ingress.v1.networking.k8s.io/cafe-ingress")
    for what in ("deployment.v1.apps/frontend", "ingress.v1beta1.extensions/cafe-ingress"):
        assert read(applied, what)["metadata"]["labels"]["looked"] == "after"


def test_what_was_left_out_is_what_the_version_had_by_default(applied: Kubectl) -> None:
    frontend = read(applied, "deployment.v1.apps/frontend")
    assert frontend["spec"]["selector"] == {"matchLabels": {"app": "guestbook", "tier": "frontend"}}
    assert frontend["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 1}
    assert (
        frontend["spec"]["progressDeadlineSeconds"] == frontend["spec"]["revisionHistoryLimit"] == 2**31 - 1
    )
    master = read(applied, "deployment.v1.apps/redis-master")["spec"]
    assert (master["revisionHistoryLimit"], master["progressDeadlineSeconds"]) == (2, 600)
    assert read(applied, "statefulset.v1.apps/zk")["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert read(applied, "daemonset.v1.apps/fluentd")["spec"]["updateStrategy"] == {"type": "OnDelete"}
    injector = read(
        applied, "mutatingwebhookconfiguration.v1.admissionregistration.k8s.io/legacy-sidecar-injector"
    )
    webhook = injector["webhooks"][0]
    assert (webhook["failurePolicy"], webhook["matchPolicy"]) == ("Ignore", "Exact")
    assert (webhook["timeoutSeconds"], webhook["sideEffects"]) == (30, "Unknown")
    requests = read(applied, "certificatesigningrequests.v1.certificates.k8s.io")["items"]
    signers = {each["metadata"]["name"]: each["spec"]["signerName"] for each in requests}
    assert signers["legacy-my-svc"] == "kubernetes.io/legacy-unknown"
    assert signers["legacy-kubelet"] == "kubernetes.io/kube-apiserver-client-kubelet"


def test_what_a_definition_of_old_does_not_mention_stays(applied: Kubectl) -> None:
    crontab = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "nightly"}}
    written = {**crontab, "spec": {"cronSpec": "0 3 * * *", "image": "cron", "list": [{"any": "thing"}]}}
    applied("apply", "-f", "-", stdin=json.dumps(written))
    assert read(applied, "crontab/nightly")["spec"] == written["spec"]
    assert "0 3 * * *" in applied("get", "ct")
    wrong = {**written, "spec": {"cronSpec": "sometimes"}}
    refused = applied.run("apply", "-f", "-", stdin=json.dumps(wrong))
    assert "spec.cronSpec in body should match" in refused.stderr
    definition = read(applied, "customresourcedefinition.v1.apiextensions.k8s.io/crontabs.stable.example.com")
    assert definition["spec"]["versions"][0]["additionalPrinterColumns"][0]["jsonPath"] == ".spec.cronSpec"
    assert "NonStructuralSchema" in {each["type"] for each in definition["status"]["conditions"]}


def test_nothing_of_them_is_lost(applied: Kubectl) -> None:
    backend = read(applied, "ingress.v1.networking.k8s.io/cafe-ingress")["spec"]["defaultBackend"]
    assert backend == {"service": {"name": "default-http-backend", "port": {"number": 80}}}
    old = read_all(applied, [old_name(document) for document in documents()])
    for document, found in zip(documents(), old, strict=True):
        missing = lost(as_kept(document), found)
        assert not missing, f"{old_name(document)}: {missing}"


def as_kept(document: Json) -> Json:
    """The manifest without what the server says itself: the status, and who asks for a certificate."""
    kept = {name: value for name, value in document.items() if name != "status"}
    if document["kind"] == "CertificateSigningRequest":
        kept["spec"] = {name: value for name, value in kept["spec"].items() if name != "groups"}
    return kept


def lost(written: Json, found: Json, path: str = "") -> list[str]:
    """The paths of what was written and is not there, or there differently."""
    if isinstance(written, dict) and isinstance(found, dict):
        return [
            gone
            for name, value in written.items()
            if value not in (None, "", [], {}, False)
            for gone in lost(value, found.get(name), f"{path}.{name}")
        ]
    if isinstance(written, list) and isinstance(found, list) and len(written) == len(found):
        return [
            gone
            for place, value in enumerate(written)
            for gone in lost(value, found[place], f"{path}[{place}]")
        ]
    return [] if written == found else [path]
