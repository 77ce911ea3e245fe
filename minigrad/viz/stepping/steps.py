"""``viz.steps``: a computation, step by step."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

from minigrad.core.engine import Node
from minigrad.core.tensor import Tensor
from minigrad.viz.graph import find_nodes
from minigrad.viz.naming import named
from minigrad.viz.record import Tape
from minigrad.viz.stepping.data import build
from minigrad.viz.stepping.frames import animate, write_frames
from minigrad.viz.stepping.heard import again
from minigrad.viz.stepping.page import make_page
from minigrad.viz.stepping.text import as_text

__all__ = ["Steps", "steps"]

_ANIMATED = (".gif", ".webp", ".apng")


class Steps:
    """Forward and backward, node by node: shown by notebooks, written by :meth:`save`.

    Attributes
    ----------
    data : dict
        What is shown, as JSON takes it: ``nodes``, ``edges``, ``values`` and ``steps``.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self._page: str | None = None

    def __len__(self) -> int:
        return len(self.data["steps"])

    def __repr__(self) -> str:
        ops = sum(n["kind"] == "op" for n in self.data["nodes"])
        return f"Steps({ops} operation{'s' * (ops != 1)}, {len(self)} steps)"

    @property
    def html(self) -> str:
        """The page: one file without anything from elsewhere."""
        if self._page is None:
            self._page = make_page(self.data)
        return self._page

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" title="{escape(self.data["title"])}" '
            'style="width:100%;height:720px;border:1px solid #8884;border-radius:8px"></iframe>'
        )

    def text(self) -> str:
        """The steps as text for a terminal."""
        return as_text(self.data)

    def save(
        self, path: str | PathLike[str], *, kind: str = "svg", dpi: int = 144, seconds: float = 1.5
    ) -> Path:
        """Write the steps; the suffix decides the form.

        Parameters
        ----------
        path : path_like
            ``.html`` for the page; ``.gif``, ``.webp`` or ``.apng`` for an animation; ``.txt`` for
            text; ``.json`` for the data; without suffix a folder, for one picture of each step.
        kind : {"svg", "png", "pdf"}
            The format of those pictures.
        dpi : int
            Pixels per inch of pictures.
        seconds : float
            How long an animation shows each step.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        ValueError
            For any other suffix or kind.
        ImportError
            If pictures are asked for and there is no Graphviz, or an animation and no Pillow.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix in (".html", ".htm"):
            target.write_text(self.html, encoding="utf-8")
        elif suffix == ".txt":
            target.write_text(self.text() + "\n", encoding="utf-8")
        elif suffix == ".json":
            text = json.dumps(self.data, ensure_ascii=False, indent=1, allow_nan=False)
            target.write_text(text + "\n", encoding="utf-8")
        elif suffix in _ANIMATED:
            animate(self.data, target, seconds, dpi)
        elif not suffix:
            if kind not in ("svg", "png", "pdf"):
                raise ValueError(f"save: kind must be 'svg', 'png' or 'pdf', got {kind!r}")
            write_frames(self.data, target, kind, dpi)
        else:
            raise ValueError(
                f"save: cannot write {suffix!r}. Known are .html (a page), "
                f"{', '.join(_ANIMATED)} (animated), .txt, .json, and a folder (a picture of each "
                'step), such as "frames/"'
            )
        return target


def steps(
    loss: Tensor,
    model: Any = None,
    *,
    params: Mapping[str, Tensor] | Iterable[Any] | None = None,
    inputs: Mapping[str, Tensor] | None = None,
    tape: Tape | None = None,
    max_nodes: int = 200,
    title: str | None = None,
) -> Steps:
    """Step through what computed `loss`, and through its backward pass.

    Each step shows the formula of an operation with its numbers; on the way back the gradient that
    arrives, the local derivative, the product that is passed on, and the sum where a value was used
    several times. Of graphs of numbers the page can compute anew: change a leaf, and see.

    Without a `tape` both passes are done once more, from what the graph keeps; ``grad`` of no
    tensor changes. With one, what is shown is what happened, and the lines of the program
    are shown beside it. Names are those of the variables of the caller.

    Parameters
    ----------
    loss : Tensor
        What is differentiated: one number.
    model : Module, optional
        Whose parameters give names to leaves.
    params : dict of str to Tensor, or iterable, optional
        Names of leaves or intermediate results.
    inputs : dict of str to Tensor, optional
        Names of data.
    tape : Tape, optional
        What :func:`~minigrad.viz.record` noted.
    max_nodes : int
        More operations than this are refused.
    title : str, optional
        Of the page.

    Returns
    -------
    Steps

    Raises
    ------
    RuntimeError
        If `loss` has no graph, if a backward pass freed it, or if it is no scalar.
    ValueError
        If there are more than `max_nodes` operations, or the tape did not hear them.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import viz
    >>> w, x = mg.tensor(0.5, requires_grad=True), mg.tensor(2.0)
    >>> shown = viz.steps((w * x).tanh())  # shown.save("steps.html")
    >>> shown
    Steps(2 operations, 8 steps)
    >>> for line in shown.text().splitlines()[10:13]:
    ...     print(line.strip())
    4  From L back to v1
    dL/dL = 1
    dL/dv1 = 1 - L * L = 1 - 0.7616 * 0.7616 = 0.42
    """
    nodes = find_nodes([_checked(loss, max_nodes)])
    if len(nodes) > max_nodes:
        raise ValueError(
            f"viz.steps: {len(nodes):,} operations are too many to step through (max_nodes="
            f"{max_nodes}). Step through a smaller network, fewer time steps or one block of it; "
            "draw the whole by viz.draw(loss, model), which folds modules; or raise max_nodes"
        )
    heard = again(loss, nodes) if tape is None else tape.heard
    if tape is not None:
        _check_tape(tape, loss, nodes)
    frame = sys._getframe(1)
    scope = {**frame.f_globals, **frame.f_locals}
    leaves, results = named(loss, model, params, inputs, scope)
    return Steps(
        build(loss, nodes, heard, leaves, results, title or "Backpropagation, step by step")
    )


def _checked(loss: Any, max_nodes: int) -> Node:
    """The node of `loss`, if it can be stepped through."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"viz.steps: expected a Tensor, got {type(loss).__name__}")
    if max_nodes < 1:
        raise ValueError(f"viz.steps: max_nodes must be positive, got {max_nodes}")
    if loss.node is None:
        raise RuntimeError(
            "viz.steps: this tensor has no graph: it is a leaf, or nothing it was computed from "
            "has requires_grad=True, or it was computed under no_grad(), or cut off by detach()"
        )
    if loss.array.size != 1:
        raise RuntimeError(
            f"viz.steps: gradients start from one number; this tensor has shape "
            f"{list(loss.array.shape)}: reduce it first, by .sum() or .mean()"
        )
    node: Node = loss.node
    return node


def _check_tape(tape: Tape, loss: Any, nodes: list[Node]) -> None:
    """Refuse a tape of something else; without a backward pass in it, do one now."""
    if loss.node.seq not in tape.heard.results:
        raise ValueError(
            "viz.steps: the tape did not hear how this loss was computed: compute it inside of "
            "`with viz.record() as tape:`"
        )
    if loss.node.seq not in tape.heard.derived:
        heard = again(loss, nodes)
        tape.heard.derived |= heard.derived
        tape.heard.arrived |= heard.arrived
