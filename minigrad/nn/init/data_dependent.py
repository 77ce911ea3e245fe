"""Initialization of a network by a batch of data, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.autograd.graph import grad
from minigrad.core.events import change
from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.plain import plain, plain_results
from minigrad.core.tensor import Array, Tensor
from minigrad.nn.conv import _ConvNd
from minigrad.nn.fill import normal_, orthogonal_, skips, zeros_
from minigrad.nn.linear import Linear
from minigrad.nn.modes import evaluating
from minigrad.nn.module import M, Module
from minigrad.ops.inplace import alter, store
from minigrad.ops.random import NORMAL, Generator

__all__ = ["krahenbuhl_", "lsuv_", "weight_layers"]


def weight_layers(model: Module) -> list[Module]:
    """The linear layers and convolutions inside a module, in the order of registration."""
    return [m for m in model.modules() if isinstance(m, (Linear, _ConvNd))]


def _weight(layer: Module) -> Tensor:
    weight = layer._parameters.get("weight")
    if weight is None:
        raise RuntimeError(
            f"{layer}: weight is no parameter; initialize before parametrizing or pruning"
        )
    return weight


def _scale(t: Tensor | None, factor: Any) -> None:
    """Multiply a parameter in place, by a number or a tensor."""
    if t is not None and not skips():
        with no_grad():
            if isinstance(factor, Tensor):
                alter(t, _multiply, (factor,))
            else:
                alter(t, _multiply, (), factor)


@change
def _multiply(target: Array, factor: Any) -> None:
    np.multiply(target, factor, out=target, casting="same_kind")


def _start(layer: Module) -> Tensor | None:
    """The bias of a layer, set to 0."""
    bias = layer._parameters.get("bias")
    return None if bias is None else zeros_(bias)


def _arguments(data: Any) -> tuple[Any, ...]:
    return data if type(data) is tuple else (data,)


def _fit_in_order(
    model: Module, data: Any, layers: Iterable[Module] | None,
    fit: Callable[[Module, Callable[[], Tensor]], None],
) -> list[Module]:  # fmt: skip
    """Call ``fit(layer, outputs)`` as the data come to each layer, through those fitted before.

    ``outputs()`` are what the layer gives with its present parameters.
    """
    reached: list[Module] = []

    def hook(layer: Module, args: Any, kwargs: Any, output: Any) -> Any:
        if not any(layer is other for other in reached):
            reached.append(layer)
            fit(layer, lambda: layer.forward(*args, **kwargs))
            return layer.forward(*args, **kwargs)
        return None

    wanted = weight_layers(model) if layers is None else list(layers)
    handles = [layer.register_forward_hook(hook, with_kwargs=True) for layer in wanted]
    try:
        # no dropout, and no statistics of data that the network will not see again
        with evaluating(model), no_grad():
            model(*_arguments(data))
    finally:
        for handle in handles:
            handle.remove()
    missed = [layer for layer in wanted if not any(layer is other for other in reached)]
    if layers is not None and missed:
        raise RuntimeError(f"the data did not come to {missed[0]}: the model does not call it")
    return reached


def lsuv_(
    model: M, data: Any, *, tol: float = 0.1, max_iterations: int = 10,
    layers: Iterable[Module] | None = None, generator: Generator | None = None,
) -> M:  # fmt: skip
    r"""Layer-sequential unit variance: the outputs of each layer get the variance 1 on a batch.

    Mishkin and Matas 2015. Each weight starts orthogonal, each bias 0; then, from the first layer
    to the last, :math:`W \leftarrow W / \sqrt{Var(y)}` until :math:`|Var(y) - 1| \le tol`, with y
    all outputs of the layer together (before the activation). It needs no theory of the activation,
    and so serves for any.

    Parameters
    ----------
    model : Module
        Called once, without dropout and with batch norm as in use.
    data : Tensor or tuple of Tensor
        The inputs of `model`: a batch of real data.
    tol : float
    max_iterations : int
        At most so many divisions in each layer.
    layers : iterable of Module, optional
        The layers to set; all linear layers and convolutions that the model calls by default.
    generator : Generator, optional

    Returns
    -------
    Module
        `model`.

    Raises
    ------
    RuntimeError
        If the outputs of a layer are all the same, or a layer of `layers` is never called.

    Examples
    --------
    >>> import minigrad as mg
    >>> nn = mg.nn
    >>> deep = nn.Sequential(*[part for _ in range(20) for part in (nn.Linear(32, 32), nn.Tanh())])
    >>> x = mg.randn(64, 32)
    >>> _ = nn.init.lsuv_(deep, x)
    >>> bool(0.2 < deep(x).var() < 1)  # the tanh of variance 1
    True
    """

    def fit(layer: Module, outputs: Callable[[], Tensor]) -> None:
        orthogonal_(_weight(layer), generator=generator)
        _start(layer)
        for _ in range(max_iterations):
            variance = float(outputs().numpy().var(dtype=np.float64))
            if not (variance > 0 and math.isfinite(variance)):
                raise RuntimeError(f"lsuv_: the outputs of {layer} have the variance {variance}")
            if abs(variance - 1) <= tol:
                return
            _scale(_weight(layer), 1 / math.sqrt(variance))

    _fit_in_order(model, data, layers, fit)
    return model


def krahenbuhl_(
    model: M, data: Any, *, beta: float = 0.0, balance: bool = False,
    layers: Iterable[Module] | None = None, generator: Generator | None = None,
) -> M:  # fmt: skip
    r"""Give each *channel* of each layer the mean `beta` and the standard deviation 1 on a batch.

    Kraehenbuehl, Doersch, Donahue and Darrell 2015. Weights start normal; then, from the first
    layer to the last, with the mean :math:`\mu_i` and the deviation :math:`\sigma_i` of the outputs
    of channel i, :math:`W_i \leftarrow W_i / \sigma_i` and
    :math:`b_i \leftarrow \beta - \mu_i / \sigma_i`: what batch norm would do to the batch.

    Parameters
    ----------
    model : Module
        Called once, without dropout and with batch norm as in use.
    data : Tensor or tuple of Tensor
        The inputs of `model`: a batch of real data.
    beta : float
        The mean of the outputs; above 0, more relu units are active. Layers without a bias keep the
        mean they have.
    balance : bool
        Then scale the layers so that all learn at the same rate: that
        :math:`C_k = \sqrt{E \lVert \partial\ell / \partial W_k \rVert^2} / \lVert W_k \rVert` is
        the same for all, for a random linear loss of the outputs. With
        :math:`s_k = \sqrt{C_k / \bar C}` (the geometric mean), the weights of layer k times s_k
        and the biases times :math:`s_1 \cdots s_k`, the network computes the same as before,
        because all s_k together are 1. For chains of layers with relu, leaky relu or nothing
        between them.
    layers : iterable of Module, optional
        The layers to set; all linear layers and convolutions that the model calls by default.
    generator : Generator, optional

    Returns
    -------
    Module
        `model`.

    Raises
    ------
    RuntimeError
        If a channel's outputs are all the same, if a layer of `layers` is never called, or, to
        balance, if no gradient comes to a layer.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(8, 16), mg.nn.ReLU(), mg.nn.Linear(16, 4))
    >>> x = mg.randn(100, 8) * 30 + 5
    >>> y = mg.nn.init.krahenbuhl_(net, x)(x)
    >>> mg.allclose(y.mean(0), mg.zeros(4), atol=1e-4)
    True
    >>> mg.allclose(y.std(0, correction=0), mg.ones(4), atol=1e-4)
    True
    """

    def fit(layer: Module, outputs: Callable[[], Tensor]) -> None:
        weight, bias = _weight(layer), _start(layer)
        normal_(weight, 0.0, 1 / math.sqrt(max(1, weight.array[0].size)), generator)
        y = outputs()
        channels = y.ndim - weight.ndim + 1  # behind it stand the places of a convolution
        mean, deviation = _moments((y,), tuple(d for d in range(y.ndim) if d != channels))
        std = deviation.numpy()
        if not (np.isfinite(std).all() and (std > 0).all()):
            worst = int(np.argmin(np.where(np.isfinite(std), std, -1)))
            raise RuntimeError(
                f"krahenbuhl_: channel {worst} of {layer} has the standard deviation {std[worst]}"
            )
        groups = layer.groups if getattr(layer, "transposed", False) else None
        _scale(weight, _per_output((deviation,), weight.array.shape, groups))
        if bias is not None:
            with no_grad():
                store(bias, beta - mean / deviation)

    order = _fit_in_order(model, data, layers, fit)
    if balance:
        _balance(model, data, order, generator)
    return model


@plain_results(2)
def _moments(y: Array, dims: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel."""
    return y.mean(dims, dtype=np.float64), y.std(dims, dtype=np.float64)


