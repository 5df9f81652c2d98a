"""Bytes to objects."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_lite.api.codecs import DecodeError, decode, decode_object
from kube_lite.api.codecs.json import Scanner, in_order
from kube_lite.api.codecs.json import decode as decode_json
from kube_lite.api.codecs.yaml import encode as encode_yaml
from kube_lite.api.errors import BadRequest, UnsupportedMediaType

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


YAML = "application/yaml"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)


@quick
@given(values)
def test_good_json_is_good_to_the_scanner_and_repeats_nothing(value: Any) -> None:
    text = json.dumps(value)
    assert Scanner(text).error() is None
    assert decode(text.encode()) == (value, (), ())


@quick
@given(st.dictionaries(st.text("abcyn~01.:- ", max_size=6), values, max_size=4))
def test_written_yaml_reads_back(value: Any) -> None:
    text = json.dumps(value)
    if any(ord(letter) < 32 or not letter.isprintable() for letter in text) or "\\u" in text:
        return  # YAML has no form for some control characters
    assert decode(encode_yaml(value), YAML).value == value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a": 1', "unexpected end of JSON input"),
        (b'{"a": 1, }', "invalid character '}' looking for beginning of object key string"),
        (b"{'a': 1}", r"invalid character '\'' looking for beginning of object key string"),
        (b'{"a": 1} {}', "invalid character '{' after top-level value"),
        (b'{"a": NaN}', "invalid character 'N' looking for beginning of value"),
        (b'{"a": tru}', "invalid character '}' in literal true (expecting 'e')"),
        (b'{"a": 01}', "invalid character '1' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b'{"a": 1.}', "invalid character '}' after decimal point in numeric literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
    ],
)
def test_bad_json_is_refused_in_go_words(body: Any, message: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert str(caught.value) == message


def test_repeated_keys_are_found_and_the_last_counts() -> None:
    decoded = decode(b'{"metadata": {"name": "a", "name": "b"}, "list": [{"k": "1", "k": "2"}]}')
    assert decoded.value == {"metadata": {"name": "b"}, "list": [{"k": "2"}]}
    assert decoded.repeated == ('duplicate field "metadata.name"', 'duplicate field "list[0].k"')


def test_colons_in_texts_are_no_repeated_keys() -> None:
    assert decode(b'{"a": "x:y", "b": "\\u003a"}').repeated == ()


def test_broken_bytes_and_halves_of_surrogate_pairs_are_replaced() -> None:
    assert decode_json(b'{"a": "\\ud800 \\ud83d\\ude00 \\\\ud800"}').value == {
        "a": "\ufffd \U0001f600 \\ud800"
    }
    assert decode_json(b'{"a": "\xff", "a": "\\udfff"}') == (
        {"a": "\ufffd"}, ('duplicate field "a"',), ('duplicate field "a"',)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("n", '"n"'),
        ("1e3", '"1e3"'),
        ("2020-01-01", '"2020-01-01"'),
        ("12:30:45", '"12:30:45"'),
        ("", '""'),
        ("a: b", "'a: b'"),
        ("it's", "it's"),
        ("two\nlines\n", "|\n  two\n  lines"),
        ("two\nlines", "|-\n  two\n  lines"),
    ],
)
def test_texts_are_written_so_that_no_reader_takes_them_for_something_else(text: str, written: str) -> None:
    assert encode_yaml({"a": text}).decode() == f"a: {written}\n"


def test_repeated_keys_of_yaml_are_told_with_their_line() -> None:
    decoded = decode(b"a: 1\nmap: {k: a, k: b}\n", YAML)
    assert decoded.value == {"a": 1, "map": {"k": "b"}}
    assert decoded.repeated == ('line 2: key "k" already set in map',)
    assert decoded.refusal == ('yaml: unmarshal errors:\n  line 2: key "k" already set in map',)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-01", "2020-01-01"),
        ("1e3", 1000),
        ("1:30", "1:30"),
        ("0777", 511),
        ("0x1F", 31),
        ("~", None),
        ("yes", True),
        ("'yes'", "yes"),
        ("!!str 5", "5"),
        ("1.5", 1.5),
        ("1_000", 1000),
    ],
)
def test_plain_scalars_of_yaml_mean_what_kubectl_takes_them_for(text: Any, value: Any) -> None:
    assert decode(f"a: {text}\n".encode(), YAML).value == {"a": value}


def test_anchors_and_merge_keys_are_followed_and_copied() -> None:
    decoded = decode(b"base: &b {x: 1}\ncopy: *b\nmore: {<<: *b, z: 2}\n", YAML).value
    assert decoded == {"base": {"x": 1}, "copy": {"x": 1}, "more": {"x": 1, "z": 2}}
    assert decoded["base"] is not decoded["copy"]


def test_a_document_that_explodes_is_refused_before_it_does() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise("abcdefghi")]
    with pytest.raises(DecodeError, match="excessive aliasing"):
        decode("\n".join(lines).encode(), YAML)
    with pytest.raises(DecodeError, match="contains itself"):
        decode(b"a: &a [*a]", YAML)


def test_a_yaml_mistake_is_told_with_its_line() -> None:
    with pytest.raises(BadRequest) as caught:
        decode_object(b"kind: A\nmetadata:\n\tname: a\n", YAML, "A")
    assert caught.value.message == (
        "the object provided is unrecognized (must be of type A): yaml: line 3: found character that "
        "cannot start any token (6b696e643a20410a6d657461646174613a0a096e616d653a20610a)"
    )


def test_a_body_that_is_no_object_is_unrecognized() -> None:
    with pytest.raises(
        BadRequest, match=r"json: cannot unmarshal array into Go value of type struct .*\(5b5d\)"
    ):
        decode_object(b"[]", "application/json; charset=utf-8", "ConfigMap")
    assert decode_object(b"null", "", "ConfigMap").value == {}


def test_other_media_types_are_not_read() -> None:
    with pytest.raises(UnsupportedMediaType, match="unknown format - accepted media types include"):
        decode(b"<a/>", "application/xml")


@pytest.mark.parametrize("depth", [300, 1_100, 20_000])
@pytest.mark.parametrize("shape", ["[]", "{}", "[", "in an object"])
def test_what_is_nested_too_deep_to_be_written_is_not_read(shape: str, depth: int) -> None:
    body = {
        "[]": "[" * depth + "]" * depth,
        "{}": '{"a":' * depth + "1" + "}" * depth,
        "[": "[" * depth,
        "in an object": '{"x":' + "[" * depth + "]" * depth + "}",
    }[shape]
    with pytest.raises(DecodeError):
        decode_json(body.encode())


def test_repeated_and_unknown_fields_are_told_in_the_order_of_the_document() -> None:
    body = b'{"a":{"x":1,"n":1,"n":2},"z":{"y":1,"y":2},"l":[{"u":1,"n":3,"n":4}],"a":{"n":5}}'
    repeated = [f'duplicate field "{path}"' for path in ("a", "a.n", "z.y", "l[0].n")]
    unknown = [f'unknown field "{path}"' for path in ("z", "a.x", "l[0].u")]
    assert in_order(body, repeated, unknown) == (
        'unknown field "a.x"',
        'duplicate field "a.n"',
        'unknown field "z"',
        'unknown field "l[0].u"',
        'duplicate field "l[0].n"',
        'duplicate field "a"',
    )
