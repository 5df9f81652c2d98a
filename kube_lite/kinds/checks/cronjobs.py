"""Rules for CronJobs: schedules, time zones, and the Jobs they make."""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import invalid, not_negative, not_supported, one_of, required
from kube_lite.api.gotext import go_quote
from kube_lite.api.identity import Json

from .jobs import check_job_spec
from .selectors import show_selector

CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
CRON_NAMES: tuple[dict[str, int], ...] = (
    {}, {}, {},
    {name: at for at, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)},  # noqa: SIM905
    {name: at for at, name in enumerate("sun mon tue wed thu fri sat".split())},  # noqa: SIM905
)  # fmt: skip
DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_ZONE_PART = re.compile(r"[A-Za-z._0-9+][-A-Za-z._0-9+]{0,13}")


def check_cronjob(cronjob: Json) -> Iterator[Cause]:
    """A CronJob."""
    spec = cronjob.get("spec") or {}
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
    else:
        wrong = schedule_error(schedule)
        if wrong:
            yield invalid("spec.schedule", schedule, wrong)
        if "TZ" in schedule:
            why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            yield invalid("spec.schedule", schedule, why)
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if spec.get("timeZone") is not None:
        yield from _check_time_zone(spec["timeZone"], "spec.timeZone")
    policy = spec.get("concurrencyPolicy") or ""
    if not policy:
        yield required("spec.concurrencyPolicy")
    else:
        yield from one_of("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    job, here = (spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec"
    yield from check_job_spec(job, here)
    if job.get("selector") is not None:
        shown = show_selector(job["selector"])
        yield invalid(f"{here}.selector", shown, "`selector` will be auto-generated")
    if job.get("manualSelector"):
        yield not_supported(f"{here}.manualSelector", True, ("nil", "false"))
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    yield from not_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))


def _check_time_zone(zone: str, path: str) -> Iterator[Cause]:
    from zoneinfo import ZoneInfo  # few CronJobs name a zone

    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or not _ZONE_PART.fullmatch(part) for part in zone.split("/")):
        yield invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, zone, why)
        if zone == "Local":
            return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        yield invalid(path, zone, f"unknown time zone {zone}")


def schedule_error(schedule: str) -> str | None:
    """What the reference's parser says of a schedule, or None when it is good."""
    named = re.match(r"(?:CRON_)?TZ=([^ ]*) ", schedule)
    if named:
        if named[1] not in ("", "UTC", "Local") and any(_check_time_zone(named[1], "")):
            return f"provided bad location {named[1]}: unknown time zone {named[1]}"
        schedule = schedule[named.end() :].strip()
    if schedule.startswith("@"):
        if schedule in DESCRIPTORS or re.fullmatch(r"@every [\d.hmsuµn]+", schedule):
            return None
        return f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != len(CRON_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (least, most), names in zip(fields, CRON_FIELDS, CRON_NAMES, strict=True):
        for part in field.split(","):
            wrong = _range_error(part, least, most, names)
            if wrong:
                return wrong
    return None


def _range_error(text: str, least: int, most: int, names: dict[str, int]) -> str | None:
    limits, slash, step = text.partition("/")
    start, dash, end = limits.partition("-")
    if start in ("*", "?"):
        low, high = least, most
    else:
        numbers = [names.get(word.lower(), word) for word in ((start, end) if dash else (start,))]
        for number in numbers:
            if not str(number).isdigit():
                why = f"strconv.Atoi: parsing {go_quote(str(number))}: invalid syntax"
                return f"failed to parse int from {number}: {why}"
        low = int(numbers[0])
        high = int(numbers[1]) if dash else most if slash else low
    if slash and (not step.isdigit() or int(step) == 0):
        return f"step of range should be a positive number: {text}"
    if low < least:
        return f"beginning of range ({low}) below minimum ({least}): {text}"
    if high > most:
        return f"end of range ({high}) above maximum ({most}): {text}"
    return f"beginning of range ({low}) beyond end of range ({high}): {text}" if low > high else None
