"""What a worker knows of its pod: the part of it that ``plan`` looks at.

Nothing is decided here and nothing performed. News of containers come in any order from whoever performs and
from the driver's events, so an ended container stays ended, and one that was forgotten does not come back.
"""

from collections import deque
from collections.abc import Sequence

from kube_lite_runtime.types import ContainerState, SandboxState, State

from kube_lite.api.identity import Json

from .plan import Ending, Facts
from .restart import Restarts
from .status import ImageWords, Problem


class Known:
    """One pod as of now.

    Attributes:
        hooked: ids of running containers whose start hook is not over.
        messages: by container id, the last words of those that have ended.
        problems: by container name, why it does not run.
        The others are as in ``Facts``.
    """

    def __init__(self) -> None:
        self.sandbox: SandboxState | None = None
        self.old_sandboxes: list[str] = []
        self.containers: dict[str, ContainerState] = {}
        self.volumes_ready = False
        self.restarts = Restarts()
        self.busy: set[str] = set()
        self.hooked: set[str] = set()
        self.kills: dict[str, float] = {}
        self.doomed: dict[str, float] = {}
        self.waits: dict[str, float] = {}
        self.problems: dict[str, Problem] = {}
        self.lost: dict[str, int] = {}
        self.messages: dict[str, str] = {}
        self.images: dict[str, ImageWords] = {}
        self.ending: Ending | None = None
        self._forgotten: deque[str] = deque(maxlen=16)  # late news of these must not bring them back

    def adopt(self, sandboxes: Sequence[SandboxState], containers: Sequence[ContainerState]) -> None:
        """Take over what the driver had before."""
        for sandbox in sorted(sandboxes, key=lambda one: one.attempt):
            if self.sandbox is not None:
                self.old_sandboxes.append(self.sandbox.id)
            self.sandbox = sandbox
        for container in containers:
            self.containers[container.id] = container

    def find_lost(self, pod: Json) -> None:
        """Note the containers that the pod's status tells of and the driver does not know."""
        here = {container.name for container in self.containers.values()}
        for entry in statuses(pod):
            if entry.get("containerID") and entry["name"] not in here:
                self.lost[entry["name"]] = int(entry.get("restartCount") or 0) + 1

    def observe(self, state: ContainerState) -> bool:
        """Take news of a container; False if they are old."""
        known = self.containers.get(state.id)
        if state.id in self._forgotten or (known is not None and known.state is State.EXITED):
            return False
        self.containers[state.id] = state
        return True

    def forget(self, container_id: str) -> None:
        """A former life that nobody will ask about any more."""
        self._forgotten.append(container_id)
        self.containers.pop(container_id, None)
        self.images.pop(container_id, None)
        self.messages.pop(container_id, None)

    def facts(self, now: float, started: frozenset[str]) -> Facts:
        """Everything that a plan goes by; ``started`` are the ids whose startup probe is through."""
        lives: dict[str, list[ContainerState]] = {}
        for container in self.containers.values():
            lives.setdefault(container.name, []).append(container)
        for entries in lives.values():
            entries.sort(key=lambda life: (life.attempt, life.created_at), reverse=True)
        delays = {
            name: self.restarts.delay(name, entries[0].finished_at)
            for name, entries in lives.items()
            if entries[0].state is State.EXITED
        }
        return Facts(
            now=now,
            sandbox=self.sandbox,
            containers=lives,
            volumes_ready=self.volumes_ready,
            busy=frozenset(self.busy),
            kills=self.kills,
            started=started - self.hooked,
            doomed=self.doomed,
            waits=self.waits,
            delays=delays,
            lost=self.lost,
            ending=self.ending,
        )


def statuses(pod: Json) -> list[Json]:
    """Every container status that the API has of a pod."""
    status = pod.get("status") or {}
    groups = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return [entry for group in groups for entry in status.get(group) or ()]
