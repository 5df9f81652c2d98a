"""Import a part of a package without running the package's ``__init__``.

``import aiohttp.web_server`` first runs ``aiohttp/__init__.py``, which imports the HTTP client and all that
hangs on it: two thirds of the time, for a server that may never send a request. ``postpone("aiohttp")`` puts
a package in its place whose ``__init__`` runs when somebody asks it for a name that is not one of its
modules. Nobody can tell the difference but by the clock.
"""

import importlib
import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


class _Postponed(ModuleType):
    """A package that is complete but for the names its ``__init__`` defines."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if any((Path(folder) / f"{name}.py").exists() for folder in self.__path__):
            return importlib.import_module(f"{self.__name__}.{name}")
        _complete(self)
        return getattr(self, name)


_lock = RLock()  # guards the change of a package's class, so that its __init__ runs once


def _complete(package: ModuleType) -> None:
    with _lock:
        if type(package) is not _Postponed:
            return
        object.__setattr__(package, "__class__", ModuleType)
        spec = package.__spec__
        assert spec is not None  # set by postpone
        assert spec.loader is not None
        spec.loader.exec_module(package)


def postpone(name: str) -> bool:
    """Have the ``__init__`` of a package run when it is needed; its modules can be imported at once.

    ``__version__`` is there from the start, because packages ask themselves for it. A package that was
    imported before, that does not say its version in a plain line, or that is not there, is left alone.

    Returns:
        whether it is postponed now.
    """
    if name in sys.modules:
        return type(sys.modules[name]) is _Postponed
    spec = importlib.util.find_spec(name)
    version = _version_of(spec)
    if spec is None or version is None:
        return False
    package = importlib.util.module_from_spec(spec)
    package.__dict__["__version__"] = version
    package.__class__ = _Postponed
    sys.modules[name] = package
    return True


def _version_of(spec: ModuleSpec | None) -> str | None:
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    found = _VERSION.search(Path(spec.origin).read_text(encoding="utf-8"))
    return found[1] if found else None
