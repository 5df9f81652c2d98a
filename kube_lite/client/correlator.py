"""Which Events are worth a write: counting, combining and limiting them. Pure: it is told the time.

The same Event again only counts up the one there is. When ten Events differ in nothing but their message
within ten minutes, further ones are combined into one. Somebody who has written 25 Events about one object
may add one every five minutes. What is remembered is bounded; the least recently used is forgotten.

Source of rules and figures: client-go ``tools/record/events_cache.go``.
"""

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from kube_lite.api.identity import Json
from kube_lite.api.times import format_time

REMEMBERED = 4096  # entries of each kind
SIMILAR_EVENTS = 10
SIMILAR_SECONDS = 600.0
BURST = 25
SECONDS_PER_EVENT = 300.0

V = TypeVar("V")


class Create(NamedTuple):
    """Write a new Event; ``key`` is for ``Correlator.written``."""

    key: tuple[str, ...]
    event: Json


class Count(NamedTuple):
    """Change the Event of that name, which has happened again; if it is gone, create ``event`` instead."""

    key: tuple[str, ...]
    name: str
    namespace: str
    patch: Json
    event: Json


class _Recent(Generic[V]):
    """A dict that keeps the most recently used entries."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: tuple[str, ...], entry: V) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)


class _Written(NamedTuple):
    name: str
    times: int
    first: str


class _Similar(NamedTuple):
    messages: frozenset[str]
    last: float


class _Tokens(NamedTuple):
    left: float
    as_of: float


class Correlator:
    """Decides what becomes of each Event, from those before it."""

    def __init__(self) -> None:
        self._written = _Recent[_Written]()
        self._similar = _Recent[_Similar]()
        self._tokens = _Recent[_Tokens]()

    def plan(self, event: Json, now: float) -> Create | Count | None:
        """What to write for ``event``, a complete core/v1 Event with count 1; None: nothing."""
        key = self._combine(event, now)
        if not self._may_write(event, now):
            return None
        known = self._written.get(key)
        if known is None:
            return Create(key, event)
        changes = {"count": known.times + 1, "lastTimestamp": format_time(now), "message": event["message"]}
        self._written.put(key, known._replace(times=known.times + 1))
        return Count(
            key, known.name, event["metadata"]["namespace"], changes,
            event | {"count": known.times + 1, "firstTimestamp": known.first},
        )  # fmt: skip

    def written(self, key: tuple[str, ...], event: Json) -> None:
        """``event`` exists now: the same again will count it up."""
        self._written.put(key, _Written(event["metadata"]["name"], event["count"], event["firstTimestamp"]))

    def _combine(self, event: Json, now: float) -> tuple[str, ...]:
        """The key under which the event is counted; its message is changed if it is to be combined."""
        about = _about(event)
        group = (*about, event["type"], event["reason"])
        similar = self._similar.get(group)
        if similar is None or now - similar.last > SIMILAR_SECONDS:
            similar = _Similar(frozenset(), now)
        messages = similar.messages | {event["message"]}
        if len(messages) < SIMILAR_EVENTS:
            self._similar.put(group, _Similar(messages, now))
            return (*group, event["involvedObject"].get("fieldPath", ""), event["message"])
        self._similar.put(group, _Similar(similar.messages, now))
        event["message"] = "(combined from similar events): " + event["message"]
        event["reportingComponent"] = event["reportingInstance"] = ""
        return group

    def _may_write(self, event: Json, now: float) -> bool:
        about = _about(event)
        tokens = self._tokens.get(about) or _Tokens(BURST, now)
        left = min(BURST, tokens.left + (now - tokens.as_of) / SECONDS_PER_EVENT)
        allowed = left >= 1
        self._tokens.put(about, _Tokens(left - 1 if allowed else left, now))
        return allowed


def _about(event: Json) -> tuple[str, ...]:
    source, about = event["source"], event["involvedObject"]
    fields = ("kind", "namespace", "name", "uid", "apiVersion")
    return (source["component"], source.get("host", ""), *(about.get(field, "") for field in fields))
