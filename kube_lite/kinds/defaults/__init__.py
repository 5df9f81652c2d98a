"""What the API server fills in where a client says nothing: one function per kind, found by group and kind.

The functions change a private object that ``schema.prune`` has read, so an absent field and an empty one
are the same, and structs that are always written are there. Versions of a kind share a function unless it
looks at ``apiVersion``. Modules are loaded when the first object of one of their kinds is written.

Source: the ``defaults.go`` of each group in ``kubernetes/pkg/apis``.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module

from kube_lite.api.identity import GroupVersionKind, Json

Default = Callable[[Json], None]

MODULES = {
    "": "core",
    "apps": "workloads",
    "batch": "workloads",
    "autoscaling": "workloads",
    "extensions": "workloads",
    "discovery.k8s.io": "networking",
    "networking.k8s.io": "networking",
    "storage.k8s.io": "storage",
    "resource.k8s.io": "storage",
    "rbac.authorization.k8s.io": "cluster",
    "scheduling.k8s.io": "cluster",
    "flowcontrol.apiserver.k8s.io": "cluster",
    "admissionregistration.k8s.io": "cluster",
    "apiregistration.k8s.io": "cluster",
    "apiextensions.k8s.io": "cluster",
}
"""Group → the module of this package that has ``DEFAULTS`` for it."""


def default(gvk: GroupVersionKind, obj: Json) -> None:
    """Fill in the defaults of a kind; kinds without any are left alone. Calling it again changes nothing."""
    function = _defaults(gvk.group).get((gvk.group, gvk.kind))
    if function is not None:
        function(obj)


@cache
def _defaults(group: str) -> dict[tuple[str, str], Default]:
    name = MODULES.get(group)
    if name is None:
        return {}
    functions: dict[tuple[str, str], Default] = import_module(f".{name}", __name__).DEFAULTS
    return functions
