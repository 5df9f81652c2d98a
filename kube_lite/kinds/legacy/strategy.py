"""How an object is treated that somebody writes in an old version: as the version's successor treats it.

Every hook sees the object in the old version, for that is what the request speaks. It is shown to the
successor's strategy in the successor's version, and what that has changed is brought back; defaults that
belong to the old version alone are filled in before the successor's. So rules are written once, and their
texts name fields as the successor does, which is where upstream looks for them too.
"""

from collections.abc import Callable, Mapping, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.identity import GroupVersionKind, Json
from kube_lite.api.strategy import Column, Strategy

from ..conversions import convert


class Legacy(Strategy):
    """One kind in a version of old.

    Args:
        gvk: what the objects say they are.
        successor: the strategy of the row that it is another view of, and what that row's objects are.
        default: fills in what only this version has by default.
        forgiven: causes that were none, by the end of their field and a piece of their text.
        has_rules: for a new object this version has rules of its own in ``checks``.
        orphans: dependents of what is deleted stay where the request does not say otherwise.
        deprecation: what every answer warns of.
    """

    def __init__(
        self,
        gvk: GroupVersionKind,
        successor: tuple[Strategy, GroupVersionKind],
        *,
        default: Callable[[Json], None] | None,
        forgiven: Sequence[tuple[str, str]],
        has_rules: bool,
        orphans: bool,
        deprecation: str,
    ) -> None:
        self.gvk = gvk
        self._successor, self._successor_gvk = successor
        self._default = default
        self._forgiven = forgiven
        self._has_rules = has_rules
        self._orphans = orphans
        self._deprecation = deprecation
        for name, value in vars(Strategy).items():
            if not name.startswith("_") and not callable(value):
                setattr(self, name, getattr(self._successor, name))

    def _newer(self, obj: Json) -> Json:
        return convert(obj, self._successor_gvk)

    def _bring_back(self, obj: Json, newer: Json) -> None:
        """Let ``obj`` say what ``newer`` does."""
        older = convert(newer, self.gvk)
        if older is not obj:
            obj.clear()
            obj.update(older)

    def _forgive(self, causes: Sequence[Cause]) -> Sequence[Cause]:
        if not self._forgiven:
            return causes
        return [
            cause
            for cause in causes
            if not any(
                cause.field.endswith(field) and text in cause.message for field, text in self._forgiven
            )
        ]

    def default(self, obj: Json) -> None:
        """This version's own, then those of the successor."""
        if self._default is not None:
            self._default(obj)
        newer = self._newer(obj)
        self._successor.default(newer)
        self._bring_back(obj, newer)

    def prepare_for_create(self, obj: Json) -> None:
        """As the successor."""
        newer = self._newer(obj)
        self._successor.prepare_for_create(newer)
        self._bring_back(obj, newer)

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """As the successor."""
        newer = self._newer(obj)
        self._successor.prepare_for_update(newer, self._newer(old))
        self._bring_back(obj, newer)

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """As the successor."""
        newer = self._newer(obj)
        self._successor.prepare_for_status_update(newer, self._newer(old), now)
        self._bring_back(obj, newer)

    def validate(self, obj: Json) -> Sequence[Cause]:
        """What the successor finds, but for what this version allowed."""
        newer = self._newer(obj)
        if self._has_rules:
            from .. import checks  # start-up does without

            return checks.validate(self.gvk, newer)
        return self._forgive(self._successor.validate(newer))

    def validate_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """What the successor finds, but for what this version allowed."""
        return self._forgive(self._successor.validate_update(self._newer(obj), self._newer(old)))

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """What the successor finds, but for what this version allowed."""
        return self._forgive(self._successor.validate_next(self._newer(obj), self._newer(old)))

    def validate_status_update(self, obj: Json, old: Json) -> Sequence[Cause]:
        """What the successor finds."""
        return self._forgive(self._successor.validate_status_update(self._newer(obj), self._newer(old)))

    def warnings(self, obj: Json) -> Sequence[str]:
        """As the successor."""
        return self._successor.warnings(self._newer(obj))

    def warnings_of_change(self, obj: Json, old: Json) -> Sequence[str]:
        """As the successor."""
        return self._successor.warnings_of_change(self._newer(obj), self._newer(old))

    def begin_deletion(self, obj: Json, now: float) -> Json | None:
        """As the successor."""
        newer = self._newer(obj)
        begun = self._successor.begin_deletion(newer, now)
        if begun is newer:
            return obj
        return None if begun is None else convert(begun, self.gvk)

    def deprecation(self) -> str:
        """That the version is gone from today's releases."""
        return self._deprecation

    def default_grace_seconds(self, obj: Json) -> int | None:
        """As the successor."""
        return self._successor.default_grace_seconds(self._newer(obj))

    def default_propagation(self) -> str:
        """The versions of workloads that are older than the garbage collector left dependents alone."""
        return "Orphan" if self._orphans else self._successor.default_propagation()

    def ttl_seconds(self, obj: Json) -> int | None:
        """As the successor."""
        return self._successor.ttl_seconds(self._newer(obj))

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """As the successor."""
        return self._successor.selectable_fields(self._newer(obj))

    def field_labels(self) -> Sequence[str]:
        """As the successor."""
        return self._successor.field_labels()

    def field_aliases(self) -> Mapping[str, str]:
        """As the successor."""
        return self._successor.field_aliases()

    def field_label_error(self, label: str) -> str:
        """As the successor."""
        return self._successor.field_label_error(label)

    def bare(self, obj: Json) -> Json:
        """Without what either version puts into annotations."""
        return self._successor.bare(self._newer(obj))

    def columns(self) -> Sequence[Column]:
        """As the successor."""
        return self._successor.columns()

    def cells(self, obj: Json, now: float) -> list[object]:
        """As the successor."""
        return self._successor.cells(self._newer(obj), now)
