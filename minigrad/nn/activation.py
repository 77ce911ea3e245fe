"""Activations as modules; what they compute is in `nn.functional`."""

from __future__ import annotations

from typing import Any

from minigrad.nn import fill
from minigrad.nn.functions import activation as F
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module
from minigrad.ops import elementwise as e
from minigrad.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]  # fmt: skip


class _Plain(Module):
    """An activation without parameters."""

    _function: Any

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return type(self)._function(input)  # type: ignore[no-any-return]


class _Inplace(Module):
    """An activation that may write over its input.

    Parameters
    ----------
    inplace : bool
    """

    _function: Any
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return type(self)._function(input, inplace=self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Whether it writes over its input."""
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return text + ", inplace=True" if self.inplace else text


class ReLU(_Inplace):
    """``max(0, x)`` (Nair and Hinton 2010).

    Cheap, and it does not saturate above 0, so deep networks learn several times faster than with
    sigmoids. Below 0 no gradient passes: a unit that is negative for all data is dead for ever.
    Start the weights with :func:`minigrad.nn.init.kaiming_normal_`.

    Parameters
    ----------
    inplace : bool
        Write over the input.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ReLU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        if self.__dict__["inplace"]:
            return F.relu_(input)
        return e.relu(input)


class ReLU6(_Inplace):
    """``min(max(0, x), 6)`` (Howard et al. 2017)."""

    _function = staticmethod(F.relu6)


class SELU(_Inplace):
    """``scale * (x if x > 0 else alpha * (exp(x) - 1))``: mean 0 and variance 1 hold through depth.

    With alpha 1.6732632423543772 and scale 1.0507009873554805 they are a fixed point that layers
    with LeCun initialization (:func:`minigrad.nn.init.lecun_normal_`) are drawn to, without any
    normalization; in place of dropout there is :class:`AlphaDropout` (Klambauer et al. 2017).

    Parameters
    ----------
    inplace : bool
        Write over the input.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.SELU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-1.5202,  0.0000,  2.1014])
    """

    _function = staticmethod(F.selu)


class SiLU(_Inplace):
    """``x * sigmoid(x)`` (Elfwing et al. 2017), also called swish."""

    _function = staticmethod(F.silu)


class Mish(_Inplace):
    """``x * tanh(softplus(x))`` (Misra 2019)."""

    _function = staticmethod(F.mish)


class Hardswish(_Inplace):
    """``x * relu6(x + 3) / 6`` (Howard et al. 2019)."""

    _function = staticmethod(F.hardswish)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Hardsigmoid(_Inplace):
    """``relu6(x + 3) / 6`` (Howard et al. 2019)."""

    _function = staticmethod(F.hardsigmoid)

    def extra_repr(self) -> str:
        """Nothing, as in PyTorch."""
        return ""


class Sigmoid(_Plain):
    """``1 / (1 + exp(-x))``: a probability.

    Its slope, ``y (1 - y)``, is 1/4 at most and 0 where it saturates, so that in a stack of them
    gradients vanish. It is not centred at 0: all gradients into one neuron of the next layer have
    the same sign.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Sigmoid()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([0.1192, 0.5000, 0.8808])
    """

    _function = staticmethod(F.sigmoid)


class Tanh(_Plain):
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``: a sigmoid that is centred at 0.

    Its slope, ``1 - y**2``, is 1 at 0, and 0 where it saturates. Start the weights with
    :func:`minigrad.nn.init.xavier_uniform_`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Tanh()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.9640,  0.0000,  0.9640])
    """

    _function = staticmethod(F.tanh)


class Softsign(_Plain):
    """``x / (1 + |x|)``."""

    _function = staticmethod(F.softsign)


class LogSigmoid(_Plain):
    """``log(sigmoid(x))``, without underflow."""

    _function = staticmethod(F.logsigmoid)


class Tanhshrink(_Plain):
    """``x - tanh(x)``."""

    _function = staticmethod(F.tanhshrink)


class LeakyReLU(_Inplace):
    """``x`` where positive, ``negative_slope * x`` elsewhere (Maas, Hannun and Ng 2013).

    A unit never dies: some gradient passes everywhere.

    Parameters
    ----------
    negative_slope : float
    inplace : bool

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.LeakyReLU(0.1)(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.2000,  0.0000,  2.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope."""
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class ELU(_Inplace):
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al. 2016).

    The negative values bring the mean of a layer near 0; far below it saturates at ``-alpha``,
    which makes it robust against noise.

    Parameters
    ----------
    alpha : float
    inplace : bool

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.ELU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.8647,  0.0000,  2.0000])
    """

    _function = staticmethod(F.elu)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return type(self)._function(input, self.alpha, self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The parameter."""
        return self._with_inplace(f"alpha={self.alpha}")


class CELU(ELU):
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron 2017).

    Parameters
    ----------
    alpha : float
    inplace : bool
    """

    _function = staticmethod(F.celu)


class PReLU(Module):
    """``x`` where positive, ``weight * x`` elsewhere, the weight learned (He et al. 2015).

    Weight decay would push it towards a plain relu: give it a group of its own without.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels (dimension 1).
    init : float
        The slope at the start.
    device, dtype : optional

    Examples
    --------
    >>> import minigrad as mg
    >>> f = mg.nn.PReLU()
    >>> f(mg.tensor([-2.0, 0.0, 2.0])).sum().backward()
    >>> f.weight.grad  # the sum of the negative inputs
    tensor([-2.])
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter((num_parameters,), dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slope as at the start."""
        fill.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class RReLU(_Inplace):
    """Leaky relu with random slopes in training, their mean in use (Xu et al. 2015).

    ``x`` where positive, ``a x`` elsewhere; in training, each element draws its a between `lower`
    and `upper`, in use ``a = (lower + upper) / 2``.

    Parameters
    ----------
    lower, upper : float
        Between which the slopes are drawn.
    inplace : bool

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.RReLU(0.1, 0.3).eval()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.4000,  0.0000,  2.0000])
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The limits."""
        return self._with_inplace(f"lower={self.lower}, upper={self.upper}")


class GELU(Module):
    """``x * Phi(x)``, Phi the normal distribution function (Hendrycks and Gimpel 2016).

    The expected value of an input that is kept with probability ``Phi(x)``: a smooth relu, as
    transformers use it.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        ``"tanh"``: ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3)))``, that of GPT-2.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.GELU()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.0455,  0.0000,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The form."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``, a smooth relu.

    Parameters
    ----------
    beta : float
    threshold : float
        Linear where ``beta * x`` is above.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The parameters."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(_Inplace):
    """``x`` limited to ``[min_val, max_val]``.

    Parameters
    ----------
    min_val, max_val : float
    inplace : bool
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not max_val > min_val:
            raise ValueError(f"max_val must be larger than min_val, got {min_val} and {max_val}")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The limits."""
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class Threshold(_Inplace):
    """``x`` where greater than `threshold`, `value` elsewhere.

    Parameters
    ----------
    threshold, value : float
    inplace : bool
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The parameters."""
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class Softshrink(Module):
    """``x`` moved by `lambd` towards 0, and 0 within `lambd` of it.

    Parameters
    ----------
    lambd : float
    """

    _function: Any = staticmethod(F.softshrink)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return type(self)._function(input, self.lambd)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The parameter."""
        return str(self.lambd)


class Hardshrink(Softshrink):
    """``x``, and 0 within `lambd` of 0.

    Parameters
    ----------
    lambd : float
    """

    _function = staticmethod(F.hardshrink)


class GLU(Module):
    """The first half along `dim`, gated by the sigmoid of the second (Dauphin et al. 2017).

    Parameters
    ----------
    dim : int
    """

    _function: Any = staticmethod(F.glu)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """The gated half."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along `dim`.

    Parameters
    ----------
    dim : int
    """

    _function: Any = staticmethod(F.softmax)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Probabilities, or their logarithm."""
        return type(self)._function(input, self.dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of the softmax along `dim`.

    Parameters
    ----------
    dim : int
    """

    _function = staticmethod(F.log_softmax)


class Softmin(Softmax):
    """The softmax of ``-x`` along `dim`.

    Parameters
    ----------
    dim : int
    """

    _function = staticmethod(F.softmin)


class Softmax2d(Module):
    """The softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Probabilities at each place."""
        if input.array.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.array.ndim}D instead"
            )
        return F.softmax(input, -3)
