"""The walk of the README: a Deployment behind a Service, with stock kubectl, on real processes."""

import http.client
import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.kubectl import Kubectl, eventually, releases

EXAMPLE = str(Path(__file__).parent.parent / "examples" / "web.yaml")

pytestmark = pytest.mark.timeout(180)


def ask(address: str, port: int = 80) -> str:
    """One GET to the Service; the body of its answer, which must be 200."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()
    finally:
        connection.close()


def table(text: str) -> list[list[str]]:
    """The cells of a printed table, without its head."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()[1:] if line.strip()]


def pods_of(kubectl: Kubectl) -> dict[str, str]:
    """Names of the web Pods → their STATUS column."""
    rows = table(kubectl("get", "pods", "-l", "app=web"))
    return {row[0]: row[2] for row in rows}


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """The example, rolled out."""
    kubectl("apply", "-f", EXAMPLE)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


class Curl(threading.Thread):
    """Asks again and again until stopped; ``failures`` is what went wrong, ``answers`` what came."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers[ask(self.address)] += 1
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(f"{time.strftime('%X')} {error!r}")

    def stop(self) -> None:
        self._stopped.set()
        self.join()


needs_pod_network = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: Pods with addresses of their own"
)


def test_a_node_is_ready(kubectl: Kubectl) -> None:
    rows = table(kubectl("get", "nodes"))
    assert rows
    assert all(row[1] == "Ready" for row in rows)


def test_every_table_of_the_walk_shows_the_rollout(web: Kubectl) -> None:
    shown = web("get", "deploy,rs,pods,svc,endpointslices", "-o", "wide")
    assert re.search(r"deployment\.apps/web +2/2 +2 +2 +\S+ +web +localhost/host +app=web", shown)
    assert re.search(r"replicaset\.apps/web-\w+ +2 +2 +2 ", shown)
    assert len(re.findall(r"pod/web-\w+-\w{5} +1/1 +Running +0 +\S+ +\d+\.\d+\.\d+\.\d+ ", shown)) == 2
    assert re.search(r"service/web +ClusterIP +\d+\.\d+\.\d+\.\d+ +<none> +80/TCP +\S+ +app=web", shown)
    assert re.search(r"endpointslice\.discovery\.k8s\.io/web-\w{5} +IPv4 +8080 +\S+,\S+", shown)


def test_logs_reach_the_container(web: Kubectl) -> None:
    assert "listening on port 8080" in web("logs", "deployment/web")


@pytest.fixture(params=releases(), ids=lambda path: path.name)
def release(request: pytest.FixtureRequest, web: Kubectl) -> Kubectl:
    """The oldest kubectl, which speaks SPDY, and the newest one, which speaks WebSocket."""
    return Kubectl(request.param, web.kubeconfig, web.namespace)


def test_exec_reaches_the_container(release: Kubectl) -> None:
    assert release("exec", "deploy/web", "--", "hostname").strip() in pods_of(release)
    failed = release.run("exec", "deploy/web", "--", "sh", "-c", "echo out; echo problem >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert "problem\n" in failed.stderr
    assert release("exec", "-i", "deploy/web", "--", "cat", stdin="through the pipe") == "through the pipe"


@contextmanager
def forwarded(kubectl: Kubectl, what: str, port: int) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """A local port that leads to one of a Pod or Service, and the command that makes it."""
    process = kubectl.start("port-forward", what, f":{port}", "--address=127.0.0.1")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", line)
        assert found is not None, line
        yield int(found[1]), process
    finally:
        process.kill()
        process.communicate()


def test_ports_of_pods_and_services_are_forwarded(release: Kubectl) -> None:
    for what, port in (("deployment/web", 8080), ("service/web", 80)):
        with forwarded(release, what, port) as (local, _):
            answers = {ask("127.0.0.1", local) for _ in range(3)}
        assert len(answers) == 1
        assert answers.pop().split()[0] in pods_of(release)


def test_a_port_where_nothing_listens_is_told(release: Kubectl) -> None:
    with forwarded(release, "deployment/web", 81) as (local, process):
        with pytest.raises((OSError, http.client.HTTPException)):
            ask("127.0.0.1", local)
        assert process.stderr is not None
        told = process.stderr.readline()
    assert re.search(r"error forwarding port 81 to pod web-\S+, uid \S+: .*connection refused", told)


@needs_pod_network
def test_the_service_is_answered_by_both_replicas(web: Kubectl) -> None:
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    answers = Counter(ask(address).split()[0] for _ in range(10))
    assert set(answers) == set(pods_of(web))


@needs_pod_network
def test_a_pod_reaches_the_service(web: Kubectl) -> None:
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    body = web(
        "exec",
        "deploy/web",
        "--",
        "python3",
        "-c",
        f"import urllib.request as u; print(u.urlopen('http://{address}/').status)",
    )
    assert body == "200\n"


def test_scaling_and_deleting_pods_ends_at_the_wanted_number(web: Kubectl) -> None:
    web("scale", "deployment/web", "--replicas=4")
    web("rollout", "status", "deployment/web", "--timeout=60s")
    gone = next(iter(pods_of(web)))
    with web.start("get", "pods", "-w", "--no-headers") as watching:
        web("delete", "pod", gone)
        web("rollout", "status", "deployment/web", "--timeout=60s")
        assert watching.stdout is not None
        seen = next(line for line in watching.stdout if line.startswith(gone) and "Terminating" in line)
        watching.terminate()
    assert seen
    eventually(lambda: _is_settled(web, 4))
    assert gone not in pods_of(web)


def _is_settled(kubectl: Kubectl, count: int) -> None:
    states = pods_of(kubectl)
    assert len(states) == count
    assert set(states.values()) == {"Running"}


@needs_pod_network
def test_a_rolling_update_fails_no_request(web: Kubectl) -> None:
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    curl = Curl(address)
    curl.start()
    try:
        web("set", "env", "deployment/web", "COLOR=green")
        web("rollout", "status", "deployment/web", "--timeout=60s")
        eventually(lambda: _is_settled(web, 2))
    finally:
        curl.stop()
    assert curl.failures == []
    assert {answer.split()[-1] for answer in curl.answers} == {"blue", "green"}
    assert ask(address).endswith("green\n")
    history = web("rollout", "history", "deployment/web")
    assert re.search(r"^1 +<none>\n2 +<none>$", history, re.M)


def test_deleting_the_example_leaves_nothing(web: Kubectl) -> None:
    web("delete", "-f", EXAMPLE)
    eventually(lambda: _is_empty(web))


def _is_empty(kubectl: Kubectl) -> None:
    left = json.loads(kubectl("get", "deploy,rs,pods,svc,endpointslices,endpoints", "-o", "json"))
    assert left["items"] == []
