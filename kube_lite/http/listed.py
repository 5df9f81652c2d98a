"""The objects of a list for tables and bare metadata: decoded without what these only pass on.

Half of the bytes of an object say who owns its fields. They are part of the metadata that every row of a
table carries, but no cell looks at them, so they are neither decoded nor encoded again: the metadata goes out
as the bytes that are stored. Objects are decoded one by one, so that what one leaves is at hand for the next.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from kube_lite.api.identity import Json
from kube_lite.api.resource import Resource
from kube_lite.api.strategy import Strategy
from kube_lite.verbs.request import Listing

from .negotiate import JSON, Form


class Listed:
    """Objects, to be gone through once, and what stands for the metadata of each in the answer."""

    def __init__(self, listing: Listing, form: Form, row: Resource, query: Mapping[str, str]) -> None:
        self._items = listing.items
        self._is_light = _is_light(form, row, query)
        self._metadata: list[Any] = []

    def __iter__(self) -> Iterator[Json]:
        """Every object, in order; some lack their managedFields."""
        for stored in self._items:
            cut = stored.without_owners() if self._is_light else None
            self._metadata.append(None if cut is None else orjson.Fragment(cut[1]))
            yield stored.object if cut is None else cut[0]

    def complete(self, shown: Iterable[Json | None]) -> None:
        """Give what was made of each object its whole metadata."""
        for each, metadata in zip(shown, self._metadata, strict=True):
            if metadata is not None and each is not None:
                each["metadata"] = metadata


def _is_light(form: Form, row: Resource, query: Mapping[str, str]) -> bool:
    """Whether an answer shows only cells and stored metadata of objects whose fields are known."""
    if not form.kind or form.media_type != JSON or form.pretty or query.get("includeObject") == "Object":
        return False
    return not row.definition and type(row.strategy).bare is Strategy.bare
