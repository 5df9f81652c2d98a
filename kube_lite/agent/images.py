"""Have a container's image on this host before it is made: pull policy, back-off, events.

A failed pull is shown as ``ErrImagePull`` for a moment, then as ``ImagePullBackOff`` until the next try,
10 s to 300 s later, per pod and image. A driver that cannot pull at all uses what is there whatever the
policy says, since asking nobody is not the same as being refused.
Source: ``EnsureImageExists`` in kubernetes/pkg/kubelet/images; the form of names: distribution/reference.
"""

import re
from typing import NamedTuple

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.errors import NotSupported, PullFailed
from kube_lite_runtime.types import ImageState

from kube_lite.api.identity import Json
from kube_lite.api.times import format_duration
from kube_lite.client.recorder import Recorder
from kube_lite.kit.clock import Clock

from .plan import members
from .restart import Restarts
from .words import Words

SHOWN_SECONDS = 3.0  # how long ErrImagePull is shown before it turns into ImagePullBackOff
PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
HOST_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
DOMAIN = rf"(?:{HOST_PART}(?:\.{HOST_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
REFERENCE = re.compile(
    rf"(?:{DOMAIN}/)?{PATH_PART}(?:/{PATH_PART})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{{32,}})?",
    re.ASCII,
)


class ImageProblem(Exception):
    """There is no image to run; ``reason`` is what the container's waiting state shows."""

    def __init__(self, reason: str, message: str, retry_at: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_at = retry_at


class Attempt(NamedTuple):
    """A failed pull: when, and what was said."""

    at: float
    message: str


class Images:
    """Images for the containers of this node."""

    def __init__(self, driver: Driver, clock: Clock, recorder: Recorder, words: Words) -> None:
        self._driver = driver
        self._clock = clock
        self._recorder = recorder
        self._words = words
        self._backoff = Restarts()
        self._failed: dict[str, Attempt] = {}

    async def present(self, pod: Json, container: Json) -> ImageState | None:
        """The image, if it can be used without a pull; None if it must be pulled.

        Raises:
            ImageProblem: it will neither be found nor pulled.
        """
        name, policy = container["image"], container.get("imagePullPolicy", "IfNotPresent")
        if not REFERENCE.fullmatch(name):
            raise self._invalid(pod, container)
        image = await self._driver.image(name)
        if policy == "Never" and image is None:
            text = f'Container image "{name}" is not present with pull policy of Never'
            self._tell(pod, container, "Warning", "ErrImageNeverPull", text)
            self._tell(pod, container, "Warning", "Failed", "Error: ErrImageNeverPull")
            raise ImageProblem("ErrImageNeverPull", text, self._clock.now() + 10)
        if image is not None and policy != "Always":
            self._tell(pod, container, "Normal", "Pulled", self._words.present(name))
            return image
        self._check_backoff(pod, container)
        return None

    async def pull(self, pod: Json, container: Json) -> ImageState:
        """Fetch the image. Raises ``ImageProblem``."""
        name = container["image"]
        key = f"{pod['metadata']['uid']}_{name}"
        began = self._clock.monotonic()
        present = await self._driver.image(name)
        if present is None:
            self._tell(pod, container, "Normal", "Pulling", f'Pulling image "{name}"')
        try:
            image = await self._driver.pull_image(name)
        except NotSupported as error:
            if present is not None:
                self._tell(pod, container, "Normal", "Pulled", self._words.present(name))
                return present
            raise self._pull_failed(pod, container, key, str(error)) from error
        except PullFailed as error:
            raise self._pull_failed(pod, container, key, str(error)) from error
        self._failed.pop(key, None)
        self._backoff.forget(key)
        took = format_duration(round(self._clock.monotonic() - began, 3))
        text = f'Successfully pulled image "{name}" in {took} ({took} including waiting).'
        self._tell(pod, container, "Normal", "Pulled", f"{text} Image size: {image.size_bytes} bytes.")
        return image

    def forget(self, pod: Json) -> None:
        """The pod is gone."""
        for name in {member.spec["image"] for member in members(pod)}:
            key = f"{pod['metadata']['uid']}_{name}"
            self._failed.pop(key, None)
            self._backoff.forget(key)

    def _check_backoff(self, pod: Json, container: Json) -> None:
        name = container["image"]
        key = f"{pod['metadata']['uid']}_{name}"
        failed = self._failed.get(key)
        if failed is None:
            return
        until = failed.at + self._backoff.delay(key, failed.at)
        if self._clock.now() < until:
            text = f'Back-off pulling image "{name}"'
            self._tell(pod, container, "Normal", "BackOff", text)
            self._tell(pod, container, "Warning", "Failed", "Error: ImagePullBackOff")
            message = f"{text}: ErrImagePull: {failed.message}" if self._words.minor >= 32 else text
            raise ImageProblem("ImagePullBackOff", message, until)

    def _pull_failed(self, pod: Json, container: Json, key: str, why: str) -> ImageProblem:
        now = self._clock.now()
        self._backoff.note(key, ended_at=now, now=now)
        self._failed[key] = Attempt(now, why)
        self._tell(pod, container, "Warning", "Failed", f'Failed to pull image "{container["image"]}": {why}')
        self._tell(pod, container, "Warning", "Failed", "Error: ErrImagePull")
        return ImageProblem("ErrImagePull", why, now + SHOWN_SECONDS)

    def _invalid(self, pod: Json, container: Json) -> ImageProblem:
        name = container["image"]
        why = "invalid reference format"
        if name.lower() != name and REFERENCE.fullmatch(name.lower()):
            why += f": repository name ({name.partition(':')[0]}) must be lowercase"
        text = f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": {why}'
        self._tell(pod, container, "Warning", "InspectFailed", text)
        self._tell(pod, container, "Warning", "Failed", "Error: InvalidImageName")
        return ImageProblem("InvalidImageName", text, self._clock.now() + 10)

    def _tell(self, pod: Json, container: Json, type: str, reason: str, message: str) -> None:
        self._recorder.event(pod, type, reason, message, field_path=field_path(pod, container["name"]))


def field_path(pod: Json, container: str) -> str:
    """Where an event says that it belongs: ``spec.containers{web}``."""
    groups = ("initContainers", "ephemeralContainers")
    spec = pod["spec"]
    found = (group for group in groups if any(one["name"] == container for one in spec.get(group) or ()))
    group = next(found, "containers")
    return f"spec.{group}{{{container}}}"
