"""What the rows of the other kinds say."""

from typing import Any

import pytest

from kube_lite.api.identity import Json
from kube_lite.kinds import builtin
from kube_lite.kinds.autoscaling import metrics_text
from kube_lite.kinds.cells import access_modes, listed, selector_text

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
ROWS = {(row.group, row.kind): row for row in builtin()}


def cells(kind: str, group: str = "", **obj: Any) -> list[object]:
    metadata = {"name": "a", "creationTimestamp": "2023-11-14T22:13:00Z", **obj.pop("metadata", {})}
    given = ROWS[group, kind].strategy.cells({"metadata": metadata, **obj}, NOW)
    assert given[0] == "a" or kind == "Event"
    return given[1:]


def service(type_: str, **more: Any) -> Json:
    status = more.pop("status", {})
    port: Json = {"port": 80, "protocol": "TCP", **more.pop("port", {})}
    return {"spec": {"type": type_, "clusterIP": "10.96.0.1", "ports": [port], **more}, "status": status}


INGRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example.test"}]}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(service("ClusterIP"), ["ClusterIP", "10.96.0.1", "<none>", "80/TCP"], id="inside"),
        pytest.param(
            service("NodePort", port={"nodePort": 30080}),
            ["NodePort", "10.96.0.1", "<none>", "80:30080/TCP"],
            id="on nodes",
        ),
        pytest.param(
            service("LoadBalancer"),
            ["LoadBalancer", "10.96.0.1", "<pending>", "80/TCP"],
            id="balancer to come",
        ),
        pytest.param(
            service("LoadBalancer", status=INGRESS, externalIPs=["192.0.2.9"]),
            ["LoadBalancer", "10.96.0.1", "192.0.2.2,lb.example.test,192.0.2.9", "80/TCP"],
            id="balancer",
        ),
        pytest.param(
            {"spec": {"type": "ExternalName", "externalName": "example.test"}},
            ["ExternalName", "<none>", "example.test", "<none>"],
            id="a name elsewhere",
        ),
    ],
)
def test_a_service_is_shown_with_its_addresses(given: Json, expected: list[str]) -> None:
    assert cells("Service", **given)[:4] == expected


def ready(status: str) -> Json:
    return {"conditions": [{"type": "Ready", "status": status}]}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param({}, "Unknown", id="has not reported"),
        pytest.param({"status": ready("True")}, "Ready", id="ready"),
        pytest.param({"status": ready("Unknown")}, "NotReady", id="lost"),
        pytest.param(
            {"status": ready("True"), "spec": {"unschedulable": True}},
            "Ready,SchedulingDisabled",
            id="cordoned",
        ),
    ],
)
def test_a_node_is_shown_with_its_condition(node: Json, expected: str) -> None:
    assert cells("Node", **node)[0] == expected


def test_a_node_is_shown_with_its_roles_and_addresses() -> None:
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge", "other": ""}
    addresses = [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}]
    shown = cells("Node", metadata={"labels": labels}, status={"addresses": addresses})
    assert (shown[1], shown[4], shown[5]) == ("edge,worker", "10.0.0.1", "<none>")


def conditions(*true: str) -> Json:
    return {"conditions": [{"type": type_, "status": "True"} for type_ in true]}


def job(**status: Any) -> Json:
    spec = {"completions": 3, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
    return {"spec": spec, "status": status}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, ["Running", "0/3", ""], id="not started"),
        pytest.param(
            {"startTime": "2023-11-14T22:12:20Z", "succeeded": 1}, ["Running", "1/3", "60s"], id="at work"
        ),
        pytest.param(
            {
                "startTime": "2023-11-14T22:00:00Z",
                "completionTime": "2023-11-14T22:00:10Z",
                "succeeded": 3,
                **conditions("SuccessCriteriaMet", "Complete"),
            },
            ["Complete", "3/3", "10s"],
            id="done",
        ),
        pytest.param(conditions("FailureTarget"), ["FailureTarget", "0/3", ""], id="about to fail"),
        pytest.param(conditions("FailureTarget", "Failed"), ["Failed", "0/3", ""], id="failed"),
        pytest.param(conditions("Suspended"), ["Suspended", "0/3", ""], id="suspended"),
    ],
)
def test_a_job_is_shown_with_how_far_it_is(status: Json, expected: list[str]) -> None:
    assert cells("Job", "batch", **job(**status))[:3] == expected


def test_a_job_without_completions_counts_by_its_parallelism() -> None:
    spec = {"parallelism": 4, "template": {}}
    assert cells("Job", "batch", spec=spec)[1] == "0/1 of 4"


def test_a_cron_job_is_shown_with_its_last_run() -> None:
    spec = {"schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": {"template": {}}}}
    status = {"active": [{}, {}], "lastScheduleTime": "2023-11-14T22:12:20Z"}
    shown = cells("CronJob", "batch", spec=spec, status=status)
    assert shown[:5] == ["* * * * *", "<none>", "True", 2, "60s"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            {"lastTimestamp": "2023-11-14T22:13:00Z", "firstTimestamp": "2023-11-14T22:12:20Z", "count": 7},
            ("20s", "60s", 7),
            id="counted",
        ),
        pytest.param({"eventTime": "2023-11-14T22:12:20.000000Z"}, ("60s", "60s", 1), id="single"),
        pytest.param(
            {
                "eventTime": "2023-11-14T22:12:20.000000Z",
                "series": {"count": 3, "lastObservedTime": "2023-11-14T22:13:10.000000Z"},
            },
            ("10s", "60s", 3),
            id="series",
        ),
        pytest.param({}, ("<unknown>", "<unknown>", 1), id="never stamped"),
    ],
)
def test_an_event_is_shown_with_its_times(event: Json, expected: tuple[str, str, int]) -> None:
    about = {"kind": "Pod", "name": "web"}
    shown = cells("Event", involvedObject=about, message=" it is so\n", source={"component": "me"}, **event)
    last = ROWS["", "Event"].strategy.cells({"metadata": {"name": "a"}, **event}, NOW)[0]
    assert (last, shown[6], shown[7]) == expected
    assert shown[2:6] == ["pod/web", "", "me", "it is so"]


