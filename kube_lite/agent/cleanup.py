"""What is on this host and belongs to no pod any more, and logs that have grown too long.

A log is rotated at 10 MiB and five files of it are kept, upstream's defaults.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import RuntimeFailure
from kube_lite_runtime.logs import rotate
from kube_lite_runtime.types import SandboxState

from kube_lite.kit.clock import Clock

from .resources import Directories
from .volume_files import remove_pod_directory
from .volumes import Volumes

log = logging.getLogger(__name__)

MAX_LOG_BYTES = 10 * 2**20
KEPT_LOGS = 5
LOOK_SECONDS = 30.0


class LogRotation:
    """Keeps the logs of running containers short.

    Args:
        files: returns ids of running containers with their log files, as of now.
    """

    def __init__(
        self, driver: Driver, volumes: Volumes, clock: Clock, files: Callable[[], Sequence[tuple[str, Path]]]
    ) -> None:
        self._driver = driver
        self._volumes = volumes
        self._clock = clock
        self._files = files

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Rotate what is too long."""
        files = self._files()
        now = self._clock.now()
        for container_id in await self._volumes.in_thread(lambda: _rotate_long(files, now)):
            try:
                await self._driver.reopen_log(container_id)
            except RuntimeFailure as failure:
                log.warning("log not reopened", extra={"container": container_id, "why": str(failure)})


def _rotate_long(files: Sequence[tuple[str, Path]], now: float) -> list[str]:
    """Rename the logs that are too long; the ids of the containers that must begin new ones."""
    rotated = []
    for container_id, path in files:
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES and rotate(path, keep=KEPT_LOGS, now=now):
            rotated.append(container_id)
    return rotated


async def remove_orphans(
    driver: Driver, volumes: Volumes, directories: Directories, is_known: Callable[[str], bool]
) -> None:
    """Remove what pods left behind that were deleted while no agent ran.

    Args:
        is_known: whether there is a pod with that uid; asked late, because pods arrive meanwhile.
    """
    sandboxes: Sequence[SandboxState] = await driver.list_sandboxes()
    for sandbox in sandboxes:
        if is_known(sandbox.uid):
            continue
        log.info("removing what a deleted pod left", extra={"pod": f"{sandbox.namespace}/{sandbox.name}"})
        try:
            await driver.remove_sandbox(sandbox.id)
        except RuntimeFailure as failure:
            log.warning("sandbox not removed", extra={"sandbox": sandbox.id, "why": str(failure)})
    await volumes.in_thread(lambda: _remove_directories(directories, is_known))


def _remove_directories(directories: Directories, is_known: Callable[[str], bool]) -> None:
    for directory in _children(directories.root / "pods"):
        if not is_known(directory.name):
            remove_pod_directory(directory)
    for directory in _children(directories.root / "logs"):
        if not is_known(directory.name.rpartition("_")[2]):
            shutil.rmtree(directory, ignore_errors=True)


def _children(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []
