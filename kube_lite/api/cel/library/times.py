"""Durations and moments: reading them, their parts, and writing them again.

Both are counted in nanoseconds, which Python's own classes cannot do.
Source: Go's ``time.ParseDuration`` and RFC 3339; cel-go ``common/types/timestamp.go``, ``duration.go``.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from kube_lite.api.cel.errors import EvaluationError
from kube_lite.api.cel.functions import Overload, method
from kube_lite.api.cel.values import Duration, Timestamp, checked_timestamp

SECOND = 10**9
_UNITS = {
    "ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6, "s": SECOND, "m": 60 * SECOND,
    "h": 3600 * SECOND,
}  # fmt: skip
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_DAY = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS = 40


def parse_duration(text: str) -> int:
    """``1h30m`` → nanoseconds.

    Raises:
        ValueError: it is no duration, or one of more than 292 years.
    """
    rest = text[1:] if text[:1] in ("+", "-") else text
    total, at = 0, 0
    if rest == "0":
        return 0
    for part in _PART.finditer(rest):
        whole, fraction, unit = part.groups()
        if part.start() != at or not (whole or fraction) or len(part[0]) > _MAX_DIGITS:
            raise ValueError(text)
        total += int(whole or 0) * _UNITS[unit]
        if fraction:
            total += int(fraction) * _UNITS[unit] // 10 ** len(fraction)
        at = part.end()
    if not rest or at != len(rest) or total > (1 << 63) - (text[0] != "-"):
        raise ValueError(text)
    return -total if text[0] == "-" else total


_LONG_UNITS = {
    "ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND,
    "d": 24 * 3600 * SECOND, "w": 7 * 24 * 3600 * SECOND,
}  # fmt: skip
_LONG_WORDS = {
    "nano": "ns", "nanosecond": "ns", "micro": "us", "microsecond": "us", "milli": "ms",
    "millisecond": "ms", "second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "hr": "h",
    "day": "d", "week": "w", "wk": "w",
}  # fmt: skip
_LONG_PART = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([A-Za-zµ]+)")


def parse_long_duration(text: str) -> int:
    """A duration as schemas have it, where days and weeks have names too: ``2 days`` → nanoseconds.

    Raises:
        ValueError: it is none.

    Source: ``k8s.io/kube-openapi/pkg/validation/strfmt/duration.go``.
    """
    try:
        return parse_duration(text)
    except ValueError:
        found = _LONG_PART.match(text.strip())
        if found is None:
            raise
    word = found[2].lower()
    unit = word if word in _LONG_UNITS else _LONG_WORDS.get(word.removesuffix("s"), word)
    if unit not in _LONG_UNITS:
        raise ValueError(text)
    whole, _, fraction = found[1].partition(".")
    total: int = int(whole) * _LONG_UNITS[unit] + int(fraction or 0) * _LONG_UNITS[unit] // 10 ** len(
        fraction
    )
    if total >= 1 << 63:
        raise ValueError(text)
    return total


def format_duration(nanoseconds: int) -> str:
    """Nanoseconds → seconds as CEL writes them: ``5400s``, ``0.25s``."""
    whole, rest = divmod(abs(nanoseconds), SECOND)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if nanoseconds < 0 else ''}{whole}{fraction}s"


def parse_timestamp(text: str) -> tuple[int, int]:
    """RFC 3339 → nanoseconds since 1970, and the offset of its zone in seconds.

    Raises:
        ValueError: it is no moment.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = found.groups()
    if int(year) == 0:  # a year that Python does not have; far outside what is allowed
        return -(1 << 70), 0
    moment = (
        datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC) - _EPOCH
    )
    offset = 0
    if sign:
        if int(zone_hours) > 24 or int(zone_minutes) > 60:
            raise ValueError(text)
        offset = (int(zone_hours) * 3600 + int(zone_minutes) * 60) * (-1 if sign == "-" else 1)
    seconds = moment.days * _DAY + moment.seconds - offset
    return seconds * SECOND + int((fraction or "0")[:9].ljust(9, "0")), offset


