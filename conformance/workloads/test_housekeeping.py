"""What a cluster sees to by itself: owners and what is theirs, namespaces, budgets, quotas, autoscalers."""

import json
from base64 import b64decode

from conformance.kubectl import Kubectl, eventually

from .manifests import Json, apply, get, names, pods, workload


def config_map(name: str, owner: Json | None = None) -> Json:
    metadata: Json = {"name": name}
    if owner is not None:
        found = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
        metadata["ownerReferences"] = [
            {**found, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        ]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_what_belongs_to_something_goes_with_it_and_so_do_strays(
    kubectl: Kubectl,
) -> None:
    apply(kubectl, config_map("owner"))
    apply(kubectl, config_map("owned", get(kubectl, "configmap", "owner")))
    nobody = {"name": "never", "uid": "00000000-0000-0000-0000-000000000000"}
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": nobody}
    apply(kubectl, config_map("stray", gone))
    eventually(lambda: kubectl.run("get", "configmap", "stray").returncode == 1)
    assert kubectl.run("get", "configmap", "owned").returncode == 0
    kubectl("delete", "configmap", "owner")
    eventually(lambda: kubectl.run("get", "configmap", "owned").returncode == 1)


def test_orphans_stay(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=1))
    eventually(lambda: len(pods(kubectl, "web")) == 1)
    kubectl("delete", "deployment", "web", "--cascade=orphan")
    eventually(lambda: "ownerReferences" not in get(kubectl, "rs", "-l", "app=web")["items"][0]["metadata"])
    assert len(pods(kubectl, "web")) == 1


def test_foreground_deletion_waits_for_what_belongs_to_it(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=1))
    eventually(lambda: len(pods(kubectl, "web")) == 1)
    kubectl("delete", "deployment", "web", "--cascade=foreground")
    assert get(kubectl, "rs", "-l", "app=web")["items"] == []


def test_a_namespace_takes_everything_with_it(kubectl: Kubectl) -> None:
    name = f"{kubectl.namespace}-more"
    kubectl("create", "namespace", name)
    inside = Kubectl(kubectl.binary, kubectl.kubeconfig, name)
    apply(inside, workload("Deployment", "web", replicas=1), config_map("c"))
    eventually(lambda: len(pods(inside, "web")) == 1)
    kubectl("delete", "namespace", name, "--timeout=60s")
    assert kubectl.run("get", "namespace", name).returncode == 1


def test_every_namespace_has_an_account_and_knows_whom_to_trust(kubectl: Kubectl) -> None:
    eventually(lambda: kubectl.run("get", "serviceaccount", "default").returncode == 0)
    eventually(lambda: "BEGIN CERTIFICATE" in get(kubectl, "configmap", "kube-root-ca.crt")["data"]["ca.crt"])
    kubectl("delete", "serviceaccount", "default")
    eventually(lambda: kubectl.run("get", "serviceaccount", "default").returncode == 0)


def test_a_secret_for_an_account_is_given_a_token_that_is_good_while_it_is_there(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    annotations = {"kubernetes.io/service-account.name": "robot"}
    metadata = {"name": "robot-token", "annotations": annotations}
    kind = "kubernetes.io/service-account-token"
    apply(kubectl, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind})
    eventually(lambda: "token" in get(kubectl, "secret", "robot-token").get("data", {}))
    token = b64decode(get(kubectl, "secret", "robot-token")["data"]["token"]).decode()

    def review() -> Json:
        made = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(made))
        status: Json = json.loads(answer)["status"]
        return status

    assert review()["user"]["username"] == f"system:serviceaccount:{kubectl.namespace}:robot"
    kubectl("delete", "secret", "robot-token")
    eventually(lambda: not review().get("authenticated"))


def test_the_address_of_a_service_says_whose_it_is(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "web", "--tcp=80")
    address = get(kubectl, "service", "web")["spec"]["clusterIP"]
    eventually(lambda: kubectl.run("get", "ipaddress", address).returncode == 0)
    parent = get(kubectl, "ipaddress", address)["spec"]["parentRef"]
    assert parent == {"resource": "services", "namespace": kubectl.namespace, "name": "web"}
    kubectl("delete", "service", "web")
    eventually(lambda: kubectl.run("get", "ipaddress", address).returncode == 1)


def test_a_pod_gets_the_claim_for_devices_that_its_template_describes(kubectl: Kubectl) -> None:
    request = {"name": "gpu", "exactly": {"deviceClassName": "nobody.example.com"}}
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "gpus"},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }
    wish = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": "c", "image": "nobody.example.com/never"}],
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpus"}],
        },
    }
    apply(kubectl, template, wish)
    eventually(lambda: "resourceClaimStatuses" in get(kubectl, "pod", "p")["status"])
    [told] = get(kubectl, "pod", "p")["status"]["resourceClaimStatuses"]
    claim = get(kubectl, "resourceclaim", told["resourceClaimName"])
    assert claim["metadata"]["ownerReferences"][0]["name"] == "p"
    kubectl("delete", "pod", "p", "--wait=false")
    eventually(lambda: kubectl.run("get", "resourceclaim", told["resourceClaimName"]).returncode == 1)


def test_a_budget_keeps_pods_from_being_evicted(kubectl: Kubectl) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    apply(kubectl, workload("Deployment", "web", replicas=1), budget)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: get(kubectl, "pdb", "web")["status"].get("currentHealthy") == 1)
    [name] = names(pods(kubectl, "web"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{name}/eviction"
    refused = kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    assert "violate the pod's disruption budget" in refused.stderr + refused.stdout
    kubectl("scale", "deployment/web", "--replicas=2")
    eventually(lambda: get(kubectl, "pdb", "web")["status"]["disruptionsAllowed"] == 1)
    kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    eventually(lambda: name not in names(pods(kubectl, "web")))


def test_a_quota_counts_what_is_used(kubectl: Kubectl) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "all"},
        "spec": {"hard": {"count/configmaps": "10", "pods": "5"}},
    }
    apply(kubectl, quota, config_map("a"), config_map("b"))
    eventually(lambda: kubectl.run("get", "configmap", "kube-root-ca.crt").returncode == 0)

    def is_told() -> bool:
        maps = len(get(kubectl, "configmaps")["items"])
        used = {"count/configmaps": str(maps), "pods": "0"}
        return bool(get(kubectl, "quota", "all")["status"].get("used") == used)

    eventually(is_told)
    kubectl("delete", "configmap", "a")
    eventually(is_told)


def test_an_autoscaler_keeps_its_target_within_bounds(kubectl: Kubectl) -> None:
    apply(kubectl, workload("Deployment", "web", replicas=1))
    kubectl("autoscale", "deployment", "web", "--min=2", "--max=3")
    eventually(lambda: get(kubectl, "deployment", "web")["spec"]["replicas"] == 2, 60)
    kubectl("scale", "deployment/web", "--replicas=5")
    eventually(lambda: get(kubectl, "deployment", "web")["spec"]["replicas"] == 3, 60)
