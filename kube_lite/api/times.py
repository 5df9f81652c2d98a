"""Moments and durations as the API writes them.

``metav1.Time`` has whole seconds, ``metav1.MicroTime`` has six digits; both are UTC and end in ``Z``.
Reading takes every RFC 3339 form. Durations are Go's (``1h30m``). In between, moments are seconds since
the epoch as ``float``, which is what ``Clock`` speaks.
"""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from kube_lite.kit.patterns import pattern

MOMENT = pattern(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
DURATION_PART = pattern(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def format_time(moment: float) -> str:
    """Seconds since the epoch → ``2024-05-01T12:00:00Z``; fractions are cut off."""
    return _second(math.floor(moment))


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return _in_utc(_utc(second), "seconds")  # much is written within the same second


def format_micro_time(moment: float) -> str:
    """Seconds since the epoch → ``2024-05-01T12:00:00.000000Z``."""
    return _in_utc(_utc(moment), "microseconds")


def _in_utc(moment: datetime, precision: str) -> str:
    """A moment of UTC; unlike ``strftime`` with four digits for every year."""
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """RFC 3339 → seconds since the epoch.

    Raises:
        ValueError: with the text that Go's ``time.Parse`` would give.
    """
    return parse_moment(text).timestamp()


MICRO_LAYOUT, MICRO_DIGITS = "2006-01-02T15:04:05.000000Z07:00", 6


def parse_moment(text: str) -> datetime:
    """RFC 3339 → an aware ``datetime`` in the zone that was written; digits past microseconds are cut off."""
    found = MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(time_error(text, "2006-01-02T15:04:05Z07:00"))
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hours, zone_minutes = found.groups()
    zone = UTC
    if not zulu:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    try:
        return datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second),
            int((fraction or "0")[:6].ljust(6, "0")), tzinfo=zone,
        )  # fmt: skip
    except ValueError as error:
        field = str(error).split(" ", 1)[0]
        raise ValueError(f'parsing time "{text}": {field} out of range') from error


def canonical_time(text: str) -> str:
    """A moment as ``metav1.Time`` prints it again: UTC, whole seconds."""
    if len(text) == 20 and text[-1] == "Z" and MOMENT.fullmatch(text):
        return text
    return _in_utc(parse_moment(text).astimezone(UTC), "seconds")


def canonical_micro_time(text: str) -> str:
    """A moment as ``metav1.MicroTime`` prints it again: UTC, six digits, neither more nor fewer are read.

    Raises:
        ValueError: with the text that Go's ``time.Parse`` would give.
    """
    found = MOMENT.fullmatch(text)
    if found is None or len(found[7] or "") != MICRO_DIGITS:
        raise ValueError(time_error(text, MICRO_LAYOUT))
    return _in_utc(parse_moment(text).astimezone(UTC), "microseconds")


def time_error(text: str, layout: str) -> str:
    """What Go says when ``text`` does not follow ``layout``: the first part that does not fit is named."""
    rest, parts = text, re.findall(r"\.0+|\d+|Z07:00|[^\d]", layout)
    for part in parts:
        if part == "Z07:00":
            fits = re.match(r"Z|[+-]\d\d:\d\d", rest)
        elif part == "05" and "." not in layout:
            fits = re.match(r"\d{2}(?:\.\d+)?", rest, re.ASCII)
        elif part.strip(".").isdigit():
            pattern = r"[.,]\d{6}" if part[0] == "." else rf"\d{{{len(part)}}}"
            fits = re.match(pattern, rest, re.ASCII)
        else:
            fits = re.match(re.escape(part), rest)
        if fits is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
        rest = rest[fits.end() :]
    return f'parsing time "{text}": extra text: "{rest}"'


def parse_duration(text: str) -> float:
    """Go's duration text (``1h30m``, ``500ms``, ``-2s``, ``0``) → seconds.

    Raises:
        ValueError: with the text that Go's ``time.ParseDuration`` would give.
    """
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    total, at = 0.0, 0
    for part in DURATION_PART.finditer(rest):
        if part.start() != at:
            break
        total += float(part[1]) * UNIT_SECONDS[part[2]]
        at = part.end()
    if not rest or at != len(rest):
        why = "missing unit in duration" if re.fullmatch(r"[\d.]+", rest[at:]) else "invalid duration"
        raise ValueError(f'time: {why} "{text}"')
    return -total if text[0] == "-" else total


def format_duration(seconds: float) -> str:
    """Seconds → Go's duration text: ``1h30m0s``, ``1.5s``, ``250ms``, ``0s``."""
    nanoseconds = round(abs(seconds) * 1e9)
    sign = "-" if seconds < 0 and nanoseconds else ""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if nanoseconds >= size:
                return f"{sign}{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest).zfill(len(str(size)) - 1).rstrip("0")
    return f"{whole}.{digits}" if rest else str(whole)


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
