"""Models spread over GPUs, of which there are none: the model itself, under PyTorch's names."""

from __future__ import annotations

from typing import Any, NoReturn

from minigrad.nn.module import Module

__path__: list[str] = []  # `minigrad.compat.PLACES` says what is in it
__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls a module as it is, as PyTorch's does on a machine without GPUs.

    Its parameters are named ``module.weight`` and so on, as checkpoints of wrapped models have
    them.

    Parameters
    ----------
    module : Module
        The model; also the attribute ``module``.
    device_ids, output_device, dim
        PyTorch's arguments, which change nothing.

    Examples
    --------
    >>> import minigrad as mg
    >>> model = mg.nn.DataParallel(mg.nn.Linear(2, 3))
    >>> model(mg.ones(4, 2)).shape
    minigrad.Size([4, 3])
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """What the module gives for the inputs, one tensor or a tuple of them."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*given, **(module_kwargs or {}))


class DistributedDataParallel(Module):
    """A model whose gradients are averaged over processes; no model is one, and none can be made.

    >>> import minigrad as mg
    >>> isinstance(mg.nn.Linear(1, 1), mg.nn.parallel.DistributedDataParallel)
    False
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        _refuse_model()


def _refuse_model() -> NoReturn:
    raise RuntimeError(
        "DistributedDataParallel: minigrad trains in one process; use the model itself"
    )