def format_timestamp(moment: Timestamp) -> str:
    """``2024-05-01T12:00:00.5Z``, in the zone it was written in."""
    seconds, rest = divmod(moment.nanoseconds, SECOND)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    try:
        when = _EPOCH + timedelta(seconds=seconds + moment.offset)
    except OverflowError as error:
        raise EvaluationError("timestamp overflow") from error
    zone = "Z"
    if moment.offset:
        hours, minutes = divmod(abs(moment.offset) // 60, 60)
        zone = f"{'-' if moment.offset < 0 else '+'}{hours:02d}:{minutes:02d}"
    return f"{when.year:04d}-{when:%m-%dT%H:%M:%S}{fraction}{zone}"


def timestamp_from(text: str) -> Timestamp:
    """RFC 3339 → a moment, if it is within the years 1 to 9999."""
    return checked_timestamp(*parse_timestamp(text))


_PARTS: tuple[tuple[str, str, Callable[[datetime], int]], ...] = (
    ("getFullYear", "year", lambda moment: moment.year),
    ("getMonth", "month", lambda moment: moment.month - 1),
    ("getDayOfYear", "day_of_year", lambda moment: moment.timetuple().tm_yday - 1),
    ("getDayOfMonth", "day_of_month", lambda moment: moment.day - 1),
    ("getDate", "day_of_month_1_based", lambda moment: moment.day),
    ("getDayOfWeek", "day_of_week", lambda moment: moment.isoweekday() % 7),
    ("getHours", "hours", lambda moment: moment.hour),
    ("getMinutes", "minutes", lambda moment: moment.minute),
    ("getSeconds", "seconds", lambda moment: moment.second),
    ("getMilliseconds", "milliseconds", lambda moment: moment.microsecond // 1000),
)
_DURATIONS = (
    ("getHours", "hours", 3600 * SECOND), ("getMinutes", "minutes", 60 * SECOND),
    ("getSeconds", "seconds", SECOND), ("getMilliseconds", "milliseconds", 10**6),
)  # fmt: skip


def _zone(name: str) -> tzinfo:
    hours, colon, minutes = name.partition(":")
    if not colon:
        return _named_zone(name)
    try:
        hour, minute = int(hours), int(minutes)
    except ValueError as error:
        bad = minutes if hours.lstrip("+-").isdigit() else hours
        raise EvaluationError(f'strconv.Atoi: parsing "{bad}": invalid syntax') from error
    if not 0 <= minute <= 59:
        raise EvaluationError(f"timezone offset minutes out of range [0, 59]: {name}")
    offset = hour * 60 - minute if name[0] == "-" else hour * 60 + minute
    if abs(offset) >= 24 * 60:
        raise EvaluationError(f"timezone offset out of range: {name}")
    return timezone(timedelta(minutes=offset))


def _named_zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise EvaluationError(f"unknown time zone {name}") from error


def _part(get: Callable[[datetime], int]) -> Callable[..., int]:
    def part(moment: Timestamp, zone: str = "") -> int:
        when = _EPOCH + timedelta(microseconds=moment.nanoseconds // 1000)
        try:
            return get(when.astimezone(_zone(zone)) if zone else when)
        except OverflowError as error:
            raise EvaluationError("timestamp overflow") from error

    return part


def _whole(unit: int) -> Callable[[Duration], int]:
    def whole(duration: Duration) -> int:
        count = abs(duration.nanoseconds) // unit
        return -count if duration.nanoseconds < 0 else count

    return whole


def _accessors() -> Iterator[Overload]:
    for name, word, get in _PARTS:
        part: Any = _part(get)
        yield method(name, f"timestamp_to_{word}", "timestamp -> int", part)
        yield method(name, f"timestamp_to_{word}_with_tz", "timestamp, string -> int", part)
    for name, word, unit in _DURATIONS:
        yield method(name, f"duration_to_{word}", "duration -> int", _whole(unit))


OVERLOADS = tuple(_accessors())
