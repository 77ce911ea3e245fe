"""PyTorch's other ways to say whether a graph is recorded; see `minigrad.core.modes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.core.modes import Switch, current

__all__ = [
    "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "set_grad_enabled",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


class inference_mode(Switch):
    """As `no_grad`; in minigrad its tensors may be used in a graph later, too."""

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        """The switch; or, given a function, that function switched."""
        self = super().__new__(cls)
        if not callable(mode):
            return self
        self.__init__()  # type: ignore[misc] # with the default, as if written with parentheses
        return self(mode)

    def __init__(self, mode: bool | Callable[..., Any] = True) -> None:
        super().__init__(**({"grad": False, "inference": True} if mode else {}))


class set_grad_enabled(Switch):
    """Switch recording on or off: at once when called, back again at the end of a ``with``."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        self._outside = current.get()
        current.set(self._changed(self._outside))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        current.set(current.get()._replace(grad=self._outside.grad))

    def __call__(self, function: F) -> F:
        """The function, switched while it runs."""
        self.__exit__()  # decorating is no call
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether operations record a graph now."""
    return current.get().grad


def is_inference_mode_enabled() -> bool:
    """Whether :class:`inference_mode` is on."""
    return current.get().inference
