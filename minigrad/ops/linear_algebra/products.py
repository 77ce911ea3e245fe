"""Matrix products: one operation, and everything that is a view of it.

``matmul`` is the only operation declared here. Its derivative is two matrix products, so it has
derivatives of any order; ``einsum`` and ``tensordot`` (`contraction`) are reshapes around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.engine import apply, record
from minigrad.core.operation import NoValues
from minigrad.core.promotion import as_operand, cast, refuse_bfloat16
from minigrad.core.public import FLOAT32, FLOAT64, method, public
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops import elementwise as e
from minigrad.ops.batching import lined_up, sharing
from minigrad.ops.parts import diagonal
from minigrad.ops.shape import expand, reshape

kernels = lazy("matmul.product")

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

# -- the operation ---------------------------------------------------------------------------------


def _times(a: Any, b: Any) -> Any:
    """``a @ b`` of arrays or of tensors."""
    if a.__class__ is not np.ndarray:
        return matmul(a, b)
    if b.ndim == 3 and b.strides[0] == 0 and a.ndim == 3 and a.shape[0] == b.shape[0] > 1:
        # one matrix, expanded (weights in the gradients of each sample): one product of all rows
        return kernels.matmul(_rows(a), b[0]).reshape(*a.shape[:2], b.shape[2])
    return kernels.matmul(a, b)


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


@sharing
def _matmul_each(op: Any, inputs: tuple[Any, ...], params: Any, batched: Any) -> Any:
    """Vectors become rows and columns; the examples are one more dimension that broadcasts."""
    a, b = inputs
    m, n = a.array.ndim - batched[0], b.array.ndim - batched[1]
    if not batched[1] and (n < 3 or m >= n):
        return matmul(a, b)  # all rows of all examples
    if not batched[0] and m == 2 and n == 1:
        return matmul(b, a.mT)
    left = a[..., None, :] if m == 1 else a
    right = b[..., None] if n == 1 else b
    ndim = max(m, n, 2)
    product = matmul(
        lined_up(left, ndim) if batched[0] else left,
        lined_up(right, ndim) if batched[1] else right,
    )
    if n == 1:
        product = product[..., 0]
    return product[..., 0] if m == n == 1 else product[..., 0, :] if m == 1 else product


_matmul = primitive(
    "matmul", lambda a, b, shared: _times(a, b), inputs=2, broadcasts=True,
    vjp=(lambda g, b: _first_grad(g, b), lambda g, a, shared: _second_grad(g, a, shared)),
    fused=lambda g, a, b, shared, needs: (
        _first_grad(g, b) if needs[0] else None,
        _second_grad(g, a, shared) if needs[1] else None,
    ),
    batch=_matmul_each,
    sample=cases(
        _pair((3, 4), (4, 2)), _pair((2, 3, 4), (4, 2), True), _pair((2, 3, 4), (2, 4, 2)),
        _pair((2, 1, 3, 4), (5, 4, 2)), _pair((4,), (4,)), _pair((3, 4), (4,)),
        _pair((2, 3, 4), (4,)), _pair((4,), (4, 2)), _pair((4,), (2, 4, 3)), _pair((3, 0), (0, 2)),
    ),
    doc="Products of matrices; a vector is a row on the left and a column on the right.",
)  # fmt: skip
_OP = _matmul.op


def _name(x: Tensor) -> str:
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}.get(
        x.dtype.name, x.dtype.name
    )


def _hint(a: Shape, b: Shape) -> str:
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
                + _hint(m, n)
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
            f"[{size}, {n[-2]}].{_hint(m, n)}"
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
            f"expected m1 and m2 to have the same dtype, but got: {_name(a)} != {_name(b)}; "
            "convert one "
            "of them, such as by .float()"
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
        try:
            out = kernels.matmul(a, b)
        except ValueError:
            _check(input, other)
            raise
        except EVENTS:
            out = call_quietly(kernels.matmul, a, b)
        except NoValues:
            return apply(_OP, (input, other), (False,))  # type: ignore[no-any-return]
        return record(_OP, (input, other), (False,), out)  # type: ignore[no-any-return]
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


# -- products of given dimensions ------------------------------------------------------------------


@public
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, ``(n, k)`` and ``(k, m)``; nothing broadcasts."""
    for x, which in ((input, "self"), (mat2, "mat2")):
        if as_operand(x, "mm", which == "mat2").array.ndim != 2:
            raise RuntimeError(f"mm: {which} must be a matrix, got {x.array.ndim} dimensions")
    return matmul(input, mat2)


