"""What is on this host and belongs to no pod any more: containers, directories, logs."""

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import RuntimeFailure
from kube_lite_runtime.types import SandboxState

from .resources import Directories
from .volume_files import remove_pod_directory
from .volumes import Volumes

log = logging.getLogger(__name__)


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
