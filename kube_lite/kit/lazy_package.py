"""Import a part of a package without running the package's ``__init__``; and rarely needed modules late.

``import aiohttp.web_server`` first runs ``aiohttp/__init__.py``, which imports the HTTP client and all that
hangs on it: two thirds of the time, for a server that may never send a request. ``postpone("aiohttp")`` puts
a package in its place whose ``__init__`` runs when somebody asks it for a name that is not one of its
modules. ``postpone_module`` does it for a module that others import whole and use for rare cases only. Nobody
can tell the difference but by the clock: the module is the real one, empty until it is asked for a name.
"""

import importlib
import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


class _Postponed(ModuleType):
    """A module that is complete but for the names it defines itself."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") or name == "__all__":
            folders = self.__dict__.get("__path__", ())
            if any((Path(folder) / f"{name}.py").exists() for folder in folders):
                return importlib.import_module(f"{self.__name__}.{name}")
            _complete(self)
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


_lock = RLock()  # guards what follows: a module runs once, and other threads wait until it has run
_running: set[str] = set()
"""Names of modules that run just now, and may look at themselves, half done, as modules do."""


def _complete(module: ModuleType) -> None:
    with _lock:
        if type(module) is not _Postponed or module.__name__ in _running:
            return
        spec = module.__spec__
        assert spec is not None  # set by _place
        assert spec.loader is not None
        _running.add(module.__name__)
        try:
            spec.loader.exec_module(module)
        finally:
            _running.discard(module.__name__)
        object.__setattr__(module, "__class__", ModuleType)


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
    _place(spec).__dict__["__version__"] = version
    return True


def postpone_module(name: str) -> bool:
    """Have a module run when somebody asks it for a name; importing it whole, ``import a.b``, does not.

    It must be one that nobody misses before it has run, as one that registers something with others. One that
    was imported before, or is not there, is left alone.

    Returns:
        whether it is postponed now.
    """
    if name in sys.modules:
        return type(sys.modules[name]) is _Postponed
    package, _, _ = name.rpartition(".")
    parent = importlib.util.find_spec(package) if package else None
    spec = PathFinder.find_spec(name, parent.submodule_search_locations if parent is not None else None)
    if spec is None or spec.loader is None:
        return False
    _place(spec)
    return True


def _place(spec: ModuleSpec) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Postponed
    sys.modules[spec.name] = module
    return module


def _version_of(spec: ModuleSpec | None) -> str | None:
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    found = _VERSION.search(Path(spec.origin).read_text(encoding="utf-8"))
    return found[1] if found else None
