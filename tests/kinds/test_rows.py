"""The table of built-in kinds as a whole."""

import pytest

from kube_lite.api.identity import GroupVersionKind, GroupVersionResource, Json
from kube_lite.api.resource import Resource
from kube_lite.kinds import builtin, enums, scale_resource
from kube_lite.kinds.schemas import definitions

REGISTRY = builtin()
ROWS = list(REGISTRY)

NOW = 1_700_000_000.0


@pytest.mark.parametrize("row", ROWS, ids=[str(row.gvk) for row in ROWS])
def test_every_row_has_the_definition_of_its_kind(row: Resource) -> None:
    assert definitions().schema(row.schema).gvks == (row.gvk,)


@pytest.mark.parametrize("row", [row for row in ROWS if "list" in row.verbs], ids=str)
def test_every_column_is_described_unless_upstream_has_nothing_to_say(row: Resource) -> None:
    silent = {("runtimeclasses", "Handler")}
    nameless = [column.name for column in row.strategy.columns() if not column.description]
    assert [name for name in nameless if (row.plural, name) not in silent] == []


def test_a_release_without_a_kind_does_not_serve_it() -> None:
    policies = GroupVersionResource("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies")
    assert builtin("1.30").by_gvr(policies) is None
    assert REGISTRY.by_gvr(policies) is not None


def test_tables_of_rows_are_not_shared() -> None:
    mine = builtin()
    mine.remove(GroupVersionResource("", "v1", "pods"))
    assert builtin().by_gvr(GroupVersionResource("", "v1", "pods")) is not None


def test_several_versions_are_stored_as_one() -> None:
    rows = [row for row in ROWS if row.plural == "horizontalpodautoscalers"]
    assert {row.version for row in rows} == {"v1", "v2"}
    assert {row.storage_version for row in rows} == {"v2"}


def test_a_scale_can_be_shown_as_a_table() -> None:
    scale: Json = {"metadata": {"name": "web"}, "spec": {"replicas": 3}, "status": {"replicas": 2}}
    assert scale_resource().strategy.cells(scale, 0.0) == ["web", 3, 2, "<unknown>"]


def strategy_of(group: str, version: str, kind: str) -> Resource:
    row = REGISTRY.by_gvk(GroupVersionKind(group, version, kind))
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("kind", "sent", "status"),
    [
        pytest.param(("", "v1", "Namespace"), None, {"phase": "Active"}, id="a namespace is active"),
        pytest.param(
            ("apps", "v1", "ReplicaSet"), {"replicas": 9}, {"replicas": 0}, id="what is sent is dropped"
        ),
        pytest.param(("", "v1", "ConfigMap"), {"x": 1}, None, id="a kind without status gets none"),
        pytest.param(
            ("", "v1", "Service"), None, {"loadBalancer": {}}, id="a service has no load balancer yet"
        ),
    ],
)
def test_a_new_object_begins_with_the_status_of_its_kind(
    kind: tuple[str, str, str], sent: Json | None, status: Json | None
) -> None:
    obj: Json = {"metadata": {"name": "a"}, "spec": {}}
    if sent is not None:
        obj["status"] = sent
    strategy_of(*kind).strategy.prepare_for_create(obj)
    assert obj.get("status") == status


def test_a_new_status_is_not_shared_between_objects() -> None:
    strategy = strategy_of("", "v1", "Service").strategy
    first: Json = {"metadata": {"name": "a"}, "spec": {}}
    second: Json = {"metadata": {"name": "b"}, "spec": {}}
    strategy.prepare_for_create(first)
    first["status"]["loadBalancer"]["ingress"] = []
    strategy.prepare_for_create(second)
    assert second["status"] == {"loadBalancer": {}}


def test_a_namespace_is_kept_until_it_is_empty_and_only_finalize_changes_that() -> None:
    strategy = strategy_of("", "v1", "Namespace").strategy
    made: Json = {"metadata": {"name": "a"}, "spec": {"finalizers": ["own"]}}
    strategy.prepare_for_create(made)
    assert made["spec"]["finalizers"] == ["own", "kubernetes"]
    changed: Json = {"metadata": {"name": "a"}, "spec": {}}
    strategy.prepare_for_update(changed, made)
    assert changed["spec"] == made["spec"]


def test_a_node_keeps_the_status_it_is_registered_with() -> None:
    node: Json = {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "2"}}}
    strategy_of("", "v1", "Node").strategy.prepare_for_create(node)
    assert node["status"]["capacity"] == {"cpu": "2"}
    assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}


