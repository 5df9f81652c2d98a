"""Namespace and its finalizer."""

from collections.abc import Mapping

from kube_lite.api.identity import Json
from kube_lite.api.resource import ALL_VERBS, Subresource
from kube_lite.api.strategy import AGE, NAME

from .base import Described, Kind, Row, age_of

FINALIZER = "kubernetes"
"""In ``spec.finalizers``: the namespace goes when its contents have gone."""


class NamespaceStrategy(Kind):
    """A namespace lives until it has been emptied; only its ``finalize`` subresource says when."""

    labels = ("status.phase",)
    table = (NAME, Described("Status", "core.v1.NamespaceStatus", "phase"), AGE)

    def prepare_for_create(self, obj: Json) -> None:
        """Active, and kept until it is empty.

        Source: ``PrepareForCreate`` in kubernetes/pkg/registry/core/namespace/strategy.go.
        """
        obj["status"] = {"phase": "Active"}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            finalizers = [*finalizers, FINALIZER]
        obj["spec"] = {"finalizers": finalizers}

    def prepare_for_update(self, obj: Json, old: Json) -> None:
        """Finalizers are changed by ``finalize`` alone."""
        obj["spec"] = old.get("spec", {})

    def selectable_fields(self, obj: Json) -> Mapping[str, str]:
        """``Active`` or ``Terminating``."""
        return {"status.phase": obj.get("status", {}).get("phase", "")}

    def cells(self, obj: Json, now: float) -> list[object]:
        """Name and phase."""
        return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), age_of(obj, now)]


NAMESPACE = Row(
    "Namespace",
    "namespaces",
    NamespaceStrategy,
    namespaced=False,
    short_names=("ns",),
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    status=True,
    subresources=(Subresource("finalize", ("update",), "Namespace"),),
)
