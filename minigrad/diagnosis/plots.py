"""Plots of what was watched: over time, and over depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.viz.figures import GRID, TEXT, Plot, new_figure

if TYPE_CHECKING:
    from minigrad.diagnosis.watching import Watch

__all__ = ["over_depth", "over_time", "over_time_of"]

#: A step that changes weights by a thousandth is a usual one.
_USUAL = 1e-3


def _need(seen: Watch) -> None:
    if not seen.records:
        raise ValueError(
            "watch: nothing was recorded: train inside the `with`, or before close(); a step is a "
            "call of the watched model with a backward pass after it"
        )


def over_time(seen: Watch) -> Plot:
    """Four panels: loss and rate, signals, gradients, updates."""
    _need(seen)
    figure = new_figure("Watch.plot", 10.4, 6.4)
    loss = figure.add_subplot(2, 2, 1)
    _line(loss, seen.steps, seen.series("loss"), "loss")
    _style(loss, "loss", log=_spans_decades(seen.series("loss")))
    panels = (
        ("layers", "std", "signals: standard deviation", True),
        ("parameters", "gradient", "gradients: norm", True),
        ("parameters", "update", "updates: length over that of the weights", True),
    )
    for place, (kind, key, title, log) in enumerate(panels, 2):
        axes = figure.add_subplot(2, 2, place)
        names = list(dict.fromkeys(n for r in seen.records for n in r[kind]))
        names = [n for n in names if key != "std" or any(seen.series(key, n))]
        for i, name in enumerate(names):
            _line(axes, seen.steps, seen.series(key, name), name, i / max(1, len(names) - 1))
        if key == "update":
            axes.axhline(_USUAL, color=TEXT, linewidth=0.8, linestyle=":")
        _style(axes, title, log)
        if 0 < len(names) <= 8:
            axes.legend(fontsize=7, frameon=False)
    return Plot(figure)


def _spans_decades(values: list[Any]) -> bool:
    good = [v for v in values if v is not None and np.isfinite(v) and v > 0]
    return len(good) == len(values) and max(good, default=1) > 30 * min(good, default=1)


def _line(axes: Any, steps: list[int], values: list[Any], name: str, depth: float = 0.0) -> None:
    """A line whose colour says how deep the layer is."""
    from matplotlib import colormaps

    y = [np.nan if v is None else v for v in values]
    axes.plot(steps, y, label=name, linewidth=1.3, color=colormaps["viridis"](0.85 * depth))


def _style(axes: Any, title: str, log: bool) -> None:
    axes.set_title(title, fontsize=10, color=TEXT)
    axes.set_xlabel("step", fontsize=9, color=TEXT)
    axes.grid(color=GRID, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    positive = any((np.asarray(x.get_ydata(), float) > 0).any() for x in axes.lines)
    if log and positive:
        axes.set_yscale("log")


def over_depth(seen: Watch, step: int | None = None) -> Plot:
    """The histograms of all layers at one step, from the input up."""
    _need(seen)
    known = {r["step"]: r for r in seen.records}
    if step is not None and step not in known:
        raise ValueError(f"watch: step {step} was not recorded; recorded: {seen.steps}")
    record = known[seen.steps[-1] if step is None else step]
    layers = {n: k["histogram"] for n, k in record["layers"].items() if k.get("histogram")}
    if not layers:
        raise ValueError("watch: no layer was recorded")
    title = f"what leaves the layers, step {record['step']}"
    return _ridges(list(layers), list(layers.values()), title)


def over_time_of(seen: Watch, name: str) -> Plot:
    """The histograms of one layer (what leaves it) or parameter (its gradient), step by step."""
    _need(seen)
    pairs = [(s, h) for s, h in zip(seen.steps, seen.series("histogram", name), strict=True) if h]
    if not pairs:
        raise ValueError(f"watch: no histogram of {name!r} was recorded")
    pairs = pairs[:: -(-len(pairs) // 24)]
    what = "gradient of" if any(name in r["parameters"] for r in seen.records) else "what leaves"
    return _ridges([f"step {s}" for s, _ in pairs], [h for _, h in pairs], f"{what} {name}")


def _ridges(names: list[str], histograms: list[Any], title: str) -> Plot:
    """Histograms one above the other, on one axis."""
    figure = new_figure("Watch.histograms", 6.4, min(12.0, 1.4 + 0.38 * len(names)))
    axes = figure.add_subplot()
    for i, (counts, low, high) in enumerate(histograms):
        high = high if high > low else low + 1e-9
        edges = np.linspace(low, high, len(counts) + 1)
        share = np.sqrt(np.asarray(counts, float) / max(max(counts), 1))  # so that tails are seen
        y = -i + 0.9 * np.repeat(share, 2)
        x = np.repeat(edges, 2)[1:-1]
        axes.fill_between(x, -i, y, color="#2563EB", alpha=0.55, linewidth=0)
        axes.plot(x, y, color="#1F3F8A", linewidth=0.7)
    axes.set_yticks([-i for i in range(len(names))], names, fontsize=8)
    axes.set_title(title, fontsize=10, color=TEXT)
    axes.axvline(0, color=GRID, linewidth=0.8, zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return Plot(figure)
