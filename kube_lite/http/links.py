"""Links of a web page that is seen through ``proxy``: those to its own server lead back through us.

Only attributes whose values are links are touched, and only where they are changed; what lies in comments,
scripts and style sheets is left alone.
Source: ``apimachinery/pkg/util/proxy/transport.go`` (rewriteHTML).
"""

import re
import zlib
from collections.abc import Callable

MAX_PAGE_BYTES = 4 * 1024 * 1024  # larger ones are passed on as they are
LINKS = {
    "a": {"href"}, "applet": {"codebase"}, "area": {"href"}, "audio": {"src"}, "base": {"href"},
    "blockquote": {"cite"}, "body": {"background"}, "button": {"formaction"}, "command": {"icon"},
    "del": {"cite"}, "embed": {"src"}, "form": {"action"}, "frame": {"longdesc", "src"}, "head": {"profile"},
    "html": {"manifest"}, "iframe": {"longdesc", "src"}, "img": {"longdesc", "src", "usemap"},
    "input": {"src", "usemap", "formaction"}, "ins": {"cite"}, "link": {"href"},
    "object": {"classid", "codebase", "data", "usemap"}, "q": {"cite"}, "script": {"src"}, "source": {"src"},
    "video": {"poster", "src"},
}  # fmt: skip
_TAG = re.compile(r"<!--|<([a-zA-Z][a-zA-Z0-9]*)[^>]*>")
_ATTRIBUTE = re.compile(r"""(\s([a-zA-Z]+)\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")
_GZIP = 31  # zlib's word for its own window within gzip's frame

Rewrite = Callable[[str], str]
"""A link → what it should be."""


def rewrite_page(body: bytes, encoding: str, rewrite: Rewrite) -> bytes:
    """The page with its links rewritten; as it is where it cannot be read.

    Args:
        encoding: its ``Content-Encoding``.
    """
    if encoding == "":
        return _rewrite(body, rewrite)
    if encoding != "gzip":
        return body
    reader = zlib.decompressobj(_GZIP)
    try:
        page = reader.decompress(body, MAX_PAGE_BYTES)
    except zlib.error:
        return body
    if not reader.eof:
        return body
    writer = zlib.compressobj(wbits=_GZIP)
    return writer.compress(_rewrite(page, rewrite)) + writer.flush()


def _rewrite(body: bytes, rewrite: Rewrite) -> bytes:
    text = body.decode("utf-8", "surrogateescape")
    lowered = text.lower()
    pieces, position = [], 0
    while (found := _TAG.search(text, position)) is not None:
        pieces.append(text[position : found.start()])
        tag = (found[1] or "").lower()
        if not tag:
            position = _behind(text, "-->", found.end())
            pieces.append(text[found.start() : position])
            continue
        pieces.append(_rewrite_tag(found[0], LINKS.get(tag, set()), rewrite))
        position = found.end()
        if tag in ("script", "style"):
            end = _behind(lowered, f"</{tag}", position)
            pieces.append(text[position:end])
            position = end
    pieces.append(text[position:])
    return "".join(pieces).encode("utf-8", "surrogateescape")


def _behind(text: str, end: str, position: int) -> int:
    found = text.find(end, position)
    return len(text) if found < 0 else found + len(end)


def _rewrite_tag(tag: str, names: set[str], rewrite: Rewrite) -> str:
    def attribute(found: re.Match[str]) -> str:
        if found[2].lower() not in names:
            return found[0]
        quote = found[3][0] if found[3][0] in "\"'" else ""
        link = found[3][1:-1] if quote else found[3]
        return f"{found[1]}{quote}{rewrite(link)}{quote}"

    return _ATTRIBUTE.sub(attribute, tag) if names else tag
