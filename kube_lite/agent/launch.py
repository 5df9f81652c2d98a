"""Make and start one container: variables, mounts, last-words file, driver, events."""

from collections.abc import Sequence
from typing import NamedTuple

from kube_lite_runtime.errors import ContainerFailed, ImageMissing, NoSuchSandbox, RuntimeFailure
from kube_lite_runtime.types import ContainerState, ImageState, Mount, SandboxState

from kube_lite.api.identity import Json

from .containers import container_spec, runs_as_root_against_its_will
from .environment import ConfigError, environment, references
from .host import Host
from .images import field_path
from .payloads import VolumeFailed
from .resources import pod_words

DEFAULT_MESSAGE_PATH = "/dev/termination-log"


class LaunchFailed(Exception):
    """The container could not be made or started; ``reason`` is what its waiting state shows.

    ``state`` is set when the driver has the container: it was made and could not be started.
    """

    def __init__(self, reason: str, message: str, state: ContainerState | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.state = state


class Launch(NamedTuple):
    """One life of a container that is to begin."""

    pod: Json
    container: Json
    attempt: int
    sandbox: SandboxState
    image: ImageState
    pod_ips: Sequence[str]


async def launch(host: Host, wish: Launch) -> ContainerState:
    """Start it. Raises ``LaunchFailed``, whose message is told as an event as well."""
    try:
        return await _launch(host, wish)
    except LaunchFailed as failure:
        _tell(host, wish, "Warning", "Failed", f"Error: {failure}")
        raise


async def _launch(host: Host, wish: Launch) -> ContainerState:
    pod, container = wish.pod, wish.container
    try:
        variables = await _environment(host, wish)
        mounts = await _mounts(host, wish, variables)
    except (ConfigError, VolumeFailed) as error:
        raise LaunchFailed("CreateContainerConfigError", str(error)) from error
    spec = container_spec(
        pod,
        container,
        wish.attempt,
        environment=variables,
        mounts=mounts,
        log_path=host.directories.log(pod, container["name"], wish.attempt),
    )
    async with host.starting:
        try:
            made = await host.driver.create_container(wish.sandbox.id, spec)
        except (ContainerFailed, ImageMissing, NoSuchSandbox) as error:
            raise LaunchFailed("CreateContainerError", str(error)) from error
        _tell(host, wish, "Normal", "Created", host.words.created(container["name"]))
        try:
            running = await host.driver.start_container(made.id)
        except RuntimeFailure as error:
            state = await host.driver.container_state(made.id)
            raise LaunchFailed("RunContainerError", str(error), state) from error
    _tell(host, wish, "Normal", "Started", host.words.started(container["name"]))
    return running


async def _environment(host: Host, wish: Launch) -> dict[str, str]:
    pod, container = wish.pod, wish.container
    if runs_as_root_against_its_will(pod, container, wish.image.user):
        where = f'(pod: "{pod_words(pod)}", container: {container["name"]})'
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    return environment(
        pod,
        container,
        sources=await host.volumes.read(pod["metadata"]["namespace"], references(container)),
        services=host.services(),
        surroundings=host.surroundings(wish.pod_ips),
    )


async def _mounts(host: Host, wish: Launch, variables: dict[str, str]) -> list[Mount]:
    mounts = await host.volumes.mounts(wish.pod, wish.container, variables)
    name, uid = wish.container["name"], wish.pod["metadata"]["uid"]
    message_file = host.directories.termination_message(uid, name, wish.attempt)
    await host.volumes.make_message_file(message_file)
    target = wish.container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH
    return [*mounts, Mount(message_file, target)]


def _tell(host: Host, wish: Launch, type: str, reason: str, message: str) -> None:
    path = field_path(wish.pod, wish.container["name"])
    host.recorder.event(wish.pod, type, reason, message, field_path=path)
