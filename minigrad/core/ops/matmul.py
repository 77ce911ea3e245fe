"""Matrix products: one operation, whose derivative is two matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.flat import record
from minigrad.core.modes import current
from minigrad.core.operation import NoValues
from minigrad.core.promotion import as_operand
from minigrad.core.public import FLOAT32, FLOAT64, method, public
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.core.refusal import explain
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor, given

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


#: The product of two arrays; numpy's, or what :func:`use_product` says.
product: Callable[[Array, Array], Array] = np.matmul


def use_product(function: Callable[[Array, Array], Array]) -> None:
    """Multiply by another function than numpy's."""
    global product
    product = function


def _times(a: Any, b: Any) -> Any:
    """``a @ b`` of arrays or of tensors."""
    if a.__class__ is not np.ndarray:
        return matmul(a, b)
    if b.ndim == 3 and b.strides[0] == 0 and a.ndim == 3 and a.shape[0] == b.shape[0] > 1:
        # one matrix, expanded (weights in the gradients of each sample): one product of all rows
        return product(_rows(a), b[0]).reshape(*a.shape[:2], b.shape[2])
    return product(a, b)


def _rows(a: Any) -> Any:
    """All dimensions but the last as one."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _first_grad(g: Any, b: Any) -> Any:
    """``g @ b.T``, with the dimensions that vectors lack put in and taken out again."""
    vector_a, vector_b = g.ndim < b.ndim, b.ndim == 1
    if vector_b:
        return g * b if vector_a else g[..., None] * b
    if vector_a:
        return _times(b, g[..., None])[..., 0]
    return _times(g, b.mT)


def _second_grad(g: Any, a: Any, shared: bool) -> Any:
    """``a.T @ g``; one matrix that multiplied many gets the sum over them in one product."""
    vector_a, vector_b = a.ndim == 1, g.ndim < a.ndim
    if vector_a:
        return g * a if vector_b else a[:, None] * g[..., None, :]
    if vector_b:
        return _times(g.reshape(-1), _rows(a))
    if shared:
        a, g = _rows(a), _rows(g)
    return _times(a.mT, g)


def _pair(a: Shape, b: Shape, shared: bool = False) -> Any:
    return lambda rng: ((rng.normal(size=a), rng.normal(size=b)), (shared,))


_matmul = primitive(
    "matmul", lambda a, b, shared: _times(a, b), inputs=2, broadcasts=True,
    vjp=(lambda g, b: _first_grad(g, b), lambda g, a, shared: _second_grad(g, a, shared)),
    fused=lambda g, a, b, shared, needs: (
        _first_grad(g, b) if needs[0] else None,
        _second_grad(g, a, shared) if needs[1] else None,
    ),
    sample=cases(
        _pair((3, 4), (4, 2)), _pair((2, 3, 4), (4, 2), True), _pair((2, 3, 4), (2, 4, 2)),
        _pair((2, 1, 3, 4), (5, 4, 2)), _pair((4,), (4,)), _pair((3, 4), (4,)),
        _pair((2, 3, 4), (4,)), _pair((4,), (4, 2)), _pair((4,), (2, 4, 3)), _pair((3, 0), (0, 2)),
    ),
    doc="Products of matrices; a vector is a row on the left and a column on the right.",
)  # fmt: skip


_OP = _matmul.op


@public
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product ``input @ other``.

    Parameters
    ----------
    input, other : Tensor
        ``(n, k)`` and ``(k, m)`` give ``(n, m)``. Dimensions before the last two broadcast. A
        vector counts as a row on the left and a column on the right; two give their dot product.

    Raises
    ------
    RuntimeError
        If the sizes do not fit, or the types differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.matmul(mg.tensor([[1.0, 2.0]]), mg.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    >>> mg.ones(1, 2) @ mg.ones(6, 2)
    Traceback (most recent call last):
    RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x2 and 6x2); a @ b.mT would fit
    """
    try:
        a, b = input.array, other.array
    except AttributeError:
        return matmul(as_operand(input, "matmul", 0), as_operand(other, "matmul", 1))
    dtype = a.dtype
    if a.ndim == 2 and b.ndim == 2 and (dtype is FLOAT32 or dtype is FLOAT64) and b.dtype is dtype:
        mode = current.get()
        try:
            if mode.listeners:
                return apply(_OP, (input, other), (False,))  # type: ignore[no-any-return]
            out = product(a, b)
        except ValueError as error:
            raise explain("matmul", (input, other), error) from None
        except EVENTS:
            out = call_quietly(product, a, b)
        except NoValues:
            return apply(_OP, (input, other), (False,))  # type: ignore[no-any-return]
        return record(_OP, (input, other), (False,), out, mode)  # type: ignore[no-any-return]
    if a.dtype != b.dtype or a.dtype.kind not in "iuf":
        mixed = TypeError(f"there is no product of {a.dtype} and {b.dtype}")
        raise explain("matmul", (input, other), mixed)
    params = (a.ndim > 2 and b.ndim == 2,)
    try:
        return apply(_OP, (input, other), params)  # type: ignore[no-any-return]
    except EVENTS:
        return call_quietly(apply, _OP, (input, other), params)  # type: ignore[no-any-return]
    except ValueError as error:
        raise explain("matmul", (input, other), error) from None


@method(name="__matmul__")
def _matmul_operator(self: Tensor, other: Any) -> Any:
    """``self @ other``, see :func:`matmul`."""
    if isinstance(other, np.ndarray):
        other = given(other)
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


@method(name="__rmatmul__")
def _swapped_operator(self: Tensor, other: Any) -> Any:
    """``other @ self`` for a numpy array on the left."""
    if isinstance(other, np.ndarray):
        other = given(other)
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented
