"""One line per record on standard error, for people first: time, level, who, what, fields.

    12:04:05.123 INFO    agent: pod started  pod=default/web-1 image=host

Fields are what the caller gave as ``extra``; they stand after the message as ``name=value``, quoted where
they hold spaces. Messages are constant, so lines of one kind can be found with ``grep``.
"""

import json
import logging
import sys
import time
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error")
_ROOT = "kube_lite"
_USUAL = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """Formats a record as described above; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of one record, without its line end."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        who = record.name.removeprefix(_ROOT + ".").removeprefix("kube_lite_")
        head = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {who}: {record.getMessage()}"
        fields = [f"{name}={_shown(value)}" for name, value in vars(record).items() if name not in _USUAL]
        line = head + "  " + " ".join(fields) if fields else head
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _shown(value: object) -> str:
    text = str(value)
    plain = text and text.isprintable() and not any(mark in text for mark in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log to ``stream`` (standard error); calling it again replaces the earlier setting.

    Only the command line calls this. Who embeds a cluster has a logging configuration of their own, and ours
    are ordinary loggers under ``kube_lite``, ``kube_lite_storage`` and ``kube_lite_runtime``.

    Args:
        level: one of ``LEVELS``; others' libraries are heard from ``warning`` on.
    """
    if level not in LEVELS:
        raise ValueError(f"log level must be one of {', '.join(LEVELS)}, not {level!r}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    for name in (_ROOT, "kube_lite_storage", "kube_lite_runtime"):
        logging.getLogger(name).setLevel(level.upper())
