"""All that the scheduler does about device claims, at its own points: hold, judge, reserve, write, take back.

What writes is imported when the first pod with claims has found a node.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kube_lite.api.identity import Json
from kube_lite.client.informers import Informers
from kube_lite.client.protocol import Client, EventType
from kube_lite.kit.clock import Clock

from .. import hints
from ..snapshot import Needs
from .records import Features
from .rule import ClaimRule, help_of

if TYPE_CHECKING:
    from .binding import ClaimBinder, Reserved, Tell

Wake = Callable[[frozenset[str], Callable[[Json], bool]], None]
"""Try pods again that rules stood against, those of them that a change may help."""


class DynamicResources:
    """The rule for claims with what surrounds it.

    Args:
        features: what of device allocation the release has switched on.
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        features: Features,
        *,
        tell: "Tell",
        wake: Wake,
    ) -> None:
        self.rule = ClaimRule(informers, clock, features)
        self._client = client
        self._clock = clock
        self._tell = tell
        self._wake = wake
        self._binder: ClaimBinder | None = None

    def watch(self) -> None:
        """Follow claims, slices and classes, and have pods tried again when they change."""
        known = self.rule.known
        known.watch()
        known.claims.add_handler(self._on_claim)
        for informer in (known.slices, known.classes):
            informer.add_handler(self._on_devices)

    async def synced(self) -> None:
        """Wait until all of it is known."""
        await self.rule.known.synced()

    def with_delegated(self, needs: Needs) -> Needs:
        """The needs of a pod, with what devices may stand in for."""
        delegated = self.rule.delegated(needs.requests)
        return needs._replace(delegated=delegated) if delegated else needs

    def help(self, pod: Json, needs: Needs, *, is_judged: bool) -> tuple[str, Json | None]:
        """What is done for a pod that fits nowhere: words, and the claim to ``free``.

        Args:
            is_judged: it was held against nodes.
        """
        return help_of(self.rule.attempt(pod, needs.requests) if is_judged else None)

    def reserve(self, pod: Json, needs: Needs, node: Json) -> "Reserved | None":
        """Keep what was found for the pod on the node it goes to; None for a pod without claims."""
        attempt = self.rule.attempt(pod, needs.requests)
        return None if attempt is None else self.binder.reserve(attempt, node)

    @property
    def binder(self) -> "ClaimBinder":
        """Who writes."""
        if self._binder is None:
            from .binding import ClaimBinder

            self._binder = ClaimBinder(self._client, self._clock, self.rule, self._tell)
        return self._binder

    def _on_claim(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if self._binder is not None:
            self._binder.look_again()
        self._wake(hints.CLAIMS_CHANGED, lambda pod: self.rule.is_waited_for(pod, old, new))

    def _on_devices(self, event: EventType, old: Json | None, new: Json | None) -> None:
        if new is not None:
            self._wake(hints.DEVICES_CHANGED, lambda pod: True)
