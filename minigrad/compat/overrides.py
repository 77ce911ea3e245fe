"""Tensors that take functions over, ``__torch_function__``: there are none here.

Copies of PyTorch's own functions ask first whether an argument is one.
"""

from __future__ import annotations

from typing import Any

from minigrad.compat.refusal import refused

__all__ = [
    "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like",
]  # fmt: skip


def has_torch_function(relevant_args: Any) -> bool:
    """Whether one of the arguments takes the function over: never."""
    return False


def has_torch_function_unary(tensor: Any) -> bool:
    """Whether the argument takes the function over: never."""
    return False


def has_torch_function_variadic(*args: Any) -> bool:
    """Whether one of the arguments takes the function over: never."""
    return False


def is_tensor_like(inp: Any) -> bool:
    """Whether the argument is a tensor."""
    from minigrad.core.tensor import Tensor

    return isinstance(inp, Tensor)


handle_torch_function = refused(
    "overrides.handle_torch_function", "no argument has a __torch_function__ here"
)