def test_a_job_selects_its_pods_by_its_uid() -> None:
    strategy = strategy_of("batch", "v1", "Job").strategy
    job: Json = {"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"spec": {}}}}
    strategy.prepare_for_create(job)
    uid_label = {"batch.kubernetes.io/controller-uid": "u"}
    assert job["spec"]["selector"] == {"matchLabels": uid_label}
    assert uid_label.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_a_job_that_selects_by_hand_is_left_alone() -> None:
    spec: Json = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": {}}
    job: Json = {"metadata": {"name": "j", "uid": "u"}, "spec": spec}
    strategy_of("batch", "v1", "Job").strategy.prepare_for_create(job)
    assert job["spec"] == {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": {}}


def test_the_template_generation_of_a_daemonset_counts_changes_of_its_template() -> None:
    strategy = strategy_of("apps", "v1", "DaemonSet").strategy
    mark = "deprecated.daemonset.template.generation"
    first: Json = {"metadata": {"name": "d"}, "spec": {"template": {"a": 1}}}
    strategy.prepare_for_create(first)
    same: Json = {"metadata": {"name": "d"}, "spec": {"template": {"a": 1}, "x": 1}}
    strategy.prepare_for_update(same, first)
    other: Json = {"metadata": {"name": "d"}, "spec": {"template": {"a": 2}}}
    strategy.prepare_for_update(other, first)
    assert [entry["metadata"]["annotations"][mark] for entry in (first, same, other)] == ["1", "1", "2"]


def test_a_status_does_not_touch_the_template_generation_of_a_daemonset() -> None:
    mark = "deprecated.daemonset.template.generation"
    old: Json = {"metadata": {"annotations": {mark: "3"}}}
    for annotations in ({"a": "b"}, {mark: "9"}):
        obj: Json = {"metadata": {"annotations": annotations}, "status": {}}
        strategy_of("apps", "v1", "DaemonSet").strategy.prepare_for_status_update(obj, old, NOW)
        assert obj["metadata"]["annotations"] == {**annotations, mark: "3"}


def test_every_change_of_a_slice_is_a_generation_but_nothing_is_not() -> None:
    strategy = strategy_of("discovery.k8s.io", "v1", "EndpointSlice").strategy
    old: Json = {"metadata": {"name": "s", "generation": 3, "resourceVersion": "5"}, "endpoints": []}
    same: Json = {"metadata": {"name": "s", "resourceVersion": "6"}, "endpoints": []}
    strategy.prepare_for_update(same, old)
    labelled: Json = {"metadata": {"name": "s", "labels": {"a": "b"}}, "endpoints": []}
    strategy.prepare_for_update(labelled, old)
    assert (same["metadata"]["generation"], labelled["metadata"]["generation"]) == (3, 4)


def test_a_new_definition_counts_its_storage_version_as_stored() -> None:
    strategy = strategy_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition").strategy
    versions = [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}]
    made: Json = {"metadata": {"name": "c"}, "spec": {"versions": versions}}
    strategy.prepare_for_create(made)
    assert made["status"]["storedVersions"] == ["v2"]
    changed: Json = {"metadata": {"name": "c"}, "spec": {"versions": [{"name": "v3", "storage": True}]}}
    strategy.prepare_for_update(changed, made)
    assert changed["status"]["storedVersions"] == ["v2", "v3"]


@pytest.mark.parametrize(
    ("kind", "label", "told"),
    [
        pytest.param(
            ("", "v1", "Pod"), "spec.x", "field label not supported: spec.x", id="a kind with labels"
        ),
        pytest.param(
            ("apps", "v1", "Deployment"),
            "spec.x",
            '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
            id="a kind without",
        ),
        pytest.param(
            ("batch", "v1", "Job"), "spec.x", 'field label "spec.x" not supported for Job', id="a Job"
        ),
    ],
)
def test_an_unknown_field_label_is_refused_in_the_words_of_the_kind(
    kind: tuple[str, str, str], label: str, told: str
) -> None:
    assert strategy_of(*kind).strategy.field_label_error(label) == told


def test_every_known_field_label_has_a_value() -> None:
    samples: dict[str, Json] = {
        "Pod": {"metadata": {}, "spec": {}},
        "Service": {"metadata": {}, "spec": {}},
        "ResourceSlice": {"metadata": {}, "spec": {}},
        "CertificateSigningRequest": {"metadata": {}, "spec": {}},
    }
    for row in ROWS:
        obj = samples.get(row.kind, {"metadata": {}})
        strategy = row.strategy
        aliases = strategy.field_aliases()
        stored = {aliases.get(label, label) for label in strategy.field_labels()}
        assert set(strategy.selectable_fields(obj)) - {"source"} == stored - {"source"}, row.kind


def test_every_enumerated_field_exists() -> None:
    release = definitions()
    known = {name: release.enums(name) for name in release.names()}
    fields = {(name, field) for name, fields in known.items() for field in fields}
    assert len(fields) > 50
    assert [entry for entry in fields if entry[1] not in release.schema(entry[0]).properties] == []
    told = {
        name.removeprefix(enums.PACKAGE).removeprefix("core.v1.") for name, found in known.items() if found
    }
    assert told == set(enums._CORE) | set(enums._OTHERS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.subresource("status")], ids=str)