def test_endpoints_are_listed_port_by_port_up_to_three() -> None:
    addresses = [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    subsets = [{"addresses": addresses, "ports": [{"port": 80}, {"port": 81}]}]
    assert cells("Endpoints", subsets=subsets)[0] == "10.0.0.1:80,[fd00::1]:80,10.0.0.1:81 + 1 more..."
    assert cells("Endpoints", subsets=[{"addresses": addresses}])[0] == "10.0.0.1,fd00::1"
    assert cells("Endpoints")[0] == "<none>"


def test_a_claim_shows_size_and_modes_once_it_has_a_volume() -> None:
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"]}
    spec = {"storageClassName": "fast", "volumeMode": "Filesystem"}
    waiting = cells("PersistentVolumeClaim", spec=spec, status=status)
    bound = cells("PersistentVolumeClaim", spec={**spec, "volumeName": "v"}, status=status)
    assert waiting[:5] == ["Bound", "", "", "", "fast"]
    assert bound[:5] == ["Bound", "v", "1Gi", "RWX", "fast"]


def test_a_class_that_is_the_default_says_so_in_its_name() -> None:
    marked = {"name": "a", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    row = ROWS["storage.k8s.io", "StorageClass"]
    assert row.strategy.cells({"metadata": marked, "provisioner": "p"}, NOW)[0] == "a (default)"


def test_a_quota_shows_limits_apart_from_requests() -> None:
    hard = {"pods": "10", "limits.cpu": "4", "requests.cpu": "2"}
    status = {"hard": hard, "used": {"pods": "3", "limits.cpu": "1"}}
    assert cells("ResourceQuota", status=status)[:2] == ["pods: 3/10, requests.cpu: 0/2", "limits.cpu: 1/4"]


def test_a_budget_shows_what_is_not_set_as_such() -> None:
    shown = cells("PodDisruptionBudget", "policy", spec={"maxUnavailable": "25%"}, status={})
    assert shown[:3] == ["N/A", "25%", 0]


def test_a_revision_shows_whose_it_is() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}
    assert cells("ControllerRevision", "apps", metadata={"ownerReferences": [owner]}, revision=3)[:2] == [
        "statefulset.apps/db",
        3,
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, "Pending", id="nobody has looked"),
        pytest.param({**conditions("Approved"), "certificate": "…"}, "Approved,Issued", id="issued"),
        pytest.param(conditions("Approved", "Denied"), "Denied", id="denied after all"),
        pytest.param(conditions("Approved", "Failed"), "Approved,Failed", id="could not be signed"),
    ],
)
def test_a_signing_request_shows_what_became_of_it(status: Json, expected: str) -> None:
    spec = {"expirationSeconds": 3600}
    shown = cells("CertificateSigningRequest", "certificates.k8s.io", spec=spec, status=status)
    assert shown[3:] == ["60m", expected]


def test_bindings_show_who_has_the_role() -> None:
    subjects = [
        {"kind": "User", "name": "u"},
        {"kind": "Group", "name": "g"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
        {"kind": "User", "name": "v"},
    ]
    role = {"kind": "ClusterRole", "name": "view"}
    shown = cells("RoleBinding", "rbac.authorization.k8s.io", roleRef=role, subjects=subjects)
    assert [shown[0], *shown[2:]] == ["ClusterRole/view", "u, v", "g", "n/s"]


def test_an_ingress_shows_its_first_hosts() -> None:
    rules = [{"host": f"{name}.example.test"} for name in "abcd"]
    shown = cells("Ingress", "networking.k8s.io", spec={"rules": rules, "tls": [{}]}, status=INGRESS)
    hosts = "a.example.test,b.example.test,c.example.test + 1 more..."
    assert shown[:4] == ["<none>", hosts, "192.0.2.2,lb.example.test", "80, 443"]
    assert cells("Ingress", "networking.k8s.io", spec={})[1] == "*"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(None, "<none>", id="no selector"),
        pytest.param({}, "<none>", id="everything"),
        pytest.param({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2", id="labels"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]},
            "a in (x,y)",
            id="expressions",
        ),
    ],
)
def test_a_selector_is_shown_as_kubectl_takes_it(selector: Json | None, expected: str) -> None:
    assert selector_text(selector) == expected


def test_metrics_show_what_is_of_what_should_be() -> None:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}
    now = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}
    queue = {"type": "External", "external": {"target": {"averageValue": "30"}}}
    assert metrics_text([cpu, queue], [now]) == "cpu: 12%/80%, <unknown>/30 (avg)"
    assert metrics_text([cpu, queue, cpu], [now]) == "cpu: 12%/80%, <unknown>/30 (avg) + 1 more..."
    assert metrics_text([], []) == "<none>"


def test_modes_and_long_lists_are_shortened() -> None:
    assert access_modes(["ReadWriteOncePod", "ReadOnlyMany", "ReadOnlyMany"]) == "ROX,RWOP"
    assert listed(["a", "b", "c"]) == "a,b,c"
    assert listed(["a", "b", "c", "d", "e"]) == "a,b,c + 2 more..."
