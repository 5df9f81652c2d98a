"""Texts that the rows of several kinds are made of."""

from collections.abc import Iterable, Mapping, Sequence

from kube_lite.api.identity import Json
from kube_lite.api.selectors import label_selector
from kube_lite.api.strategy import Column

NONE = "<none>"
UNSET = "<unset>"
LISTED = 3  # entries of a list before a cell says "+ n more..."

CONTAINERS = Column("Containers", description="Names of each container in the template.")
IMAGES = Column("Images", description="Images referenced by each container in the template.")

_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}  # in this order


def labels_text(labels: Mapping[str, str] | None) -> str:
    """``app=web,tier=front``, sorted; ``<none>`` without labels."""
    if not labels:
        return NONE
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def selector_text(selector: Json | None, nothing: str = NONE) -> str:
    """A label selector as kubectl takes it, ``app=web,tier in (a,b)``; ``nothing`` for one that takes all."""
    if selector and not selector.get("matchExpressions"):
        return labels_text(selector.get("matchLabels")) if selector.get("matchLabels") else nothing
    return str(label_selector(selector)) or nothing if selector else nothing


def template_cells(obj: Json) -> tuple[str, str]:
    """The names and images of the containers in an object's pod template."""
    containers = obj["spec"].get("template", {}).get("spec", {}).get("containers", ())
    return containers_cells(containers)


def containers_cells(containers: Sequence[Json]) -> tuple[str, str]:
    """``("app,proxy", "example/app,example/proxy")``."""
    names = ",".join(container["name"] for container in containers)
    images = ",".join(container.get("image", "") for container in containers)
    return names, images


def listed(entries: Sequence[str], nothing: str = UNSET) -> str:
    """``a,b,c + 2 more...``: the first three and how many there are besides."""
    shown = ",".join(entries[:LISTED])
    if len(entries) > LISTED:
        return f"{shown} + {len(entries) - LISTED} more..."
    return shown or nothing


def access_modes(modes: Iterable[str]) -> str:
    """``RWO,RWX``."""
    known = set(modes)
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in known)


def load_balancer_text(status: Json) -> str:
    """The addresses and host names a load balancer got, sorted."""
    ingress = status.get("loadBalancer", {}).get("ingress") or ()
    return ",".join(sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress} - {""}))
