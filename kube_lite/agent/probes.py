"""When a container is probed, and what a row of results means.

A startup probe comes first and alone; readiness and liveness follow once it has succeeded. Each probe runs at
once when its delay is over and then once a period, and it takes as many results of one kind in a row as its
threshold says to change its mind.

A container is probed milliseconds after its start, before any server can listen. Therefore the first try over
the network is repeated for a moment before it counts as failed, and a readiness or startup probe is also
repeated between its periods until it succeeds. Such extra tries count only if they succeed: a pod is ready as
soon as its server listens, and nothing fails earlier than it should.
Source: kubernetes/pkg/kubelet/prober (worker).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.probes import Outcome, ProbeResult, probe_exec, probe_grpc, probe_http, probe_tcp

from kube_lite.api.identity import Json
from kube_lite.kit.clock import Clock

FIRST_PAUSES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.2)  # seconds between the repetitions of the first try
EXTRA_PAUSE = 0.5  # seconds between extra tries later on
STARTUP, READINESS, LIVENESS = "startup", "readiness", "liveness"
FIELDS: Mapping[str, str] = {kind: f"{kind}Probe" for kind in (STARTUP, READINESS, LIVENESS)}


@runtime_checkable
class AnswersProbes(Protocol):
    """A driver whose containers listen nowhere and that therefore answers network probes itself."""

    async def probe_network(self, container_id: str) -> bool:
        """Whether something would listen."""
        ...


class Timing(NamedTuple):
    """The figures of a probe: seconds, and how many results in a row count."""

    delay: float
    within: float
    period: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Json) -> "Timing":
        """The spec's figures, with the API's defaults for what is missing."""
        return cls(
            float(probe.get("initialDelaySeconds") or 0),
            float(probe.get("timeoutSeconds") or 1),
            float(probe.get("periodSeconds") or 10),
            int(probe.get("successThreshold") or 1),
            int(probe.get("failureThreshold") or 3),
        )


class Verdict:
    """What a probe says of a container so far.

    With ``failures=3`` and True so far: ``- -`` stays True, ``- - -`` turns False, ``- - + -`` stays True.
    """

    def __init__(self, initial: bool, timing: Timing) -> None:
        self.is_good = initial
        self._timing = timing
        self._last: bool | None = None
        self._row = 0

    def hear(self, success: bool) -> bool:
        """Count one result; True if it changed the verdict or, for a failure, confirmed it once more."""
        self._row = self._row + 1 if success == self._last else 1
        self._last = success
        needed = self._timing.successes if success else self._timing.failures
        if self._row < needed:
            return False
        changed = self.is_good != success or not success
        self.is_good = success
        return changed


class Target(NamedTuple):
    """The container that is probed."""

    pod: Json
    container: Json
    container_id: str
    address: str


class Heard(Protocol):
    """Who hears of results."""

    def verdict(self, target: Target, kind: str, *, good: bool) -> None:
        """The probe has made up its mind, possibly as before."""
        ...

    def failed(self, target: Target, kind: str, result: ProbeResult) -> None:
        """One scheduled try has failed."""
        ...


class Prober:
    """Probes containers on their schedules and tells what comes of it."""

    def __init__(self, driver: Driver, clock: Clock, listener: Heard, user_agent: str) -> None:
        self._driver = driver
        self._clock = clock
        self._listener = listener
        self._user_agent = user_agent

    async def watch(self, target: Target, kind: str, may_begin: asyncio.Event) -> None:
        """Probe until cancelled; a startup probe until it has succeeded or failed for good."""
        await may_begin.wait()
        probe = target.container[FIELDS[kind]]
        timing = Timing.of(probe)
        verdict = Verdict(kind == LIVENESS, timing)
        await self._clock.sleep(timing.delay)
        pauses = () if "exec" in probe else FIRST_PAUSES
        while True:
            due = self._clock.monotonic() + timing.period
            result = await self._try(target, probe, timing.within, pauses)
            pauses = ()
            if result.outcome is not Outcome.SUCCESS:
                self._listener.failed(target, kind, result)
            if result.outcome is not Outcome.UNKNOWN and verdict.hear(result.outcome is Outcome.SUCCESS):
                self._listener.verdict(target, kind, good=verdict.is_good)
                if kind == STARTUP:
                    return
            await self._until(due, target, kind, verdict, timing)
            if kind == STARTUP and verdict.is_good:
                return

    async def _until(self, due: float, target: Target, kind: str, verdict: Verdict, timing: Timing) -> None:
        """Wait for the next scheduled try, with extra ones in between where they may help."""
        probe = target.container[FIELDS[kind]]
        if kind != LIVENESS and not verdict.is_good and timing.successes == 1 and "exec" not in probe:
            while self._clock.monotonic() + EXTRA_PAUSE < due:
                await self._clock.sleep(EXTRA_PAUSE)
                result = await self.perform(target, probe, min(timing.within, timing.period))
                if result.outcome is Outcome.SUCCESS:
                    verdict.hear(True)
                    self._listener.verdict(target, kind, good=True)
                    break
        await self._clock.sleep(due - self._clock.monotonic())

    async def _try(self, target: Target, probe: Json, within: float, pauses: Sequence[float]) -> ProbeResult:
        """One try that counts, repeated after each of the pauses until it succeeds."""
        result = await self.perform(target, probe, within)
        for pause in pauses:
            if result.outcome is Outcome.SUCCESS:
                break
            await self._clock.sleep(pause)
            result = await self.perform(target, probe, within)
        return result

    async def perform(self, target: Target, probe: Json, within: float) -> ProbeResult:
        """One try."""
        if probe.get("exec") is not None:
            return await probe_exec(
                self._driver, target.container_id, probe["exec"].get("command") or (), within
            )
        if isinstance(self._driver, AnswersProbes):
            listens = await self._driver.probe_network(target.container_id)
            return ProbeResult(Outcome.SUCCESS if listens else Outcome.FAILURE, "nothing listens")
        return await self._over_network(target, probe, within)

    async def _over_network(self, target: Target, probe: Json, within: float) -> ProbeResult:
        container, address = target.container, target.address
        if probe.get("httpGet") is not None:
            action = probe["httpGet"]
            return await probe_http(
                action.get("host") or address,
                port_number(container, action["port"]),
                path=action.get("path") or "/",
                scheme=(action.get("scheme") or "HTTP").lower(),
                headers=[(header["name"], header["value"]) for header in action.get("httpHeaders") or ()],
                within=within,
                user_agent=self._user_agent,
            )
        if probe.get("tcpSocket") is not None:
            action = probe["tcpSocket"]
            return await probe_tcp(
                action.get("host") or address, port_number(container, action["port"]), within
            )
        action = probe.get("grpc") or {}
        return await probe_grpc(address, int(action.get("port", 0)), action.get("service") or "", within)


def port_number(container: Json, port: int | str) -> int:
    """A port by number or by its name in the container; 0, where nobody listens, for an unknown name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    named = (entry for entry in container.get("ports") or () if entry.get("name") == port)
    return int(next((entry["containerPort"] for entry in named), 0))


def failure_message(kind: str, result: ProbeResult) -> str:
    """The message of an ``Unhealthy`` event."""
    if result.outcome is Outcome.UNKNOWN:
        return f"{kind.capitalize()} probe errored and resulted in unknown state: {result.message}"
    return f"{kind.capitalize()} probe failed: {result.message}"
