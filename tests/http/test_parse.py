import pytest

from kube_lite.api.errors import MethodNotAllowed, NotFound
from kube_lite.http.parse import Target, UnknownPath, find_target, is_true, parse_request, parse_target
from kube_lite.kinds import builtin

REGISTRY = builtin("1.36")


def target_of(method: str, raw: str) -> Target:
    _, asked = parse_request(method, raw)
    assert asked is not None
    return find_target(asked, method, REGISTRY)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /api/v1/namespaces/a/pods", ("list", "pods", "a", "", "")),
        ("GET /api/v1/namespaces/a/pods/b", ("get", "pods", "a", "b", "")),
        ("GET /api/v1/namespaces/a/pods/b/status", ("get", "pods", "a", "b", "status")),
        ("GET /api/v1/namespaces/a/pods?watch=true", ("watch", "pods", "a", "", "")),
        ("GET /api/v1/namespaces/a/pods?watch=1&limit=5", ("watch", "pods", "a", "", "")),
        ("GET /api/v1/namespaces/a/pods?watch=false", ("list", "pods", "a", "", "")),
        ("GET /api/v1/namespaces/a/pods/b?watch=true", ("get", "pods", "a", "b", "")),
        ("GET /api/v1/watch/namespaces/a/pods", ("watch", "pods", "a", "", "")),
        ("GET /api/v1/watch/namespaces/a/pods/b", ("watch", "pods", "a", "b", "")),
        ("GET /api/v1/watch/pods", ("watch", "pods", "", "", "")),
        ("GET /api/v1/pods", ("list", "pods", "", "", "")),
        ("GET /api/v1/nodes/n", ("get", "nodes", "", "n", "")),
        ("GET /api/v1/namespaces", ("list", "namespaces", "", "", "")),
        ("GET /api/v1/namespaces/a", ("get", "namespaces", "", "a", "")),
        ("PUT /api/v1/namespaces/a/finalize", ("update", "namespaces", "", "a", "finalize")),
        ("PUT /api/v1/namespaces/a/status", ("update", "namespaces", "", "a", "status")),
        ("POST /api/v1/namespaces/a/pods", ("create", "pods", "a", "", "")),
        ("POST /api/v1/namespaces/a/pods/b/binding", ("create", "pods", "a", "b", "binding")),
        ("PUT /apis/apps/v1/namespaces/a/deployments/d", ("update", "deployments", "a", "d", "")),
        ("PATCH /apis/apps/v1/namespaces/a/deployments/d/scale", ("patch", "deployments", "a", "d", "scale")),
        ("DELETE /apis/apps/v1/namespaces/a/deployments/d", ("delete", "deployments", "a", "d", "")),
        ("DELETE /apis/apps/v1/namespaces/a/deployments", ("deletecollection", "deployments", "a", "", "")),
        ("GET /api/v1/namespaces/a/pods/b%2Ec", ("get", "pods", "a", "b.c", "")),
    ],
)
def test_a_path_says_which_verb_on_which_object(line: str, expected: tuple[str, ...]) -> None:
    found = target_of(*line.split(" ", 1))
    assert (found.verb, found.resource.plural, found.namespace, found.name, found.subresource) == expected


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/v1/nothings",
        "GET /api/v1/Pods",
        "GET /api/v9/pods",
        "GET /apis/apps/v9/deployments",
        "GET /api/v1/namespaces/a/nodes",
        "GET /api/v1/pods/a",
        "GET /api/v1/namespaces/a/pods/b/nothing",
        "GET /api/v1/namespaces/a/pods/b/status/more",
    ],
)
def test_a_path_inside_a_group_that_leads_nowhere_is_told_as_a_status(line: str) -> None:
    with pytest.raises(NotFound) as caught:
        target_of(*line.split(" ", 1))
    status = caught.value.status()
    assert status["message"] == "the server could not find the requested resource"
    assert status["details"] == {}


def test_a_path_outside_every_group_is_no_api() -> None:
    with pytest.raises(UnknownPath):
        target_of("GET", "/apis/nothing.example.test/v1/things")


@pytest.mark.parametrize(
    "line",
    [
        "POST /api/v1/pods",
        "DELETE /api/v1/pods",
        "PUT /api/v1/namespaces/a/pods",
        "PATCH /api/v1/namespaces/a/pods",
        "POST /api/v1/namespaces/a/pods/b",
        "POST /api/v1/namespaces/a/pods/b/status",
        "PUT /api/v1/namespaces/a/pods/b/eviction",
        "GET /api/v1/namespaces/a/bindings",
        "OPTIONS /api/v1/namespaces/a/pods",
    ],
)
def test_a_method_that_a_place_does_not_know_is_not_allowed(line: str) -> None:
    with pytest.raises(MethodNotAllowed):
        target_of(*line.split(" ", 1))


def test_a_parameter_that_is_repeated_keeps_its_first_value() -> None:
    address = parse_target("/x?a=1&a=2&watch&b=%20y")
    assert dict(address.query) == {"a": "1", "watch": "", "b": " y"}
    assert is_true(address.query, "watch")
    assert not is_true(address.query, "missing")


def test_parameters_with_semicolons_or_half_escapes_are_left_out() -> None:
    assert dict(parse_target("/api/v1/pods?a=1;b=2&c=%zz&d=%41&e=%4").query) == {"d": "A"}


@pytest.mark.parametrize("path", ["/api/v1/watch/namespaces/a/pods/b", "/api/v1/watch/pods"])
def test_old_watches_can_only_be_read(path: str) -> None:
    with pytest.raises(MethodNotAllowed):
        target_of("PUT", path)


def test_what_cannot_be_listed_is_nowhere_outside_of_a_namespace() -> None:
    with pytest.raises(NotFound):
        target_of("GET", "/api/v1/bindings")
