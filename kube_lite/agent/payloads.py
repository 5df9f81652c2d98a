"""What the files of configMap, secret, downwardAPI and projected volumes hold.

Pure: the objects and tokens have been read by then.
Source of the rules and texts: ``MakePayload`` and ``collectData`` in kubernetes/pkg/volume.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kube_lite.api.identity import Json

from .downward import FieldUnknown, Surroundings, field_text, resource_text
from .environment import Reference, Sources, content_of

DEFAULT_MODE = 0o644
PAYLOAD_SOURCES = ("configMap", "secret", "downwardAPI", "projected")


class VolumeFailed(Exception):
    """A volume that cannot be made now; the message says what is missing."""


class FileContent(NamedTuple):
    """A file below a volume: its bytes and its permission bits."""

    content: bytes
    mode: int


class TokenWish(NamedTuple):
    """A service account token that a projected volume wants."""

    audience: str
    expiration_seconds: int


Payload = dict[str, FileContent]
"""Relative path → file."""


def _parts(volume: Json) -> Iterator[tuple[str, Json]]:
    """The sources of a volume, a projected one taken apart: ``("configMap", {...})``."""
    if volume.get("projected") is not None:
        for source in volume["projected"].get("sources") or ():
            yield from ((kind, part) for kind, part in source.items() if part is not None)
    for kind in ("configMap", "secret", "downwardAPI"):
        if volume.get(kind) is not None:
            yield kind, volume[kind]


def _reference(kind: str, part: Json) -> Reference | None:
    if kind == "configMap":
        return Reference("configmap", part.get("name", ""))
    if kind == "secret":
        return Reference("secret", part.get("secretName") or part.get("name", ""))
    return None


def volume_references(pod: Json) -> set[Reference]:
    """The config maps and secrets that a pod's volumes show."""
    found = set()
    for volume in pod["spec"].get("volumes") or ():
        for kind, part in _parts(volume):
            reference = _reference(kind, part)
            if reference is not None:
                found.add(reference)
    return found


def token_wishes(pod: Json) -> set[TokenWish]:
    """The tokens that a pod's volumes show."""
    return {
        _wish(part)
        for volume in pod["spec"].get("volumes") or ()
        for kind, part in _parts(volume)
        if kind == "serviceAccountToken"
    }


def _wish(part: Json) -> TokenWish:
    return TokenWish(part.get("audience") or "", int(part.get("expirationSeconds") or 3600))


def payload(
    pod: Json,
    volume: Json,
    *,
    sources: Sources,
    tokens: Mapping[TokenWish, str],
    surroundings: Surroundings,
) -> Payload:
    """Every file of one volume.

    Raises:
        VolumeFailed: something that is not optional is missing; all that is missing is named.
    """
    owner = next(volume[kind] for kind in PAYLOAD_SOURCES if volume.get(kind) is not None)
    mode = owner.get("defaultMode")
    mode = DEFAULT_MODE if mode is None else int(mode)
    files: Payload = {}
    missing: list[str] = []
    for kind, part in _parts(volume):
        try:
            if kind == "serviceAccountToken":
                files[part["path"]] = FileContent(tokens[_wish(part)].encode(), mode)
            elif kind == "downwardAPI":
                files.update(_downward(pod, part, mode, surroundings))
            else:
                reference = _reference(kind, part)
                if reference is None:
                    raise VolumeFailed(f"projected source {kind} is not supported")
                files.update(_entries(pod, reference, part, mode, sources))
        except VolumeFailed as failure:
            missing.append(str(failure))
    if missing:
        raise VolumeFailed(missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")
    return files


def _entries(pod: Json, reference: Reference, part: Json, mode: int, sources: Sources) -> Payload:
    obj = sources.get(reference)
    if obj is None and part.get("optional"):
        return {}
    if obj is None:
        raise VolumeFailed(f'{reference.kind} "{reference.name}" not found')
    content = content_of(reference, obj)
    items = part.get("items")
    if not items:
        return {key: FileContent(value, mode) for key, value in content.items()}
    return dict(_chosen(items, content, mode, optional=bool(part.get("optional")), kind=reference.kind))


def _chosen(
    items: Iterable[Json], content: Mapping[str, bytes], mode: int, *, optional: bool, kind: str
) -> Iterator[tuple[str, FileContent]]:
    for item in items:
        if item["key"] in content:
            own = item.get("mode")
            yield item["path"], FileContent(content[item["key"]], mode if own is None else int(own))
        elif not optional:
            word = "config" if kind == "configmap" else "secret"
            raise VolumeFailed(f"references non-existent {word} key: {item['key']}")


def _downward(pod: Json, part: Json, mode: int, surroundings: Surroundings) -> Payload:
    files: Payload = {}
    for item in part.get("items") or ():
        try:
            if item.get("fieldRef"):
                text = field_text(pod, item["fieldRef"]["fieldPath"], surroundings)
            else:
                text = resource_text(pod, item["resourceFieldRef"], {}, surroundings)
        except FieldUnknown as error:
            raise VolumeFailed(str(error)) from error
        own = item.get("mode")
        files[item["path"]] = FileContent(text.encode(), mode if own is None else int(own))
    return files
