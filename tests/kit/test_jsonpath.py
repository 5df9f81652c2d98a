"""kubectl's JSONPath."""

import pytest

from kube_lite.kit.jsonpath import JsonPath


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.parts[*].id", ["a", "b"]),
        (".spec.parts[0].weight", [0.5]),
        (".spec.parts[-1].id", ["b"]),
        (".spec.parts[0:1].id", ["a"]),
        ('.spec.parts[?(@.id=="b")].id', ["b"]),
        (".spec.parts[?(@.weight>0.1)].id", ["a"]),
        (".spec.parts[?(@.weight)].id", ["a"]),
        (r".spec.app\.test/name", ["x"]),
        ("['spec']['app.test/name']", ["x"]),
        ("..id", ["a", "b"]),
        (".spec.none.below", []),
    ],
)
def test_a_path_leads_to_values(path: str, found: list[object]) -> None:
    spec = {"parts": [{"id": "a", "weight": 0.5}, {"id": "b"}], "app.test/name": "x"}
    assert JsonPath(path).find({"spec": spec}) == found


@pytest.mark.parametrize(
    "path", [".a[", ".a[x]", ".a{}", ".a[?(b)]", ".a[::0]", ".a[?(@.b==)]", ".a[?(@" * 40, ".a" * 4000]
)
def test_a_text_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        JsonPath(path)
