"""The volumes of one pod: made before its containers, and kept up to date while they run."""

import logging
from collections.abc import Sequence

from kube_lite.api.identity import Json

from .csi import LOOK_SECONDS, NotAttached
from .host import Host
from .payloads import VolumeFailed
from .plan import POD
from .resources import pod_words
from .restart import Restarts

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0


class PodVolumes:
    """What there is to do about them, and when.

    Attributes:
        is_stale: something that they show has changed.
        refresh_at: when they are to be looked at again, in seconds since the epoch; None for never.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._retries = Restarts(0.5, 120.0)
        self.is_stale = False
        self.refresh_at: float | None = None

    async def prepare(self, pod: Json, addresses: Sequence[str]) -> tuple[float | None, str]:
        """Make them: when to try again if that failed, and what to tell about it; None if all are there."""
        try:
            await self._write(pod, addresses)
        except VolumeFailed as failure:
            now = self._host.clock.now()
            wait = LOOK_SECONDS
            if not isinstance(failure, NotAttached):
                self._retries.note(POD, ended_at=now, now=now)
                wait = self._retries.delay(POD, now)
            return now + wait, str(failure)
        self.is_stale = False
        return None, ""

    async def freshen(self, pod: Json, addresses: Sequence[str]) -> None:
        """Bring the files of running containers up to date, if that is due."""
        now = self._host.clock.now()
        if not self.is_stale and (self.refresh_at is None or now < self.refresh_at):
            return
        self.is_stale = False
        try:
            await self._write(pod, addresses)
        except VolumeFailed as failure:
            self.refresh_at = now + RETRY_SECONDS
            log.warning("volumes not refreshed", extra={"pod": pod_words(pod), "why": str(failure)})

    async def _write(self, pod: Json, addresses: Sequence[str]) -> None:
        self.refresh_at = await self._host.volumes.prepare(pod, self._host.surroundings(addresses))
