"""How Secrets that hold tokens without end tell of their use: labels with a day, in UTC.

Source: KEP-2799, ``pkg/serviceaccount/legacy.go``.
"""

from datetime import UTC, datetime

LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"

SECONDS_OF_DAY = 86_400.0


def day_of(moment: float) -> str:
    """``2023-11-14``: such days compare as texts do."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def start_of(day: str) -> float | None:
    """When a day begins, in seconds since the epoch; None for what is no day."""
    try:
        found = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found.timestamp() if len(day) == len("2023-11-14") else None