@public
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches, ``(b, n, k)`` and ``(b, k, m)``; nothing broadcasts."""
    for x, which in ((input, "batch1"), (mat2, "batch2")):
        if as_operand(x, "bmm", which == "batch2").array.ndim != 3:
            raise RuntimeError(f"{which} must be a 3D tensor, got {x.array.ndim}D")
    (b, _, k), n = input.array.shape, mat2.array.shape
    if n[:2] != (b, k):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: "
            f"[{n[0]}, {n[1]}].{_hint(input.array.shape, n) if n[0] == b else ''}"
        )
    return matmul(input, mat2)


@public
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    if input.array.ndim != 2 or vec.array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {input.array.ndim}, {vec.array.ndim}"
        )
    return matmul(input, vec)


def _dot_product(input: Tensor, tensor: Tensor, name: str) -> Tensor:
    a, b = as_operand(input, name, 0), as_operand(tensor, name, 1)
    if a.array.ndim != 1 or b.array.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {a.array.ndim}D and {b.array.ndim}D tensors"
        )
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {_name(a)} and {_name(b)}"
        )
    return matmul(a, b)


@public
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors."""
    return _dot_product(input, tensor, "dot")


@public
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """As :func:`dot`: there are no complex numbers to conjugate."""
    return _dot_product(input, other, "vdot")


@public
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors: ``out[i, j] = input[i] * vec2[j]``."""
    for x, which in ((input, "self"), (vec2, "vec2")):
        if x.array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {which}, but got {x.array.ndim}-D")
    return e.mul(reshape(input, -1, 1), vec2)


public(outer, name="ger")

# -- products added to something -------------------------------------------------------------------


def _added(input: Tensor, product: Tensor, beta: float, alpha: float, name: str) -> Tensor:
    """``beta * input + alpha * product``; with `beta` 0 the input is not looked at."""
    if input.array.dtype != product.array.dtype:
        raise RuntimeError(
            f"{name}: self and mat2 must have the same dtype, but got {_name(input)} and "
            f"{_name(product)}"
        )
    wide = expand(input, product.array.shape)
    dtype = product.array.dtype
    if dtype.kind != "f":  # factors take the type of the tensors, as in PyTorch
        alpha, beta = (int(np.asarray(f).astype(dtype)) for f in (alpha, beta))
    if alpha != 1:
        product = cast(e.mul(product, alpha), dtype)
    if beta == 0:
        return product
    return e._add(wide if beta == 1 else cast(e.mul(wide, beta), dtype), product)


@public(inplace=True)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * mat1 @ mat2``; `input` broadcasts."""
    return _added(input, mm(mat1, mat2), beta, alpha, "addmm")


@public(inplace=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * mat @ vec``; `input` broadcasts."""
    product = mv(mat, vec)
    if input.array.shape not in ((), (1,), product.array.shape):
        raise RuntimeError(
            f"size mismatch, got input ({input.array.shape[0]}), mat ({mat.array.shape[0]}x"
            f"{mat.array.shape[1]}), vec ({vec.array.size})"
        )
    return _added(input, product, beta, alpha, "addmv")


@public(inplace=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``; `input` broadcasts."""
    return _added(input, outer(vec1, vec2), beta, alpha, "addr")


@public(inplace=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; `input` broadcasts."""
    return _added(input, bmm(batch1, batch2), beta, alpha, "baddbmm")


@public(inplace=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; `input` broadcasts."""
    total = bmm(batch1, batch2).sum(0, dtype=batch1.dtype)
    return _added(input, total, beta, alpha, "addbmm")


@public
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return diagonal(input).sum()


@public
def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of `input` times all of `other`, as blocks."""
    n = max(input.array.ndim, other.array.ndim)
    a, b = ((1,) * (n - x.array.ndim) + x.array.shape for x in (input, other))
    wide = reshape(input, tuple(s for p in a for s in (p, 1)))
    tall = reshape(other, tuple(s for q in b for s in (1, q)))
    return reshape(e.mul(wide, tall), tuple(p * q for p, q in zip(a, b, strict=True)))


# -- the cross product -----------------------------------------------------------------------------


def _cross_dim(a: Shape, b: Shape, dim: int | None) -> int:
    if dim is not None:
        return dim
    for d, (p, q) in enumerate(zip(a, b, strict=True)):
        if p == q == 3:
            return d
    raise RuntimeError("no dimension of size 3 in input")


@public
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three along `dim`, by default the first of that size."""
    if input.array.ndim != other.array.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    shapes = input.array.shape, other.array.shape
    d = wrap_dim(_cross_dim(*shapes, dim), input.array.ndim, "linalg.cross")
    sizes: Sequence[int] = (input.array.shape[d], other.array.shape[d])
    if tuple(sizes) != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {d} must have length 3. Got {sizes[0]} and {sizes[1]}"
        )

    a, b = input, other
    return a.roll(-1, d) * b.roll(1, d) - a.roll(1, d) * b.roll(-1, d)
