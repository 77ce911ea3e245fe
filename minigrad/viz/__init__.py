"""Pictures: of computations, and of training.

>>> import minigrad as mg
>>> from minigrad import viz
>>> x = mg.tensor(2.0, requires_grad=True)
>>> with viz.record() as tape:
...     y = x * x + 3 * x
...     y.backward()
>>> picture = viz.draw(y, params={"x": x}, tape=tape, direction="LR")  # picture.save("y.svg")
>>> picture.source.splitlines()[0]
'digraph minigrad {'
"""

from minigrad.viz.curves import plot_curves
from minigrad.viz.drawing import Drawing, draw
from minigrad.viz.explain import Explanation, Path, explain
from minigrad.viz.figures import Plot
from minigrad.viz.networks import activations, decision_boundary, weights
from minigrad.viz.record import Tape, record
from minigrad.viz.stepping.steps import Steps, steps
from minigrad.viz.surfaces import Landscape, Paths, landscape, paths

__all__ = [
    "Drawing", "Explanation", "Landscape", "Path", "Paths", "Plot", "Steps", "Tape", "activations",
    "decision_boundary", "draw", "explain", "landscape", "paths", "plot_curves", "record", "steps",
    "weights",
]  # fmt: skip
