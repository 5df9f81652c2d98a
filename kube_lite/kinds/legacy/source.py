"""The definitions of a release and those of the versions of old, which are made when they are needed.

A server that nobody speaks to in an old version never needs them, so what makes them (``schemas``) is not
even imported before somebody asks for a definition that the release does not have.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from kube_lite.api.identity import Json
from kube_lite.api.schema.load import Source

if TYPE_CHECKING:
    from .schemas import Derived


class WithLegacy:
    """A ``Source`` on top of that of a release."""

    def __init__(self, current: Source) -> None:
        self._current = current
        self._today = current.names()
        self._names = _Names(self)

    @property
    def today(self) -> Mapping[str, object]:
        """The names that the release has."""
        return self._today

    @cached_property
    def derived(self) -> "Derived":
        """Those that it has not."""
        from .schemas import Derived

        return Derived(self._current)

    def names(self) -> Mapping[str, object]:
        """The release's, then those of old."""
        return self._names

    def kinds(self) -> Mapping[str, str]:
        """``apps/v1beta1/Deployment`` → the name of its definition."""
        return self._kinds

    @cached_property
    def _kinds(self) -> Mapping[str, str]:
        return {**self.derived.kinds(), **self._current.kinds()}

    def _of(self, name: str) -> "Source | Derived":
        return self._current if name in self._today else self.derived

    def document(self, name: str) -> Json:
        """One definition, made anew."""
        return self._of(name).document(name)

    def descriptions(self, name: str) -> dict[str, str]:
        """Field → description."""
        return self._of(name).descriptions(name)

    def enums(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """Field → value → what it means."""
        return self._of(name).enums(name)


class _Names(Mapping[str, object]):
    """All names as the keys of a mapping; asking for one of today's does not make the others."""

    def __init__(self, source: WithLegacy) -> None:
        self._source = source
        self._today = source.today

    def __contains__(self, name: object) -> bool:
        return name in self._today or name in self._source.derived.sources

    def __getitem__(self, name: str) -> object:
        return self._today[name] if name in self._today else self._source.derived.sources[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._today
        yield from self._source.derived.sources

    def __len__(self) -> int:
        return len(self._today) + len(self._source.derived.sources)
