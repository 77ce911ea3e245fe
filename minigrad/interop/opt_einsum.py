"""Tensors in opt_einsum: ``contract("ij,jk,kl->il", a, b, c)``, with gradients.

opt_einsum takes three functions from the module of the arrays, with numpy's arguments. For
minigrad they are these.
"""

from __future__ import annotations

from typing import Any

from minigrad.core.public import PUBLIC
from minigrad.interop.numpy_ufuncs import as_tensor

__all__ = ["einsum", "register", "tensordot", "transpose"]


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes."""
    return PUBLIC["tensordot"](as_tensor(a), as_tensor(b), axes)


def transpose(a: Any, axes: Any) -> Any:
    """The axes in another order."""
    return PUBLIC["permute"](as_tensor(a), tuple(axes))


def einsum(equation: str, *operands: Any, out: Any = None, **options: Any) -> Any:
    """The sum of products as the equation says.

    Raises
    ------
    TypeError
        For ``out=``.
    """
    if out is not None:
        raise TypeError("out= is no argument for tensors of minigrad: results are new tensors")
    return PUBLIC["einsum"](equation, *[as_tensor(x) for x in operands])


def register() -> None:
    """Tell opt_einsum to take the functions from here."""
    from opt_einsum.backends import dispatch

    dispatch._aliases["minigrad"] = __name__
