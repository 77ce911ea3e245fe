"""What a network has learnt: its filters, what its layers answer, where its decision changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.names import tensor
from minigrad.nn.modes import evaluating
from minigrad.viz.figures import TEXT, Plot, new_figure

__all__ = ["activations", "decision_boundary", "weights"]

Array = np.ndarray[Any, Any]


def weights(layer: Any, most: int = 64) -> Plot:
    """The filters of a layer as images, red above 0 and blue below.

    Parameters
    ----------
    layer : Module or Tensor
        A convolution (of 1 or 3 channels: in colour; of more: the first channel), a linear layer
        whose inputs are square images, or any matrix.
    most : int
        How many filters at most.

    Raises
    ------
    ValueError
        If it has no weight of two dimensions or more.

    Examples
    --------
    >>> from minigrad import nn, viz
    >>> viz.weights(nn.Conv2d(1, 6, 5))
    Plot(4.8 x 3.2 inches)
    """
    w = layer if isinstance(layer, Tensor) else getattr(layer, "weight", None)
    if not isinstance(w, Tensor) or w.ndim < 2:
        raise ValueError(f"weights: expected a layer with a weight matrix or filters, got {layer}")
    return _images(_filters(w.detach().array)[:most], "weights")


def _filters(a: Array) -> Array:
    """Images ``(N, H, W)`` or ``(N, H, W, 3)``."""
    if a.ndim == 2:
        side = math.isqrt(a.shape[1])
        return a.reshape(-1, side, side) if side * side == a.shape[1] else a[None]
    if a.ndim == 3:
        return a
    a = a.reshape(*a.shape[:2], -1, a.shape[-1]) if a.ndim > 4 else a
    if a.shape[1] == 3:
        low, high = a.min(), a.max()
        return np.moveaxis((a - low) / max(high - low, 1e-12), 1, -1)
    return np.asarray(a[:, 0])


def _images(images: Array, name: str, titles: Any = ()) -> Plot:
    columns = max(1, math.ceil(math.sqrt(len(images) * 1.5)))
    rows = math.ceil(len(images) / columns)
    figure = new_figure(name, 1.6 * columns, 1.6 * rows)
    largest = float(np.abs(images).max()) or 1.0
    for place, image in enumerate(images):
        axes = figure.add_subplot(rows, columns, place + 1)
        if image.ndim == 3:
            axes.imshow(image)
        else:
            axes.imshow(image, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_xticks([])
        axes.set_yticks([])
        if place < len(titles):
            axes.set_title(titles[place], color=TEXT, fontsize=8)
    return Plot(figure)


def activations(model: Any, x: Tensor, layer: str, sample: int = 0, most: int = 64) -> Plot:
    """What the channels of a layer answer to one sample.

    Parameters
    ----------
    model : Module
    x : Tensor
        A batch of inputs.
    layer : str
        The name of a module in the model, as ``named_modules`` gives it.
    sample : int
        Which of the batch.
    most : int
        How many channels at most.

    Raises
    ------
    KeyError
        If there is no module of that name.
    RuntimeError
        If it was not called, or gives no tensor.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, viz
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> viz.activations(net, mg.rand(2, 1, 8, 8), "1")
    Plot(4.8 x 3.2 inches)
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise KeyError(f"activations: no module {layer!r}; there are {', '.join(modules)}")
    found: list[Any] = []
    handle = modules[layer].register_forward_hook(lambda m, args, out: found.append(out))
    try:
        with evaluating(model), no_grad():
            model(x)
    finally:
        handle.remove()
    if not found or not isinstance(found[-1], Tensor):
        raise RuntimeError(
            f"activations: {layer!r} was not called with this input, or gave no tensor"
        )
    a = found[-1].array[sample]
    a = a.reshape(1, 1, -1) if a.ndim == 1 else a if a.ndim == 3 else a.reshape(len(a), 1, -1)
    return _images(a[:most], "activations")


def decision_boundary(
    model: Any, x: Tensor, y: Tensor | None = None, *, margin: float = 0.3, count: int = 120
) -> Plot:
    """Which class a network of two inputs gives to each point of the plane.

    Parameters
    ----------
    model : Module
        Gives logits of shape (N, classes); or one, whose sign decides.
    x : Tensor
        Points, of shape (N, 2).
    y : Tensor, optional
        Their classes, to be drawn in the same colours.
    margin : float
        How much wider than the points the picture is.
    count : int
        Points along each side of the grid.

    Raises
    ------
    ValueError
        If `x` is not of shape (N, 2).

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, viz
    >>> viz.decision_boundary(nn.Linear(2, 3), mg.randn(10, 2))
    Plot(4.6 x 4.2 inches)
    """
    points = x.detach().array
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"decision_boundary: expected points (N, 2), got {list(points.shape)}")
    low, high = points.min(0), points.max(0)
    wide = margin * np.maximum(high - low, 1e-6)
    sides = [np.linspace(low[i] - wide[i], high[i] + wide[i], count) for i in (0, 1)]
    grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2).astype(points.dtype)
    with evaluating(model), no_grad():
        scores = model(tensor(grid)).array
    one = scores.ndim == 1 or scores.shape[1] == 1
    classes = (scores.reshape(-1) > 0).astype(int) if one else scores.argmax(1)
    figure = new_figure("decision_boundary", 4.6, 4.2)
    axes = figure.add_subplot()
    last = max(int(classes.max()), 1 if y is None else int(y.array.max()), 1)
    colours = {"cmap": "tab10", "vmin": 0, "vmax": max(9, last)}
    axes.pcolormesh(*sides, classes.reshape(count, count), alpha=0.3, **colours)
    given = {} if y is None else {"c": y.array.reshape(-1), **colours}
    axes.scatter(points[:, 0], points[:, 1], s=14, edgecolors="white", linewidths=0.5, **given)
    return Plot(figure)
