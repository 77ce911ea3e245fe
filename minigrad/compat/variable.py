"""PyTorch's old name of tensors, in scripts from before 2018."""

from __future__ import annotations

from typing import Any

from minigrad.core.tensor import Tensor

__all__ = ["Variable"]


class _IsTensor(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Tensor)


class Variable(metaclass=_IsTensor):
    """A tensor that shares the memory of another: ``Variable(x)`` is of use to old scripts only.

    >>> import minigrad as mg
    >>> x = Variable(mg.ones(2), requires_grad=True)
    >>> x
    tensor([1., 1.], requires_grad=True)
    >>> isinstance(x, Variable)
    True
    """

    def __new__(cls, data: Any = (), requires_grad: bool = False) -> Any:
        """The tensor that shares the memory of `data`."""
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
