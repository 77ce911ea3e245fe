"""More activations, and dropout: what `ops.elementwise` does not hold.

At a kink the derivative is that of the flat side where there is one, as in PyTorch; the tests name
each point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import expr as fx
from minigrad.dtypes import as_dtype
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import shifted
from minigrad.ops.declare import elementwise, primitive
from minigrad.ops.dims import wrap_dim
from minigrad.ops.functions import as_operand, cast, public
from minigrad.ops.samples import cases, span, spans
from minigrad.tensor import Tensor

Array = np.ndarray[Any, Any]
kernels = lazy("softmax")

threshold = elementwise(
    "threshold", lambda x, threshold=0.0, value=0.0: fx.where(x <= threshold, value, x),
    vjp=lambda g, x, threshold: fx.where(x <= threshold, 0, g), kind="promote",
    sample=span(-3, 3, avoid=(0.5,), params=(0.5, -1.0)), public=False, method=False,
)  # fmt: skip
hardshrink = elementwise(
    "hardshrink", lambda x, lambd=0.5: fx.where((x >= -lambd) & (x <= lambd), 0, x),
    vjp=lambda g, x, lambd: fx.where((x >= -lambd) & (x <= lambd), 0, g),
    sample=span(-2, 2, avoid=(-0.5, 0.5), params=(0.5,)), method=False,
)  # fmt: skip
softshrink = elementwise(
    "softshrink", lambda x, lambd=0.5: x - fx.minimum(fx.maximum(x, -lambd), lambd),
    vjp=lambda g, x, lambd: fx.where((x >= -lambd) & (x <= lambd), 0, g),
    sample=span(-2, 2, avoid=(-0.5, 0.5), params=(0.5,)), public=False, method=False,
)  # fmt: skip
hardsigmoid = elementwise(
    "hardsigmoid", lambda x: fx.minimum(fx.maximum(x + 3, 0), 6) / 6,
    vjp=lambda g, x: fx.where((x > -3) & (x < 3), g / 6, 0),
    sample=span(-5, 5, avoid=(-3, 3)), public=False, method=False, doc="Howard et al. 2019.",
)  # fmt: skip
hardswish = elementwise(
    "hardswish", lambda x: x * fx.minimum(fx.maximum(x + 3, 0), 6) / 6,
    vjp=lambda g, x: g * fx.where(x <= -3, 0, fx.where(x < 3, x / 3 + 0.5, 1)),
    sample=span(-5, 5, avoid=(-3, 3)), public=False, method=False, doc="Howard et al. 2019.",
)  # fmt: skip


def _softplus(x: Any) -> Any:
    return fx.maximum(x, 0) + fx.log1p(fx.exp(-fx.abs(x)))


mish = elementwise(
    "mish", lambda x: x * fx.tanh(_softplus(x)),
    vjp=lambda g, x: g * (
        (t := fx.tanh(_softplus(x))) + x * fx.sigmoid(x) * (1 - t * t)
    ),
    sample=span(-4, 4), public=False, method=False, doc="Misra 2019: ``x tanh(softplus(x))``.",
)  # fmt: skip
tanhshrink = elementwise(
    "tanhshrink", lambda x: x - fx.tanh(x), vjp=lambda g, x: g * (t := fx.tanh(x)) * t,
    sample=span(-3, 3), public=False, method=False,
)  # fmt: skip
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
