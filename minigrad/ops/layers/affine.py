"""What layers compute: the affine map, and rows looked up in a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.ops.matmul import matmul
from minigrad.core.ops.shape import permute, reshape
from minigrad.core.plain import plain
from minigrad.core.promotion import cast
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops import batching_index
from minigrad.ops.batching import lined_up, sharing
from minigrad.ops.guard import all_values, guarded

kernels = lazy("index")
products = lazy("matmul.product")
reduce_kernels = lazy("reduce")


# -- linear --------------------------------------------------------------------------------------


def _rows(x: Any) -> Any:
    """All leading dimensions as one."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _affine(x: Array, w: Array, b: Array | None = None) -> Array:
    """``x @ w.T + b`` for any number of leading dimensions of `x`."""
    if x.ndim == 2:
        return products.matmul(x, w.T, b)  # type: ignore[no-any-return]
    y = products.matmul(_rows(x), w.T, b)
    return y.reshape(*x.shape[:-1], w.shape[0])  # type: ignore[no-any-return]


def _linear_backward(g: Array, x: Array, w: Array, needs: tuple[bool, ...]) -> Any:
    """The needed ones of ``g @ w``, ``g.T @ x`` and the sum of the rows of g."""
    rows = _rows(g)
    parts: list[Array | None] = [None] * len(needs)
    if needs[0]:
        gx = products.matmul(rows, w)
        parts[0] = gx if g.ndim == 2 else gx.reshape(*g.shape[:-1], w.shape[1])
    if needs[1]:
        parts[1] = products.matmul(rows.T, _rows(x))
    if len(needs) == 3 and needs[2]:
        parts[2] = reduce_kernels.sum(rows, (0,))
    return parts


def _transposed(x: Tensor) -> Tensor:
    return permute(x, 1, 0)


def _input_rule(g: Tensor, w: Tensor) -> Tensor:
    return _linear_plain((g, _transposed(w)))


def _weight_rule(g: Tensor, x: Tensor) -> Tensor:
    return _linear_plain((_transposed(_rows(g)), _transposed(_rows(x))))


def _bias_rule(g: Tensor) -> Tensor:
    return _rows(g).sum(0)  # type: ignore[no-any-return]


_RULES = (_input_rule, _weight_rule, _bias_rule)


def _linear_sample(bias: bool) -> Any:
    def make(*shape: int) -> Any:
        def draw(rng: np.random.Generator) -> Any:
            arrays = (rng.normal(size=shape), rng.normal(size=(2, shape[-1])), rng.normal(size=2))
            return arrays[: 3 if bias else 2], ()

        return draw

    return cases(make(4, 3), make(2, 2, 3), make(3), make(0, 3), make(2, 0))


@sharing
def _linear_each(op: Any, inputs: tuple[Any, ...], params: Any, batched: Any) -> Any:
    """Weights of their own make a batched product; shared ones one product of all rows."""
    if not any(batched[1:]):
        return apply(op, inputs, params)
    (x, w), bias = inputs[:2], inputs[2:]
    vector = x.array.ndim - batched[0] == 1
    if not batched[1]:
        y = _linear_plain((x, w))
    else:
        lead = x.array.shape[batched[0] : -1]
        rows = (*x.array.shape[: batched[0]], math.prod(lead), x.array.shape[-1])
        y = matmul(reshape(x, rows), w.mT)
        y = reshape(y, (y.array.shape[0], *lead, y.array.shape[-1]))
    if not bias:
        return y
    (b,) = bias
    if not batched[2]:
        return y + b
    size, features = b.array.shape
    if batched[0] or batched[1]:
        return y + lined_up(b, y.array.ndim - 1)
    return y + (b if vector else reshape(b, (size, *(1,) * (y.array.ndim - 1), features)))


_linear = primitive(
    "linear", _affine, _RULES, inputs=3,
    fused=lambda g, x, w, needs: _linear_backward(g, x, w, needs), batch=_linear_each,
    sample=_linear_sample(True), doc="``x @ w.T + b``",
)  # fmt: skip
_linear_plain = primitive(
    "linear_plain", lambda x, w: _affine(x, w), _RULES[:2], inputs=2,
    fused=lambda g, x, w, needs: _linear_backward(g, x, w, needs), batch=_linear_each,
    sample=_linear_sample(False), doc="``x @ w.T``",
)  # fmt: skip


