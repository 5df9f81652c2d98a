"""Image names: what people write, and the one full form that is compared.

    busybox              docker.io/library/busybox:latest
    nginx/agent:3        docker.io/nginx/agent:3
    host:5000/app        host:5000/app:latest
    localhost/host       localhost/host:latest
    app@sha256:…         docker.io/library/app@sha256:…

Source: the grammar and the defaults of distribution/reference.
"""

import re
from typing import NamedTuple

DEFAULT_REGISTRY = "docker.io"
NAME_BYTES = 255
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")
_REGISTRY = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}\Z")


class InvalidReference(ValueError):
    """The text is no image name; the message says why, in containerd's words."""


class Reference(NamedTuple):
    """A name taken apart. Either ``tag`` or ``digest`` may be empty, not both."""

    registry: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        """The full form."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Take an image name apart and fill in what was left out. Raises ``InvalidReference``."""
    rest, _, digest = text.partition("@")
    if digest and not _DIGEST.match(digest):
        raise _invalid(text)
    if "@" in text and not digest:
        raise _invalid(text)
    rest, tag = _split_tag(rest)
    if tag is not None and not _TAG.match(tag):
        raise _invalid(text)
    registry, repository = _split_registry(rest)
    if not _REGISTRY.match(registry) or len(repository) > NAME_BYTES:
        raise _invalid(text)
    if not all(_COMPONENT.match(component) for component in repository.split("/")):
        raise _invalid(text)
    return Reference(registry, repository, tag or ("" if digest else "latest"), digest)


def normalise(text: str) -> str:
    """The full form of an image name. Raises ``InvalidReference``."""
    return str(parse_reference(text))


def _split_tag(text: str) -> tuple[str, str | None]:
    head, colon, tag = text.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (text, None)


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return first, rest
    return DEFAULT_REGISTRY, name if slash else f"library/{name}"


def _invalid(text: str) -> InvalidReference:
    return InvalidReference(f'failed to parse image name "{text}": invalid reference format')
