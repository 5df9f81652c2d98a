"""CustomResourceDefinition."""

from kube_lite.api.identity import Json

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
        obj["status"]["storedVersions"] = stored

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Another storage version joins those that were stored."""
        status: Json = obj.get("status") or old.get("status") or {}
        stored = list(status.get("storedVersions") or ())
        for version in obj["spec"].get("versions") or ():
            if version.get("storage") and version["name"] not in stored:
                stored.append(version["name"])
        obj["status"] = {**status, "storedVersions": stored}


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
