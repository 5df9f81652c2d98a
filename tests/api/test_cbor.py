"""CBOR as Kubernetes speaks it: values come back, and what JSON could not say is refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.codecs import CBOR, DecodeError, decode, decode_object
from kube_lite.api.codecs.cbor import MAX_DEPTH, PREFIX, encode, encode_event
from kube_lite.api.errors import BadRequest

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4)
)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    found = decode(encode(value), CBOR).value
    assert found == value
    assert repr(found) == repr(value)  # 1 is not 1.0, nor True


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_are_refused(body: bytes) -> None:
    with suppress(DecodeError):
        encode(decode(body, CBOR).value)


@pytest.mark.parametrize(
    ("written", "value"),  # RFC 8949, appendix A
    [
        ("00", 0),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1000000),
        ("3903e7", -1000),
        ("f93e00", 1.5),
        ("fa47c35000", 100000.0),
        ("fbc010666666666666", -4.1),
        ("f6", None),
        ("6449455446", "IETF"),
        ("62c3bc", "ü"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("d9d9f7a1416180", {"a": []}),
        ("d6430a0b0c", "CgsM"),
        ("d7430a0b0c", "0A0B0C"),
        ("c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"),
    ],
)
def test_other_writers_are_understood(written: str, value: object) -> None:
    assert decode(bytes.fromhex(written), CBOR).value == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "EOF"),
        ("d9d9f7a1416b", "unexpected EOF"),
        ("9bffffffffffffffff00", "unexpected EOF"),
        ("a2414b01414b02", 'cbor: found duplicate map key "K" at map element index 1'),
        ("0001", "cbor: 1 bytes of extraneous data starting at index 1"),
        ("62fffe", "cbor: invalid UTF-8 string"),
        ("f97e00", "floating-point NaN"),
        ("f97c00", "floating-point infinity"),
        ("f7", "simple value 23 is not recognized"),
        ("1bffffffffffffffff", "overflows Go's int64"),
        ("a10102", "map key is of type int"),
        ("ff", 'unexpected "break" code'),
        ("81ff", 'unexpected "break" code'),
        ("1c", "invalid additional information 28 for type positive integer"),
        ("c249010000000000000000", "bignum"),
        ("81" * (MAX_DEPTH + 2) + "00", "exceeded max nested level"),
    ],
)
def test_what_is_no_value_of_json_is_refused(written: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message.replace("(", r"\(")):
        decode(bytes.fromhex(written), CBOR)


def test_a_refused_body_is_quoted_in_hexadecimal() -> None:
    with pytest.raises(BadRequest) as caught:
        decode_object(b"hello", CBOR, "ConfigMap")
    assert caught.value.message == (
        "the object provided is unrecognized (must be of type ConfigMap): "
        "unable to determine group/version/kind: unexpected EOF (68656c6c6f)"
    )


def test_an_event_holds_a_described_object() -> None:
    body = encode({"kind": "ConfigMap"})
    event = encode_event("ADDED", body)
    assert event.startswith(PREFIX)
    assert event.endswith(body)
    assert decode(event, CBOR).value == {"type": "ADDED", "object": {"kind": "ConfigMap"}}
