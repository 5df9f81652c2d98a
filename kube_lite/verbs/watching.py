"""Watch: where it begins and what it is about."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from kube_lite.registry.watching import Change, WatchOptions

from .options import parse_list_options
from .parts import Parts
from .request import Request
from .selecting import scope_of


def watch(parts: Parts, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
    """Changes of a collection, for the length of the block.

    Raises:
        Invalid, BadRequest: the options make no sense.
    """
    options = parse_list_options(request.query, watch=True)
    field_selector = options.field_selector
    if request.name:
        field_selector = f"metadata.name={request.name}"
    scope = scope_of(request.resource, request.namespace, options.label_selector, field_selector)
    wanted = WatchOptions(options.revision or 0, options.initial_events, options.bookmarks)
    return parts.watching.watch(scope, wanted)
