"""Plots as objects: shown by notebooks, written where one says.

Matplotlib is an extra, imported when the first plot is made. Figures belong to no window and to no
global state.
"""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GRID", "TEXT", "Plot", "new_figure"]

TEXT, GRID = "#1F2933", "#E3E6EA"


class Plot:
    """A plot.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        To change what one likes.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def save(self, path: str | PathLike[str], dpi: int = 144) -> Path:
        """Write it; the suffix decides the format: .png, .svg, .pdf.

        Raises
        ------
        ValueError
            For a suffix that matplotlib does not know.
        """
        self.figure.savefig(Path(path), dpi=dpi, facecolor="white")
        return Path(path)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=96, facecolor="white")
        return buffer.getvalue()

    def __repr__(self) -> str:
        width, height = self.figure.get_size_inches()
        return f"Plot({width:.1f} x {height:.1f} inches)"


def new_figure(name: str, width: float, height: float) -> Any:
    """An empty figure, in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed; `name` needs it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f'{name} needs matplotlib: pip install "minigrad[examples]"') from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # pictures only: no window, no global state
    return figure
