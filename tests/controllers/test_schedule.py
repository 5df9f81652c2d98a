from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from kube_lite.controllers.schedule import parse_schedule

UTC = ZoneInfo("UTC")


def moment(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def starts(schedule: str, after: str, count: int = 3, zone: str = "UTC") -> list[str]:
    found, last = [], moment(after, zone)
    for _ in range(count):
        following = parse_schedule(schedule, zone).next(last)
        assert following is not None
        last = following
        found.append(datetime.fromtimestamp(last, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param("* * * * *", ["2024-01-31 23:59", "2024-02-01 00:00"], id="every minute"),
        pytest.param("*/20 5 * * *", ["2024-02-01 05:00", "2024-02-01 05:20"], id="steps"),
        pytest.param("0 0 29 2 *", ["2024-02-29 00:00", "2028-02-29 00:00"], id="leap days"),
        pytest.param("0 0 1,15 * *", ["2024-02-01 00:00", "2024-02-15 00:00"], id="lists"),
        pytest.param("0 9-17/4 * * MON-fri", ["2024-02-01 09:00", "2024-02-01 13:00"], id="ranges and names"),
        pytest.param("0 0 1,4 * 5", ["2024-02-01 00:00", "2024-02-02 00:00"], id="either day"),
        pytest.param("0 0 * * 0", ["2024-02-04 00:00"], id="a star leaves it to the other day field"),
        pytest.param("0 0 */2 * 0", ["2024-02-01 00:00", "2024-02-03 00:00"], id="a step is no star"),
        pytest.param("@monthly", ["2024-02-01 00:00", "2024-03-01 00:00"], id="by name"),
        pytest.param("@every 90m", ["2024-02-01 01:28"], id="at a distance"),
        pytest.param("  0 0 * * *  ", ["2024-02-01 00:00"], id="blanks"),
        pytest.param("TZ=Asia/Tokyo 0 9 * * *", ["2024-02-01 00:00"], id="a zone in the text"),
    ],
)  # fmt: skip
def test_a_schedule_is_due_when_cron_says(schedule: str, expected: list[str]) -> None:
    assert starts(schedule, "2024-01-31T23:58:30", len(expected)) == expected


def test_a_time_that_is_skipped_in_spring_does_not_come() -> None:
    found = starts("30 2 * * *", "2024-03-30T12:00", 2, "Europe/Berlin")
    assert found == ["2024-04-01 02:30", "2024-04-02 02:30"]


def test_a_time_that_is_repeated_in_autumn_comes_twice() -> None:
    found = starts("30 2 * * *", "2024-10-26T12:00", 3, "Europe/Berlin")
    assert found == ["2024-10-27 02:30", "2024-10-27 02:30", "2024-10-28 02:30"]


def test_midnight_is_found_where_clocks_change_at_midnight() -> None:
    found = starts("0 0 * * *", "2024-03-30T12:00", 2, "Asia/Beirut")
    assert found == ["2024-04-01 00:00", "2024-04-02 00:00"]


def test_what_never_comes_is_told() -> None:
    assert parse_schedule("0 0 30 2 *").next(moment("2024-01-01")) is None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "@never"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        parse_schedule(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown time zone Mars/Olympus"):
        parse_schedule("* * * * *", "Mars/Olympus")
