"""Documents of other servers, whatever they say, as parts of ours."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.openapi_merge import as_v3, merged, only_below, sound
from kube_lite.api.openapi_protobuf import encode_document

PREFIX = "/apis/example.test/v1/"
OWN = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": "v1"},
    "paths": {"/apis/apps/v1/deployments": {}, f"{PREFIX}old": {}},
    "definitions": {"meta.ObjectMeta": {"type": "object"}, "same": {"type": "string"}},
}


def other(**definitions: Any) -> dict[str, Any]:
    """A document whose only operation answers with ``Fish``."""
    body = {"in": "body", "name": "body", "schema": {"$ref": "#/definitions/Fish"}}
    operation = {
        "operationId": "makeFish",
        "consumes": ["application/json"],
        "parameters": [body, {"in": "query", "name": "pretty", "type": "string"}],
        "responses": {"201": {"schema": {"$ref": "#/definitions/Fish"}}},
    }
    paths = {f"{PREFIX}fish": {"post": operation}, "/apis/elsewhere.test/v1/birds": {"post": operation}}
    document = sound({"swagger": "2.0", "paths": paths, "definitions": definitions})
    assert document is not None
    return document


def test_of_another_server_only_its_group_is_taken_with_the_definitions_it_needs() -> None:
    fish = {"properties": {"fin": {"$ref": "#/definitions/Fin"}}}
    found = merged(
        OWN, [PREFIX], [(PREFIX, other(Fish=fish, Fin={"type": "string"}, Bird={"type": "object"}))]
    )
    assert list(found["paths"]) == ["/apis/apps/v1/deployments", f"{PREFIX}fish"]
    assert list(found["definitions"]) == ["Fin", "Fish", "meta.ObjectMeta", "same"]


def test_a_definition_that_says_something_else_gets_a_name_of_its_own() -> None:
    fish = {"properties": {"metadata": {"$ref": "#/definitions/meta.ObjectMeta"}}}
    found = merged(OWN, [], [(PREFIX, other(**{"Fish": fish, "meta.ObjectMeta": {"type": "integer"}}))])
    assert found["definitions"]["meta.ObjectMeta"] == {"type": "object"}
    assert found["definitions"]["meta.ObjectMeta_v2"] == {"type": "integer"}
    reference = {"$ref": "#/definitions/meta.ObjectMeta_v2"}
    assert found["definitions"]["Fish"] == {"properties": {"metadata": reference}}


def test_a_document_of_version_2_is_told_in_version_3() -> None:
    found = as_v3(only_below(other(Fish={"type": "object"}), [PREFIX]))
    assert found["components"]["schemas"] == {"Fish": {"type": "object"}}
    post = found["paths"][f"{PREFIX}fish"]["post"]
    schema = {"$ref": "#/components/schemas/Fish"}
    assert post["requestBody"] == {"content": {"application/json": {"schema": schema}}, "required": False}
    assert post["parameters"] == [{"in": "query", "name": "pretty", "schema": {"type": "string"}}]
    assert post["responses"]["201"]["content"] == {"application/json": {"schema": schema}}


WORDS = st.sampled_from(["paths", "definitions", "get", "post", "parameters", "in", "name", "body", "schema",
    "responses", "200", "consumes", "$ref", "#/definitions/a", "a", f"{PREFIX}a", "type"])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "paths": st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, max_size=3) | VALUES, max_size=3)
        | VALUES,
        "definitions": st.dictionaries(WORDS, VALUES, max_size=3) | VALUES,
    },
)


@given(DOCUMENTS)
def test_whatever_another_server_says_is_read_or_left_out(document: dict[str, Any]) -> None:
    read = sound(document)
    assert read is not None
    found = merged(OWN, [], [(PREFIX, read)])
    assert set(OWN["paths"]) <= set(found["paths"])
    as_v3(only_below(read, [PREFIX]))


def test_what_lies_too_deep_is_left_out() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    assert sound({"definitions": {"deep": deep}}) is None
    encode_document(merged(OWN, [], []))
