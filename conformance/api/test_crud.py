"""Create, read, update, delete: what the server fills in, what it ignores, what it refuses."""

import re

import pytest

from conformance.api.objects import causes, config_map, deployment, names, pod, refusal
from conformance.http import Api


def test_what_was_created_is_what_is_read(maps: Api, namespace: str) -> None:
    made = maps.post(config_map("a", {"key": "value"}, labels={"x": "y"}))
    assert made.status == 201
    metadata = made.body["metadata"]
    assert made.body["data"] == {"key": "value"}
    assert metadata["namespace"] == namespace
    assert metadata["labels"] == {"x": "y"}
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert int(metadata["resourceVersion"]) > 0
    read = maps.get("a")
    assert (read.status, read.body) == (200, made.body)


def test_identity_is_the_servers_to_give(maps: Api) -> None:
    """uid, creationTimestamp, generation and deletionTimestamp of a client are ignored."""
    wanted = config_map(
        "a",
        uid="11111111-1111-1111-1111-111111111111",
        creationTimestamp="2001-01-01T00:00:00Z",
        deletionTimestamp="2001-01-01T00:00:00Z",
    )
    metadata = maps.post(wanted).body["metadata"]
    assert metadata["uid"] != wanted["metadata"]["uid"]
    assert not metadata["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in metadata


def test_a_resource_version_must_not_be_set_on_creation(maps: Api) -> None:
    refused = maps.post(config_map("a", resourceVersion="1"))
    assert refused.status >= 400
    assert "resourceVersion should not be set on objects to be created" in refused.body["message"]


def test_a_taken_name_is_refused(maps: Api) -> None:
    maps.post(config_map("a"))
    again = maps.post(config_map("a"))
    assert refusal(again) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


def test_what_is_not_there_is_not_found(maps: Api) -> None:
    for answer in (maps.get("a"), maps.put(config_map("a"), "a"), maps.patch({}, "a"), maps.delete("a")):
        assert refusal(answer) == (404, "NotFound")
        assert answer.body["message"] == 'configmaps "a" not found'


def test_an_update_replaces_everything_but_the_identity(maps: Api) -> None:
    made = maps.post(config_map("a", {"old": "1"}, labels={"x": "y"})).body
    updated = maps.put(config_map("a", {"new": "2"}), "a")
    assert updated.status == 200
    assert updated.body["data"] == {"new": "2"}
    assert "labels" not in updated.body["metadata"]
    for kept in ("uid", "creationTimestamp", "name"):
        assert updated.body["metadata"][kept] == made["metadata"][kept]
    assert int(updated.body["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_an_update_that_changes_nothing_makes_no_revision(maps: Api) -> None:
    made = maps.post(config_map("a", {"x": "1"})).body
    again = maps.put(made, "a")
    assert again.status == 200
    assert again.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_some_kinds_may_be_created_by_an_update(api: Api, namespace: str) -> None:
    leases = api.at(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}}
    made = leases.put(lease, "a")
    assert made.status == 201
    assert leases.put(made.body, "a").status == 200


def test_the_name_of_the_url_and_of_the_body_must_agree(maps: Api) -> None:
    maps.post(config_map("a"))
    refused = maps.put(config_map("b"), "a")
    assert refusal(refused) == (400, "BadRequest")
    assert refused.body["message"] == "the name of the object (b) does not match the name on the URL (a)"


def test_the_namespace_of_the_url_and_of_the_body_must_agree(maps: Api) -> None:
    refused = maps.post(config_map("a", namespace="elsewhere"))
    assert refusal(refused) == (400, "BadRequest")
    assert "does not match the namespace" in refused.body["message"]


def test_generated_names_are_the_prefix_and_five_letters(maps: Api) -> None:
    bodies = [{"metadata": {"generateName": "item-"}}] * 3
    made = [maps.post(body).body["metadata"]["name"] for body in bodies]
    assert len(set(made)) == 3
    assert all(re.fullmatch(r"item-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in made)


def test_a_long_prefix_of_generated_names_is_cut(maps: Api) -> None:
    name = maps.post({"metadata": {"generateName": "x" * 80}}).body["metadata"]["name"]
    assert re.fullmatch(r"x{58}\w{5}", name)


def test_a_name_is_needed(maps: Api) -> None:
    refused = maps.post({"metadata": {}})
    assert refusal(refused) == (422, "Invalid")
    assert "name or generateName is required" in refused.body["message"]


@pytest.mark.parametrize(
    "name", ["UPPER", "under_score", "-dash", "dash-", "a..b", "x" * 254, "ä", "a b", "."]
)
def test_a_name_must_be_a_dns_name(maps: Api, name: str) -> None:
    refused = maps.post(config_map(name))
    assert refusal(refused) == (422, "Invalid")
    assert set(causes(refused)) == {("metadata.name", "FieldValueInvalid")}


@pytest.mark.parametrize("name", ["a", "0", "a.b", "a-b.c-d", "x" * 253])
def test_a_dns_name_is_a_name(maps: Api, name: str) -> None:
    assert maps.post(config_map(name)).status == 201
    assert maps.get(name).body["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({"apiVersion": "v1", "kind": "Secret"}, "Secret", id="another kind"),
        pytest.param({"apiVersion": "v2", "kind": "ConfigMap"}, "v2", id="another version"),
    ],
)
def test_the_body_must_be_of_the_kind_of_the_url(maps: Api, body: dict[str, str], text: str) -> None:
    refused = maps.post({**body, "metadata": {"name": "a"}})
    assert refusal(refused) == (400, "BadRequest")
    assert text in refused.body["message"]


def test_kind_and_version_may_be_left_to_the_url(maps: Api) -> None:
    made = maps.post({"metadata": {"name": "a"}, "data": {"x": "1"}})
    assert made.status == 201
    assert (made.body["kind"], made.body["apiVersion"]) == ("ConfigMap", "v1")


def test_nothing_is_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    refused = api.at("/api/v1/namespaces/never-made/configmaps").post(config_map("a"))
    assert refusal(refused) == (404, "NotFound")
    assert refused.body["message"] == 'namespaces "never-made" not found'


def test_nothing_is_created_in_a_namespace_that_ends(api: Api, namespace: str, maps: Api) -> None:
    url = f"/api/v1/namespaces/{namespace}"
    assert api.patch({"metadata": {"finalizers": ["conformance.example/hold"]}}, url).status == 200
    ending = api.delete(url)
    assert ending.status == 200
    assert ending.body["status"]["phase"] == "Terminating"
    refused = maps.post(config_map("a"))
    assert refusal(refused) == (403, "Forbidden")
    assert [cause["reason"] for cause in refused.body["details"]["causes"]] == ["NamespaceTerminating"]
    assert api.patch({"metadata": {"finalizers": None}}, url).status == 200


def test_a_dry_run_answers_as_if_and_stores_nothing(maps: Api) -> None:
    dry = {"dryRun": "All"}
    created = maps.post(config_map("a", {"x": "1"}), query=dry)
    assert created.status == 201
    assert created.body["metadata"]["uid"]
    assert maps.get("a").status == 404
    before = maps.post(config_map("a", {"x": "1"})).body
    assert maps.put(config_map("a", {"x": "2"}), "a", query=dry).body["data"] == {"x": "2"}
    assert maps.patch({"data": {"x": "3"}}, "a", query=dry).body["data"] == {"x": "3"}
    assert maps.delete("a", query=dry).status == 200
    assert maps.delete(query=dry).status == 200
    assert maps.get("a").body == before


def test_a_dry_run_refuses_what_would_be_refused(maps: Api) -> None:
    maps.post(config_map("a"))
    assert refusal(maps.post(config_map("a"), query={"dryRun": "All"})) == (409, "AlreadyExists")
    assert refusal(maps.post(config_map("A"), query={"dryRun": "All"})) == (422, "Invalid")
    assert refusal(maps.post(config_map("b"), query={"dryRun": "some"})) == (422, "Invalid")


def test_generation_counts_changes_of_the_spec_only(deployments: Api) -> None:
    made = deployments.post(deployment("web")).body
    assert made["metadata"]["generation"] == 1
    labelled = deployments.patch({"metadata": {"labels": {"x": "y"}}}, "web").body
    assert labelled["metadata"]["generation"] == 1
    paused = deployments.patch({"spec": {"paused": True}}, "web").body
    assert paused["metadata"]["generation"] == 2


def test_spec_and_status_are_written_at_different_addresses(api: Api, namespace: str) -> None:
    jobs = api.at(f"/apis/batch/v1/namespaces/{namespace}/jobs")
    template = {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none.invalid/none"}]}
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "a"},
        "spec": {"suspend": True, "parallelism": 1, "template": template},
        "status": {"failed": 7},
    }
    assert jobs.post(job).body["status"].get("failed") is None
    assert jobs.patch({"status": {"failed": 7}}, "a").body["status"].get("failed") is None
    changed = jobs.patch({"spec": {"parallelism": 9}, "status": {"failed": 7}}, "a/status").body
    assert (changed["spec"]["parallelism"], changed["status"]["failed"]) == (1, 7)


def test_defaults_are_read_back(pods: Api) -> None:
    made = pods.post(pod("a", nodeSelector={"conformance.example/nowhere": "true"}))
    assert made.status == 201
    spec = made.body["spec"]
    container = spec["containers"][0]
    assert spec["restartPolicy"] == "Always"
    assert spec["dnsPolicy"] == "ClusterFirst"
    assert spec["schedulerName"] == "default-scheduler"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert made.body["status"]["phase"] == "Pending"


def test_string_data_of_a_secret_is_written_and_never_read(space: Api) -> None:
    secrets = space.at("secrets")
    made = secrets.post({"metadata": {"name": "a"}, "data": {"x": "b2xk"}, "stringData": {"x": "new"}}).body
    assert made["data"] == {"x": "bmV3"}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def ours(found: list[str]) -> list[str]:
    """Without the maps that controllers put into every namespace, such as ``kube-root-ca.crt``."""
    return [name for name in found if len(name) == 1]


def test_a_list_is_of_one_namespace_or_of_all(api: Api, maps: Api, namespace: str) -> None:
    maps.post(config_map("a"))
    maps.post(config_map("b"))
    assert ours(names(maps.get())) == ["a", "b"]
    everywhere = api.get("/api/v1/configmaps", query={"fieldSelector": "metadata.name=a"}).body
    assert namespace in [item["metadata"]["namespace"] for item in everywhere["items"]]
    assert (everywhere["kind"], everywhere["apiVersion"]) == ("ConfigMapList", "v1")
    assert all("kind" not in item for item in everywhere["items"])


SELECTORS = [
    ("labelSelector", "tier=front", {"a", "b"}),
    ("labelSelector", "tier==front,track!=beta", {"a"}),
    ("labelSelector", "tier in (front,back)", {"a", "b", "c"}),
    ("labelSelector", "tier notin (front),tier", {"c"}),
    ("labelSelector", "!tier", {"d"}),
    ("labelSelector", "track", {"b"}),
    ("labelSelector", "tier=", set()),
    ("fieldSelector", "metadata.name=a", {"a"}),
    ("fieldSelector", "metadata.name!=a", {"b", "c", "d"}),
    ("fieldSelector", "metadata.name!=a,metadata.name!=b", {"c", "d"}),
]


@pytest.mark.parametrize(("kind", "selector", "found"), SELECTORS, ids=[each[1] for each in SELECTORS])
def test_selectors_choose(maps: Api, kind: str, selector: str, found: set[str]) -> None:
    labels = {"a": {"tier": "front"}, "b": {"tier": "front", "track": "beta"}, "c": {"tier": "back"}, "d": {}}
    for name, given in labels.items():
        maps.post(config_map(name, labels=given))
    assert set(ours(names(maps.get(query={kind: selector})))) == found


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in"},
        {"labelSelector": "=x"},
        {"fieldSelector": "spec.x=1"},
        {"fieldSelector": "name"},
    ],
    ids=lambda query: "&".join(f"{key}={value}" for key, value in query.items()),
)
def test_a_selector_that_cannot_be_read_is_refused(maps: Api, query: dict[str, str]) -> None:
    assert refusal(maps.get(query=query)) == (400, "BadRequest")