def test_every_kind_with_a_status_begins_with_one(row: Resource) -> None:
    obj: Json = {"metadata": {"name": "a"}, "spec": {"template": {}, "containers": []}, "status": {"sent": 1}}
    row.strategy.prepare_for_create(obj)
    assert isinstance(obj["status"], dict)
    assert obj["status"] != {"sent": 1}


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        pytest.param(
            ("apps", "v1", "ReplicaSet"), {"labels": {"new": ""}, "annotations": {"new": ""}}, id="most"
        ),
        pytest.param(
            ("apps", "v1", "Deployment"),
            {"labels": {"old": ""}, "annotations": {"new": ""}},
            id="labels stay",
        ),
        pytest.param(("storage.k8s.io", "v1", "VolumeAttachment"), {"labels": {"old": ""}}, id="all stays"),
    ],
)
def test_a_write_of_the_status_changes_as_much_metadata_as_the_kind_lets_it(
    kind: tuple[str, str, str], kept: Json
) -> None:
    old: Json = {"metadata": {"labels": {"old": ""}}, "spec": {}}
    obj: Json = {"metadata": {"labels": {"new": ""}, "annotations": {"new": ""}}, "spec": {}}
    strategy_of(*kind).strategy.prepare_for_status_update(obj, old, NOW)
    assert obj["metadata"] == kept


def test_annotations_of_a_deployment_are_a_generation() -> None:
    strategy = strategy_of("apps", "v1", "Deployment").strategy
    old: Json = {"metadata": {"generation": 2}, "spec": {}}
    obj: Json = {"metadata": {"generation": 2, "annotations": {"a": "b"}}, "spec": {}}
    strategy.prepare_for_update(obj, old)
    assert obj["metadata"]["generation"] == 3


def test_a_pod_keeps_its_quality_of_service_when_its_status_is_written() -> None:
    obj: Json = {"metadata": {}, "status": {"phase": "Running"}}
    strategy_of("", "v1", "Pod").strategy.prepare_for_status_update(
        obj, {"metadata": {}, "status": {"qosClass": "Burstable"}}, NOW
    )
    assert obj["status"]["qosClass"] == "Burstable"


def test_the_time_of_a_volumes_last_change_of_phase_is_kept_until_it_changes() -> None:
    volume = strategy_of("", "v1", "PersistentVolume").strategy
    old = {
        "metadata": {},
        "status": {"phase": "Available", "lastPhaseTransitionTime": "2020-01-01T00:00:00Z"},
    }
    same: Json = {"metadata": {}, "status": {"phase": "Available"}}
    volume.prepare_for_status_update(same, old, NOW)
    assert same["status"]["lastPhaseTransitionTime"] == "2020-01-01T00:00:00Z"
    changed: Json = {"metadata": {}, "status": {**old["status"], "phase": "Bound"}}
    volume.prepare_for_status_update(changed, old, NOW)
    assert changed["status"]["lastPhaseTransitionTime"] == "2023-11-14T22:13:20Z"


def test_conditions_of_a_certificate_request_say_when_they_came() -> None:
    request = strategy_of("certificates.k8s.io", "v1", "CertificateSigningRequest").strategy
    known = {"type": "Failed", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    old = {"metadata": {}, "status": {"conditions": [known]}}
    conditions: list[Json] = [{"type": "Failed", "status": "True"}, {"type": "Approved", "status": "True"}]
    request.prepare_for_status_update({"metadata": {}, "status": {"conditions": conditions}}, old, NOW)
    assert [entry["lastTransitionTime"] for entry in conditions] == [
        "2020-01-01T00:00:00Z",
        "2023-11-14T22:13:20Z",
    ]
    assert all(entry["lastUpdateTime"] == "2023-11-14T22:13:20Z" for entry in conditions)


def test_a_jobs_labels_are_those_of_its_pods_unless_it_has_its_own() -> None:
    job = strategy_of("batch", "v1", "Job").strategy

    def labels(**given: Json) -> Json:
        template = {"metadata": dict(given.get("pods") or {}), "spec": {"containers": []}}
        obj: Json = {"metadata": {"name": "a", **(given.get("own") or {})}, "spec": {"template": template}}
        job.default(obj)
        obj["metadata"]["uid"] = "u"
        job.prepare_for_create(obj)
        job.default(obj)
        found: Json = obj["metadata"]["labels"]
        return found

    assert labels()["job-name"] == "a"
    assert labels(pods={"labels": {"x": "y"}}).keys() >= {"x", "job-name"}
    assert labels(own={"labels": {"mine": "1"}}, pods={"labels": {"x": "y"}}) == {"mine": "1"}


def test_bare_metadata_has_nothing_that_only_the_version_puts_there() -> None:
    daemon_set = strategy_of("apps", "v1", "DaemonSet").strategy
    marked = {"deprecated.daemonset.template.generation": "1"}
    assert daemon_set.bare({"metadata": {"name": "a", "annotations": marked}})["metadata"] == {"name": "a"}
    both = {"metadata": {"annotations": {**marked, "mine": "1"}}}
    assert daemon_set.bare(both)["metadata"]["annotations"] == {"mine": "1"}
