"""Who is started again after it has ended, and how long that takes.

The first restart is immediate; from then on a container waits 10 s, 20 s … 300 s after its end. One that ran
for ten minutes starts over. Source: ``doBackOff`` in kubernetes/pkg/kubelet/kuberuntime and
``client-go/util/flowcontrol`` (Backoff); container rules: KEP-5307.
"""

from kube_lite.api.identity import Json

INITIAL = 10.0
MAXIMUM = 300.0
FORGOTTEN_AFTER = (
    2 * MAXIMUM
)  # a container that lived this long since its last restart is no longer in a loop


class Restarts:
    """The back-off of the containers of one pod."""

    def __init__(self, initial: float = INITIAL, maximum: float = MAXIMUM) -> None:
        self._initial = initial
        self._maximum = maximum
        self._entries: dict[str, tuple[float, float]] = {}

    def delay(self, name: str, ended_at: float) -> float:
        """Seconds that must pass between the end and the next start; 0 if it may start at once."""
        seconds, since = self._entries.get(name, (0.0, 0.0))
        return 0.0 if ended_at - since > FORGOTTEN_AFTER else seconds

    def note(self, name: str, *, ended_at: float, now: float) -> None:
        """It is started again now, after that end."""
        seconds = self.delay(name, ended_at)
        self._entries[name] = (min(seconds * 2, self._maximum) if seconds else self._initial, now)

    def forget(self, name: str) -> None:
        """Its next failure is a first one."""
        self._entries.pop(name, None)


def restarts(pod_spec: Json, container: Json, exit_code: int, *, is_init: bool = False) -> bool:
    """Whether a container that ended with that code is to be started again.

    Args:
        pod_spec: the pod's, for its ``restartPolicy``.
        container: the container's own spec; its rules and policy come before the pod's.
        is_init: an init container that is no sidecar: success is the end of it whatever the policy.
    """
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if listed == (codes.get("operator") == "In"):
            return bool(rule.get("action") == "Restart")
    policy = container.get("restartPolicy") or pod_spec.get("restartPolicy", "Always")
    if is_init or policy == "OnFailure":
        return bool(exit_code != 0 and policy != "Never")
    return bool(policy == "Always")
