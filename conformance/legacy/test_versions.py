"""One stored object behind all versions of its kind, and what a server says of versions that are gone."""

import re
from functools import partial

import pytest

from conformance.api.objects import IMAGE, refusal
from conformance.http import JSON_PATCH, STRATEGIC_PATCH, Api, Json
from conformance.kubectl import eventually

APPLY_PATCH = "application/apply-patch+yaml"

VERSIONS = ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "apps/v1")


def deployment(api_version: str, **spec: object) -> Json:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": IMAGE}]},
    }
    return {
        "apiVersion": api_version,
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def ingress(api_version: str, backend: Json) -> Json:
    path = {"path": "/", "backend": backend}
    rules = [{"host": "a.example.com", "http": {"paths": [path]}}]
    return {
        "apiVersion": api_version,
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": rules},
    }


def at(api: Api, namespace: str, api_version: str, resource: str = "deployments") -> Api:
    return api.at(f"/apis/{api_version}/namespaces/{namespace}/{resource}")


def is_unchanged_by_itself(place: Api) -> bool:
    """Whether writing what was read writes nothing; not so while a controller writes as well."""
    whole = place.get("web").body
    again = place.put(whole, "web")
    version = whole["metadata"]["resourceVersion"]
    return again.status == 200 and bool(again.body["metadata"]["resourceVersion"] == version)


@pytest.mark.parametrize("written", VERSIONS)
def test_an_object_is_the_same_in_every_version(api: Api, namespace: str, written: str) -> None:
    places = {version: at(api, namespace, version) for version in VERSIONS}
    made = places[written].post(deployment(written))
    assert made.status == 201, made
    uid = made.body["metadata"]["uid"]
    for number, (version, place) in enumerate(places.items(), 7):
        whole = place.get("web").body
        assert (whole["apiVersion"], whole["metadata"]["uid"]) == (version, uid)
        listed = place.get().body
        assert (listed["apiVersion"], listed["kind"]) == (version, "DeploymentList")
        assert [item["metadata"]["uid"] for item in listed["items"]] == [uid]
        eventually(partial(is_unchanged_by_itself, place))
        changed = place.patch({"spec": {"minReadySeconds": number}}, "web", STRATEGIC_PATCH)
        assert changed.body["apiVersion"] == version
        steps = [{"op": "replace", "path": "/spec/minReadySeconds", "value": number * 2}]
        assert place.patch(steps, "web", JSON_PATCH).status == 200
        assert places[written].get("web").body["spec"]["minReadySeconds"] == number * 2
    gone = places["apps/v1beta1"].delete("web", {"propagationPolicy": "Background"})
    assert gone.status == 200
    for place in places.values():
        assert refusal(place.get("web")) == (404, "NotFound")


def test_a_watch_tells_changes_in_its_own_version(api: Api, namespace: str) -> None:
    old, new = (
        at(api, namespace, "extensions/v1beta1", "ingresses"),
        at(api, namespace, "networking.k8s.io/v1", "ingresses"),
    )
    made = old.post(ingress("extensions/v1beta1", {"serviceName": "tea", "servicePort": "http"}))
    assert made.status == 201, made
    begin = {"resourceVersion": made.body["metadata"]["resourceVersion"]}
    with old.watch(query=begin) as events:
        backend = {"service": {"name": "coffee", "port": {"number": 80}}}
        steps = [{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend", "value": backend}]
        assert new.patch(steps, "web", JSON_PATCH).status == 200
        assert new.delete("web").status == 200
        (changed, after), (gone, last) = events.next(), events.next()
    assert (changed, gone) == ("MODIFIED", "DELETED")
    for told in (after, last):
        assert told["apiVersion"] == "extensions/v1beta1"
        path = told["spec"]["rules"][0]["http"]["paths"][0]
        assert path["backend"] == {"serviceName": "coffee", "servicePort": 80}


def test_owners_of_fields_are_kept_in_the_version_that_they_wrote(api: Api, namespace: str) -> None:
    old, new = (
        at(api, namespace, "extensions/v1beta1", "ingresses"),
        at(api, namespace, "networking.k8s.io/v1", "ingresses"),
    )
    mine = ingress("extensions/v1beta1", {"serviceName": "tea", "servicePort": 80})
    assert old.patch(mine, "web", APPLY_PATCH, query={"fieldManager": "one"}).status == 201
    theirs = ingress("networking.k8s.io/v1", {"service": {"name": "coffee", "port": {"number": 80}}})
    theirs["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = "ImplementationSpecific"
    refused = new.patch(theirs, "web", APPLY_PATCH, query={"fieldManager": "two"})
    assert refusal(refused) == (409, "Conflict")
    assert 'conflict with "one": .spec.rules' in refused.body["message"]
    forced = new.patch(theirs, "web", APPLY_PATCH, query={"fieldManager": "two", "force": "true"})
    assert forced.status == 200, forced
    owners = {entry["manager"]: entry["apiVersion"] for entry in forced.body["metadata"]["managedFields"]}
    assert owners["two"] == "networking.k8s.io/v1"
    assert old.get("web").body["spec"]["rules"][0]["http"]["paths"][0]["backend"]["serviceName"] == "coffee"


@pytest.mark.parametrize(
    ("path", "warning"),
    [
        (
            "/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets",
            "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; "
            "use policy/v1 PodDisruptionBudget",
        ),
        (
            "/apis/extensions/v1beta1/ingresses",
            "extensions/v1beta1 Ingress is deprecated in v1.14+, unavailable in v1.22+; "
            "use networking.k8s.io/v1 Ingress",
        ),
        (
            "/apis/policy/v1beta1/podsecuritypolicies",
            "policy/v1beta1 PodSecurityPolicy is deprecated in v1.21+, unavailable in v1.25+",
        ),
    ],
)
def test_every_answer_warns_of_what_is_gone(api: Api, path: str, warning: str) -> None:
    assert api.get(path).headers["Warning"] == f'299 - "{warning}"'


def test_plain_names_mean_the_kinds_of_today(api: Api) -> None:
    groups = [group["name"] for group in api.get("/apis").body["groups"]]
    assert groups.index("extensions") > max(map(groups.index, ("apps", "networking.k8s.io", "policy")))
    for group in api.get("/apis").body["groups"]:
        if group["name"] in ("apps", "networking.k8s.io", "batch", "policy", "autoscaling"):
            assert re.fullmatch(r"v\d", group["preferredVersion"]["version"])
    for version in ("extensions/v1beta1", "apps/v1beta2", "networking.k8s.io/v1beta1", "batch/v1beta1"):
        for entry in api.get(f"/apis/{version}").body["resources"]:
            assert not {"shortNames", "categories"} & set(entry), entry


def test_old_kinds_are_documented(api: Api) -> None:
    schemas = api.get("/openapi/v3/apis/extensions/v1beta1").body["components"]["schemas"]
    backend = schemas["io.k8s.api.extensions.v1beta1.IngressBackend"]["properties"]
    assert set(backend) == {"resource", "serviceName", "servicePort"}
    assert schemas["io.k8s.api.extensions.v1beta1.DeploymentSpec"]["required"] == ["template"]
    definitions = api.get("/openapi/v2").body["definitions"]
    counts = definitions["io.k8s.api.extensions.v1beta1.DaemonSetStatus"]["required"]
    assert set(counts) >= {
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
    }


def test_fields_of_another_version_are_unknown(api: Api, namespace: str) -> None:
    place = at(api, namespace, "extensions/v1beta1", "ingresses")
    wrong = ingress("extensions/v1beta1", {"service": {"name": "tea", "port": {"number": 80}}})
    refused = place.post(wrong, query={"fieldValidation": "Strict"})
    assert refusal(refused) == (400, "BadRequest")
    assert 'unknown field "spec.rules[0].http.paths[0].backend.service"' in refused.body["message"]
    other = place.post(ingress("networking.k8s.io/v1", {"service": {"name": "tea", "port": {"number": 80}}}))
    assert refusal(other) == (400, "BadRequest")


def test_an_autoscaler_is_read_in_four_versions(api: Api, namespace: str) -> None:
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 50}},
        {"type": "Pods", "pods": {"metricName": "hits", "targetAverageValue": "1k"}},
    ]
    target = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": metrics}
    old = at(api, namespace, "autoscaling/v2beta1", "horizontalpodautoscalers")
    body = {"apiVersion": "autoscaling/v2beta1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}}
    made = old.post({**body, "spec": spec})
    assert made.status == 201, made
    for version in ("v2", "v2beta2"):
        found = at(api, namespace, f"autoscaling/{version}", "horizontalpodautoscalers").get("a").body
        assert found["spec"]["metrics"][1]["pods"] == {
            "metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "1k"},
        }  # fmt: skip
    first = at(api, namespace, "autoscaling/v1", "horizontalpodautoscalers")
    assert first.get("a").body["spec"]["targetCPUUtilizationPercentage"] == 50
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 7}}
    new = at(api, namespace, "autoscaling/v2", "horizontalpodautoscalers")
    assert new.patch({"spec": {"behavior": behavior}}, "a").status == 200
    assert first.patch({"spec": {"maxReplicas": 4}}, "a").status == 200
    assert old.patch({"spec": {"maxReplicas": 5}}, "a").status == 200
    last = new.get("a").body["spec"]
    assert last["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 7
    assert (last["maxReplicas"], len(last["metrics"])) == (5, 2)


def test_an_empty_selector_of_a_budget_means_what_it_meant(api: Api, namespace: str) -> None:
    old, new = (
        at(api, namespace, f"policy/{version}", "poddisruptionbudgets") for version in ("v1beta1", "v1")
    )
    spec: Json = {"maxUnavailable": 1, "selector": {}}
    for place, version in ((old, "v1beta1"), (new, "v1")):
        body = {
            "apiVersion": f"policy/{version}",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": version},
        }
        assert place.post({**body, "spec": spec}).status == 201
        assert place.get(version).body["spec"]["selector"] == {}
    assert new.get("v1beta1").body["spec"]["selector"]["matchExpressions"][0]["operator"] == "Exists"
    assert old.get("v1").body["spec"]["selector"]["matchExpressions"][0]["operator"] == "DoesNotExist"


def test_workloads_are_scaled_through_old_versions(api: Api, namespace: str) -> None:
    assert at(api, namespace, "apps/v1").post(deployment("apps/v1")).status == 201
    for version in VERSIONS:
        place = at(api, namespace, version)
        scaled = place.patch({"spec": {"replicas": 2}}, "web/scale")
        assert (scaled.status, scaled.body["kind"], scaled.body["spec"]["replicas"]) == (200, "Scale", 2), (
            scaled
        )
        assert place.patch({"spec": {"replicas": 0}}, "web/scale").status == 200


def test_a_deployment_is_rolled_back_by_the_server(api: Api, namespace: str) -> None:
    old, new = at(api, namespace, "extensions/v1beta1"), at(api, namespace, "apps/v1")
    assert old.post(deployment("extensions/v1beta1", paused=True)).status == 201
    wish = {"apiVersion": "extensions/v1beta1", "kind": "DeploymentRollback", "name": "web"}
    answer = old.post({**wish, "rollbackTo": {"revision": 3}}, "web/rollback")
    assert answer.status == 201, answer
    assert answer.body["message"] == 'rollback request for deployment "web" succeeded'
    annotations = new.get("web").body["metadata"]["annotations"]
    assert annotations["deprecated.deployment.rollback.to"] == "3"
    assert old.get("web").body["spec"]["rollbackTo"] == {"revision": 3}
    refused = old.post({**wish, "name": "other", "rollbackTo": {}}, "web/rollback")
    assert refusal(refused) == (400, "BadRequest")
    wrong = old.post({**wish, "rollbackTo": {"revision": -1}}, "web/rollback")
    assert refusal(wrong) == (422, "Invalid")


def test_access_is_asked_for_in_the_old_version(api: Api) -> None:
    attributes = {"verb": "get", "resource": "pods"}
    asked = {"apiVersion": "authorization.k8s.io/v1beta1", "kind": "SubjectAccessReview"}
    for groups, allowed in ((["system:masters"], True), (["nobodies"], False)):
        spec = {"user": "jane", "group": groups, "resourceAttributes": attributes}
        answer = api.post({**asked, "spec": spec}, "/apis/authorization.k8s.io/v1beta1/subjectaccessreviews")
        assert answer.body["status"]["allowed"] is allowed, answer
        assert answer.body["spec"]["group"] == groups
