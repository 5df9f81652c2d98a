"""What must hold of everything a watcher was ever given; each broken rule in words.

The rules are those that etcd's robustness tests hold its watches against: ordered, unique, atomic, complete,
filtered, resumable, bookmarkable.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kube_lite_storage import Event, Range


class Given(NamedTuple):
    """One batch, and what the watch said of its progress before and after it was taken."""

    before: int
    events: Sequence[Event]
    after: int


class Watched(NamedTuple):
    """All that one watcher was given. ``joints`` are the places at which it was begun again."""

    wanted: Range
    after: int
    given: Sequence[Given]
    joints: Sequence[int] = ()


def broken_rules(watched: Watched, history: Sequence[Event]) -> list[str]:
    """Hold a watcher's record against everything that happened."""
    return [*_order(watched), *_progress(watched), *_content(watched, history)]


def _order(watched: Watched) -> Iterator[str]:
    newest = watched.after
    for place, (_, events, _) in enumerate(watched.given):
        if not events:
            yield f"batch {place} is empty"
            continue
        revisions = [event.revision for event in events]
        if revisions != sorted(revisions):
            yield f"not ordered: batch {place} has {revisions}"
        if revisions[0] <= newest:
            yield f"not unique, or in two parts: batch {place} begins at {revisions[0]} after {newest}"
        newest = max(newest, revisions[-1])
        if not all(watched.wanted.start <= event.key < watched.wanted.end for event in events):
            yield f"not filtered: batch {place}"
        if len({(event.revision, event.key) for event in events}) != len(events):
            yield f"not unique: batch {place}"


def _progress(watched: Watched) -> Iterator[str]:
    said = watched.after
    for place, (before, events, after) in enumerate(watched.given):
        if before < said and place not in watched.joints:
            yield f"progress went back from {said} to {before} before batch {place}"
        if events and events[0].revision <= before:
            yield f"not bookmarkable: progress was {before}, then batch {place} brought {events[0].revision}"
        if events and after < events[-1].revision:
            yield f"progress {after} does not count batch {place}, which ends at {events[-1].revision}"
        said = after


def _content(watched: Watched, history: Sequence[Event]) -> Iterator[str]:
    reached = watched.given[-1].after if watched.given else watched.after
    expected = [
        event
        for event in history
        if watched.after < event.revision <= reached
        and watched.wanted.start <= event.key < watched.wanted.end
    ]
    found = [event for given in watched.given for event in given.events]
    missing, extra = (
        [each for each in expected if each not in found],
        [each for each in found if each not in expected],
    )
    if missing:
        yield f"not complete: {len(missing)} are missing, the first {missing[0]}"
    if extra:
        yield f"never happened: {len(extra)}, the first {extra[0]}"
