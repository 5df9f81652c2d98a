"""Run pods: sandboxes, containers, images, networks and logs of one host, behind one protocol.

The public names are resolved when they are first asked for: the supervisor, a small process of its own,
imports parts of this package and must not pay for the rest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .driver import Driver
    from .fake import FakeDriver
    from .select import process_driver, select_driver

__all__ = ["Driver", "FakeDriver", "process_driver", "select_driver"]

_HOMES = {"Driver": "driver", "FakeDriver": "fake", "process_driver": "select", "select_driver": "select"}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{home}", __name__), name)
