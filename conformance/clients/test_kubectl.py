"""What kubectl does with every kind: the oldest and the newest release beside the one on PATH."""

import json
import re
from pathlib import Path

import pytest

from conformance.api.objects import IMAGE, deployment
from conformance.kubectl import Kubectl, releases

FORMS = (
    "wide",
    "name",
    "yaml",
    "json",
    "jsonpath={range .items[*]}{.kind} {.metadata.name}{'\\n'}{end}",
    "custom-columns=NAME:.metadata.name,AGE:.metadata.creationTimestamp",
    "go-template={{range .items}}{{.kind}} {{.metadata.name}}\n{{end}}",
)
# kubectl takes the group of this name for a field of the core group's kind, whatever the server says.
NOT_EXPLAINED_BY_NAME = {"events.events.k8s.io"}
# kubectl before 1.33 has words of its own for them, and asks for versions that were never on by default.
DESCRIBED_IN_ALPHA = {"ipaddresses.networking.k8s.io", "servicecidrs.networking.k8s.io"}
NO_SUCH_VERSION = "the server could not find the requested resource"


@pytest.fixture(params=releases(), ids=lambda path: path.name)
def client(request: pytest.FixtureRequest, kubectl: Kubectl) -> Kubectl:
    """One of the releases, in the namespace of the test."""
    return Kubectl(request.param, kubectl.kubeconfig, kubectl.namespace)


def test_explain_shows_the_fields_of_every_kind(client: Kubectl) -> None:
    for name in client("api-resources", "-o", "name").split():
        if name not in NOT_EXPLAINED_BY_NAME:
            text = client("explain", name, "--recursive")
            assert "FIELDS:" in text, name
            assert (
                re.search(r"^  metadata\s", text, re.MULTILINE) or "Review" in text or name in ("bindings",)
            )


def test_every_kind_is_listed_in_every_form(client: Kubectl) -> None:
    client("create", "configmap", "seen", "--from-literal=a=1")
    kinds = ",".join(client("api-resources", "--verbs=list", "-o", "name").split())
    for form in FORMS:
        assert "seen" in client("get", kinds, "--all-namespaces", "-o", form), form
    assert "seen" in client("get", kinds, "--show-labels")


def test_every_kind_is_described(client: Kubectl) -> None:
    for name in client("api-resources", "--verbs=list", "-o", "name").split():
        done = client.run("describe", name)
        if name in DESCRIBED_IN_ALPHA and NO_SUCH_VERSION in done.stderr:
            continue
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_an_object_is_applied_compared_edited_replaced_patched_and_waited_for(
    client: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.dumps(deployment("web"), indent=2)
    file = tmp_path / "web.json"
    file.write_text(manifest)
    assert client("apply", "-f", str(file)) == "deployment.apps/web created\n"
    assert client("apply", "-f", str(file)) == "deployment.apps/web unchanged\n"
    assert client.run("diff", "-f", str(file)).returncode == 0
    file.write_text(manifest.replace(IMAGE, "nginx:2"))
    difference = client.run("diff", "-f", str(file))
    assert difference.returncode == 1
    assert "+      - image: nginx:2" in difference.stdout
    assert client("apply", "-f", str(file)) == "deployment.apps/web configured\n"
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/nginx:2/nginx:3/")
    assert client("edit", "deployment/web") == "deployment.apps/web edited\n"
    found = json.loads(client("get", "deployment/web", "-o", "json"))
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:3"
    client(
        "replace",
        "-f",
        "-",
        stdin=json.dumps({**found, "metadata": {**found["metadata"], "labels": {"a": "b"}}}),
    )
    client("patch", "deployment/web", "-p", '{"spec":{"paused":true}}')
    client("wait", "deployment/web", "--for=jsonpath={.spec.paused}=true", "--timeout=30s")
    client("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    assert re.search(r"^Labels:\s+a=b$", client("describe", "deployment/web"), re.MULTILINE)
    assert client("delete", "-f", str(file)).startswith('deployment.apps "web" deleted')
