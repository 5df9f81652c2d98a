"""One pod on this node, from arrival to removal.

A worker keeps what is known of its pod, asks ``plan`` for the next steps, performs them and reports the
status, until nothing is left to do; then it costs nothing until it is woken. It is level-based: whatever
was missed meanwhile, the next look finds it, and a worker that meets running containers takes them over.

What may take long (a pull, a hook, a graceful stop) runs beside the worker and wakes it when done, so that a
deletion is heard at once.
"""

import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube_lite_runtime.errors import NoSuchContainer, RuntimeFailure, SandboxFailed
from kube_lite_runtime.types import ContainerState, ImageState, SandboxState, State

from kube_lite.api.errors import Conflict, NotFound
from kube_lite.api.identity import Json
from kube_lite.api.times import format_duration, parse_time

from .containers import IMAGE_LABEL, sandbox_spec
from .devices import NotPrepared, prepare_devices
from .health import Health
from .host import Host
from .images import ImageProblem, field_path
from .known import Known, statuses
from .last_words import read_last_words
from .launch import Launch, LaunchFailed, launch
from .lifecycle import HookFailed
from .plan import (
    POD,
    CreateSandbox,
    Ending,
    Facts,
    Forget,
    Kill,
    Member,
    Plan,
    PrepareVolumes,
    Remove,
    Role,
    Start,
    Step,
    StopSandbox,
    members,
    plan_pod,
)
from .pod_volumes import PodVolumes
from .probes import Target
from .resources import PODS, pod_words
from .status import ImageWords, Problem, View, pod_status

log = logging.getLogger(__name__)

