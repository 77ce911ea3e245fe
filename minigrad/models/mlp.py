"""The multilayer perceptron: affine maps with a nonlinearity between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from minigrad import nn
from minigrad.core.tensor import Tensor

__all__ = ["MLP", "initialize"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU, "gelu": nn.GELU, "identity": nn.Identity, "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU, "relu": nn.ReLU, "rrelu": nn.RReLU, "selu": nn.SELU,
    "sigmoid": nn.Sigmoid, "silu": nn.SiLU, "softplus": nn.Softplus, "tanh": nn.Tanh,
}  # fmt: skip

Activation = str | Callable[[], nn.Module]
Initializer = str | Callable[[Tensor], Any]


def make_activation(activation: Activation) -> nn.Module:
    """A new activation module, from its name or from what makes it."""
    if not isinstance(activation, str):
        return activation()
    if activation not in _ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}; known: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[activation]()


def initialize(module: nn.Module, init: Initializer) -> None:
    """Draw the weights of all linear and convolution layers inside anew; set their biases to 0.

    Parameters
    ----------
    module : Module
    init : str or callable
        A function of :mod:`minigrad.nn.init` by its name without the underscore at its end, such
        as ``"xavier_normal"``; or any function that sets the tensor it is given.

    Examples
    --------
    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    >>> initialize(net, lambda w: nn.init.constant_(w, 0.5))
    >>> net[0].weight.tolist(), net[0].bias.tolist()
    ([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], [0.0, 0.0, 0.0])
    """
    if isinstance(init, str):
        found = getattr(nn.init, f"{init}_", None)
        if found is None:
            raise ValueError(
                f"unknown initialization {init!r}: minigrad.nn.init has no {init + '_'!r}"
            )
        init = found
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            init(layer.weight)  # type: ignore[operator]
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class MLP(nn.Sequential):
    """``h_k = f(norm(W_k h_(k-1) + b_k))``, and an affine map at the end.

    Parameters
    ----------
    sizes : sequence of int
        Of the input, of each hidden layer, and of the output.
    activation : str or callable
        The nonlinearity f, as a name (``"relu"``, ``"tanh"``, ``"gelu"``...) or a class; with
        ``"identity"`` the network is a linear one, however deep.
    norm : callable, optional
        Makes the normalization from the number of units: ``nn.BatchNorm1d``, ``nn.LayerNorm``.
    dropout : float
        The probability of a hidden unit to be zeroed in training.
    init : str or callable, optional
        How the weights are drawn, see :func:`initialize`; biases are 0 then. By default each layer
        keeps what PyTorch gives it.
    bias : bool
        Whether the affine maps have biases.

    Notes
    -----
    One hidden layer is enough to come as close as wanted to any continuous function on a bounded
    set, if it is wide enough (Cybenko 1989; Hornik 1991).

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = MLP([4, 16, 3], activation="tanh", dropout=0.5, init="xavier_normal")
    >>> net
    MLP(
      (0): Linear(in_features=4, out_features=16, bias=True)
      (1): Tanh()
      (2): Dropout(p=0.5, inplace=False)
      (3): Linear(in_features=16, out_features=3, bias=True)
    )
    >>> net(mg.ones(5, 4)).shape
    minigrad.Size([5, 3])
    """

    def __init__(
        self, sizes: Sequence[int], activation: Activation = "relu",
        norm: Callable[[int], nn.Module] | None = None, dropout: float = 0.0,
        init: Initializer | None = None, bias: bool = True,
    ) -> None:  # fmt: skip
        if len(sizes) < 2:
            raise ValueError(f"MLP: expected the sizes of input and output at least, got {sizes}")
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes[:-1]):
            layers.append(nn.Linear(fan_in, fan_out, bias=bias))
            if norm is not None:
                layers.append(norm(fan_out))
            layers.append(make_activation(activation))
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(sizes[-2], sizes[-1], bias=bias))
        super().__init__(*layers)
        if init is not None:
            initialize(self, init)
