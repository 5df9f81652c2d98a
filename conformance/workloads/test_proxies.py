"""What is behind the API server: Pods, Services and nodes through ``proxy``; the API from within a Pod."""

import json

import pytest

from conformance.kubectl import Kubectl, eventually

from .test_walk import EXAMPLE, needs_pod_network, pods_of

pytestmark = pytest.mark.timeout(180)

ASK_THE_API = """
import json, os, ssl, urllib.error, urllib.request

def mounted(name):
    with open(f"/var/run/secrets/kubernetes.io/serviceaccount/{name}") as file:
        return file.read()

def ask(path):
    request = urllib.request.Request(server + path, headers={"Authorization": "Bearer " + mounted("token")})
    try:
        return urllib.request.urlopen(request, context=trusted).status
    except urllib.error.HTTPError as error:
        return json.load(error)["message"]

trusted = ssl.create_default_context(cadata=mounted("ca.crt"))
server = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}".format(**os.environ)
here = "/api/v1/namespaces/" + mounted("namespace")
print(json.dumps([ask("/api"), ask(here + "/pods"), ask(here + "/secrets")]))
"""


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """The example, rolled out."""
    kubectl("apply", "-f", EXAMPLE)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


@needs_pod_network
def test_pods_and_services_answer_behind_the_api_server(web: Kubectl) -> None:
    namespace = f"/api/v1/namespaces/{web.namespace}"
    pod = next(iter(pods_of(web)))
    assert web("get", "--raw", f"{namespace}/pods/{pod}:8080/proxy/").startswith(pod)
    eventually(lambda: "web-" in web("get", "--raw", f"{namespace}/services/web:80/proxy/a?b=c"))
    told = web.run("get", "--raw", f"{namespace}/services/none/proxy/").stderr
    assert 'services "none" not found' in told
    told = web.run("get", "--raw", f"{namespace}/pods/{pod}:9/proxy/").stderr
    assert "error trying to reach service" in told


def test_a_node_answers_behind_the_api_server(kubectl: Kubectl) -> None:
    node = kubectl("get", "nodes", "-o", "name").split()[0].removeprefix("node/")
    assert kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"


def test_a_pod_may_do_what_its_account_may(kubectl: Kubectl) -> None:
    namespace = kubectl.namespace
    kubectl("create", "role", "reader", "--verb=list", "--resource=pods")
    kubectl("create", "rolebinding", "reads", "--role=reader", f"--serviceaccount={namespace}:default")
    spec = {
        "restartPolicy": "Never",
        "containers": [
            {"name": "ask", "image": "localhost/host", "command": ["python3", "-I", "-S", "-c", ASK_THE_API]}
        ],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ask"}, "spec": spec}
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "pod/ask", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    discovery, pods, secrets = json.loads(kubectl("logs", "ask"))
    assert (discovery, pods) == (200, 200)
    user = f"system:serviceaccount:{namespace}:default"
    assert secrets == (
        f'secrets is forbidden: User "{user}" cannot list resource "secrets" in API group "" '
        f'in the namespace "{namespace}"'
    )
