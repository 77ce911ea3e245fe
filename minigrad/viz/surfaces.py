"""Error surfaces: of a network along two directions, and of two parameters with optimizers on them.

A network's loss is a surface over millions of parameters; along two random directions it can be
seen. Directions are scaled filter by filter to the length of the weights, since layers followed by
a normalization can be scaled without changing anything (Li et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.names import log, sigmoid, stack, tensor
from minigrad.ops.random import default_generator
from minigrad.viz.figures import TEXT, Plot, new_figure

__all__ = ["SURFACES", "Landscape", "Paths", "landscape", "paths"]

Array = np.ndarray[Any, Any]


# -- of a network ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Landscape:
    """The loss around the weights of a network.

    Attributes
    ----------
    x, y : ndarray
        How far along each direction, in lengths of the weights.
    loss : ndarray
        ``loss[i, j]`` is the loss at ``y[i], x[j]``.
    here : float
        The loss of the network as it is, at ``(0, 0)``.
    """

    x: Array
    y: Array
    loss: Array
    here: float

    def contour(self) -> Plot:
        """Lines of equal loss; the network is the dot in the middle."""
        figure = new_figure("landscape", 5.2, 4.6)
        axes = figure.add_subplot()
        _contours(axes, self.x, self.y, self.loss)
        axes.plot(0, 0, "o", color="#B4402A")
        axes.set_title(f"loss around the weights; here {self.here:.4g}", color=TEXT, fontsize=11)
        return Plot(figure)

    def surface(self) -> Plot:
        """The same as a surface in space."""
        figure = new_figure("landscape", 5.6, 4.8)
        axes = figure.add_subplot(projection="3d")
        axes.plot_surface(*np.meshgrid(self.x, self.y), self.loss, cmap="viridis")
        axes.set_zlabel("loss", color=TEXT)
        return Plot(figure)

    def _repr_png_(self) -> bytes:
        return self.contour()._repr_png_()


def landscape(
    model: Any, loss: Callable[..., Tensor], data: Any, *, span: float = 1.0, steps: int = 21,
    seed: int = 0,
) -> Landscape:  # fmt: skip
    """The loss of a network along two random directions from where its weights are.

    Weights, buffers, gradients and random numbers are as before afterwards.

    Parameters
    ----------
    model : Module
    loss : callable
        ``loss(output, target)``.
    data : tuple
        Inputs and targets: one batch.
    span : float
        How far to go each way, where 1 is as far as the weights are long.
    steps : int
        How many points along each direction; odd, so that one is the network itself.
    seed : int
        Of the directions.

    Returns
    -------
    Landscape

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, viz
    >>> net = nn.Linear(2, 1)
    >>> data = mg.randn(8, 2), mg.randn(8, 1)
    >>> found = viz.landscape(net, nn.functional.mse_loss, data, steps=5)
    >>> found.loss.shape, bool(found.loss[2, 2] == found.here)
    ((5, 5), True)
    """
    if steps < 3 or steps % 2 == 0:
        raise ValueError(f"landscape: steps must be odd, 3 at least, got {steps}")
    parameters = [p for p in model.parameters() if p.array.dtype.kind == "f"]
    if not parameters:
        raise ValueError("landscape: the model has no parameters to move")
    inputs, targets = data
    rng = np.random.default_rng(seed)
    first, second = ([_direction(p.array, rng) for p in parameters] for _ in range(2))
    before = [p.array.copy() for p in parameters]
    buffers = [(b, b.array.copy()) for b in model.buffers()]
    x = np.linspace(-span, span, steps)
    found = np.empty((steps, steps))
    stream = default_generator.get_state()
    try:
        for i, down in enumerate(x):
            for j, right in enumerate(x):
                _move(parameters, before, first, second, right, down)
                default_generator.set_state(stream)  # the same masks of dropout everywhere
                with no_grad():
                    found[i, j] = float(loss(model(inputs), targets))
    finally:
        default_generator.set_state(stream)
        with no_grad():
            for p, a in zip(parameters, before, strict=True):
                p.copy_(tensor(a))
            for b, a in buffers:
                b.copy_(tensor(a))
    return Landscape(x, x, found, float(found[steps // 2, steps // 2]))


def _direction(a: Array, rng: np.random.Generator) -> Array:
    """A random direction, each filter (or row) as long as that of the weights; biases stay."""
    if a.ndim < 2:
        return np.zeros(a.shape, a.dtype)
    d = rng.standard_normal(a.shape)
    axes = tuple(range(1, a.ndim))
    lengths = np.sqrt(np.square(d).sum(axes, keepdims=True))
    wanted = np.sqrt(np.square(a, dtype=np.float64).sum(axes, keepdims=True))
    return np.asarray(d * (wanted / lengths), a.dtype)


def _move(
    parameters: list[Any], before: list[Array], first: list[Array], second: list[Array],
    right: float, down: float,
) -> None:  # fmt: skip
    with no_grad():
        for p, a, d, e in zip(parameters, before, first, second, strict=True):
            p.copy_(tensor(a + a.dtype.type(right) * d + a.dtype.type(down) * e))


def _contours(axes: Any, x: Array, y: Array, values: Array) -> None:
    low = float(np.nanmin(values))
    shown = np.log10(values - low + 1e-3 * (np.nanmax(values) - low) + 1e-12)
    axes.contourf(x, y, shown, levels=18, cmap="Blues_r", alpha=0.85)
    axes.contour(x, y, shown, levels=18, colors="#5C7A99", linewidths=0.5)


# -- of two parameters -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """A loss of two parameters.

    Attributes
    ----------
    loss : callable
        Of a tensor of two elements.
    start : tuple of float
        Where optimizers begin.
    x, y : tuple of float
        What is shown.
    text : str
        What it is an example of.
    """

    loss: Callable[[Any], Any]
    start: tuple[float, float]
    x: tuple[float, float]
    y: tuple[float, float]
    text: str


def _sigmoid_neuron(w: Any) -> Any:
    """One sigmoid neuron with weight and bias on two samples, with the squared error."""
    wrong = [(sigmoid(w[0] * x + w[1]) - t) ** 2 for x, t in ((0.5, 0.2), (2.5, 0.9))]
    return (wrong[0] + wrong[1]) / 2


#: Surfaces that show what optimizers find hard.
SURFACES: dict[str, Surface] = {
    "ravine": Surface(
        lambda w: 0.5 * (w[0] ** 2 + 25 * w[1] ** 2), (-4.0, 1.0), (-5, 2), (-1.6, 1.6),
        "steep across, gentle along: plain descent goes from side to side",
    ),
    "saddle": Surface(
        lambda w: w[0] ** 2 - w[1] ** 2 + 0.1 * w[1] ** 4, (-1.5, 0.01), (-2, 2), (-3, 3),
        "a minimum one way, a maximum the other: gradients are small where one has to leave",
    ),
    "plateau": Surface(
        lambda w: -1 / (1 + 0.05 * (w[0] ** 2 + w[1] ** 2)) + log(1 + 0.01 * w[0] ** 2),
        (-8.0, 6.0), (-10, 4), (-5, 9), "far out nearly level: steps are short",
    ),
    "sigmoid neuron": Surface(
        _sigmoid_neuron, (-2.0, -2.0), (-4, 6), (-6, 4),
        "saturated where weights are large: the gradient vanishes, though the error is large",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Paths:
    """Where optimizers went.

    Attributes
    ----------
    surface : Surface
    points : dict of str to ndarray
        Of each optimizer, one row a step: the two parameters.
    losses : dict of str to ndarray
        The loss there.
    """

    surface: Surface
    points: Mapping[str, Array]
    losses: Mapping[str, Array] = field(default_factory=dict)

    def contour(self) -> Plot:
        """The ways over lines of equal loss, and the loss over the steps."""
        figure = new_figure("paths", 9.6, 4.2)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        x, y, values = _grid(self.surface)
        _contours(left, x, y, values)
        for name, points in self.points.items():
            left.plot(points[:, 0], points[:, 1], ".-", markersize=3, linewidth=1.2, label=name)
            right.plot(self.losses[name], label=name)
        left.set_xlim(*self.surface.x)
        left.set_ylim(*self.surface.y)
        left.plot(*self.surface.start, "o", color=TEXT)
        left.set_title(self.surface.text, color=TEXT, fontsize=9)
        right.set_xlabel("step", color=TEXT)
        right.set_ylabel("loss", color=TEXT)
        right.legend(frameon=False, labelcolor=TEXT)
        return Plot(figure)

    def animation(self, path: Any, fps: int = 20) -> Any:
        """Write the ways as a moving picture (.gif; pillow writes it).

        Returns
        -------
        Path
        """
        from pathlib import Path

        from matplotlib.animation import FuncAnimation, PillowWriter

        plot = self.contour()
        axes = plot.figure.axes[0]
        lines = axes.get_lines()[: len(self.points)]
        longest = max(len(p) for p in self.points.values())

        def frame(step: int) -> Any:
            for line, points in zip(lines, self.points.values(), strict=True):
                line.set_data(points[: step + 1, 0], points[: step + 1, 1])
            return lines

        moving = FuncAnimation(plot.figure, frame, frames=longest, blit=False)
        moving.save(Path(path), writer=PillowWriter(fps=fps))
        return Path(path)

    def _repr_png_(self) -> bytes:
        return self.contour()._repr_png_()


def paths(
    surface: str | Surface, optimizers: Mapping[str, Callable[[Sequence[Tensor]], Any]],
    steps: int = 60, start: Sequence[float] | None = None,
) -> Paths:  # fmt: skip
    """Let optimizers walk over the surface of a loss of two parameters.

    Parameters
    ----------
    surface : str or Surface
        One of ``SURFACES``: "ravine", "saddle", "plateau", "sigmoid neuron"; or one's own.
    optimizers : dict of str to callable
        By name, what makes an optimizer of a list of parameters.
    steps : int
    start : sequence of float, optional
        Where all begin; by default where the surface says.

    Returns
    -------
    Paths

    Raises
    ------
    ValueError
        For a surface that is not known.

    Examples
    --------
    >>> from minigrad import optim, viz
    >>> found = viz.paths("ravine", {"SGD": lambda p: optim.SGD(p, lr=0.05)}, steps=30)
    >>> bool(found.losses["SGD"][-1] < found.losses["SGD"][0])
    True
    """
    if isinstance(surface, str):
        if surface not in SURFACES:
            raise ValueError(
                f"paths: there is no surface {surface!r}; known: {', '.join(SURFACES)}"
            )
        surface = SURFACES[surface]
    points: dict[str, Array] = {}
    losses: dict[str, Array] = {}
    for name, make in optimizers.items():
        w = tensor([float(v) for v in start or surface.start], requires_grad=True)
        optimizer = make([w])
        visited, seen = [w.array.copy()], []

        def closure(w: Tensor = w, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            value: Tensor = surface.loss(w)
            value.backward()
            return value

        for _ in range(steps):
            seen.append(float(optimizer.step(closure)))
            visited.append(w.array.copy())
        with no_grad():
            seen.append(float(surface.loss(w)))
        points[name], losses[name] = np.array(visited), np.array(seen)
    return Paths(surface, points, losses)


def _grid(surface: Surface, count: int = 80) -> tuple[Array, Array, Array]:
    x, y = np.linspace(*surface.x, count), np.linspace(*surface.y, count)
    with no_grad():
        values = surface.loss(stack([tensor(a) for a in np.meshgrid(x, y)]))
    return x, y, values.array
