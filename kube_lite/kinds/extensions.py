"""CustomResourceDefinition."""

from collections.abc import Mapping, Sequence

from kube_lite.api.errors import Cause
from kube_lite.api.identity import Json
from kube_lite.api.meta import is_being_deleted

from .base import OWN_METADATA, Kind, Row


class CustomResourceDefinitionStrategy(Kind):
    """A kind that is added while the server runs."""

    has_generation = True
    unconditional_update = False
    kept_by_status = OWN_METADATA
    initial_status = '{"conditions":null,"acceptedNames":{"plural":"","kind":""},"storedVersions":null}'

    def prepare_for_create(self, obj: Json) -> None:
        """Objects will be stored in the storage version, so it counts as stored from now on.

        Source: ``PrepareForCreate`` in apiextensions-apiserver, registry/customresourcedefinition.
        """
        super().prepare_for_create(obj)
        stored = [version["name"] for version in obj["spec"].get("versions") or () if version.get("storage")]
        obj["status"]["storedVersions"] = stored[:1]

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Another storage version joins those that were stored."""
        status: Json = obj.get("status") or old.get("status") or {}
        stored = list(status.get("storedVersions") or ())
        for version in obj["spec"].get("versions") or ():
            if version.get("storage") and version["name"] not in stored:
                stored.append(version["name"])
        obj["status"] = {**status, "storedVersions": stored}

    def prepare_for_status_update(self, obj: Json, old: Json, now: float) -> None:
        """A definition has stored something: the storage version, if nobody says otherwise."""
        super().prepare_for_status_update(obj, old, now)
        status = obj.get("status") or {}
        if not status.get("storedVersions"):
            versions = obj["spec"].get("versions") or ()
            stored = [version["name"] for version in versions if version.get("storage")]
            obj["status"] = {**status, "storedVersions": stored[:1]}

    def validate_next(self, obj: Json, old: Json) -> Sequence[Cause]:
        """The rules for a change, of which some are not asked of what broke them before."""
        from . import checks

        return checks.validate_definition_update(obj, old)

    def warnings_of_change(self, obj: Json, old: Json) -> Sequence[str]:
        """Only of what the change brings."""
        known = self.warnings(old)
        return [text for text in self.warnings(obj) if text not in known]

    def begin_deletion(self, obj: Json, now: float) -> Json | None:
        """A definition stays until its objects are gone."""
        from .definition_status import begin_deletion  # start-up does without

        return obj if is_being_deleted(obj) else begin_deletion(obj, now)

    def notes(self, obj: Json) -> Mapping[str, str]:
        """What a start reads of it, instead of decoding it."""
        from .outlines import FIELD, outline_of

        return {FIELD: outline_of(obj).text()}


EXTENSIONS = (
    Row(
        "CustomResourceDefinition",
        "customresourcedefinitions",
        CustomResourceDefinitionStrategy,
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        status=True,
    ),
)