@guarded
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias`` for any number of leading dimensions.

    Parameters
    ----------
    input : Tensor, shape (*, in_features)
    weight : Tensor, shape (out_features, in_features) or (in_features,)
    bias : Tensor, shape (out_features,), optional

    Returns
    -------
    Tensor, shape (*, out_features)

    Raises
    ------
    RuntimeError
        If the sizes do not fit or the dtypes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.linear(mg.ones(2, 3), mg.ones(4, 3), mg.ones(4))
    tensor([[4., 4., 4., 4.],
            [4., 4., 4., 4.]])
    """
    try:
        x, w = input.array, weight.array
        if w.ndim == 2 and x.shape[-1] == w.shape[1] and x.dtype is w.dtype:
            if bias is None:
                return _linear_plain((input, weight))
            b = bias.array
            if b.ndim == 1 and b.shape[0] == w.shape[0] and b.dtype is w.dtype:
                return _linear((input, weight, bias))
    except (AttributeError, IndexError):
        pass
    except EVENTS:
        return call_quietly(linear, input, weight, bias)  # type: ignore[no-any-return]
    return _checked_linear(input, weight, bias)


def _checked_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The uncommon cases, and what is wrong with the others."""
    for name, t in (("input", input), ("weight", weight), ("bias", bias)):
        if not isinstance(t, Tensor) and (t is not None or name != "bias"):
            raise TypeError(f"linear(): argument '{name}' must be Tensor, not {type(t).__name__}")
    x, w = input.array, weight.array
    if w.ndim not in (1, 2):
        raise RuntimeError(f"linear(): weight must be a matrix or a vector, got {list(w.shape)}")
    if x.ndim == 0:
        raise RuntimeError(
            "linear(): both arguments to linear need to be at least 1D, but they are 0D and "
            f"{w.ndim}D"
        )
    if x.shape[-1] != w.shape[-1]:
        raise RuntimeError(_shape_message(x, w))
    types = {t.array.dtype for t in (input, weight, bias) if t is not None}
    if len(types) > 1:
        raise RuntimeError(
            f"linear(): input, weight and bias must have the same dtype, but got {input.dtype}, "
            f"{weight.dtype}"
            + (f" and {bias.dtype}" if bias is not None else "")
            + ": convert the input with .to(weight.dtype), or the module with .float() or .double()"
        )
    if w.ndim == 1:
        y = reshape(_linear_plain((input, reshape(weight, (1, -1)))), x.shape[:-1])
    else:
        y = _linear_plain((input, weight))
    if bias is None:
        return y
    try:
        fits = np.broadcast_shapes(bias.array.shape, y.array.shape) == y.array.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"linear(): The expanded size of the bias must match the {w.shape[0]} output features: "
            f"expected shape [{w.shape[0]}], got {list(bias.array.shape)}"
        )
    return y + bias


def _shape_message(x: Array, w: Array) -> str:
    rows = int(np.prod(x.shape[:-1], dtype=np.int64))
    out, wanted = (w.shape[0], w.shape[1]) if w.ndim == 2 else (1, w.shape[0])
    text = (
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and {wanted}x{out}): "
        f"the last dimension of the input must be {wanted}, its shape is {list(x.shape)}"
    )
    if x.ndim > 2 and int(np.prod(x.shape[1:])) == wanted:
        return text + "; flatten it first, with nn.Flatten() or input.flatten(1)"
    if x.ndim > 2 and int(np.prod(x.shape)) == wanted:
        return text + "; flatten it first, with input.flatten()"
    if wanted in x.shape:
        dim = x.shape.index(wanted)
        return text + f"; dimension {dim} has that size: transpose({dim}, -1) would bring it there"
    return text


# -- embedding -----------------------------------------------------------------------------------


def _padding(skip: int) -> int | None:
    return None if skip < 0 else skip


def _sum_rows(g: Tensor, index: Tensor, rows: int, skip: int) -> Tensor:
    return _embedding_rows((g, index), (rows, skip))


_look_up = primitive(
    "embedding", lambda w, index, skip: kernels.take_rows(w, index), inputs=2,
    batch=batching_index.rows_looked_up,
    vjp=(lambda g, index, skip, x_shape: _sum_rows(g, index, x_shape[0], skip), None),
    fused=lambda g, index, skip, x_shape: (
        kernels.add_rows(g, index, x_shape[0], _padding(skip)), None
    ),
    sample=cases(
        lambda rng: ((rng.normal(size=(4, 3)), np.array([[0, 3], [3, 1]])), (-1,)),
        lambda rng: ((rng.normal(size=(4, 3)), np.array([0, 3, 3])), (-1,)),
    ),
    doc="Rows of a table; the gradient of row `skip` (if it is not negative) is 0.",
)  # fmt: skip
_embedding_rows = primitive(
    "embedding_rows", lambda g, index, rows, skip: kernels.add_rows(g, index, rows, _padding(skip)),
    inputs=2, vjp=(lambda g, index, rows, skip: _look_up_again(g, index, skip), None),
    batch=batching_index.rows_added,
    sample=cases(lambda rng: ((rng.normal(size=(3, 2)), np.array([0, 2, 2])), (4, -1))),
)  # fmt: skip


@plain
def _kept_rows(index: Array, skip: int, dtype: Any) -> Any:
    return (index != skip).astype(dtype)[..., None]


def _look_up_again(g: Tensor, index: Tensor, skip: int) -> Tensor:
    rows = _look_up((g, index), (-1,))
    if skip < 0:
        return rows
    return rows * _kept_rows((index,), skip, g.array.dtype)


def embedding(input: Tensor, weight: Tensor, padding_idx: int = -1) -> Tensor:
    """Rows of `weight` at the indices `input`; no gradient for the row `padding_idx`."""
    if weight.array.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(weight.array.shape)}")
    if input.array.dtype.kind not in "iu":
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {input.dtype} instead (while checking arguments for embedding): "
            "convert it with .long()"
        )
    given = all_values(input)
    index = kernels.check_indices(given, weight.array.shape[0], "embedding")
    indices = input if index is given else cast(input, index.dtype)
    return _look_up((weight, indices), (padding_idx,))
