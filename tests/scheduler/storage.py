"""Claims, volumes and classes as rules ask for them, without informers."""

from collections.abc import Iterable, Sequence

from kube_lite.api.identity import Json, ObjectKey, key_of


class Stored:
    """Fulfils ``kube_lite.scheduler.volumes.Storage``."""

    def __init__(
        self, claims: Sequence[Json] = (), volumes: Sequence[Json] = (), classes: Sequence[Json] = ()
    ) -> None:
        self._claims = {key_of(one): one for one in claims}
        self._volumes = {one["metadata"]["name"]: one for one in volumes}
        self._classes = {one["metadata"]["name"]: one for one in classes}

    def claim(self, key: ObjectKey) -> Json | None:
        return self._claims.get(key)

    def volume(self, name: str) -> Json | None:
        return self._volumes.get(name)

    def volumes(self) -> Iterable[Json]:
        return self._volumes.values()

    def storage_class(self, name: str) -> Json | None:
        return self._classes.get(name)
