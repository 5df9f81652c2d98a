"""An OpenAPI v2 document as protobuf, in the messages of gnostic, which kubectls before 1.31 or so read.

Only what our documents contain is written. Extensions (``x-kubernetes-…``) and defaults travel as YAML text
inside a message, and JSON is YAML. Source of the field numbers: gnostic's ``openapiv2/OpenAPIv2.proto``.
"""

from collections.abc import Iterable

import orjson

from .identity import Json

METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encode_document(document: Json) -> bytes:
    """The bytes of a ``Document`` message."""
    info = document["info"]
    paths = b"".join(
        _message(2, _text(1, path) + _message(2, _path_item(item)))
        for path, item in document["paths"].items()
    )
    schemas = _named_schemas(document["definitions"])
    return b"".join(
        (
            _text(1, document["swagger"]),
            _message(2, _text(1, info["title"]) + _text(2, info["version"])),
            _message(8, paths),
            _message(9, schemas),
        )
    )


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode()) if text else b""


def _texts(field: int, texts: Iterable[str]) -> bytes:
    return b"".join(_text(field, text) for text in texts)


def _flag(field: int, value: bool) -> bytes:
    return _varint(field << 3) + b"\x01" if value else b""


def _any(value: object) -> bytes:
    """An ``Any`` whose text is YAML; the newline is what gnostic's own writer ends it with."""
    return _text(2, orjson.dumps(value).decode() + "\n")


def _extensions(field: int, owner: Json) -> bytes:
    return b"".join(
        _message(field, _text(1, name) + _message(2, _any(value)))
        for name, value in owner.items()
        if name.startswith("x-")
    )


def _path_item(item: Json) -> bytes:
    parts = [
        _message(number, _operation(item[method])) for method, number in METHODS.items() if method in item
    ]
    parts += [_message(9, _parameter(parameter)) for parameter in item.get("parameters", ())]
    return b"".join(parts)


def _operation(operation: Json) -> bytes:
    responses = b"".join(
        _message(1, _text(1, code) + _message(2, _message(1, _response(response))))
        for code, response in operation["responses"].items()
    )
    return b"".join(
        (
            _text(5, operation["operationId"]),
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            *(_message(8, _parameter(parameter)) for parameter in operation.get("parameters", ())),
            _message(9, responses),
            _texts(10, operation["schemes"]),
            _extensions(13, operation),
        )
    )


def _response(response: Json) -> bytes:
    schema = response.get("schema")
    return _text(1, response["description"]) + (_message(2, _message(1, _schema(schema))) if schema else b"")


def _parameter(parameter: Json) -> bytes:
    """A ``ParametersItem``: the parameter in two wrappers, one of which says where it stands."""
    name, where = parameter["name"], parameter["in"]
    required = parameter.get("required", False)
    if where == "body":
        body = (
            _text(2, name) + _text(3, where) + _flag(4, required) + _message(5, _schema(parameter["schema"]))
        )
        return _message(1, _message(1, body))
    common = _flag(1, required) + _text(2, where) + _text(4, name)
    if where == "query":
        return _message(1, _message(2, _message(3, common + _text(6, parameter["type"]))))
    return _message(1, _message(2, _message(4, common + _text(5, parameter["type"]))))


def _named_schemas(schemas: Json) -> bytes:
    return b"".join(
        _message(1, _text(1, name) + _message(2, _schema(schema))) for name, schema in schemas.items()
    )


def _schema(schema: Json) -> bytes:
    parts = [_text(1, schema.get("$ref", "")), _text(2, schema.get("format", ""))]
    parts.append(_text(4, schema.get("description", "")))
    if "default" in schema:
        parts.append(_message(5, _any(schema["default"])))
    parts.append(_texts(19, schema.get("required", ())))
    parts += [_message(20, _any(value)) for value in schema.get("enum", ())]
    if isinstance(schema.get("additionalProperties"), dict):
        parts.append(_message(21, _message(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(_message(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_message(23, _message(1, _schema(schema["items"]))))
    if schema.get("properties"):
        parts.append(_message(25, _named_schemas(schema["properties"])))
    parts.append(_extensions(31, schema))
    return b"".join(parts)
