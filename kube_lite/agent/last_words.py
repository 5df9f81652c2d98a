"""What a container left to be told after its end: its termination message.

Source: ``getTerminationMessage`` in kubernetes/pkg/kubelet/kuberuntime.
"""

from pathlib import Path

from kube_lite_runtime.logs import parse_line
from kube_lite_runtime.types import ContainerState

from kube_lite.api.identity import Json

from .host import Host

MAX_MESSAGE = 4096
MAX_LOG_BYTES, MAX_LOG_LINES = 2048, 80  # of the log, where that stands in for a message


async def read_last_words(host: Host, uid: str, state: ContainerState, container: Json) -> str:
    """The message of an ended container; "" if it left none."""
    message_file = host.directories.termination_message(uid, state.name, state.attempt)
    failed = bool(state.exit and state.exit.code)
    from_log = failed and container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
    log_file = state.log_path if from_log else None
    return await host.volumes.in_thread(lambda: _read(message_file, log_file))


def _read(message_file: Path, log_file: Path | None) -> str:
    message = _beginning(message_file)
    return message if message or log_file is None else end_of_log(log_file)


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MESSAGE).decode(errors="replace")
    except OSError:
        return ""


def end_of_log(path: Path) -> str:
    """The last lines of a CRI log without their heads; what did not end with a newline does not get one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4 * MAX_LOG_BYTES))
            lines = [parse_line(line) for line in file.read().splitlines()[-MAX_LOG_LINES:]]
    except OSError:
        return ""
    content = b"".join(line.content for line in lines if line is not None)
    return content[-MAX_LOG_BYTES:].decode(errors="replace")
