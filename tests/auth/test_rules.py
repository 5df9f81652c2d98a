import pytest

from kube_lite.api.identity import Json
from kube_lite.auth.rules import covers_path, describe_rules, missing_rules


def rule(verbs: str, resources: str, groups: str = "-", names: str = "") -> Json:
    """``rule("get list", "pods")``; ``-`` is the core group."""
    made: Json = {"verbs": verbs.split(), "resources": resources.split()}
    made["apiGroups"] = ["" if group == "-" else group for group in groups.split()]
    return {**made, "resourceNames": names.split()} if names else made


def paths(verbs: str, *urls: str) -> Json:
    return {"verbs": verbs.split(), "nonResourceURLs": list(urls)}


@pytest.mark.parametrize(
    ("owned", "wanted", "told"),
    [
        pytest.param([rule("get list", "pods")], rule("get", "pods"), [], id="a part of what is owned"),
        pytest.param(
            [rule("get", "pods"), rule("list", "pods")], rule("get list", "pods"), [], id="in parts"
        ),
        pytest.param([rule("*", "*", "*")], rule("escalate", "roles", "rbac"), [], id="everything"),
        pytest.param([rule("*", "*")], rule("get", "pods/log"), [], id="subresources of everything"),
        pytest.param([rule("get", "*/log")], rule("get", "pods/log"), [], id="one subresource of all"),
        pytest.param([rule("get", "pods")], rule("get", "pods", names="a"), [], id="one name of all"),
        pytest.param(
            [rule("get", "pods", names="a")],
            rule("get", "pods"),
            ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
            id="all names of one",
        ),
        pytest.param(
            [rule("get", "pods")],
            rule("get list", "pods secrets"),
            [
                '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}',
                '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
            ],
            id="verbs of one resource are told together",
        ),
        pytest.param([paths("get", "/logs/*")], paths("get", "/logs/a"), [], id="a path below"),
        pytest.param(
            [rule("*", "*", "*")],
            paths("get", "/metrics"),
            ['{NonResourceURLs:["/metrics"], Verbs:["get"]}'],
            id="paths are no resources",
        ),
        pytest.param(
            [],
            rule("get", 'a"b', names="x"),
            ['{APIGroups:[""], Resources:["a\\"b"], ResourceNames:["x"], Verbs:["get"]}'],
            id="quotes",
        ),
    ],
)
def test_what_a_role_would_grant_beyond_what_somebody_has(
    owned: list[Json], wanted: Json, told: list[str]
) -> None:
    assert describe_rules(missing_rules(owned, [wanted])) == told


@pytest.mark.parametrize(
    ("owned", "path", "covered"),
    [
        pytest.param("*", "/anything", True, id="all"),
        pytest.param("/healthz", "/healthz/etcd", False, id="not what is below"),
        pytest.param("/healthz/*", "/healthz", False, id="below is not the thing itself"),
        pytest.param("/api*", "/apis", True, id="a beginning"),
    ],
)
def test_paths_are_covered_whole_or_by_their_beginning(owned: str, path: str, covered: bool) -> None:
    assert covers_path([owned], path) is covered
