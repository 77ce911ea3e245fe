"""Activations as modules; those that are all formula are made of their declarations."""

from __future__ import annotations

from typing import Any

from minigrad.core.ops import elementwise as e
from minigrad.core.tensor import Tensor
from minigrad.nn import fill, pointwise
from minigrad.nn.functions import activation as F
from minigrad.nn.layer import ActivationLayer, UnaryLayer
from minigrad.nn.linear import new_parameter
from minigrad.nn.module import Module
from minigrad.nn.pointwise import *  # noqa: F403

__all__ = [
    "GELU", "GLU", "Hardtanh", "LogSoftmax", "PReLU", "RReLU", "ReLU", "Sigmoid", "Softmax",
    "Softmax2d", "Softmin", "Tanh", "Threshold", *pointwise.__all__,
]  # fmt: skip


class ReLU(ActivationLayer, function=F.relu):
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

    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        """The activation, element by element."""
        return F.relu_(input) if self.__dict__["inplace"] else e.relu(input)


class Sigmoid(UnaryLayer, function=F.sigmoid, shown=""):
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


class Tanh(UnaryLayer, function=F.tanh, shown=""):
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``: a sigmoid that is centred at 0.

    Its slope, ``1 - y**2``, is 1 at 0, and 0 where it saturates. Start the weights with
    :func:`minigrad.nn.init.xavier_uniform_`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Tanh()(mg.tensor([-2.0, 0.0, 2.0]))
    tensor([-0.9640,  0.0000,  0.9640])
    """


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


class RReLU(ActivationLayer, function=F.rrelu):
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

    lower: float = 1.0 / 8
    upper: float = 1.0 / 3
    inplace: bool = False


class GELU(ActivationLayer, function=F.gelu):
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

    approximate: str = "none"


class Hardtanh(ActivationLayer, function=F.hardtanh):
    """``x`` limited to ``[min_val, max_val]``.

    Parameters
    ----------
    min_val, max_val : float
    inplace : bool
    """

    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False

    def __post_init__(self) -> None:
        if not self.max_val > self.min_val:
            raise ValueError(
                f"max_val must be larger than min_val, got {self.min_val} and {self.max_val}"
            )


class Threshold(ActivationLayer, function=F.threshold):
    """``x`` where greater than `threshold`, `value` elsewhere.

    Parameters
    ----------
    threshold, value : float
    inplace : bool
    """

    threshold: float
    value: float
    inplace: bool = False


class GLU(UnaryLayer, function=F.glu):
    """The first half along `dim`, gated by the sigmoid of the second (Dauphin et al. 2017).

    Parameters
    ----------
    dim : int
    """

    dim: int = -1


class Softmax(UnaryLayer, function=F.softmax):
    """``exp(x) / sum(exp(x))`` along `dim`.

    Parameters
    ----------
    dim : int
    """

    dim: int | None = None


class LogSoftmax(Softmax, function=F.log_softmax):
    """The logarithm of the softmax along `dim`.

    Parameters
    ----------
    dim : int
    """


class Softmin(Softmax, function=F.softmin):
    """The softmax of ``-x`` along `dim`.

    Parameters
    ----------
    dim : int
    """


class Softmax2d(Module):
    """The softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Probabilities at each place."""
        if input.array.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.array.ndim}D instead"
            )
        return F.softmax(input, -3)
