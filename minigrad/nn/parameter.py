"""Tensors that belong to a module: parameters, which are trained, and buffers, which are not."""

from __future__ import annotations

from typing import Any

from minigrad.ops.functions import as_operand
from minigrad.printing import tensor_text
from minigrad.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that, set as an attribute of a module, is one of its parameters.

    Parameters
    ----------
    data : Tensor, optional
        The values; the memory is shared. Empty by default.
    requires_grad : bool
        Whether backward passes compute a gradient for it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Parameter(mg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        super().__init__(as_operand(data, "Parameter", 0).array if data is not None else ())
        if requires_grad:
            self.requires_grad_()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + tensor_text(self)


class Buffer(Tensor):
    """A tensor that, set as an attribute of a module, is one of its buffers.

    Parameters
    ----------
    data : Tensor
        The values; the memory is shared.
    persistent : bool
        Whether it is part of the module's ``state_dict``.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        super().__init__(as_operand(data, "Buffer", 0).array if data is not None else ())
        self.persistent = persistent

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "Buffer containing:\n" + tensor_text(self)
