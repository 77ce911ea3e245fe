"""Greedy layer-wise pre-training: a stack of autoencoders, each on the features of the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.data import DataLoader, TensorDataset
from minigrad.nn.activation import Sigmoid
from minigrad.nn.containers import Sequential
from minigrad.nn.functional import mse_loss
from minigrad.nn.linear import Linear, TransposedLinear
from minigrad.nn.modes import evaluating
from minigrad.nn.module import Module
from minigrad.nn.noise import GaussianNoise
from minigrad.ops.join import cat
from minigrad.ops.random import Generator
from minigrad.optim import Adam
from minigrad.train.loops import train_epoch

__all__ = ["pretrain_layerwise"]

_BATCH = 1000  # for features, which take no gradients


def pretrain_layerwise(
    layers: Sequence[int] | Sequential,
    data: Tensor,
    epochs: int = 5,
    *,
    batch_size: int = 64,
    lr: float = 1e-3,
    activation: Callable[[], Module] = Sigmoid,
    noise: float | Module = 0.0,
    tied: bool = True,
    loss: Callable[[Tensor, Tensor], Tensor] = mse_loss,
    generator: Generator | None = None,
    report: Callable[[int, int, float], Any] | None = None,
) -> Sequential:
    r"""Train a stack of layers without labels, one layer at a time, to be fine-tuned afterwards.

    The first layer is trained as an autoencoder: ``h = s(W x + b)``, ``x' = W^T h + c``, so that
    ``x'`` is near ``x``. Then its features ``h`` of all the data are what the second layer learns
    to encode, and so on (Hinton & Salakhutdinov 2006; Bengio et al. 2007, "Greedy layer-wise
    training of deep networks"). With noise on the input it is a stack of denoising autoencoders
    (Vincent et al. 2008). Deep networks of sigmoids train better, and depend less on the seed, from
    there than from random weights.

    Parameters
    ----------
    layers : sequence of int, or Sequential
        The widths, input first: ``[784, 256, 64]`` makes two layers. Or a stack to train in place:
        each ``Linear``, with what follows it, is one layer.
    data : Tensor
        Of shape ``(N, features)``, without labels.
    epochs : int
        Passes over the data for each layer.
    batch_size : int
    lr : float
        The rate of Adam.
    activation : callable
        Makes the activation of each layer, if `layers` are widths.
    noise : float or Module
        On the input of each autoencoder: the standard deviation of Gaussian noise, or a module such
        as ``nn.Dropout(0.3)``. The target is the input without it.
    tied : bool
        Whether the decoder's weight is the encoder's, transposed.
    loss : callable
        ``loss(reconstruction, input)``.
    generator : Generator, optional
        Where the order of the data comes from.
    report : callable, optional
        Called as ``report(layer, epoch, mean_loss)``, all counted from 0.

    Returns
    -------
    Sequential
        The encoders; put a head on it: ``nn.Sequential(encoder, nn.Linear(64, 10))``.

    Raises
    ------
    ValueError
        If there is no layer, or the data does not fit the first one.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import pretrain_layerwise
    >>> encoder = pretrain_layerwise([6, 4, 2], mg.rand(20, 6), epochs=1)
    >>> encoder(mg.rand(3, 6)).shape
    minigrad.Size([3, 2])
    """
    stack = layers if isinstance(layers, Sequential) else _stack(layers, activation)
    blocks = _blocks(stack)
    _check(blocks, data)
    noisy = noise if isinstance(noise, Module) else GaussianNoise(noise)
    features = data.detach()
    for number, block in enumerate(blocks):
        loader: Any = DataLoader(
            TensorDataset(features), batch_size, shuffle=True, generator=generator
        )
        autoencoder = Sequential(noisy, block, _decoder(block, tied))
        optimizer = Adam(autoencoder.parameters(), lr=lr)
        for epoch in range(epochs):
            pairs = ((x, x) for (x,) in loader)
            mean = train_epoch(autoencoder, pairs, optimizer, loss)
            if report is not None:
                report(number, epoch, mean)
        features = _features(block, features)
    return stack


def _stack(sizes: Sequence[int], activation: Callable[[], Module]) -> Sequential:
    return Sequential(*[m for a, b in pairwise(sizes) for m in (Linear(a, b), activation())])


def _blocks(stack: Sequential) -> list[Sequential]:
    """The layers: each Linear with what follows it (and what comes before the first)."""
    blocks: list[list[Module]] = [[]]
    for module in stack:
        if isinstance(module, Linear) and any(isinstance(m, Linear) for m in blocks[-1]):
            blocks.append([])
        blocks[-1].append(module)
    return [Sequential(*block) for block in blocks]


def _linear(block: Sequential) -> Linear | None:
    return next((m for m in block if isinstance(m, Linear)), None)


def _check(blocks: list[Sequential], data: Tensor) -> None:
    first = _linear(blocks[0])
    if first is None:
        raise ValueError("there is no layer to train: give at least two widths, or a Linear")
    if data.ndim != 2 or data.shape[1] != first.in_features:
        raise ValueError(
            f"expected data of shape (N, {first.in_features}), but got {list(data.shape)}"
        )


def _decoder(block: Sequential, tied: bool) -> Module:
    """From features back to the input of the layer."""
    encoder = _linear(block)
    assert encoder is not None
    dtype = encoder.weight.dtype
    if tied:
        return TransposedLinear(encoder).to(dtype)
    return Linear(encoder.out_features, encoder.in_features, dtype=dtype)


def _features(block: Sequential, data: Tensor) -> Tensor:
    """What a trained layer makes of all the data."""
    with evaluating(block), no_grad():
        return cat([block(data[i : i + _BATCH]) for i in range(0, len(data), _BATCH)])
