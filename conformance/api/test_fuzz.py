"""Whatever is sent, it is answered: no internal error, no hang, and what is stored can still be read.

A real server answers 500 in a few places where it means 400 (a resourceVersion that is no number, a directive
of strategic patches that is unknown): a Status with no reason. ``InternalError`` is never right.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.api.objects import config_map, deployment, pod
from conformance.conftest import new_namespace
from conformance.http import AS_TABLE, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Answer, Api, Json

DRY = {"dryRun": "All"}

fuzzed = settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def space(api: Api) -> Iterator[Api]:
    """A namespace for all of it, with a ConfigMap and a Deployment of no Pods."""
    with new_namespace(api) as name:
        place = api.at(f"/api/v1/namespaces/{name}")
        wanted = config_map("target", {"a": "1"}, labels={"run": "here"}, annotations={"x": "y"})
        assert place.post(wanted, "configmaps").status == 201
        apps = f"/apis/apps/v1/namespaces/{name}/deployments"
        assert place.post(deployment("target"), apps).status == 201
        for letter in "abc":
            assert place.post(config_map(letter), "configmaps").status == 201
        yield place


def fine(answer: Answer) -> None:
    """It is an answer that a client can do something with."""
    if answer.status >= 500:
        status = answer.body
        assert status["kind"] == "Status", answer
        assert status.get("reason", "") in ("", "Timeout"), answer
    if answer.media_type.startswith("application/json"):
        assert isinstance(answer.body, dict), answer


text = st.text(st.characters(codec="utf-8"), max_size=20)
WORDS = """
metadata name namespace labels annotations finalizers ownerReferences uid resourceVersion
generateName deletionTimestamp creationTimestamp managedFields spec status data binaryData immutable
template selector matchLabels matchExpressions containers image ports containerPort env value
valueFrom volumes resources limits requests cpu replicas strategy type rollingUpdate maxSurge $patch
$retainKeys kind apiVersion $setElementOrder/containers $deleteFromPrimitiveList/finalizers
"""
words = st.sampled_from(WORDS.split())
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.sampled_from(["delete", "replace", "merge", "target", "1", "10%", "", "0", "v1", "ConfigMap"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | text, inner, max_size=5),
    max_leaves=20,
)
objects = st.dictionaries(words | text, values, max_size=5)
pointers = st.lists(words | text | st.sampled_from(["0", "-", "-1", "a", "99999999999"]), max_size=6).map(
    lambda parts: "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]) | text},
    optional={"path": pointers | text, "from": pointers, "value": values},
)


def nested(inner: "st.SearchStrategy[Any]", *path: str) -> "st.SearchStrategy[Any]":
    """``inner`` below a path that exists, so that it is looked at more closely."""
    for part in reversed(path):
        inner = st.fixed_dictionaries({part: inner})
    return inner


HUNG_UP = (RemoteDisconnected,) if os.environ.get("KUBE_LITE_TARGET") else ()
"""Some patches make a kube-apiserver of 1.36 panic, such as ``$retainKeys`` that are no texts."""


def patch(space: Api, body: Json, kind: str) -> None:
    apps = space.path.replace("/api/v1", "/apis/apps/v1") + "/deployments/target"
    for path in ("configmaps/target", apps):
        with suppress(*HUNG_UP):
            fine(space.patch(body, path, kind, query=DRY))


@fuzzed
@given(
    objects
    | nested(values, "metadata")
    | nested(objects, "metadata")
    | nested(objects, "data")
    | nested(objects, "spec")
    | nested(objects, "spec", "template", "spec")
    | nested(st.lists(objects, max_size=3), "spec", "template", "spec", "containers")
)
def test_patches_are_answered(space: Api, body: Json) -> None:
    for kind in (MERGE_PATCH, STRATEGIC_PATCH):
        patch(space, body, kind)


@fuzzed
@given(st.lists(operations, max_size=6) | values)
def test_json_patches_are_answered(space: Api, body: Json) -> None:
    patch(space, body, JSON_PATCH)


def test_a_json_patch_does_not_grow_without_limit(space: Api) -> None:
    copies = [{"op": "copy", "from": "/metadata", "path": "/metadata/x"}] * 40
    fine(space.patch(copies, "configmaps/target", JSON_PATCH, query=DRY))


SELECTING = st.lists(
    st.sampled_from(
        ["a", "b/c", "run", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", ">", "<", " ", "1"]
    )
    | text,
    max_size=10,
).map("".join)


@fuzzed
@given(SELECTING, st.sampled_from(["labelSelector", "fieldSelector"]))
def test_selectors_are_answered(space: Api, selector: str, kind: str) -> None:
    for resource in ("configmaps", "pods"):
        fine(space.get(resource, query={kind: selector}))
    fine(space.delete("secrets", query={kind: selector, **DRY}))


NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "+", "--", " "]),
    st.integers(0, 10**25) | st.sampled_from(["", ".", "1.", ".5", "0.0001", "00", "1_000", "٣"]),
    st.sampled_from(["", "e3", "E-9", "e99999999", "e", "."]),
    st.sampled_from(["", "m", "u", "n", "k", "Ki", "M", "Mi", "G", "Ti", "E", "Ei", "KI", "x", " "]),
)


@fuzzed
@given(NUMBERS | text | scalars)
def test_quantities_are_answered(space: Api, quantity: Json) -> None:
    for resource in ("cpu", "memory", "example.test/thing"):
        wanted = pod("a")
        wanted["spec"]["containers"][0]["resources"] = {"limits": {resource: quantity}}
        answer = space.post(wanted, "pods", query=DRY)
        fine(answer)
    quota = {"metadata": {"name": "a"}, "spec": {"hard": {"pods": quantity, "requests.cpu": quantity}}}
    fine(space.post(quota, "resourcequotas", query=DRY))


@fuzzed
@given(text | st.sampled_from([".", "..", "%", "a/b", "%2e%2e", "a%00b", "x" * 300]))
def test_names_are_answered(space: Api, name: str) -> None:
    path = quote(name, safe="")
    if path:
        for resource in ("configmaps", "pods"):
            fine(space.get(f"{resource}/{path}"))
            fine(space.delete(f"{resource}/{path}", query=DRY))
        fine(space.at("/").get(f"/api/v1/namespaces/{path}/pods"))
        fine(space.patch({}, f"configmaps/{path}", query=DRY))
    for metadata in ({"name": name}, {"generateName": name}, {"name": "a", "labels": {name: name}}):
        fine(space.post({"metadata": metadata}, "configmaps", query=DRY))


@fuzzed
@given(st.text(st.sampled_from("/%2eF.~:;@?&=+apisv1namespacesconfigmaps*\\|^`{}[]<>'\"!$,-_"), max_size=40))
def test_paths_are_answered(space: Api, path: str) -> None:
    answer = space.get(f"/{path.replace('watch', '')}")
    assert answer.status < 500, answer


def as_token(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


TOKENS = (
    text
    | st.binary(max_size=40).map(lambda value: base64.urlsafe_b64encode(value).decode())
    | values.map(as_token)
    | st.fixed_dictionaries(
        {"v": st.just("meta.k8s.io/v1") | scalars, "rv": st.integers(-(2**65), 2**65), "start": text}
    ).map(as_token)
)


@fuzzed
@given(TOKENS)
def test_continue_tokens_are_answered(space: Api, token: str) -> None:
    for query in ({"continue": token}, {"continue": token, "limit": 1}):
        fine(space.get("configmaps", query=query))
        fine(space.get("configmaps", query=query, headers={"Accept": AS_TABLE}))


@fuzzed
@given(st.data())
def test_damaged_tokens_are_answered(space: Api, data: st.DataObject) -> None:
    token = space.get("configmaps", query={"limit": 1}).body["metadata"]["continue"]
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="ascii", exclude_categories=["Cc"]))
    fine(
        space.get(
            "configmaps", query={"limit": 1, "continue": token[:position] + letter + token[position + 1 :]}
        )
    )
    fine(space.get("configmaps", query={"limit": 1, "continue": token[:position]}))


KNOWN = """
limit resourceVersion resourceVersionMatch sendInitialEvents allowWatchBookmarks pretty
timeoutSeconds fieldManager fieldValidation includeObject gracePeriodSeconds propagationPolicy
orphanDependents force exact export shardSelector dryRun
"""
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(KNOWN.split()),
        text
        | st.integers(-(2**65), 2**65).map(str)
        | st.sampled_from(
            ["true", "false", "Exact", "NotOlderThan", "Strict", "Warn", "All", "0", "1", "None"]
        ),
    ),
    max_size=5,
)


@fuzzed
@given(PARAMETERS)
def test_parameters_are_answered(space: Api, query: list[tuple[str, str]]) -> None:
    fine(space.get("configmaps", query=query))
    fine(space.get("configmaps/target", query=query, headers={"Accept": AS_TABLE}))
    writing = [("dryRun", "All"), *(pair for pair in query if pair[0] != "dryRun")]
    fine(space.post(config_map("a-new"), "configmaps", query=writing))
    fine(space.patch({"data": {"x": "1"}}, "configmaps/target", query=writing))
    for path in ("configmaps/target", "configmaps"):
        answer = space.delete(path, query=writing)
        fine(answer)
        assert space.get("configmaps/target").status == 200, answer


RESOURCES = (
    "configmaps",
    "pods",
    "services",
    "secrets",
    "persistentvolumeclaims",
    "serviceaccounts",
    "events",
)


@fuzzed
@given(objects, objects, st.sampled_from(RESOURCES))
def test_odd_objects_are_answered(space: Api, body: Json, spec: Json, resource: str) -> None:
    fine(space.post(body, resource, query=DRY))
    named = {"metadata": {"name": "odd", **body}, "spec": spec, "data": spec}
    fine(space.post(named, resource, query={**DRY, "fieldValidation": "Strict"}))
    fine(space.post(named, resource, query=DRY))


@fuzzed
@given(
    st.binary(max_size=60)
    | values.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.just(b"k8s\0"), st.binary(max_size=60)).map(b"".join)
    | text.map(str.encode),
    st.sampled_from(
        [
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
            "application/cbor",
            "text/plain",
            "/;=",
            "application/json;charset=latin-1;;",
        ]
    ),
)
def test_odd_bodies_are_answered(space: Api, raw: bytes, content_type: str) -> None:
    space.post(config_map("victim"), "configmaps")  # options in a body count instead of those in the query
    for method, path in (
        ("POST", "configmaps"),
        ("PUT", "configmaps/target"),
        ("DELETE", "configmaps/victim"),
    ):
        fine(space.request(method, path, raw=raw, content_type=content_type, query=DRY))


FORMS = """
application/json application/yaml */* application/* ;q=0 ;q=x ;as=Table ;v=v1 ;g=meta.k8s.io , ; =
as=PartialObjectMetadataList ;stream=watch ;as= application/vnd.kubernetes.protobuf text/html
"""
ACCEPTED = st.lists(
    st.sampled_from(FORMS.split()),
    max_size=8,
).map("".join)


@fuzzed
@given(ACCEPTED)
def test_accepted_forms_are_answered(space: Api, accept: str) -> None:
    for path in ("configmaps", "configmaps/target", "/apis", "/openapi/v3"):
        assert space.get(path, headers={"Accept": accept}).status in (200, 406)


def test_nothing_of_all_that_was_stored(space: Api) -> None:
    found = space.get("configmaps/target").body
    assert (found["data"], found["metadata"]["labels"]) == ({"a": "1"}, {"run": "here"})
