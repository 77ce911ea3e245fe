"""Functions that watch gradients: handles to take them off again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

__all__ = ["RemovableHandle", "add_hook"]

_ids = count()


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook off.

    Also a context manager: the hook is taken off at the end of the ``with``.
    """

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = next(_ids)
        self._hooks = hooks

    def remove(self) -> None:
        """Take the hook off; doing so twice is harmless."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def add_hook(owner: Any, hook: Callable[..., Any], attribute: str = "hooks") -> RemovableHandle:
    """Append `hook` to the ordered dictionary that `owner` keeps under `attribute`."""
    if not callable(hook):
        raise TypeError(f"a hook must be callable, got {type(hook).__name__}")
    hooks = getattr(owner, attribute, None)
    if hooks is None:
        hooks = {}
        setattr(owner, attribute, hooks)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
