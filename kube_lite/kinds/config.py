"""ConfigMap, Secret, ServiceAccount."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.resource import Subresource
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, NameAndAge, Row, age_of


class ConfigMapStrategy(Kind):
    """Settings for pods."""

    table = (NAME, Described("Data", "core.v1.ConfigMap", "data"), AGE)

    def cells(self, obj: Json, now: float) -> list[object]:
        """How many entries there are."""
        entries = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
        return [obj["metadata"]["name"], entries, age_of(obj, now)]


class SecretStrategy(Kind):
    """Settings for pods that not everybody may read."""

    labels = ("type",)
    table = (
        NAME,
        Described("Type", "core.v1.Secret", "type"),
        Described("Data", "core.v1.Secret", "data"),
        AGE,
    )

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """What is in it."""
        return {"type": obj.get("type", "")}

    def cells(self, obj: Json, now: float) -> list[object]:
        """The type and how many entries there are."""
        return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or ()), age_of(obj, now)]


class ServiceAccountStrategy(NameAndAge):
    """Who pods are."""

    returns_deleted = True

    def prepare_for_create(self, obj: Json) -> None:
        """Secrets are named, and nothing else is said of them."""
        if obj.get("secrets"):
            obj["secrets"] = [_only_name(secret) for secret in obj["secrets"]]

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Secrets are named, and nothing else is said of them."""
        self.prepare_for_create(obj)


def _only_name(reference: Json) -> Json:
    return {"name": reference["name"]} if reference.get("name") else {}


CONFIG_MAP = Row("ConfigMap", "configmaps", ConfigMapStrategy, short_names=("cm",))
SECRET = Row("Secret", "secrets", SecretStrategy)
SERVICE_ACCOUNT = Row(
    "ServiceAccount",
    "serviceaccounts",
    ServiceAccountStrategy,
    short_names=("sa",),
    subresources=(Subresource("token", ("create",), "TokenRequest", "authentication.k8s.io", "v1"),),
)
