"""Rules for probes and hooks of containers."""

import re
from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, not_negative, one_of, required
from kube_lite.api.identity import Json
from kube_lite.api.names import regex_error

from .values import check_port, check_port_or_name

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
HEADER = "[-A-Za-z0-9]+"
WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
LINUX_SIGNALS = tuple(sorted([
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT",
    "SIGIO", "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV",
    "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX",
    *(f"SIGRTMIN+{number}" for number in range(1, 16)), *(f"SIGRTMAX-{number}" for number in range(1, 15)),
]))  # fmt: skip


def check_actions(
    container: Json, path: str, grace_seconds: int | None, system: str | None
) -> Iterator[Cause]:
    """The hooks and probes of a container.

    Args:
        grace_seconds: how long the Pod may take to end.
        system: the operating system that the Pod names; None for none.
    """
    lifecycle = container.get("lifecycle")
    if lifecycle is not None:
        here = f"{path}.lifecycle"
        for hook in ("postStart", "preStop"):
            if lifecycle.get(hook) is not None:
                yield from _check_handler(lifecycle[hook], f"{here}.{hook}", HOOK_HANDLERS, grace_seconds)
        if lifecycle.get("stopSignal") is not None:
            yield from _check_signal(lifecycle["stopSignal"], f"{here}.stopSignal", system)
    for name in PROBES:
        if container.get(name) is not None:
            yield from _check_probe(container[name], f"{path}.{name}", is_readiness=name == "readinessProbe")


def _check_signal(signal: str, path: str, system: str | None) -> Iterator[Cause]:
    if system is None:
        yield forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif system == "windows":
        yield from one_of(path, signal, WINDOWS_SIGNALS)
    elif system == "linux":
        yield from one_of(path, signal, LINUX_SIGNALS)


def _check_probe(probe: Json, path: str, *, is_readiness: bool) -> Iterator[Cause]:
    yield from _check_handler(probe, path, PROBE_HANDLERS, None)
    for field in COUNTS:
        yield from not_negative(f"{path}.{field}", probe.get(field))
    seconds, here = probe.get("terminationGracePeriodSeconds"), f"{path}.terminationGracePeriodSeconds"
    if seconds is not None and seconds <= 0:
        yield invalid(here, seconds, "must be greater than 0")
    if is_readiness and seconds is not None:
        yield invalid(here, seconds, "must not be set for readinessProbes")
    if not is_readiness and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _check_handler(
    handler: Json, path: str, kinds: tuple[str, ...], grace_seconds: int | None
) -> Iterator[Cause]:
    """Exactly one way to act, and that it is complete."""
    found = [kind for kind in kinds if handler.get(kind) is not None]
    if not found:
        yield required(path, "must specify a handler type")
        return
    kind, here = found[0], f"{path}.{found[0]}"
    action = handler[kind]
    if kind == "sleep":
        seconds = action.get("seconds") or 0
        if grace_seconds is not None and not 0 <= seconds <= grace_seconds:
            why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
            yield invalid(here, seconds, why)
    else:
        yield from _check_action(kind, action, here)
    for kind in found[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")


def _check_action(kind: str, action: Json, path: str) -> Iterator[Cause]:
    if kind == "exec":
        if not action.get("command"):
            yield required(f"{path}.command")
    elif kind == "grpc":
        yield from check_port(f"{path}.port", action.get("port") or 0)
    elif kind == "tcpSocket":
        yield from check_port_or_name(f"{path}.port", action.get("port"))
    else:
        if not action.get("path"):
            yield required(f"{path}.path")
        yield from check_port_or_name(f"{path}.port", action.get("port"))
        yield from one_of(f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
        for header in action.get("httpHeaders") or ():
            name = header.get("name") or ""
            if not re.fullmatch(HEADER, name):
                why = regex_error(
                    "a valid HTTP header must consist of alphanumeric characters or '-'",
                    HEADER,
                    "X-Header-Name",
                )
                yield invalid(f"{path}.httpHeaders", name, why)
