"""Calling something once another library has been imported, without importing it.

einops and opt_einsum look for the arrays of other libraries in tables of their own. An entry can be
put there only when the library is there, whether it was imported before minigrad or will be after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["after_import"]

_waiting: dict[str, Callable[[], None]] = {}


class _Then:
    """A loader that does one thing more."""

    def __init__(self, loader: Any, action: Callable[[], None]) -> None:
        self.loader = loader
        self.action = action

    def create_module(self, spec: ModuleSpec) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader  # as if nobody had listened
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.action()


class _Finder:
    """Finds nothing itself: leaves every module to the other finders, and is gone when done.

    The classes that `importlib.abc` offers to derive from are not needed, and take as long to
    import as a twentieth of minigrad.
    """

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        action = _waiting.pop(name, None)
        if not _waiting and self in sys.meta_path:
            sys.meta_path.remove(self)
        if action is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Then(spec.loader, action)  # type: ignore[assignment]
                return spec
        return None


_finder = _Finder()


def after_import(name: str, action: Callable[[], None]) -> None:
    """Call ``action()`` when the module `name` has been imported: now, if it is already."""
    if name in sys.modules:
        action()
        return
    _waiting[name] = action
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
