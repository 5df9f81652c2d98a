"""What the API server fills in."""

import copy
from typing import Any

import pytest

from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds.defaults import default
from kube_lite.kinds.defaults.pods import pull_policy
from kube_lite.kinds.schemas import definitions

CONTAINER = {"name": "app", "image": "example.test/app:v1"}
FULL_CONTAINER = {
    **CONTAINER,
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}
FULL_POD_SPEC = {
    "containers": [FULL_CONTAINER],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}


def defaulted(api_version: str, kind: str, **fields: Any) -> Json:
    """An object as it is after it was read and defaulted; defaulting it again changes nothing."""
    gvk = GroupVersionKind(*parse_api_version(api_version), kind)
    release = definitions()
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}
    obj = read_object(body, release.schema(release.name_of(gvk))).value
    default(gvk, obj)
    once = copy.deepcopy(obj)
    default(gvk, obj)
    assert obj == once
    return obj


def test_a_pod_is_filled_in() -> None:
    pod = defaulted("v1", "Pod", spec={"containers": [CONTAINER]})
    assert pod["spec"] == {**FULL_POD_SPEC, "enableServiceLinks": True}


def test_a_template_is_filled_in_less_than_a_pod() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}
    spec = defaulted(
        "apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "b"}}, "template": template}
    )["spec"]
    assert spec == {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": FULL_POD_SPEC},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }


def test_what_is_said_stays_as_it_is() -> None:
    said = {"replicas": 0, "strategy": {"type": "Recreate"}, "revisionHistoryLimit": 0}
    spec = defaulted("apps/v1", "Deployment", spec=said)["spec"]
    assert (spec["replicas"], spec["strategy"], spec["revisionHistoryLimit"]) == (0, {"type": "Recreate"}, 0)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("app", "Always"),
        ("app:latest", "Always"),
        ("app:1", "IfNotPresent"),
        ("host:5000/app", "Always"),
        ("host:5000/app:1", "IfNotPresent"),
        ("app@sha256:" + "0" * 64, "IfNotPresent"),
        ("app:latest@sha256:" + "0" * 64, "Always"),
    ],
)
def test_images_that_may_change_are_pulled_always(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_requests_follow_limits_and_amounts_are_canonical() -> None:
    resources = {"limits": {"cpu": "1500m", "memory": "1024Mi"}, "requests": {"cpu": "0.0001"}}
    pod = defaulted("v1", "Pod", spec={"containers": [{**CONTAINER, "resources": resources}]})
    assert pod["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1500m", "memory": "1Gi"},
        "requests": {"cpu": "1m", "memory": "1Gi"},
    }


def test_probes_say_when_and_where() -> None:
    pod = defaulted(
        "v1", "Pod", spec={"containers": [{**CONTAINER, "livenessProbe": {"httpGet": {"port": 80}}}]}
    )
    assert pod["spec"]["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"configMap": {"name": "c"}}, {"configMap": {"name": "c", "defaultMode": 0o644}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                    "defaultMode": 0o644,
                }
            },
        ),
    ],
    ids=["none", "config map", "host path", "token"],
)
def test_volumes_are_filled_in(volume: Json, expected: Json) -> None:
    pod = defaulted("v1", "Pod", spec={"containers": [CONTAINER], "volumes": [{"name": "v", **volume}]})
    assert pod["spec"]["volumes"] == [{"name": "v", **expected}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"ports": [{"port": 80}]},
            {
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
                "type": "ClusterIP",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
            },
        ),
        (
            {"type": "LoadBalancer", "sessionAffinity": "ClientIP"},
            {
                "type": "LoadBalancer",
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                "externalTrafficPolicy": "Cluster",
                "internalTrafficPolicy": "Cluster",
                "allocateLoadBalancerNodePorts": True,
            },
        ),
        (
            {"type": "ExternalName", "externalName": "x.test"},
            {"type": "ExternalName", "externalName": "x.test", "sessionAffinity": "None"},
        ),
    ],
    ids=["cluster", "load balancer", "external name"],
)
def test_services_are_filled_in_by_type(spec: Json, expected: Json) -> None:
    assert defaulted("v1", "Service", spec=spec)["spec"] == expected


def test_string_data_becomes_data() -> None:
    secret = defaulted("v1", "Secret", stringData={"user": "u"}, data={"user": "eA==", "other": "eQ=="})
    assert "stringData" not in secret
    assert secret["data"] == {"user": "dQ==", "other": "eQ=="}
    assert secret["type"] == "Opaque"


def test_a_namespace_carries_its_name_as_a_label() -> None:
    assert defaulted("v1", "Namespace")["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}


def test_statefulsets_and_jobs_are_filled_in() -> None:
    claim = {"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    spec = defaulted("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [claim]})["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["volumeClaimTemplates"][0]["kind"] == "PersistentVolumeClaim"
    assert spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    job = defaulted("batch/v1", "Job")["spec"]
    assert {field: job[field] for field in ("completions", "parallelism", "backoffLimit", "suspend")} == {
        "completions": 1,
        "parallelism": 1,
        "backoffLimit": 6,
        "suspend": False,
    }


def test_the_older_autoscaler_has_no_metrics_to_fill_in() -> None:
    assert (
        "metrics"
        not in defaulted("autoscaling/v1", "HorizontalPodAutoscaler", spec={"maxReplicas": 3})["spec"]
    )
    assert defaulted("autoscaling/v2", "HorizontalPodAutoscaler", spec={"maxReplicas": 3})["spec"][
        "metrics"
    ] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }
    ]


def test_kinds_without_defaults_are_left_alone() -> None:
    assert defaulted("v1", "ConfigMap", data={"a": "b"})["data"] == {"a": "b"}
    assert defaulted("coordination.k8s.io/v1", "Lease")["spec"] == {}
