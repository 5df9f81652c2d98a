"""Bodies as clients written in Go send them, put together here by the rules of the wire format."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.codecs import PROTOBUF, DecodeError, decode
from kube_lite.api.codecs.messages import fields_of, message_of, table


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def entry(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def enveloped(api_version: str, kind: str, *entries: bytes) -> bytes:
    return b"k8s\0" + entry(1, entry(1, api_version) + entry(2, kind)) + entry(2, b"".join(entries))


def test_a_config_map_keeps_its_data_and_loses_what_was_not_said() -> None:
    metadata = (
        entry(1, "settings")
        + entry(2, "")
        + entry(7, 0)
        + entry(8, b"")
        + entry(11, entry(1, "app") + entry(2, "web"))
    )
    body = enveloped(
        "v1",
        "ConfigMap",
        entry(1, metadata),
        entry(2, entry(1, "k") + entry(2, "v")),
        entry(3, entry(1, "b") + entry(2, b"\0\1")),
    )
    assert decode(body, PROTOBUF).value == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "labels": {"app": "web"}},
        "data": {"k": "v"},
        "binaryData": {"b": "AAE="},
    }


def test_a_zero_that_was_said_is_kept_and_inline_fields_stand_in_their_parent() -> None:
    volume = entry(1, "scratch") + entry(2, entry(2, entry(1, "")))  # emptyDir, with an empty medium
    pod_spec = (
        entry(1, volume)
        + entry(4, 0)
        + entry(2, entry(1, "c") + entry(8, entry(2, entry(1, "cpu") + entry(2, entry(1, "5m")))))
    )
    body = enveloped(
        "apps/v1", "Deployment", entry(2, entry(1, 0) + entry(3, entry(2, pod_spec)) + entry(5, 0))
    )
    assert decode(body, PROTOBUF).value["spec"] == {
        "replicas": 0,
        "template": {
            "spec": {
                "volumes": [{"name": "scratch", "emptyDir": {}}],
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "resources": {"requests": {"cpu": "5m"}}}],
            }
        },
    }


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(entry(1, 0) + entry(2, 8080), 8080, id="number"),
        pytest.param(entry(1, 1) + entry(2, 0) + entry(3, "http"), "http", id="name"),
    ],
)
def test_int_or_string_is_what_its_type_says(wire: bytes, expected: object) -> None:
    port = entry(1, "p") + entry(3, 80) + entry(4, wire)
    body = enveloped("v1", "Service", entry(2, entry(1, port)))
    assert decode(body, PROTOBUF).value["spec"]["ports"] == [
        {"name": "p", "port": 80, "targetPort": expected}
    ]


def test_delete_options_have_one_shape_in_every_group() -> None:
    body = enveloped("apps/v1", "DeleteOptions", entry(1, 0), entry(4, "Orphan"))
    assert decode(body, PROTOBUF).value == {
        "apiVersion": "apps/v1", "kind": "DeleteOptions",
        "gracePeriodSeconds": 0, "propagationPolicy": "Orphan",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"kind": "Pod"}', id="JSON"),
        pytest.param(enveloped("v1", "Pod", entry(1, "x"))[:-1], id="cut short"),
        pytest.param(enveloped("v1", "Chair"), id="unknown kind"),
        pytest.param(b"k8s\0" + b"\xff" * 20, id="endless number"),
        pytest.param(enveloped("v1", "ConfigMap", entry(1, 5)), id="a number for a message"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(body, PROTOBUF)


VALID = enveloped(
    "v1",
    "Event",
    entry(
        1,
        entry(1, "e")
        + entry(8, entry(1, 1700000000) + entry(2, 0))
        + entry(11, entry(1, "k") + entry(2, "v")),
    ),
    entry(2, entry(1, "Pod") + entry(2, "default")),
    entry(6, entry(1, 1700000000)),
    entry(8, 3),
    entry(10, entry(1, 1700000000) + entry(2, 123456000)),
    entry(11, entry(1, 2) + entry(2, entry(1, 1700000000))),
)


@settings(max_examples=300, deadline=None, database=None)
@given(place=st.integers(0, len(VALID)), cut=st.integers(0, 6), put=st.binary(max_size=12))
def test_damaged_bodies_are_read_or_refused_and_nothing_else(place: int, cut: int, put: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(decode(VALID[:place] + put + VALID[place + cut :], PROTOBUF).value, dict)


@pytest.mark.parametrize("seconds", [1 << 62, -(1 << 40)])
def test_a_moment_beyond_the_calendar_is_refused(seconds: int) -> None:
    with pytest.raises(DecodeError, match="out of range"):
        decode(enveloped("v1", "Event", entry(6, entry(1, seconds))), PROTOBUF)


def test_every_type_in_the_table_is_in_the_table() -> None:
    named = {
        field.code.lstrip("[{@")
        for message in table()
        if not message.startswith("(")
        for field in fields_of(message).values()
        if "@" in field.code or "(" in field.code
    }
    assert {name for name in named if name not in table()} == set()
    assert message_of("rbac.authorization.k8s.io/v1", "Role") in table()
