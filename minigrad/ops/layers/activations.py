"""Softmax and its logarithm, and dropout."""

from __future__ import annotations

from typing import Any

from minigrad.core import expr as fx
from minigrad.core.declare import elementwise, primitive
from minigrad.core.dims import wrap_dim
from minigrad.core.dtypes import as_dtype
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import public
from minigrad.core.samples import cases, spans
from minigrad.core.tensor import Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import shifted

kernels = lazy("softmax")

dropout = elementwise(
    "dropout", lambda keep, x, scale=1.0: fx.where(keep, x * scale, 0),
    vjp=(None, lambda g, keep, scale: fx.where(keep, g * scale, 0)),
    sample=spans((-3, 3), flags=1, params=(2.0,)), flags=1, public=False, method=False,
    doc="Srivastava et al. 2014: what is kept is scaled, so that nothing needs to change at test.",
)  # fmt: skip

# -- softmax -------------------------------------------------------------------------------------

_SAMPLES = cases(
    lambda rng: ((rng.normal(size=(3, 4)),), (1,)),
    lambda rng: ((rng.normal(size=(2, 3, 2)),), (1,)),
    lambda rng: ((rng.normal(size=(5,)),), (0,)),
    lambda rng: ((rng.normal(size=(0, 3)),), (1,)),
)
_softmax = primitive(
    "softmax", lambda x, dim: kernels.softmax(x, dim),
    vjp=lambda g, y, dim: y * (g - (g * y).sum(dim, True)),
    fused=lambda g, y, dim: kernels.softmax_backward(g, y, dim), batch=shifted(0),
    sample=_SAMPLES,
)  # fmt: skip
_log_softmax = primitive(
    "log_softmax", lambda x, dim: kernels.log_softmax(x, dim),
    vjp=lambda g, y, dim: g - y.exp() * g.sum(dim, True),
    fused=lambda g, y, dim: kernels.log_softmax_backward(g, y, dim), batch=shifted(0),
    sample=_SAMPLES,
)  # fmt: skip


def _along(op: Any, name: str, input: Tensor, dim: Any, dtype: Any) -> Tensor:
    x = as_operand(input, name, 0)
    if dtype is not None:
        x = cast(x, as_dtype(dtype).numpy)
    if x.array.dtype.kind != "f":
        raise RuntimeError(
            f'"{name}" not implemented for {x.dtype}: convert it with .float(), or pass dtype='
        )
    axis = wrap_dim(dim, x.array.ndim, name)
    if x.array.ndim == 0:
        return op((x.reshape(1),), (0,)).reshape(())  # type: ignore[no-any-return]
    return op((x,), (axis,))  # type: ignore[no-any-return]


@public
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``exp(x) / sum(exp(x))`` along `dim`, without overflow.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.softmax(mg.zeros(2, 4), dim=1)
    tensor([[0.2500, 0.2500, 0.2500, 0.2500],
            [0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return _along(_softmax, "softmax", input, dim, dtype)


@public
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``log(softmax(x))`` along `dim`, without the logarithm of a rounded 0.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.log_softmax(mg.tensor([0.0, -1000.0]), dim=0)
    tensor([    0., -1000.])
    """
    return _along(_log_softmax, "log_softmax", input, dim, dtype)
