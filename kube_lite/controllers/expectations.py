"""What a controller has done but not yet seen.

An informer lags behind the controller's own writes. A controller that counted Pods before it sees those it
has just created would create them again; so it notes what it expects, and does not count until the events
have come. An expectation that is not met within ``EXPIRES`` is dropped: better to count wrongly once than to
stand still for ever.

Source of model and figure: ``ControllerExpectations`` in kubernetes/pkg/controller/controller_utils.go.
"""

from kube_lite.api.identity import Json, ObjectKey, key_of
from kube_lite.kit.clock import Clock

EXPIRES = 300.0


class _Expected:
    def __init__(self, since: float) -> None:
        self.since = since
        self.creations = 0
        self.deletions: set[str] = set()


class Expectations:
    """Per key, how many creations and which deletions (by uid) have yet to be seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[ObjectKey, _Expected] = {}

    def expect_creations(self, key: ObjectKey, count: int) -> None:
        """So many objects are about to be created."""
        self._of(key).creations += count

    def expect_deletions(self, key: ObjectKey, uids: list[str]) -> None:
        """These objects are about to be deleted."""
        self._of(key).deletions.update(uids)

    def creation_seen(self, key: ObjectKey, count: int = 1) -> None:
        """An object was created, or will not be after all."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= count

    def deletion_seen(self, key: ObjectKey, uid: str) -> None:
        """An object's end was asked for, or will not be after all."""
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def are_met(self, key: ObjectKey) -> bool:
        """Everything done has been seen, so that counting gives the truth."""
        expected = self._expected.get(key)
        if expected is None:
            return True
        if expected.creations <= 0 and not expected.deletions:
            del self._expected[key]
            return True
        return self._clock.monotonic() - expected.since > EXPIRES

    def forget(self, key: ObjectKey) -> None:
        """The key is no more."""
        self._expected.pop(key, None)

    def _of(self, key: ObjectKey) -> _Expected:
        if self.are_met(key):
            self._expected[key] = _Expected(self._clock.monotonic())
        return self._expected[key]


class Versions:
    """Which version of an object was written last, for controllers that must not decide from an older one.

    Resource versions of one resource are numbers that grow (KEP-5504, comparable resource versions).
    """

    def __init__(self) -> None:
        self._written: dict[ObjectKey, tuple[str, int]] = {}
        """Key → uid and version."""

    def wrote(self, obj: Json) -> None:
        """This is what the API answered to a write."""
        metadata = obj["metadata"]
        self._written[key_of(obj)] = metadata["uid"], int(metadata["resourceVersion"])

    def is_current(self, key: ObjectKey, obj: Json) -> bool:
        """Whether the object is not older than what was written; a namesake always is current."""
        uid, version = self._written.get(key, ("", 0))
        metadata = obj["metadata"]
        if metadata["uid"] == uid and int(metadata["resourceVersion"]) < version:
            return False
        self._written.pop(key, None)
        return True

    def forget(self, key: ObjectKey) -> None:
        """The key is no more."""
        self._written.pop(key, None)