MIN_GRACE = 1.0  # a forced deletion still lets the containers hear their signal
RETRY = 10.0  # seconds until something that failed without a back-off of its own is tried again
MAX_ROUNDS = 200  # more steps in a row than any pod has; reaching it means that a step changes nothing
DEADLINE = Problem("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodWorker:
    """Brings what runs into line with one pod.

    Args:
        pod: as the API has it; ``run`` may be called as soon as ``adopt`` has told what runs already.
    """

    def __init__(self, host: Host, pod: Json) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.gone = False
        """Nothing is left of the pod; the worker can be dropped."""
        self._host = host
        self._in_api = True
        self._known = Known()
        self._health = Health(host, self.uid, self._condemn)
        self._volumes = PodVolumes(host)
        self._failure: Problem | None = None
        self._was_over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        self._before = _statuses_by_id(pod)
        started = (pod.get("status") or {}).get("startTime")
        self._start_time = parse_time(started) if started else host.clock.now()

    # What others tell the worker; none of it waits.

    def adopt(self, sandboxes: Sequence[SandboxState], containers: Sequence[ContainerState]) -> None:
        """Take over what ran before this agent did."""
        self._known.adopt(sandboxes, containers)
        self._known.find_lost(self.pod)
        if self._known.sandbox is not None and not self._was_over:
            self._known.volumes_ready = self._volumes.is_stale = True

    def update(self, pod: Json) -> bool:
        """The API has this version of the pod now; True if it makes a difference to this node."""
        old, self.pod = self.pod, pod
        keys = ("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations")
        changed = [key for key in keys if old["metadata"].get(key) != pod["metadata"].get(key)]
        if "labels" in changed or "annotations" in changed:
            self._volumes.is_stale = True
        gates = pod["spec"].get("readinessGates")
        return (
            bool(changed)
            or old["spec"] != pod["spec"]
            or bool(gates and old.get("status") != pod.get("status"))
        )

    def vanish(self) -> None:
        """The pod is no longer in the API, and so must end here."""
        self._in_api = False

    def refresh(self) -> None:
        """A config map or secret that it refers to has changed."""
        self._volumes.is_stale = True
        self._known.waits.pop(POD, None)
        for name, problem in self._known.problems.items():
            if problem.reason == "CreateContainerConfigError":
                self._known.waits.pop(name, None)

    def observe(self, state: ContainerState) -> None:
        """The driver tells of a change."""
        if self._known.observe(state) and state.state is State.EXITED:
            self._health.end(state.id)

    @property
    def sandbox(self) -> str | None:
        """The id of the sandbox that is ready."""
        known = self._known.sandbox
        return known.id if known is not None and known.ready else None

    def running(self, name: str) -> ContainerState | None:
        """The running container of that name, for logs and exec."""
        lives = self._facts().containers.get(name) or ()
        return next((life for life in lives if life.state is State.RUNNING), None)

    def log_files(self) -> list[tuple[str, Path]]:
        """The logs that are being written: id of the container, and file."""
        running = (state for state in self._known.containers.values() if state.state is State.RUNNING)
        return [
            (state.id, self._host.directories.log(self.pod, state.name, state.attempt)) for state in running
        ]

    def lives(self, name: str) -> Sequence[ContainerState]:
        """Every life of a container that is still known, the newest first."""
        return self._facts().containers.get(name) or ()

    # The work itself.

    async def run(self) -> float | None:
        """Do what there is to do.

        Returns:
            when to look again at the latest, in seconds since the epoch.
        """
        for _ in range(MAX_ROUNDS):
            await self._read_last_words()
            self._look_after_running()
            self._decide_ending()
            facts = self._facts()
            plan = plan_pod(self.pod, facts)
            self._note_backing_off(plan)
            self._report(plan, facts)
            if not plan.steps:
                if self._known.ending is None and self._known.volumes_ready:
                    await self._volumes.freshen(self.pod, self._addresses())
                return _earliest(plan.again_at, self._deadline(), self._volumes.refresh_at)
            for step in plan.steps:
                await self._perform(step)
            if self.gone:
                return None
        log.error("a pod makes no progress", extra={"pod": pod_words(self.pod)})
        return self._host.clock.now() + RETRY

    def _facts(self) -> Facts:
        return self._known.facts(self._host.clock.now(), self._health.started())

    def _decide_ending(self) -> None:
        metadata, now = self.pod["metadata"], self._host.clock.now()
        if not self._in_api or metadata.get("deletionTimestamp"):
            usual = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
            grace = metadata.get("deletionGracePeriodSeconds", usual if self._in_api else MIN_GRACE)
            deadline = now + max(MIN_GRACE, float(grace or 0))
            if (
                self._known.ending is None
                or not self._known.ending.deleted
                or deadline < self._known.ending.deadline
            ):
                self._known.ending = Ending(deadline, deleted=True)
        elif self._was_over and self._known.ending is None:
            self._known.ending = Ending(now + MIN_GRACE, deleted=False)
        elif (
            self._known.ending is None
            and (deadline_at := self._deadline()) is not None
            and now >= deadline_at
        ):
            self._failure = DEADLINE
            grace = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
            self._known.ending = Ending(now + max(MIN_GRACE, float(grace)), deleted=False)
            self._tell("Normal", DEADLINE.reason, DEADLINE.message.replace("the specified", "specified"))

    def _deadline(self) -> float | None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or self._known.ending is not None:
            return None
        return self._start_time + float(seconds)

    def _note_backing_off(self, plan: Plan) -> None:
        for name, seconds in plan.backing_off.items():
            delay = format_duration(seconds)
            message = f"back-off {delay} restarting failed container={name} pod={pod_words(self.pod)}"
            if self._known.problems.get(name) != Problem("CrashLoopBackOff", message):
                self._known.problems[name] = Problem("CrashLoopBackOff", message)
                told = f"Back-off restarting failed container {name} in pod {pod_words(self.pod)}"
                self._tell("Warning", "BackOff", told, name)

    def _report(self, plan: Plan, facts: Facts) -> None:
        if not self._in_api or self._was_over:
            return
        ips = self._addresses()
        view = View(
            facts=facts,
            words=self._host.words,
            start_time=self._start_time,
            problems=self._known.problems,
            ready=self._health.ready(),
            concealed=frozenset(self._known.hooked),
            messages=self._known.messages,
            images=self._known.images,
            failure=self._failure,
            finished=plan.finished,
            host_ips=self._host.addresses,
            pod_ips=ips,
        )
        self._host.statuses.report(self.uid, pod_status(self.pod, view))

    def _addresses(self) -> Sequence[str]:
        if self.pod["spec"].get("hostNetwork"):
            return tuple(self._host.addresses[:1]) if self._known.sandbox else ()
        return tuple(self._known.sandbox.addresses) if self._known.sandbox else ()

    async def _perform(self, step: Step) -> None:
        match step:
            case PrepareVolumes():
                await self._prepare_volumes()
            case CreateSandbox(attempt):
                await self._create_sandbox(attempt)
            case Start(name, attempt, previous):
                await self._start(name, attempt, previous)
            case Kill(name, container_id, deadline):
                self._kill(name, container_id, deadline)
            case Forget(container_id):
                self._known.forget(container_id)
                await self._host.driver.remove_container(container_id)
            case StopSandbox(sandbox_id):
                await self._host.driver.stop_sandbox(sandbox_id)
                await self._see_sandbox()
            case Remove():
                await self._remove()

    async def _prepare_volumes(self) -> None:
        again_at, told = await self._volumes.prepare(self.pod, self._addresses())
        if again_at is None:
            self._known.volumes_ready = True
            return
        self._known.waits[POD] = again_at
        if told:
            self._tell("Warning", "FailedMount", told)

    async def _create_sandbox(self, attempt: int) -> None:
        if self._known.sandbox is not None:
            await self._host.driver.stop_sandbox(self._known.sandbox.id)
            self._known.old_sandboxes.append(self._known.sandbox.id)
            self._tell("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        if self._host.driver.abilities().driver != "fake":
            try:
                await prepare_devices(self._host.client, self.pod)
            except NotPrepared as failure:
                self._known.waits[POD] = self._host.clock.now() + RETRY
                self._tell("Warning", "FailedPrepareDynamicResources", str(failure))
                return
        spec = sandbox_spec(
            self.pod, attempt, directories=self._host.directories, resolver=self._host.resolver
        )
        try:
            async with self._host.starting:
                self._known.sandbox = await self._host.driver.create_sandbox(spec)
        except SandboxFailed as failure:
            self._known.waits[POD] = self._host.clock.now() + RETRY
            text = f"Failed to create pod sandbox: {failure}"
            self._tell("Warning", "FailedCreatePodSandBox", text)
            return
        if "status.podIP" in str(self.pod["spec"].get("volumes")):
            self._volumes.is_stale = True  # the address was not known when the files were written

    def _member(self, name: str) -> Member:
        return next(member for member in members(self.pod) if member.name == name)

    async def _start(self, name: str, attempt: int, previous: ContainerState | None) -> None:
        if self._known.ending is not None or self.pod["metadata"].get("deletionTimestamp"):
            return
        container = self._member(name).spec
        try:
            image = await self._host.images.present(self.pod, container)
        except ImageProblem as problem:
            self._postpone(name, problem)
            return
        if image is None:
            self._beside(name, self._pull_and_launch(name, attempt, previous))
        else:
            await self._launch(name, attempt, previous, image)

    async def _pull_and_launch(self, name: str, attempt: int, previous: ContainerState | None) -> None:
        try:
            image = await self._host.images.pull(self.pod, self._member(name).spec)
        except ImageProblem as problem:
            self._postpone(name, problem)
            return
        if self._known.ending is None and not self.pod["metadata"].get("deletionTimestamp"):
            await self._launch(name, attempt, previous, image)

    def _postpone(self, name: str, problem: ImageProblem) -> None:
        self._known.problems[name] = Problem(problem.reason, str(problem))
        self._known.waits[name] = problem.retry_at

    async def _launch(
        self, name: str, attempt: int, previous: ContainerState | None, image: ImageState
    ) -> None:
        sandbox = self._known.sandbox
        if sandbox is None:
            return
        container = self._member(name).spec
        wish = Launch(self.pod, container, attempt, sandbox, image, self._addresses())
        now = self._host.clock.now()
        if previous is not None:
            self._known.restarts.note(name, ended_at=previous.finished_at, now=now)
        try:
            state = await launch(self._host, wish)
        except LaunchFailed as failure:
            if failure.state is None:
                self._known.problems[name] = Problem(failure.reason, str(failure))
                self._known.waits[name] = now + RETRY
                return
            self._known.problems.pop(name, None)
            self._keep(failure.state, image)
            return
        self._known.problems.pop(name, None)
        self._known.waits.pop(name, None)
        self._known.lost.pop(name, None)
        self._keep(state, image)
        hook = (container.get("lifecycle") or {}).get("postStart")
        if hook:
            self._known.hooked.add(state.id)
            self._beside(name, self._post_start(state, container, hook))

    def _keep(self, state: ContainerState, image: ImageState) -> None:
        self.observe(state)
        self._known.images[state.id] = ImageWords(next(iter(image.names), state.image), image.id)

    async def _post_start(self, state: ContainerState, container: Json, hook: Json) -> None:
        try:
            await self._host.hooks.run(self._target(state, container), hook, None)
        except HookFailed as failure:
            log.info("start hook failed", extra={"pod": pod_words(self.pod), "why": str(failure)})
            self._tell("Warning", "FailedPostStartHook", "PostStartHook failed", state.name)
            self._known.doomed.setdefault(state.id, self._grace(container))
        finally:
            self._known.hooked.discard(state.id)

    def _target(self, state: ContainerState, container: Json) -> Target:
        return Target(self.pod, container, state.id, next(iter(self._addresses()), "127.0.0.1"))

    def _grace(self, container: Json) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _look_after_running(self) -> None:
        """Probe what runs, and have started anew what is not as the spec says any more."""
        for state in list(self._known.containers.values()):
            if (
                state.state is State.RUNNING
                and state.id not in self._known.hooked
                and state.id not in self._known.kills
            ):
                member = next((one for one in members(self.pod) if one.name == state.name), None)
                if member is None or member.role in (Role.INIT, Role.EPHEMERAL):
                    continue
                target = self._target(state, member.spec)
                if state.labels.get(IMAGE_LABEL, member.spec["image"]) != member.spec["image"]:
                    text = f"Container {state.name} definition changed, will be restarted"
                    self._condemn(target, text, None)
                self._health.begin(target, self._before.get(state.id))

    def _condemn(self, target: Target, message: str, grace: float | None) -> None:
        if target.container_id not in self._known.doomed:
            seconds = self._grace(target.container) if grace is None else float(grace)
            self._known.doomed[target.container_id] = seconds
            self._tell("Normal", "Killing", message, target.container["name"])

    def _kill(self, name: str, container_id: str, deadline: float) -> None:
        again = container_id in self._known.kills
        self._known.kills[container_id] = deadline
        self._health.spare(container_id)
        if not again and container_id not in self._known.doomed:
            self._tell("Normal", "Killing", f"Stopping container {name}", name)
        self._host.spawn(self._stop(name, container_id, deadline, with_hook=not again))

    async def _stop(self, name: str, container_id: str, deadline: float, *, with_hook: bool) -> None:
        try:
            state = self._known.containers[container_id]
            if with_hook:
                member = next((one for one in members(self.pod) if one.name == name), None)
                target = self._target(state, member.spec if member else {"name": name})
                trouble = await self._host.hooks.stop(target, deadline)
                if trouble:
                    self._tell("Warning", "FailedPreStopHook", "PreStopHook failed", name)
            else:
                grace = max(0.0, deadline - self._host.clock.now())
                await self._host.driver.stop_container(container_id, grace)
            with suppress(NoSuchContainer):
                self.observe(await self._host.driver.container_state(container_id))
            if self._known.containers[container_id].state is State.RUNNING:
                await self._host.clock.sleep(1.0)  # it will be tried again, but not in a tight loop
        except RuntimeFailure as failure:
            log.warning("container not stopped", extra={"container": container_id, "why": str(failure)})
            await self._host.clock.sleep(1.0)
        finally:
            if self._known.kills.get(container_id) == deadline:
                del self._known.kills[container_id]
            self._host.wake(self.uid)

    def _beside(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something long for a container without holding up the worker."""
        self._known.busy.add(name)

        async def perform() -> None:
            try:
                await work
            except RuntimeFailure as failure:
                self._known.waits[name] = self._host.clock.now() + RETRY
                log.warning("container not started", extra={"pod": pod_words(self.pod), "why": str(failure)})
            finally:
                self._known.busy.discard(name)
                self._host.wake(self.uid)

        self._host.spawn(perform())

    async def _read_last_words(self) -> None:
        for state in list(self._known.containers.values()):
            if state.state is State.EXITED and state.id not in self._known.messages:
                self._health.end(state.id)
                self._known.doomed.pop(state.id, None)
                member = next((one for one in members(self.pod) if one.name == state.name), None)
                self._known.messages[state.id] = await read_last_words(
                    self._host, self.uid, state, member.spec if member else {}
                )

    async def _see_sandbox(self) -> None:
        for sandbox in await self._host.driver.list_sandboxes():
            if self._known.sandbox is not None and sandbox.id == self._known.sandbox.id:
                self._known.sandbox = sandbox
                return
        self._known.sandbox = None

    async def _remove(self) -> None:
        """Take everything away; the pod itself last, because its name may be used again from then on."""
        self._health.end_all()
        if self._in_api:
            await self._host.statuses.flushed(self.uid)
        sandboxes = [*self._known.old_sandboxes, *([self._known.sandbox.id] if self._known.sandbox else [])]
        for sandbox_id in sandboxes:
            await self._host.driver.remove_sandbox(sandbox_id)
        metadata = self.pod["metadata"]
        await self._host.volumes.remove_pod(metadata["namespace"], metadata["name"], self.uid)
        self._host.images.forget(self.pod)
        if self._in_api:
            with suppress(NotFound, Conflict):
                await self._host.client.delete(
                    PODS, metadata["name"], namespace=metadata["namespace"], grace_seconds=0, uid=self.uid
                )
        self._host.statuses.forget(self.uid)
        self.gone = True

    def _tell(self, type: str, reason: str, message: str, container: str = "") -> None:
        path = field_path(self.pod, container) if container else ""
        self._host.recorder.event(self.pod, type, reason, message, field_path=path)


def _statuses_by_id(pod: Json) -> dict[str, Json]:
    """Container statuses by the driver's id, as they were when this agent met the pod."""
    told = (entry for entry in statuses(pod) if entry.get("containerID"))
    return {entry["containerID"].partition("://")[2]: entry for entry in told}


def _earliest(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
