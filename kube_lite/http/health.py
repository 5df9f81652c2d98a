"""``/livez``, ``/readyz`` and ``/healthz``: is the server alive, and may others rely on it.

    /livez                    ok, or 500 with the failed checks
    /livez?verbose            one line per check
    /livez?exclude=etcd       leave a check out
    /livez/etcd               one check alone

A failed check does not tell why to whom it may not concern: the reason is in the log. The store's check keeps
the name that the rest of the world looks for, ``etcd``.
Source: ``apiserver/pkg/server/healthz/healthz.go``.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]
"""Says what is wrong, or nothing."""


class Verdict(NamedTuple):
    """What ``judge`` answers: a status code and plain text."""

    code: int
    text: str


class Health:
    """The checks of one server, by name, in order."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)

    async def judge(self, path: str, raw_query: str) -> Verdict | None:
        """Answer a path such as ``/readyz`` or ``/livez/ping``; None when there is no such check."""
        endpoint, _, only = path.strip("/").partition("/")
        if only:
            return await self._judge_one(endpoint, only)
        wishes = parse_qsl(raw_query, keep_blank_values=True)
        excluded = {part for name, value in wishes if name == "exclude" for part in value.split(",")}
        lines, failed = [], False
        for name, check in self._checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif await self._passes(endpoint, name, check):
                lines.append(f"[+]{name} ok")
            else:
                failed = True
                lines.append(f"[-]{name} failed: reason withheld")
        lines += _unknown(excluded - self._checks.keys())
        if failed:
            return Verdict(500, "\n".join([*lines, f"{endpoint} check failed", ""]))
        if any(name == "verbose" for name, _ in wishes):
            return Verdict(200, "\n".join([*lines, f"{endpoint} check passed", ""]))
        return Verdict(200, "ok")

    async def _judge_one(self, endpoint: str, name: str) -> Verdict | None:
        check = self._checks.get(name)
        if check is None:
            return None
        if await self._passes(endpoint, name, check):
            return Verdict(200, "ok")
        return Verdict(500, "internal server error: reason withheld\n")

    @staticmethod
    async def _passes(endpoint: str, name: str, check: Check) -> bool:
        wrong = await check()
        if wrong:
            log.warning("health check failed", extra={"endpoint": endpoint, "check": name, "reason": wrong})
        return not wrong


def _unknown(names: set[str]) -> Sequence[str]:
    if not names:
        return ()
    quoted = ", ".join(f'"{name}"' for name in sorted(names))
    return (f"warn: some health checks cannot be excluded: no matches for {quoted}",)
