"""One HTTP request on its way through the server, with what each step has found out about it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse
from multidict import CIMultiDict

from kube_lite.auth.user import ANONYMOUS, User

from .parse import Address, Asked


@dataclass(slots=True)
class Call:
    """A request and its circumstances.

    Attributes:
        request: as aiohttp gives it; its ``protocol`` is a ``listener.Connection``.
        address: its target, split.
        audit_id: what the client finds in ``Audit-Id``, and we in the log.
        asked: the words of its path, when it leads to a resource.
        user: who asks, once that is known.
        deprecation: what every answer about the resource warns of, or empty.
        route: by what metrics count the request, see ``counting``; empty for what is not counted.
        has_cbor: whether the server speaks CBOR.
    """

    request: BaseRequest
    address: Address
    audit_id: str
    asked: Asked | None = None
    user: User = ANONYMOUS
    deprecation: str = ""
    route: tuple[str, ...] = ()
    has_cbor: bool = False

    def headers(self, content_type: str, warnings: Iterable[str] = ()) -> Mapping[str, str]:
        """The headers that every answer has; without a content type where there is no content."""
        headers: MutableMapping[str, str] = {
            "Audit-Id": self.audit_id,
            "Cache-Control": "no-cache, private",
        }
        if content_type:
            headers["Content-Type"] = content_type
        if not self.deprecation and not warnings:
            return headers
        several = CIMultiDict(headers)
        for text in _bounded((self.deprecation, *warnings) if self.deprecation else warnings):
            several.add("Warning", warning(text))
        return several


class Wish(NamedTuple):
    """What the headers of a request say; ``raw`` are those very headers. Kept with a connection.

    ``is_usual`` when the short ways (``quick.py``, ``quick_writes.py``) know what to make of them.
    """

    raw: Sequence[tuple[bytes, bytes]]
    is_usual: bool
    accept: str
    user_agent: str
    content_type: str
    token: str | None


Handler = Callable[[Call], Awaitable[StreamResponse]]
"""Answers a call."""


WARNING_LETTERS, ALL_WARNING_LETTERS = 256, 4096
"""Of all warnings together no more; beyond that each is cut, and the last ones are left out."""


def _bounded(texts: Iterable[str]) -> Iterator[str]:
    """Every text once, cut where they are too long together. Source: ``endpoints/filters/warning.go``."""
    told = list(dict.fromkeys(text for text in texts if text))
    if sum(map(len, told)) <= ALL_WARNING_LETTERS:
        yield from told
        return
    written = 0
    for text in told:
        if written >= ALL_WARNING_LETTERS:
            return
        yield text[:WARNING_LETTERS]
        written += min(len(text), WARNING_LETTERS)


def warning(text: str) -> str:
    """A ``Warning`` header as Kubernetes writes it: code 299, no agent, quoted text."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{"".join(letter for letter in quoted if letter.isprintable())}"'
