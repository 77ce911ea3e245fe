"""Mixed precision, for scripts that ask for it: everything stays in the type it has.

A GPU multiplies fast in 16 bits, so that PyTorch casts there, and scales losses lest small
gradients become 0 in float16. The CPU is fastest in float32, in which none of that is needed:
:class:`autocast` casts nothing, and :class:`GradScaler` multiplies by 1. A loop that uses both
trains here as it does in float32::

    scaler = mg.amp.GradScaler()
    for x, y in loader:
        with mg.autocast("cpu", dtype=mg.bfloat16):
            loss = loss_fn(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


class autocast(ContextDecorator):
    """A context, or a decorator, in which operations compute in the types of their operands.

    Parameters
    ----------
    device_type, dtype, enabled, cache_enabled
        PyTorch's arguments, which change nothing.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ones(2, 2)
    >>> with mg.autocast(device_type="cpu", dtype=mg.bfloat16):
    ...     print((x @ x).dtype)
    minigrad.float32
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to undo."""


def is_autocast_available(device_type: str) -> bool:
    """Whether operations of a device can compute in a smaller type by themselves: never."""
    return False


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str = "cpu", cast_inputs: Any = None
) -> Callable[..., Any]:
    """The ``forward`` of a custom function, as it is."""
    return (lambda function: function) if fwd is None else fwd


def custom_bwd(
    bwd: Callable[..., Any] | None = None, *, device_type: str = "cpu"
) -> Callable[..., Any]:
    """The ``backward`` of a custom function, as it is."""
    return (lambda function: function) if bwd is None else bwd


class GradScaler:
    """Steps an optimizer as PyTorch's scaler of losses does where it is disabled: the scale is 1.

    Gradients in float32 reach down to 1e-45, so that there is nothing to scale up.

    Parameters
    ----------
    device, init_scale, growth_factor, backoff_factor, growth_interval, enabled
        PyTorch's arguments, which change nothing.

    Examples
    --------
    >>> import minigrad as mg
    >>> weight = mg.nn.Parameter(mg.ones(2))
    >>> optimizer, scaler = mg.optim.SGD([weight], lr=0.5), mg.amp.GradScaler()
    >>> scaler.scale(weight.sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> weight.tolist(), scaler.get_scale()
    ([0.5, 0.5], 1.0)
    """

    def __init__(
        self,
        device: str = "cpu",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        pass

    def scale(self, outputs: Any) -> Any:
        """The loss, or the losses, as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Leave the gradients as they are: they are not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Tensor | float | None:
        """Do what ``optimizer.step(*args, **kwargs)`` does, and return what it returns."""
        return optimizer.step(*args, **kwargs)  # type: ignore[no-any-return]

    def update(self, new_scale: Any = None) -> None:
        """Leave the scale at 1."""

    def get_scale(self) -> float:
        """1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Whether losses are scaled: never."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Nothing to save."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to load: the state of a scaler saved elsewhere is let go."""
