"""Run commands in containers of a real driver and look at what they see."""

from typing import NamedTuple

from kube_lite_runtime.driver import Driver
from kube_lite_runtime.streams import Session
from kube_lite_runtime.types import ContainerSpec, ContainerState, SandboxSpec

POD = SandboxSpec(namespace="default", name="web", uid="0b7f")
STAY = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"]
SPEC = ContainerSpec(name="c", image="localhost/host", command=STAY)


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str


async def start(driver: Driver, spec: ContainerSpec = SPEC, pod: SandboxSpec = POD) -> ContainerState:
    """One container in a sandbox of its own."""
    sandbox = await driver.create_sandbox(pod)
    return await start_in(driver, sandbox.id, spec)


async def start_in(driver: Driver, sandbox_id: str, spec: ContainerSpec = SPEC) -> ContainerState:
    """One more container in a sandbox."""
    container = await driver.create_container(sandbox_id, spec)
    return await driver.start_container(container.id)


async def run(driver: Driver, container: ContainerState, *command: str) -> Ran:
    """An exec to its end."""
    async with await driver.exec(container.id, command) as session:
        stdout, stderr = await collect(session)
        return Ran((await session.wait()).code, stdout, stderr)


async def shell(driver: Driver, container: ContainerState, script: str) -> Ran:
    """A shell script to its end."""
    return await run(driver, container, "/bin/sh", "-c", script)


async def collect(session: Session) -> tuple[str, str]:
    """All that is written, by stream."""
    written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    async for chunk in session.output():
        written[chunk.stream].append(chunk.content)
    stdout, stderr = (b"".join(parts).decode() for parts in written.values())
    return stdout, stderr
