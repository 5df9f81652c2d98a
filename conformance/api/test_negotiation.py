"""In which form bodies come and go."""

import gzip
import json

import pytest
import yaml

from conformance.api.objects import config_map, refusal
from conformance.http import Api

PROTOBUF = "application/vnd.kubernetes.protobuf"


def test_an_object_goes_in_and_out_as_yaml(maps: Api) -> None:
    wanted = yaml.safe_dump(config_map("a", {"x": "1", "yes": "no", "n": "0x10"}))
    made = maps.request("POST", raw=wanted.encode(), content_type="application/yaml")
    assert made.status == 201
    read = maps.get("a", headers={"Accept": "application/yaml"})
    assert read.media_type == "application/yaml"
    assert yaml.safe_load(read.content) == maps.get("a").body == made.body


def test_a_small_document_does_not_grow_into_a_large_one(maps: Api) -> None:
    """Nine lists of nine aliases each: 400 million texts, if they were spelled out."""
    lines = ["a: &a [x]"]
    for before, after in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{after}: &{after} [{', '.join(['*' + before] * 9)}]")
    refused = maps.request("POST", raw="\n".join(lines).encode(), content_type="application/yaml")
    assert refusal(refused) == (400, "BadRequest")


def test_an_object_goes_in_and_out_as_protobuf(maps: Api) -> None:
    made = maps.post(config_map("a", {"x": "1"})).body
    read = maps.get("a", headers={"Accept": PROTOBUF})
    assert (read.status, read.media_type, read.content[:4]) == (200, PROTOBUF, b"k8s\0")
    assert b"ConfigMap" in read.content
    maps.delete("a")
    fresh = _without_identity(read.content, made)
    again = maps.request("POST", raw=fresh, content_type=PROTOBUF)
    assert again.status == 201, again
    assert again.body["data"] == {"x": "1"}


def _without_identity(message: bytes, made: object) -> bytes:
    """The same ConfigMap as a small message: wire type 2 all the way.

    ``Unknown{typeMeta{apiVersion, kind}, raw: ConfigMap{metadata{name}, data{key, value}}}``
    """

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    entry = field(1, b"x") + field(2, b"1")
    raw = field(1, field(1, b"a")) + field(2, entry)
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, raw)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/xml,application/json", "application/json"),
        ("application/yaml", "application/yaml"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "application/json"),
        ("application/json;as=Chair;v=v1;g=meta.k8s.io,application/json", "application/json"),
    ],
)
def test_the_first_acceptable_form_is_taken(maps: Api, accept: str, media_type: str) -> None:
    answer = maps.get(headers={"Accept": accept})
    assert (answer.status, answer.media_type.split(";")[0]) == (200, media_type)


@pytest.mark.parametrize(
    "accept",
    ["application/xml", "text/plain", "application/json;as=Table;v=v2;g=meta.k8s.io", "application/x-tar"],
)
def test_what_is_not_offered_is_not_acceptable(maps: Api, accept: str) -> None:
    refused = maps.get(headers={"Accept": accept})
    assert refused.status == 406
    assert b"application/json" in refused.content


@pytest.mark.parametrize(
    "content_type", ["application/xml", "text/plain", "application/x-www-form-urlencoded"]
)
def test_a_body_of_another_type_is_not_supported(maps: Api, content_type: str) -> None:
    refused = maps.request("POST", raw=b'{"metadata": {"name": "a"}}', content_type=content_type)
    assert refusal(refused) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", ""])
def test_a_body_is_json_unless_said_otherwise(maps: Api, content_type: str) -> None:
    body = json.dumps(config_map("a")).encode()
    assert maps.request("POST", raw=body, content_type=content_type).status == 201


def test_long_answers_are_packed_if_the_client_can_unpack(maps: Api) -> None:
    maps.post(config_map("a", {"x": "y" * 200_000}))
    packed = maps.get("a", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.content) < 20_000
    plain = maps.get("a")
    assert plain.headers.get("Content-Encoding") is None
    assert json.loads(gzip.decompress(packed.content)) == plain.body


def test_answers_are_pretty_on_request(maps: Api) -> None:
    maps.post(config_map("a"))
    pretty, plain = maps.get("a", query={"pretty": "true"}), maps.get("a", query={"pretty": "false"})
    assert pretty.body == plain.body
    assert pretty.text.startswith('{\n  "kind"')
    assert len(plain.text.splitlines()) == 1


def test_unicode_survives_every_form(maps: Api) -> None:
    data = {"text": 'äöü 漢字 🎉 \u2028 \\ " <&>', "lines": "a\n b\n\tc\n"}
    made = maps.post(config_map("a", data)).body
    assert made["data"] == data
    as_yaml = maps.get("a", headers={"Accept": "application/yaml"})
    assert yaml.safe_load(as_yaml.content)["data"] == data