@plain
def _per_output(std: Array, shape: tuple[int, ...], groups: int | None) -> Array:
    """One over the deviation of each output channel, shaped to broadcast against the weight.

    `groups` are those of a transposed convolution: there the inputs of a group stand together, with
    its outputs behind.
    """
    values, ones = 1 / std, (1,) * (len(shape) - 2)
    if groups is None:
        return values.reshape(-1, 1, *ones)
    rows = np.broadcast_to(values.reshape(groups, 1, -1), (groups, shape[0] // groups, shape[1]))
    return rows.reshape(shape[:2] + ones)


def _length(t: Tensor) -> float:
    return float(np.linalg.norm(t.detach().numpy().astype(np.float64)))


def _balance(model: Module, data: Any, order: list[Module], generator: Generator | None) -> None:
    """Scale a chain of layers against each other so that all change at the same relative rate."""
    weights = [_weight(layer) for layer in order]
    with evaluating(model), enable_grad():
        y = model(*_arguments(data))
        # Independent random losses of the examples: the gradient of their sum has the expected
        # square that is wanted.
        loss = NORMAL((), (y.array.shape, y.array.dtype), generator)
        slopes = grad(y, weights, loss, allow_unused=True)
    rates = np.zeros(len(order))
    for i, (w, g) in enumerate(zip(weights, slopes, strict=True)):
        rates[i] = 0 if g is None else _length(g) / _length(w)
        if not (rates[i] > 0 and math.isfinite(rates[i])):
            raise RuntimeError(f"krahenbuhl_: no gradient comes to {order[i]}")
    factors = np.sqrt(rates / np.exp(np.log(rates).mean()))
    for layer, factor, total in zip(order, factors, np.cumprod(factors), strict=True):
        _scale(_weight(layer), float(factor))
        _scale(layer._parameters.get("bias"), float(total))
