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
from minigrad.core.promotion import as_operand, refuse_bfloat16
from minigrad.core.public import FLOAT32, FLOAT64, method, public
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor

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


def type_name(x: Tensor) -> str:
    """The type of elements as PyTorch names it in errors."""
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}.get(
        x.dtype.name, x.dtype.name
    )


def hint(a: Shape, b: Shape) -> str:
    """What would make two matrices fit."""
    if a[-1] == b[-1]:
        return "; a @ b.mT would fit"
    if len(a) > 1 and a[-2] == b[-2]:
        return "; a.mT @ b would fit"
    if len(a) > 1 and a[-2] == b[-1]:
        return "; b @ a would fit"
    return f"; the last size of the first, {a[-1]}, must be the first size of the second, {b[-2]}"


def _check(a: Tensor, b: Tensor) -> None:
    """Refuse what cannot be multiplied, in PyTorch's words."""
    m, n = a.array.shape, b.array.shape
    if not m or not n:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(m)}D and {len(n)}D"
        )
    if len(n) == 1:
        if len(m) == 1:
            if m != n:
                raise RuntimeError(
                    f"inconsistent tensor size, expected tensor [{m[0]}] and src [{n[0]}] to have "
                    "the same "
                    f"number of elements, but got {m[0]} and {n[0]} elements respectively"
                )
        elif m[-1] != n[0]:
            rows = int(np.prod(m[:-1]))
            raise RuntimeError(
                f"size mismatch, got input ({rows}), mat ({rows}x{m[-1]}), vec "
                f"({n[0]}){_vector_hint(m, n)}"
            )
    elif len(n) == 2 or len(m) == 1:
        if m[-1] != n[-2]:
            rows = int(np.prod(m[:-1]))
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({rows}x{m[-1]} and {n[-2]}x{n[-1]})"
                + hint(m, n)
            )
    else:
        _check_batches(m, n)
    _check_types(a, b)


def _vector_hint(m: Shape, n: Shape) -> str:
    return "; a.mT @ v would fit" if len(m) > 1 and m[-2] == n[0] else ""


def _check_batches(m: Shape, n: Shape) -> None:
    if m[-1] != n[-2]:
        size = int(np.prod(n[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size}, {m[-1]}] "
            "but got: "
            f"[{size}, {n[-2]}].{hint(m, n)}"
        )
    lead_a, lead_b = m[:-2], n[:-2]
    try:
        np.broadcast_shapes(lead_a, lead_b)
    except ValueError:
        k = max(len(lead_a), len(lead_b))
        pairs = zip(
            (1,) * (k - len(lead_a)) + lead_a, (1,) * (k - len(lead_b)) + lead_b, strict=True
        )
        dim, p, q = next((d, p, q) for d, (p, q) in enumerate(pairs) if p != q and 1 not in (p, q))
        raise RuntimeError(
            f"The size of tensor a ({p}) must match the size of tensor b ({q}) at non-singleton "
            "dimension "
            f"{dim}; matmul broadcasts all but the last two dimensions of {list(m)} and {list(n)}"
        ) from None


def _check_types(a: Tensor, b: Tensor) -> None:
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {type_name(a)} != "
            f"{type_name(b)}; convert one of them, such as by .float()"
        )
    if a.array.dtype.kind == "V":
        refuse_bfloat16("matmul")
    if a.array.dtype.kind == "b":
        raise NotImplementedError(
            "\"matmul\" not implemented for 'Bool': convert with .long() or .float()"
        )


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
        except ValueError:
            _check(input, other)
            raise
        except EVENTS:
            out = call_quietly(product, a, b)
        except NoValues:
            return apply(_OP, (input, other), (False,))  # type: ignore[no-any-return]
        return record(_OP, (input, other), (False,), out, mode)  # type: ignore[no-any-return]
    _check(input, other)
    params = (a.ndim > 2 and b.ndim == 2,)
    try:
        return apply(_OP, (input, other), params)  # type: ignore[no-any-return]
    except EVENTS:
        return call_quietly(apply, _OP, (input, other), params)  # type: ignore[no-any-return]


@method(name="__matmul__")
def _matmul_operator(self: Tensor, other: Any) -> Any:
    """``self @ other``, see :func:`matmul`."""
    if isinstance(other, np.ndarray):
        other = Tensor(other)
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


@method(name="__rmatmul__")
def _swapped_operator(self: Tensor, other: Any) -> Any:
    """``other @ self`` for a numpy array on the left."""
    if isinstance(other, np.ndarray):
        other = Tensor(other)
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented
