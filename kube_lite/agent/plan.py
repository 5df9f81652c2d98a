"""What to do next for one pod: its spec and what is known of it now → steps, as data.

The order of a pod's life: volumes, sandbox, init containers one after the other (a sidecar counts as done
once it has started), then all main containers at once. A pod ends when it is deleted, too old, or when no
main container will be started again: first the main containers are stopped, then the sidecars in reverse
order, then the sandbox. Source of the rules: ``computePodActions`` and ``computeInitContainerActions`` in
kubernetes/pkg/kubelet/kuberuntime, KEP-753 for sidecars.

Nothing here remembers anything. A step that takes time is marked in ``Facts`` by whoever performs it
(``busy``, ``kills``), so that it is not planned twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from kube_lite_runtime.types import ContainerState, SandboxState, State

from kube_lite.api.identity import Json

from .restart import restarts

LOST_EXIT_CODE = 137  # upstream's choice for a container that vanished without telling how it ended
POD = ""  # the name under which ``waits`` holds what concerns the pod as a whole
KEPT_DEAD = 1  # former lives kept of each container, for ``kubectl logs --previous`` and lastState


class Role(StrEnum):
    """What a container is for."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


class Member(NamedTuple):
    """A container as the spec names it."""

    name: str
    role: Role
    spec: Json


def members(pod: Json) -> list[Member]:
    """The containers of a pod in the order in which they start."""
    spec = pod["spec"]
    found = [
        Member(item["name"], Role.SIDECAR if item.get("restartPolicy") == "Always" else Role.INIT, item)
        for item in spec.get("initContainers") or ()
    ]
    found += [Member(item["name"], Role.MAIN, item) for item in spec.get("containers") or ()]
    found += [Member(item["name"], Role.EPHEMERAL, item) for item in spec.get("ephemeralContainers") or ()]
    return found


