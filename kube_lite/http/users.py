"""Who asks, as numbers: requests by a few sorts of names, and how many were turned away at the door.

Names themselves would fill the memory, so all but a handful count as ``other``.
Source: ``apiserver/pkg/endpoints/filters/metrics.go``.
"""

from kube_lite.auth.user import User
from kube_lite.kit.metrics import Metrics

TOLD_APART = {"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"}


class Users:
    """Counts whom requests come from."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter(
            "authenticated_user_requests",
            "Counter of authenticated requests broken out by username.",
            ("username",),
        )
        self._attempts = metrics.counter(
            "authentication_attempts", "Counter of authenticated attempts.", ("result",)
        )
        self._others = self._requests.cell(("other",))
        self._known = self._attempts.cell(("success",))

    def count(self, user: User) -> None:
        """Somebody asks who is known."""
        name = user.name
        if name in TOLD_APART:
            self._requests.add((name,))
        elif "@" in name:
            self._requests.add(("email_id",))
        else:
            self._others[0] += 1
        self._known[0] += 1

    def refuse(self, result: str) -> None:
        """Somebody was not let in: ``failure`` if nobody knows what was shown, ``error`` if it is no good."""
        self._attempts.add((result,))
