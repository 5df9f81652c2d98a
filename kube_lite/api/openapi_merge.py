"""OpenAPI v2 documents of several servers as one, and such a document in version 3.

Of the other servers only what concerns their group and version is taken, with the definitions that it needs.
A definition that has the name of another but says something else gets a new name, and so do the references
to it. What cannot be understood is left out, because these documents were written by others: ``sound`` comes
first, the rest relies on it.
Source: ``pkg/aggregator/aggregator.go`` and ``pkg/openapiconv`` of kube-openapi.
"""

from collections.abc import Callable, Iterable, Sequence

from .identity import Json

DEFINITIONS = "#/definitions/"
SCHEMAS = "#/components/schemas/"
MAX_DEPTH = 100
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
OF_SCHEMAS = ("type", "format", "items", "default", "enum", "pattern", "minimum", "maximum", "uniqueItems")


def sound(document: Json) -> Json | None:
    """The document with all that those who read it rely on; None if it lies too deep to be read."""
    if not _is_within(document, MAX_DEPTH):
        return None
    paths = {path: _sound_path(item) for path, item in section(document, "paths").items()}
    given = section(document, "definitions")
    definitions = {name: it for name, it in given.items() if isinstance(it, dict)}
    return {**document, "paths": paths, "definitions": definitions}


def _is_within(value: object, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_is_within(inner, depth - 1) for inner in value.values())
    return not isinstance(value, list) or (depth > 0 and all(_is_within(inner, depth - 1) for inner in value))


def _sound_path(item: object) -> Json:
    if not isinstance(item, dict):
        return {}
    changed: Json = {
        name: _sound_operation(item[name]) for name in METHODS if isinstance(item.get(name), dict)
    }
    return {**changed, "parameters": _parameters(item)}


def _sound_operation(operation: Json) -> Json:
    answers = {
        code: {"description": "", **answer}
        for code, answer in section(operation, "responses").items()
        if isinstance(answer, dict)
    }
    lists = {name: _texts(operation.get(name)) for name in ("consumes", "produces", "schemes")}
    parameters = _parameters(operation)
    return {"operationId": "", **operation, **lists, "parameters": parameters, "responses": answers}


def _parameters(owner: Json) -> list[Json]:
    given = owner.get("parameters")
    return [
        {"type": "string", "schema": {}, **entry} if entry["in"] == "body" else {"type": "string", **entry}
        for entry in (given if isinstance(given, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("in"), str) and isinstance(entry.get("name"), str)
    ]


def _texts(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def only_below(document: Json, prefixes: Sequence[str]) -> Json:
    """The paths below the prefixes, and the definitions that they need."""
    paths = section(document, "paths")
    kept = {path: item for path, item in paths.items() if path.startswith(tuple(prefixes))}
    known, needed = section(document, "definitions"), {}
    waiting = list(_references(kept))
    while waiting:
        name = waiting.pop()
        if name in known and name not in needed:
            needed[name] = known[name]
            waiting += _references(known[name])
    return {**document, "paths": kept, "definitions": needed}


def merged(document: Json, lost: Sequence[str], others: Iterable[tuple[str, Json]]) -> Json:
    """The document without the paths below ``lost``, with what others say of those below their prefix."""
    gone = tuple(lost)
    paths = {path: item for path, item in document["paths"].items() if not path.startswith(gone)}
    definitions = dict(document["definitions"])
    for prefix, other in others:
        part = only_below(other, [prefix])
        names = {name: _free_name(definitions, name, it) for name, it in part["definitions"].items()}

        def renamed(reference: str, names: dict[str, str] = names) -> str:
            name = reference.removeprefix(DEFINITIONS)
            return DEFINITIONS + names.get(name, name)

        for name, definition in part["definitions"].items():
            definitions[names[name]] = _rewritten(definition, renamed)
        paths |= {path: _rewritten(item, renamed) for path, item in part["paths"].items()}
    return {**document, "paths": paths, "definitions": dict(sorted(definitions.items()))}


def as_v3(document: Json) -> Json:
    """The same in version 3."""

    def moved(reference: str) -> str:
        return SCHEMAS + reference.removeprefix(DEFINITIONS)

    schemas = {name: _rewritten(it, moved) for name, it in section(document, "definitions").items()}
    paths = {path: _path(_rewritten(item, moved)) for path, item in section(document, "paths").items()}
    info = document.get("info") or {"title": "", "version": ""}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _path(item: Json) -> Json:
    changed: Json = {name: _operation(item[name]) for name in METHODS if isinstance(item.get(name), dict)}
    if item.get("parameters"):
        changed["parameters"] = [_parameter(entry) for entry in item["parameters"]]
    return changed


def _operation(operation: Json) -> Json:
    produced, consumed = operation["produces"] or ["application/json"], operation["consumes"] or ["*/*"]
    kept = ("x-", "operationId", "tags", "description")
    entry = {name: value for name, value in operation.items() if name.startswith(kept)}
    parameters = operation["parameters"]
    entry["parameters"] = [_parameter(given) for given in parameters if given.get("in") != "body"]
    for body in (given for given in parameters if given.get("in") == "body"):
        content = {kind: {"schema": body["schema"]} for kind in consumed}
        entry["requestBody"] = {"content": content, "required": bool(body.get("required"))}
    entry["responses"] = {
        code: _response(answer, produced) for code, answer in operation["responses"].items()
    }
    return entry


def _parameter(given: Json) -> Json:
    schema = {name: given[name] for name in OF_SCHEMAS if name in given}
    kept = {name: value for name, value in given.items() if name not in OF_SCHEMAS}
    return {**kept, "schema": schema} if schema else kept


def _response(answer: Json, produced: Iterable[str]) -> Json:
    told: Json = {"description": answer.get("description") or ""}
    if "schema" in answer:
        told["content"] = {kind: {"schema": answer["schema"]} for kind in produced}
    return told


def section(document: Json, name: str) -> Json:
    """A part that has names for everything in it; empty where there is none."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _free_name(definitions: Json, name: str, definition: object) -> str:
    """The name, or one with a number where another definition has it."""
    number, wanted = 1, name
    while wanted in definitions and definitions[wanted] != definition:
        number += 1
        wanted = f"{name}_v{number}"
    return wanted


def _references(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(DEFINITIONS):
            yield reference.removeprefix(DEFINITIONS)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _rewritten(value: Json, rewrite: Callable[[str], str]) -> Json:
    changed = _rewrite(value, rewrite)
    return changed if isinstance(changed, dict) else {}


def _rewrite(value: object, rewrite: Callable[[str], str]) -> object:
    if isinstance(value, dict):
        return {
            name: rewrite(inner)
            if name == "$ref" and isinstance(inner, str) and inner.startswith(DEFINITIONS)
            else _rewrite(inner, rewrite)
            for name, inner in value.items()
        }
    return [_rewrite(inner, rewrite) for inner in value] if isinstance(value, list) else value