class Ending(NamedTuple):
    """The pod must stop: ``deadline`` (seconds since the epoch) is when patience ends."""

    deadline: float
    deleted: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a pod at one moment.

    Attributes:
        now: seconds since the epoch.
        sandbox: the newest one.
        containers: by name, the newest life first, of whatever sandbox.
        volumes_ready: every file that containers will see is there.
        busy: names of containers for which something is under way (a pull, a hook).
        kills: ids of containers that are being stopped → until when they may take.
        started: ids of containers whose start hook is over and whose startup probe has succeeded.
        doomed: ids of containers that must be stopped and started again → seconds of grace.
        waits: container name (``POD`` for volumes and sandbox) → no new try before that moment.
        delays: container name → seconds to wait after its last end.
        lost: name → number of lives, of containers that the API says were there and the driver does not know.
        ending: set once the pod must stop.
    """

    now: float
    sandbox: SandboxState | None = None
    containers: Mapping[str, Sequence[ContainerState]] = field(default_factory=dict)
    volumes_ready: bool = True
    busy: frozenset[str] = frozenset()
    kills: Mapping[str, float] = field(default_factory=dict)
    started: frozenset[str] = frozenset()
    doomed: Mapping[str, float] = field(default_factory=dict)
    waits: Mapping[str, float] = field(default_factory=dict)
    delays: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    ending: Ending | None = None

    def newest(self, name: str) -> ContainerState | None:
        """The last life of a container, of whatever sandbox."""
        lives = self.containers.get(name)
        return lives[0] if lives else None

    def current(self, name: str) -> ContainerState | None:
        """Its last life in the newest sandbox."""
        newest = self.newest(name)
        return newest if newest and self.sandbox and newest.sandbox_id == self.sandbox.id else None

    def next_attempt(self, name: str) -> int:
        """The number of its next life."""
        newest = self.newest(name)
        return newest.attempt + 1 if newest else self.lost.get(name, 0)


class PrepareVolumes(NamedTuple):
    """Make the files that containers will see."""


class CreateSandbox(NamedTuple):
    """Make the namespaces and the network."""

    attempt: int


class StopSandbox(NamedTuple):
    """Take the network away; nothing runs any more."""

    sandbox_id: str


class Start(NamedTuple):
    """Make and start a container; ``previous`` is the life that ended before, if any."""

    name: str
    attempt: int
    previous: ContainerState | None


class Kill(NamedTuple):
    """Stop a container in the background, at the latest at ``deadline``."""

    name: str
    container_id: str
    deadline: float


class Forget(NamedTuple):
    """Remove a container that will not be asked about any more."""

    container_id: str


class Remove(NamedTuple):
    """Remove everything of the pod on this host, then the pod itself."""


Step = PrepareVolumes | CreateSandbox | StopSandbox | Start | Kill | Forget | Remove


class Plan(NamedTuple):
    """What to do now, when to look again at the latest, and whether the pod has come to its end."""

    steps: Sequence[Step] = ()
    again_at: float | None = None
    finished: bool = False
    backing_off: Mapping[str, float] = {}
    """Containers that wait because they ended too often → the whole delay in seconds."""


def plan_pod(pod: Json, facts: Facts) -> Plan:
    """Compare what should run with what does."""
    if facts.ending is not None:
        return _plan_end(pod, facts, facts.ending)
    if is_finished(pod, facts):
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        return _plan_end(pod, facts, Ending(facts.now + grace, deleted=False))
    if not facts.volumes_ready:
        return _now_or_later(facts, PrepareVolumes())
    if facts.sandbox is None or not facts.sandbox.ready:
        attempt = facts.sandbox.attempt + 1 if facts.sandbox else 0
        return _now_or_later(facts, CreateSandbox(attempt))
    return _plan_containers(pod, facts)


def _now_or_later(facts: Facts, step: Step) -> Plan:
    due = facts.waits.get(POD, 0.0)
    return Plan((step,)) if due <= facts.now else Plan(again_at=due)


def is_finished(pod: Json, facts: Facts) -> bool:
    """No main container runs or will run again."""
    if _lost_its_only_life(pod, facts):
        return True
    spec = pod["spec"]
    mains = [member for member in members(pod) if member.role is Role.MAIN]
    if any(facts.newest(member.name) or member.name in facts.lost for member in mains):
        return all(_is_over(spec, member, facts) for member in mains)
    return any(
        _has_failed_for_good(spec, member, facts) for member in members(pod) if member.role is Role.INIT
    )


def _lost_its_only_life(pod: Json, facts: Facts) -> bool:
    """Its sandbox is gone and with restartPolicy Never it does not get another."""
    sandbox_gone = facts.sandbox is None or not facts.sandbox.ready
    has_lived = bool(facts.containers) or bool(facts.lost)
    return sandbox_gone and has_lived and pod["spec"].get("restartPolicy") == "Never"


def _exit_code(name: str, facts: Facts) -> int | None:
    newest = facts.newest(name)
    if newest is None:
        return LOST_EXIT_CODE if name in facts.lost else None
    if newest.state is not State.EXITED:
        return None
    return newest.exit.code if newest.exit else LOST_EXIT_CODE


def _is_over(spec: Json, member: Member, facts: Facts) -> bool:
    code = _exit_code(member.name, facts)
    return code is not None and member.name not in facts.busy and not restarts(spec, member.spec, code)


def _has_failed_for_good(spec: Json, member: Member, facts: Facts) -> bool:
    code = _exit_code(member.name, facts)
    return bool(code) and not restarts(spec, member.spec, code or 0, is_init=True)


class _Draft:
    """The plan while it is made."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.steps: list[Step] = []
        self.again_at: float | None = None
        self.backing_off: dict[str, float] = {}

    def look_again(self, moment: float) -> None:
        self.again_at = moment if self.again_at is None else min(self.again_at, moment)

    def start(self, name: str) -> None:
        """Start a container that does not run, now or when it may."""
        facts, previous = self.facts, self.facts.newest(name)
        if name in facts.busy:
            return
        due = facts.waits.get(name, 0.0)
        delay = facts.delays.get(name, 0.0)
        if previous is not None and previous.finished_at + delay > facts.now:
            self.backing_off[name] = delay
            due = max(due, previous.finished_at + delay)
        if due > facts.now:
            self.look_again(due)
        else:
            self.steps.append(Start(name, facts.next_attempt(name), previous))

    def finish(self) -> Plan:
        return Plan(self.steps, self.again_at, backing_off=self.backing_off)


