"""Objects → rows for ``kubectl get``: the ``meta.k8s.io/v1`` Table.

What a row says is a kind's business (``Strategy.columns`` and ``Strategy.cells``); here rows are put
together and the objects that go with them are cut down to what the client asked for with ``includeObject``.
"""

from collections.abc import Iterable
from functools import lru_cache

from .errors import BadRequest
from .identity import Json
from .resource import Resource
from .strategy import DEFAULT_COLUMNS, Column, Strategy
from .times import parse_time

UNKNOWN = "<unknown>"
INCLUDES = ("None", "Metadata", "Object")

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY


def age(text: str | None, now: float) -> str:
    """How long ago a moment was: ``age("2024-05-01T10:00:00Z", …)`` → ``3m12s``, or ``<unknown>``."""
    return _age(text, int(now)) if text else UNKNOWN


@lru_cache(maxsize=4096)  # the objects of a list were often made within a few seconds of each other
def _age(text: str, now: int) -> str:
    return human_duration(now - parse_time(text))


def duration(start: str, end: str) -> str:
    """The time between two moments, in the same words."""
    return human_duration(parse_time(end) - parse_time(start))


def human_duration(seconds: float) -> str:
    """A duration in at most two units, more exact where it is short: ``119s``, ``3m12s``, ``7h5m``, ``2y3d``.

    Source: ``HumanDuration`` in apimachinery's ``util/duration``.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 2 * MINUTE:
        return f"{whole}s"
    for limit, unit, name, smaller, smaller_name in _STEPS:
        if whole < limit:
            big, rest = divmod(whole, unit)
            small = rest // smaller if smaller else 0
            return f"{big}{name}{small}{smaller_name}" if small else f"{big}{name}"
    return f"{whole // YEAR}y"


_STEPS = (
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)
"""Below the limit a duration is told in the unit and, where it is not 0, in the rest of it."""


def render(
    resource: Resource,
    objects: Iterable[Json],
    now: float,
    *,
    include: str = "Metadata",
    list_meta: Json | None = None,
    with_columns: bool = True,
    strategy: Strategy | None = None,
) -> Json:
    """A Table of objects of one kind; it shares parts with them, so neither may be changed.

    Args:
        resource: whose strategy knows columns and cells.
        objects: the rows, in order.
        now: seconds since the epoch, for ages.
        include: what comes with each row: ``None``, ``Metadata`` (a PartialObjectMetadata) or ``Object``.
        list_meta: the Table's metadata, ``resourceVersion`` at least.
        with_columns: False for the events of a watch after the first.
        strategy: of the objects where they are not the resource's own (a Scale).

    Raises:
        BadRequest: ``include`` is none of the three.
    """
    if include not in INCLUDES:
        raise BadRequest(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    kind = strategy or resource.strategy
    cells = kind.cells
    rows: list[Json]
    if include == "Metadata":
        rows = [{"cells": cells(obj, now), "object": partial(obj)} for obj in objects]
    elif include == "Object":
        rows = [{"cells": cells(obj, now), "object": obj} for obj in objects]
    else:
        rows = [{"cells": cells(obj, now), "object": None} for obj in objects]
    table: Json = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta or {}}
    table["columnDefinitions"] = column_definitions(kind.columns()) if with_columns else None
    table["rows"] = rows or (
        [] if kind.columns() is not DEFAULT_COLUMNS else None
    )  # upstream's default has none
    return table


def partial(obj: Json) -> Json:
    """The PartialObjectMetadata of an object; shares its metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def column_definitions(columns: Iterable[Column]) -> list[Json]:
    """Columns as a Table carries them."""
    return [column._asdict() for column in columns]
