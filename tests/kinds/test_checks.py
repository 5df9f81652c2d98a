"""What is refused, in which words, and what may not change."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from kube_lite.api.errors import Cause
from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version
from kube_lite.api.schema.prune import read_object
from kube_lite.kinds import checks
from kube_lite.kinds.checks.cronjobs import schedule_error
from kube_lite.kinds.checks.looks import look_again
from kube_lite.kinds.defaults import default
from kube_lite.kinds.schemas import definitions

LABELS = {"app": "a"}
CONTAINER = {"name": "app", "image": "i"}


def made(api_version: str, kind: str, name: str = "a", **fields: Any) -> Json:
    """An object as it reaches the checks."""
    gvk = GroupVersionKind(*parse_api_version(api_version), kind)
    release = definitions()
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
    obj = read_object(body, release.schema(release.name_of(gvk))).value
    default(gvk, obj)
    return obj


def told(causes: Sequence[Cause]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


def wrong(obj: Json) -> list[str]:
    gvk = GroupVersionKind(*parse_api_version(obj["apiVersion"]), obj["kind"])
    return told(checks.validate(gvk, obj))


def refused_change(obj: Json, old: Json) -> list[str]:
    gvk = GroupVersionKind(*parse_api_version(obj["apiVersion"]), obj["kind"])
    return told(checks.validate_update(gvk, obj, old))


def pod(container: Json | None = None, **spec: Any) -> Json:
    return made("v1", "Pod", spec={"containers": [{**CONTAINER, **(container or {})}], **spec})


def deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}}
    return made(
        "apps/v1", "Deployment", spec={"selector": {"matchLabels": LABELS}, "template": template, **spec}
    )


@pytest.mark.parametrize(
    "obj",
    [
        pod(),
        pod({"ports": [{"containerPort": 80, "name": "web"}], "env": [{"name": "A", "value": "b"}]}),
        deployment(),
        made("v1", "Service", spec={"ports": [{"port": 80}]}),
        made("v1", "Service", spec={"clusterIP": "None", "clusterIPs": ["None"]}),
        made("v1", "ConfigMap", data={"a.b": "c"}),
        made("v1", "Secret", stringData={"a": "b"}),
        made("v1", "Namespace"),
        made("rbac.authorization.k8s.io/v1", "ClusterRole", name="system:a"),
    ],
    ids=lambda obj: obj["kind"],
)
def test_usual_objects_are_fine(obj: Json) -> None:
    assert wrong(obj) == []


@pytest.mark.parametrize(
    ("container", "cause"),
    [
        ({"name": ""}, "spec.containers[0].name: Required value"),
        ({"name": "a.b"}, 'spec.containers[0].name: Invalid value: "a.b": must not contain dots'),
        ({"image": ""}, "spec.containers[0].image: Required value"),
        (
            {"imagePullPolicy": "Now"},
            'spec.containers[0].imagePullPolicy: Unsupported value: "Now": supported values: "Always", '
            '"IfNotPresent", "Never"',
        ),
        (
            {"ports": [{"containerPort": 70000}]},
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and "
            "65535, inclusive",
        ),
        (
            {"volumeMounts": [{"name": "none", "mountPath": "/x"}]},
            'spec.containers[0].volumeMounts[0].name: Not found: "none"',
        ),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to '
            "cpu limit of 1",
        ),
        (
            {"livenessProbe": {"httpGet": {"port": 80}, "exec": {"command": ["x"]}}},
            "spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
        ),
        (
            {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` '
            "is not empty",
        ),
    ],
)
def test_a_bad_container_is_told(container: Json, cause: str) -> None:
    assert wrong(pod(container)) == [cause]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        (
            {"restartPolicy": "Sometimes"},
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"OnFailure", "Never"',
        ),
        ({"containers": [CONTAINER, CONTAINER]}, 'spec.containers[1].name: Duplicate value: "app"'),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            'spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is '
            "'Exists'",
        ),
        (
            {"dnsPolicy": "None"},
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
    ],
)
def test_a_bad_pod_is_told(spec: Json, cause: str) -> None:
    assert wrong(pod(**spec)) == [cause]


def test_every_cause_is_told_in_field_order() -> None:
    causes = wrong(
        made("v1", "Pod", name="A", spec={"containers": [{"name": "", "image": ""}], "restartPolicy": "X"})
    )
    assert [cause.split(":")[0] for cause in causes] == [
        "metadata.name",
        "spec.containers[0].name",
        "spec.containers[0].image",
        "spec.restartPolicy",
    ]


@pytest.mark.parametrize(
    ("obj", "cause"),
    [
        (
            deployment(selector={"matchLabels": {"app": "b"}}),
            'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match '
            "template `labels`",
        ),
        (deployment(replicas=-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            deployment(strategy={"type": "Recreate", "rollingUpdate": {}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (made("v1", "Service", spec={}), "spec.ports: Required value"),
        (
            made("v1", "Service", name="a.b", spec={"ports": [{"port": 80}]}),
            'metadata.name: Invalid value: "a.b": must not contain dots',
        ),
        (
            made("v1", "ConfigMap", data={"a": "b"}, binaryData={"a": "eA=="}),
            'data[a]: Invalid value: "a": duplicate of key present in binaryData',
        ),
        (
            made("v1", "Secret", type="kubernetes.io/tls", data={"tls.crt": ""}),
            "data[tls.key]: Required value",
        ),
        (
            made("v1", "ConfigMap", data={"a": "x" * (1 << 20) + "y"}),
            "[]: Too long: may not be more than 1048576 bytes",
        ),
        (
            made("scheduling.k8s.io/v1", "PriorityClass", value=2_000_000_000),
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_a_bad_object_is_told(obj: Json, cause: str) -> None:
    assert wrong(obj) == [cause]


def changed(obj: Json, *path: str | int, to: Any) -> Json:
    new: Any = copy.deepcopy(obj)
    target = new
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = to
    return new  # type: ignore[no-any-return]  # a path into JSON has no type


def test_a_pod_may_change_its_image_and_little_else() -> None:
    old = pod()
    assert refused_change(changed(old, "spec", "containers", 0, "image", to="j"), old) == []
    assert refused_change(changed(old, "spec", "activeDeadlineSeconds", to=5), old) == []
    assert (
        refused_change(changed(old, "spec", "tolerations", to=[{"key": "a", "operator": "Exists"}]), old)
        == []
    )
    (cause,) = refused_change(changed(old, "spec", "hostname", to="x"), old)
    assert cause.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )
    more = changed(old, "spec", "containers", to=[*old["spec"]["containers"], {"name": "b", "image": "b"}])
    assert refused_change(more, old) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


@pytest.mark.parametrize(
    ("old", "path", "to", "cause"),
    [
        (
            deployment(),
            ("spec", "selector"),
            {"matchLabels": {"app": "b"}},
            'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
        ),
        (
            made("apps/v1", "StatefulSet", spec={"serviceName": "a"}),
            ("spec", "serviceName"),
            "b",
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' "
            "are forbidden",
        ),
        (
            made("v1", "ConfigMap", data={"a": "b"}, immutable=True),
            ("data", "a"),
            "c",
            "data: Forbidden: field is immutable when `immutable` is set",
        ),
        (made("v1", "Secret"), ("type",), "x", 'type: Invalid value: "x": field is immutable'),
        (
            made("v1", "ConfigMap"),
            ("metadata", "name"),
            "b",
            'metadata.name: Invalid value: "b": field is immutable',
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) and "kind" in value else None,
)
def test_what_is_fixed_stays(old: Json, path: tuple[str, ...], to: Any, cause: str) -> None:
    assert refused_change(changed(old, *path, to=to), old) == [cause]


def test_the_pods_of_a_stateful_set_may_mount_volumes_of_its_claim_templates() -> None:
    container = {**CONTAINER, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": storage}]
    spec = {"selector": {"matchLabels": LABELS}, "template": template, "serviceName": "a"}
    assert wrong(made("apps/v1", "StatefulSet", spec={**spec, "volumeClaimTemplates": claims})) == []
    assert wrong(made("apps/v1", "StatefulSet", spec=spec)) == [
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'
    ]
    bad = {**spec, "template": {**template, "metadata": {"labels": {**LABELS, "b": "not so"}}}}
    assert wrong(made("apps/v1", "StatefulSet", spec=bad))[0].startswith(
        "spec.template.labels: Invalid value"
    )


def test_finalizers_are_not_added_to_what_is_going() -> None:
    old = made("v1", "ConfigMap")
    old["metadata"] |= {"deletionTimestamp": "2020-01-01T00:00:00Z", "finalizers": ["a/b"]}
    assert refused_change(changed(old, "metadata", "finalizers", to=[]), old) == []
    (cause,) = refused_change(changed(old, "metadata", "finalizers", to=["a/b", "c/d"]), old)
    assert cause.endswith('found new finalizers []string{"c/d"}')


@pytest.mark.parametrize(
    ("metadata", "cause"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "b c"}}, "metadata.labels"),
        ({"annotations": {"a/b/c": "d"}}, "metadata.annotations"),
        ({"finalizers": ["plain"]}, "metadata.finalizers[0]"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
            "metadata.ownerReferences.uid",
        ),
        ({"generateName": "Bad-"}, "metadata.generateName"),
    ],
)
def test_bad_metadata_is_told(metadata: Json, cause: str) -> None:
    obj = made("v1", "ConfigMap")
    obj["metadata"] |= metadata
    assert [text.split(":")[0] for text in wrong(obj)] == [cause]


@pytest.mark.parametrize(
    "schedule", ["*/5 * * * *", "0 0 1,15 * mon-fri", "@hourly", "@every 5m", "0-30/10 2 * jan *"]
)
def test_good_schedules(schedule: str) -> None:
    assert schedule_error(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("@never", "unrecognized descriptor: @never"),
    ],
)
def test_bad_schedules(schedule: str, text: str) -> None:
    assert schedule_error(schedule) == text


def test_a_pod_name_with_a_dot_is_accepted_with_a_warning() -> None:
    dotted = made("v1", "Pod", name="a.b", spec={"containers": [CONTAINER]})
    assert wrong(dotted) == []
    assert checks.warnings(GroupVersionKind("", "v1", "Pod"), dotted) == (
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a "
        "DNS label is "
        "recommended: [must not contain dots]",
    )


def test_ephemeral_containers_come_later_and_have_no_resources() -> None:
    visitor = {
        "name": "debug",
        "image": "d",
        "resources": {"limits": {"cpu": "1"}},
        "targetContainerName": "none",
    }
    asked = pod(ephemeralContainers=[visitor])
    assert wrong(asked) == [
        'spec.ephemeralContainers[0].targetContainerName: Not found: "none"',
        "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ]
    asked["metadata"]["resourceVersion"] = "1"
    asked["spec"]["ephemeralContainers"] = [{**visitor, "resources": {}, "targetContainerName": "app"}]
    default(GroupVersionKind("", "v1", "Pod"), asked)
    assert wrong(asked) == []


def test_a_refused_change_of_a_pod_shows_the_difference() -> None:
    containers = [{"name": "c", "image": "i"}]
    old = {"metadata": {"name": "a"}, "spec": {"containers": containers}}
    new = {"metadata": {"name": "a"}, "spec": {"containers": [{**containers[0], "command": ["x"]}]}}
    [cause] = checks.validate_update(GroupVersionKind("", "v1", "Pod"), new, old)
    rule, _, difference = cause.message.partition("\n")
    assert rule.startswith("Forbidden: pod updates may not change fields other than")
    changed = [line.strip() for line in difference.splitlines() if line[0] in "+-"]
    assert [line.replace(" ", "") for line in changed] == ['-"Command":null,', '+"Command":[', '+"x"', "+],"]
    assert difference.startswith("@@ -")


def test_a_quota_for_pods_of_one_sort_counts_only_what_pods_have() -> None:
    def wrong(scope: str, *counted: str) -> int:
        spec = {"scopes": [scope], "hard": dict.fromkeys(counted, "1")}
        return len(
            checks.validate(
                GroupVersionKind("", "v1", "ResourceQuota"), {"metadata": {"name": "q"}, "spec": spec}
            )
        )

    assert wrong("BestEffort", "pods") == wrong("NotBestEffort", "pods", "limits.cpu") == 0
    assert wrong("BestEffort", "pods", "cpu") == wrong("Terminating", "configmaps") == 1


def test_a_headless_service_is_told_what_is_ignored() -> None:
    spec = {"clusterIP": "None", "externalIPs": ["1.2.3.4"], "sessionAffinity": "ClientIP"}
    obj = {"metadata": {"name": "a"}, "spec": spec}
    texts = list(checks.warnings(GroupVersionKind("", "v1", "Service"), obj))
    assert texts == [
        "spec.externalIPs is ignored for headless services",
        "spec.SessionAffinity is ignored for headless services",
    ]


def test_what_is_wrong_with_a_spec_is_told_again_and_where_it_is_each_time() -> None:
    spec = {"containers": [{"name": "a", "image": ""}], "restartPolicy": "Always", "dnsPolicy": "Default"}
    pod = {"metadata": {"name": "p"}, "spec": spec}
    template = {"metadata": {"name": "t"}, "template": {"spec": spec}}
    paths = [
        [cause.field for cause in checks.validate(GroupVersionKind("", "v1", kind), obj)]
        for kind, obj in (("Pod", pod), ("PodTemplate", template), ("Pod", pod))
    ]
    assert paths[0] == paths[2]
    assert paths[1] == [f"template.{path}" for path in paths[0]]


@pytest.mark.parametrize(
    ("api_version", "kind", "labels", "uid"),
    [
        ("v1", "ConfigMap", 4, 2),
        ("v1", "LimitRange", 3, 1),
        ("v1", "PersistentVolume", 4, 1),
        ("apps/v1", "Deployment", 3, 2),
        ("apps/v1", "ControllerRevision", 5, 3),
        ("policy/v1", "PodDisruptionBudget", 2, 1),
    ],
)
def test_metadata_is_told_as_often_as_a_kind_looks_at_it(
    api_version: str, kind: str, labels: int, uid: int
) -> None:
    gvk = GroupVersionKind(*parse_api_version(api_version), kind)
    old: Json = {"name": "a", "uid": "1"}
    assert (
        len(list(look_again(gvk, {**old, "labels": {"a b": "c"}}, old))) + 1 == labels
    )  # one is ``validate``
    assert len(list(look_again(gvk, {**old, "uid": "2"}, old))) + 1 == uid  # one is the pipeline's
