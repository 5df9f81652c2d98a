"""An embedded, lightweight, Kubernetes-compatible cluster.

Names are resolved when they are used, so importing costs nothing.
"""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube_lite.cluster.compose import Cluster as Cluster
    from kube_lite.cluster.config import Config as Config

__version__ = "0.1.0"
__all__ = ["Cluster", "Config", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Cluster":
        was_collecting = gc.isenabled()
        gc.disable()  # what is imported stays; looking through it meanwhile takes a tenth of the time
        try:
            from kube_lite.cluster.compose import Cluster
        finally:
            if was_collecting:
                gc.enable()
        return Cluster
    if name == "Config":
        from kube_lite.cluster.config import Config

        return Config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
