"""What somebody applies: read as YAML, and held against the schema before anything is merged.

The texts are those of structured-merge-diff, ``typed/validate.go``, and of the handlers around it; some quote
values as Go prints its own structs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kube_lite.api.codecs import YAML, DecodeError, decode, json_type
from kube_lite.api.errors import ApiError, BadRequest
from kube_lite.api.gotext import go_quote, go_text
from kube_lite.api.identity import GroupVersionKind, Json, parse_api_version

from . import MAP_TYPE
from .fieldset import Path, spell
from .typed import LIST, MAP, SCALAR, NoLabel, Type, label_of

DECODING = "error decoding YAML: "


class Configuration(NamedTuple):
    """An applied configuration; ``repeated`` are the texts of keys that it has twice."""

    value: Json
    repeated: tuple[str, ...] = ()
    refusal: tuple[str, ...] = ()


def parse(body: bytes, form: str = YAML) -> Configuration:
    """Read the body of an apply; ``form`` is the media type of YAML or CBOR.

    Raises:
        BadRequest: it is not in that form, or no object.
    """
    try:
        decoded = decode(body, form)
    except DecodeError as error:
        converting = "error converting YAML to JSON: " if form == YAML else ""
        raise BadRequest(f"{DECODING}{converting}{error}") from error
    value = decoded.value
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise BadRequest(
            f"{DECODING}error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{json_type(value)} into Go value of type {MAP_TYPE}"
        )
    return Configuration(value, decoded.repeated, decoded.refusal)


def check(configuration: Json, gvk: GroupVersionKind, type: Type) -> None:
    """Refuse what cannot be applied to an object of the kind.

    Raises:
        BadRequest: it is of another kind, or wants to decide about owners.
        ApiError: (500, as in the reference) it does not follow the schema.
    """
    given = _kind_of(configuration)
    if given != gvk:
        raise BadRequest(f"invalid object type: {_spell_kind(given)}")
    metadata = configuration.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    wrong = [f"{spell(path)}: {why}" if path else why for path, why in misfits(configuration, type)]
    if wrong:
        told = wrong[0] if len(wrong) == 1 else "errors:\n  " + "\n  ".join(wrong)
        raise ApiError(f"failed to create typed patch object ({spell_object(configuration, gvk)}): {told}")


def not_converted(configuration: Json, gvk: GroupVersionKind, why: str) -> ApiError:
    """What is said of a configuration that fits the schema, and whose values are no good all the same."""
    return ApiError(
        f"failed to convert new object ({spell_object(configuration, gvk)}) to proper version: "
        f"unable to convert unstructured object to {_spell_kind(gvk)}: {why}"
    )


def spell_object(obj: Json, gvk: GroupVersionKind) -> str:
    """``default/web; apps/v1, Kind=Deployment``."""
    metadata = obj.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    name, namespace = (
        value if isinstance(value, str) else "" for value in (found.get("name"), found.get("namespace"))
    )
    return f"{namespace}/{name}; {_spell_kind(gvk)}"


def _kind_of(configuration: Json) -> GroupVersionKind:
    kind, api_version = configuration.get("kind"), configuration.get("apiVersion")
    group = version = ""
    if isinstance(api_version, str) and api_version.count("/") < 2:
        group, version = parse_api_version(api_version)
    return GroupVersionKind(group, version, kind if isinstance(kind, str) else "")


def _spell_kind(gvk: GroupVersionKind) -> str:
    return f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"


def misfits(value: Any, type: Type, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where a configuration does not follow the schema, and why."""
    if value is None:
        return
    if type.kind == SCALAR:
        why = _misfit(value, type.scalar)
        if why:
            yield at, why
    elif type.kind == MAP and not isinstance(value, dict):
        yield at, f"expected map, got &{{{go_text(value)}}}"
    elif type.kind == LIST and not isinstance(value, list):
        yield at, f"expected list, got &{{{go_text(value)}}}"
    elif isinstance(value, dict):
        yield from _misfits_of_map(value, type, at)
    elif isinstance(value, list):
        yield from _misfits_of_list(value, type, at)


def _misfits_of_map(value: Json, type: Type, at: Path) -> Iterator[tuple[Path, str]]:
    for name, item in value.items():
        if name not in type.fields and not type.is_open:
            yield (*at, f"f:{name}"), "field not declared in schema"
            return
        yield from misfits(item, type.of_field(name), (*at, f"f:{name}"))


def _misfits_of_list(value: list[Any], type: Type, at: Path) -> Iterator[tuple[Path, str]]:
    seen = set()
    for index, item in enumerate(value):
        label = f"i:{index}"
        if type.kind == LIST and not type.atomic:
            try:
                label = label_of(item, type)
            except NoLabel as error:
                yield at, f"element {index}: {error}"
                return
            if label in seen:
                yield at, f"duplicate entries for key {spell((label,))}"
            seen.add(label)
        yield from misfits(item, type.element, (*at, label))


def _misfit(value: Any, wanted: str) -> str:
    is_number = type(value) in (int, float)
    if wanted == "numeric":
        return "" if is_number else f"expected numeric (int or float), got {_GO_TYPES.get(type(value), '')}"
    if wanted == "string":
        return (
            ""
            if isinstance(value, str)
            else f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
        )
    if wanted == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{go_text(value)}}}"
    is_scalar = is_number or isinstance(value, (str, bool))
    return "" if is_scalar else f"expected any scalar, got &{{{go_text(value)}}}"


_GO_TYPES = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}


def _go_syntax(value: Any) -> str:
    """A value as Go's ``%#v`` prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{go_quote(name)}:{_go_syntax(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, str):
        return go_quote(value)
    return "interface {}(nil)" if value is None else go_text(value)
