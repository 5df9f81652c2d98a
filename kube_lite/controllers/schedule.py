"""When a cron expression is due, in a time zone: pure.

Five fields with lists, ranges, steps and names, the ``@`` forms, and ``@every``. If both day fields are
restricted a day that matches either is meant; if one of them is a star, both must match. Hours are counted as
they pass: a time that the clock skips in spring does not come, and one that it repeats in autumn comes twice.

Source of rules: github.com/robfig/cron v3 (``parser.go``, ``spec.go``, ``constantdelay.go``), which upstream
uses.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from kube_lite.api.times import parse_duration

LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
NAMES: tuple[dict[str, int], ...] = (
    {},
    {},
    {},
    {name: number for number, name in enumerate(MONTHS, 1)},
    {name: number for number, name in enumerate(DAYS)},
)
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
YEARS = 5  # a schedule that is not due within so many years never is: 30 February


class Schedule(Protocol):
    """Something that is due again and again."""

    def next(self, after: float) -> float | None:
        """The first moment later than ``after`` (seconds since the epoch), None if it never comes."""
        ...


class Every(NamedTuple):
    """Due at a constant distance, counted from whenever it is asked."""

    seconds: int

    def next(self, after: float) -> float | None:
        """Whole seconds only."""
        return float(int(after) + self.seconds)


class Field(NamedTuple):
    """The values that one field allows, and whether it was left open."""

    values: frozenset[int]
    is_open: bool


class Cron(NamedTuple):
    """Five fields and a zone."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    zone: ZoneInfo

    def next(self, after: float) -> float | None:
        """Walk over days, then hours as they really pass, then minutes."""
        moment = datetime.fromtimestamp(int(after) // 60 * 60 + 60, UTC)
        local = moment.astimezone(self.zone)
        limit = local.year + YEARS
        while local.year <= limit:
            if local.month not in self.month.values:
                first = local.replace(day=1, hour=0, minute=0, fold=0) + timedelta(days=32)
                moment = self._begin(first.replace(day=1), moment)
            elif not self._is_day(local):
                following = local.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
                moment = self._begin(following, moment)
            elif local.hour not in self.hour.values:
                moment += timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minute.values:
                moment += timedelta(minutes=1)
            else:
                return moment.timestamp()
            local = moment.astimezone(self.zone)
        return None

    def _begin(self, midnight: datetime, after: datetime) -> datetime:
        """The moment of a local midnight; where there is none, the moment of the jump. Always later."""
        moment = midnight.astimezone(UTC)
        return moment if moment > after else after + timedelta(minutes=60)

    def _is_day(self, local: datetime) -> bool:
        on_day = local.day in self.day.values
        on_weekday = local.isoweekday() % 7 in self.weekday.values
        if self.day.is_open or self.weekday.is_open:
            return on_day and on_weekday
        return on_day or on_weekday


def parse_schedule(text: str, zone: str = "") -> Schedule:
    """Read a cron expression.

    Args:
        zone: a name of the time zone database; empty: UTC, as a controller manager without a zone has it.

    Raises:
        ValueError: the expression or the zone makes no sense.
    """
    place = _zone(zone or "UTC")
    text = text.strip()
    for prefix in ("TZ=", "CRON_TZ="):
        if text.startswith(prefix):
            name, _, text = text.removeprefix(prefix).partition(" ")
            place = _zone(name)
    text = text.strip()
    if text.startswith("@every "):
        seconds = int(parse_duration(text.removeprefix("@every ").strip()))
        return Every(max(1, seconds))
    fields = DESCRIPTORS.get(text, text).split()
    if len(fields) != len(LIMITS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minute, hour, day, month, weekday = (_field(field, number) for number, field in enumerate(fields))
    return Cron(minute, hour, day, month, weekday, place)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(f"unknown time zone {name}") from error


def _field(text: str, number: int) -> Field:
    values: set[int] = set()
    is_open = False
    for part in text.split(","):
        found, is_star = _range(part, number)
        values |= found
        is_open = is_open or is_star
    return Field(frozenset(values), is_open)


def _range(text: str, number: int) -> tuple[set[int], bool]:
    """One element of a list; and whether it is a star, with a step of one."""
    least, most = LIMITS[number]
    limits, slash, step_text = text.partition("/")
    first, dash, last = limits.partition("-")
    step = _number(step_text, number) if slash else 1
    if step < 1:
        raise ValueError(f"step of range should be a positive number: {text}")
    if first in ("*", "?") and not dash:
        return set(range(least, most + 1, step)), step == 1
    low = _number(first, number)
    high = _number(last, number) if dash else most if slash else low
    if number == 4 and 7 in (low, high):  # Sunday has two numbers
        if low == 7:
            return {0}, False
        return {value % 7 for value in range(low, 8, step)}, False
    if low < least:
        raise ValueError(f"beginning of range ({low}) below minimum ({least}): {text}")
    if high > most:
        raise ValueError(f"end of range ({high}) above maximum ({most}): {text}")
    if low > high:
        raise ValueError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    return set(range(low, high + 1, step)), False


def _number(text: str, number: int) -> int:
    named = NAMES[number].get(text.lower())
    if named is not None:
        return named
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"failed to parse int from {text}")
    return int(text)
