"""Training curves: how loss and accuracy went, on the training set and on the test set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.viz.figures import GRID, TEXT, Plot, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_curves"]

#: Which set a series belongs to, by a word in its name; its colour and label.
_SETS = {
    "train": ("#2F6DB5", "train"),
    "test": ("#D9722E", "test"),
    "val": ("#4B9B5D", "validation"),
    "valid": ("#4B9B5D", "validation"),
    "validation": ("#4B9B5D", "validation"),
}
_AXES = ("epoch", "step")
_CROWDED = 150  # points: from here on, a smooth line over a faint one

Curves = dict[str, dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]]


def plot_curves(
    history: Mapping[str, Sequence[float]] | Iterable[Mapping[str, float]],
    path: str | PathLike[str] | None = None,
    *,
    x: str = "epoch",
    title: str | None = None,
) -> Path | Plot:
    """A picture of a training run: a panel for each quantity, a line for each set.

    Parameters
    ----------
    history : dict of str to sequence of float, or iterable of dict
        Series by name, or one dictionary for each epoch or step. The name says which set (a word
        ``train``, ``test``, ``val``; none means train) and which quantity (the rest): ``loss``,
        ``train_loss``, ``test accuracy``. A series ``epoch`` or ``step`` gives positions;
        otherwise values are numbered from 1, and a series with more values than the shortest
        (a loss for every step, say) is spread over the same range.
    path : path_like, optional
        Where to write it; the suffix decides the format: .png, .svg or .pdf. Without it the plot is
        returned, which a notebook shows.
    x : str
        What is counted from left to right; written below.
    title : str, optional
        Written above.

    Returns
    -------
    Path or Plot
        Where the picture is, or the picture.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> import tempfile
    >>> history = {"train loss": [2.3, 0.9, 0.5], "test loss": [1.9, 0.8, 0.6],
    ...            "test accuracy": [0.31, 0.72, 0.81]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plot_curves(history, folder + "/curves.png").name
    'curves.png'
    """
    axis, series = _series(history, x)
    curves = _panels(series, axis)
    figure = new_figure("plot_curves", 5.2 * len(curves), 3.6)
    if title:
        figure.suptitle(title, color=TEXT)
    for place, (quantity, lines) in enumerate(curves.items(), 1):
        _draw(figure.add_subplot(1, len(curves), place), quantity, lines, axis)
    plot = Plot(figure)
    return plot if path is None else plot.save(path)


def _series(history: Any, x: str) -> tuple[str, dict[str, np.ndarray[Any, Any]]]:
    """The name of the horizontal axis, and all series, gaps as NaN."""
    if not isinstance(history, Mapping):
        rows = list(history)
        names = dict.fromkeys(name for row in rows for name in row)
        history = {name: [row.get(name, np.nan) for row in rows] for name in names}
    series = {name: np.asarray(list(values), np.float64) for name, values in history.items()}
    series = {name: values for name, values in series.items() if values.size}
    axis = next((name for name in (x, *_AXES) if name in series), x)
    if not series.keys() - {axis, *_AXES}:
        raise ValueError(
            "plot_curves: there is nothing to draw; history must hold at least one series, such as "
            "{'train loss': [2.3, 0.9], 'test loss': [1.9, 0.8]}"
        )
    return axis, series


def _panels(series: dict[str, np.ndarray[Any, Any]], axis: str) -> Curves:
    """``{quantity: {set: (positions, values)}}``."""
    positions = series.pop(axis, None)
    series = {name: values for name, values in series.items() if name not in _AXES}
    shortest = min(values.size for values in series.values())
    curves: Curves = {}
    for name, values in series.items():
        part, quantity = _parse(name)
        if positions is not None and positions.size == values.size:
            where = positions
        else:
            last = shortest if positions is None else float(positions.max())
            where = np.arange(1, values.size + 1) * (last / values.size)
        known = np.isfinite(values)
        curves.setdefault(quantity, {})[part] = (where[known], values[known])
    return curves


def _parse(name: str) -> tuple[str, str]:
    """Set and quantity from a name.

    >>> _parse("test_loss"), _parse("accuracy"), _parse("val acc")
    (('test', 'loss'), ('train', 'accuracy'), ('val', 'accuracy'))
    """
    words = name.replace("_", " ").replace("/", " ").split()
    part = next((w for w in words if w.lower() in _SETS), "train")
    rest = " ".join(w for w in words if w.lower() not in _SETS)
    return part.lower(), {"acc": "accuracy", "": "loss"}.get(rest, rest)


def _draw(axes: Axes, quantity: str, lines: Any, axis: str) -> None:
    top = max((v.max() for _, v in lines.values() if v.size), default=0.0)
    low = min((v.min() for _, v in lines.values() if v.size), default=0.0)
    share = quantity.startswith("accuracy") and low >= 0 and top <= 1
    for part, (where, values) in lines.items():
        colour, label = _SETS[part]
        values = values * 100 if share else values
        marker = "o" if values.size <= 30 else ""
        if values.size > _CROWDED:
            axes.plot(where, values, color=colour, linewidth=0.6, alpha=0.25)
            values = _smooth(values)
        if values.size:
            label += f": {values[-1]:.1f} %" if share else f": {values[-1]:.3g}"
        axes.plot(
            where, values, color=colour, linewidth=1.8, label=label, marker=marker, markersize=3.5
        )
    axes.set_xlabel(axis, color=TEXT)
    axes.set_ylabel(f"{quantity} (%)" if share else quantity, color=TEXT)
    _clean(axes)
    axes.legend(frameon=False, labelcolor=TEXT)


def _smooth(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The running mean over a fiftieth of the run, narrower at the ends."""
    half = max(values.size // 100, 1)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(values.size)
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, values.size)
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _clean(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9AA1AB")
    axes.tick_params(colors=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.margins(x=0.03)