def _plan_containers(pod: Json, facts: Facts) -> Plan:
    draft = _Draft(facts)
    draft.steps += _superfluous(facts)
    for name, current in ((member.name, facts.current(member.name)) for member in members(pod)):
        grace = facts.doomed.get(current.id) if current else None
        if current and grace is not None and current.state is State.RUNNING and current.id not in facts.kills:
            draft.steps.append(Kill(name, current.id, facts.now + grace))
    spec = pod["spec"]
    for member in members(pod):
        has_lived = facts.newest(member.name) is not None or member.name in facts.lost
        if member.role is Role.EPHEMERAL and not has_lived:  # one life, whatever the others do
            draft.start(member.name)
    inits = [member for member in members(pod) if member.role in (Role.INIT, Role.SIDECAR)]
    mains = [member for member in members(pod) if member.role is Role.MAIN]
    if any(facts.current(member.name) for member in mains):
        for sidecar in (member for member in inits if member.role is Role.SIDECAR):
            _keep_running(draft, spec, sidecar)
    elif not all(_init_is_done(draft, spec, member) for member in inits):  # stops at the first that is not
        return draft.finish()
    for member in mains:
        _keep_running(draft, spec, member)
    return draft.finish()


def _init_is_done(draft: _Draft, spec: Json, member: Member) -> bool:
    """Whether the next container may begin; if not, what this one needs is put into the draft."""
    facts, current = draft.facts, draft.facts.current(member.name)
    if current is None:
        draft.start(member.name)
    if current is None or current.state is State.CREATED:  # a leftover, to be forgotten first
        return False
    if member.role is Role.SIDECAR:
        _keep_running(draft, spec, member)
        return current.state is State.RUNNING and current.id in facts.started
    if current.state is State.RUNNING:
        return False
    code = current.exit.code if current.exit else LOST_EXIT_CODE
    if code and restarts(spec, member.spec, code, is_init=True):
        draft.start(member.name)
    return code == 0


def _keep_running(draft: _Draft, spec: Json, member: Member) -> None:
    current = draft.facts.current(member.name)
    if current is None:
        newest = draft.facts.newest(member.name)
        over = newest is not None and _is_over(spec, member, draft.facts)  # in an earlier sandbox
        if not over:
            draft.start(member.name)
    elif current.state is State.EXITED:
        code = current.exit.code if current.exit else LOST_EXIT_CODE
        if restarts(spec, member.spec, code):
            draft.start(member.name)


def _superfluous(facts: Facts) -> Iterator[Forget]:
    """Lives that nobody will ask about, and ones that were made but never started."""
    for lives in facts.containers.values():
        unborn = [life for life in lives if life.state is State.CREATED and life.name not in facts.busy]
        former = [life for life in lives if life.state is State.EXITED]
        kept = KEPT_DEAD if any(life.state is State.RUNNING for life in lives) else KEPT_DEAD + 1
        for life in unborn + former[kept:]:
            yield Forget(life.id)


def _plan_end(pod: Json, facts: Facts, ending: Ending) -> Plan:
    alive = {
        name: lives[0]
        for name, lives in facts.containers.items()
        if lives and lives[0].state in (State.RUNNING, State.CREATED)
    }
    if alive:
        return _plan_stop(pod, facts, ending, alive)
    if ending.deleted:
        return Plan((Remove(),), finished=True)
    steps: list[Step] = []
    if facts.sandbox is not None and facts.sandbox.ready:
        steps.append(StopSandbox(facts.sandbox.id))
    return Plan(steps, finished=True)


def _plan_stop(pod: Json, facts: Facts, ending: Ending, alive: Mapping[str, ContainerState]) -> Plan:
    """Stop main and init containers together, then the sidecars from the last to the first."""
    sidecars = [m.name for m in members(pod) if m.role is Role.SIDECAR and m.name in alive]
    others = [name for name in alive if name not in sidecars]
    patience_is_over = facts.now >= ending.deadline
    turn = [*others, *sidecars] if patience_is_over else others or sidecars[-1:]
    kills = [
        Kill(name, alive[name].id, ending.deadline)
        for name in turn
        if alive[name].id not in facts.kills or facts.kills[alive[name].id] > ending.deadline + 0.5
    ]
    waits_for_its_turn = len(turn) < len(alive) and not patience_is_over
    return Plan(kills, again_at=ending.deadline if waits_for_its_turn else None)
