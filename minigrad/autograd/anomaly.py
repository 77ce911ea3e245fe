"""Where did the NaN come from? The first operation that made one, named with the user's line.

Inside :func:`detect_anomaly` every operation is looked at as it runs, forward and backward, so the
first one whose result is not finite (though everything it read was) is the one that is reported,
as an exception raised from the very line. The mode also notes where each node was recorded and
where each in-place write happened, for the errors that speak of them. It makes everything slower:
use it to find a fault, then take it off.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.events import Event
from minigrad.core.modes import current
from minigrad.core.several import picked
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.guard import all_values

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly", "user_line"]


_PACKAGE = str(Path(__file__).resolve().parents[1])
#: Results are not finite here by intention: the number was given by the user.
_MOVES = {"masked_fill", "fill", "full", "where", "pad"}


def user_line() -> str:
    """The innermost line outside this package that is running: ``file:line``, and its text."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _ours(frame.f_code.co_filename):
        frame = frame.f_back
    name, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, line).strip()
    place = f"{name}:{line}, in {frame.f_code.co_name}"
    return f"{place}: {text}" if text else place


def module_path() -> str:
    """The modules that are running, as a path from the outermost: ``Net.encoder.0 (Linear)``."""
    library = sys.modules.get("minigrad.nn.module")
    if library is None:
        return ""
    call = library.Module.__call__.__code__
    running: list[Any] = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is call and frame.f_locals["self"] not in running[:1]:
            running.insert(0, frame.f_locals["self"])
        frame = frame.f_back
    if not running:
        return ""
    root, inner = running[0], running[-1]
    names = {id(module): path for path, module in root.named_modules()}
    path, known = names.get(id(inner)), [type(root).__name__]
    if path is None:  # a module that is no part of the outermost
        known += [type(module).__name__ for module in running[1:]]
    elif path:
        known.append(path)
    return ".".join(known) + (f" ({type(inner).__name__})" if inner is not root else "")


def _place() -> str:
    """The user's line, and the module it ran in."""
    module = module_path()
    return f"{user_line()}, in module {module}" if module else user_line()


def _ours(filename: str) -> bool:
    return filename.startswith(
        (_PACKAGE, "<frozen", "<string>")
    )  # the last: what declarations make


def _finite(a: Array) -> bool:
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def _array(g: Any) -> Array:
    """The elements of a gradient, which is an array or a tensor."""
    return all_values(g) if isinstance(g, Tensor) else np.asarray(g)


def _text(a: Array) -> str:
    """Type, shape and range of an array, and how much of it is not finite."""
    text = f"{a.dtype} of shape {list(a.shape)}"
    if a.dtype.kind != "f" or not a.size:
        return text
    bad = ~np.isfinite(a)
    good = a[~bad]
    if good.size:
        text += f", values in [{good.min():.4g}, {good.max():.4g}]"
    nan = int(np.isnan(a).sum())
    if nan:
        text += f", {nan} of {a.size} NaN"
    if int(bad.sum()) > nan:
        text += f", {int(bad.sum()) - nan} of {a.size} infinite"
    return text


def _first_bad(a: Array) -> str:
    if not a.ndim:
        return ""
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
    return f"; the first at index {index}"


def _unlisted(params: Sequence[Any]) -> bool:
    """Whether a parameter is itself infinite or NaN, so that the result may be."""
    return any(isinstance(p, (float, np.floating)) and not np.isfinite(p) for p in params)


class _Anomaly:
    """The listener of one use of the mode."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan
        self._deriving: list[Node] = []  # whose rules are running

    def enter(self, event: Event) -> None:
        """Remember whose rule runs: it may compute by operations."""
        if event.node is not None:
            self._deriving.append(event.node)

    def leave(self, event: Event) -> None:
        """After each operation and each derivative."""
        if event.node is not None:
            self._deriving.pop()
        if event.error is not None or event.door != "compute" or event.op.name == "given":
            return
        if event.node is not None:
            self._watched(event.node, event.inputs[0], event.outputs)
        elif all(isinstance(y, Tensor) for y in event.outputs):
            self._heard(event.op, event.inputs, event.params, event.outputs)

    def _heard(
        self,
        op: Any,
        inputs: tuple[Tensor, ...],
        params: tuple[Any, ...],
        outputs: tuple[Tensor, ...],
    ) -> None:
        """After each operation: note its line; refuse a result that is not finite."""
        where = None
        for y in outputs:
            node = y.node
            while node is not None:  # of several results, their common node as well
                where = node.where = node.where or where or _place()
                of_result = picked(node)
                node = None if of_result is None else of_result[0]
        if not self.check_nan:
            return
        bad = next((y.array for y in outputs if not _finite(y.array)), None)
        if bad is None:
            return
        sources = [x for x in inputs if not _finite(x.array)]
        infinite_only = not np.isnan(bad).any()
        if infinite_only and (sources or _unlisted(params) or op.name in _MOVES):
            return  # an infinity that was put there
        raise RuntimeError(self._forward_text(op, inputs, params, bad, sources, where or _place()))

    def _forward_text(
        self,
        op: Any,
        inputs: tuple[Tensor, ...],
        params: tuple[Any, ...],
        bad: Array,
        sources: list[Tensor],
        where: str,
    ) -> str:
        what = "NaN" if np.isnan(bad).any() else "infinite values"
        lines = [
            f"'{op.name}' returned {what}, at {where}",
            f"  result: {_text(bad)}{_first_bad(bad)}",
        ]
        for i, x in enumerate(inputs):
            name = f" '{x.name}'" if x.name else ""
            lines.append(f"  input {i}{name}: {_text(x.array)}")
        if self._deriving:
            node = self._deriving[-1]
            lines.append(
                f"  It is part of the derivative {node.name()}"
                + (f", of the operation at {node.where}" if node.where else "")
            )
        if params:
            lines.append(f"  parameters: {', '.join(map(str, params))}"[:200])
        if sources:
            leaf = any(x.node is None for x in sources)
            lines.append(
                "  An input was not finite already: "
                + (
                    "it is a leaf (data, a parameter, or computed before)."
                    if leaf
                    else "see above."
                )
            )
        else:
            lines.append("  All inputs were finite: this is where it began.")
        return "\n".join(lines)

    def _watched(self, node: Node, g: Any, parts: Sequence[Any]) -> None:
        """After each node of a backward pass: refuse gradients that became NaN or infinite."""
        if not self.check_nan:
            return
        arriving = [a for a in (g if isinstance(g, list) else [g]) if a is not None]
        arrays = [_array(a) for a in arriving]
        for i, part in enumerate(parts):
            if part is None or node.edges[i] is None:
                continue
            array = _array(part)
            if _finite(array):
                continue
            what = "nan" if np.isnan(array).any() else "infinite"
            begun = all(_finite(a) for a in arrays)
            if what == "infinite" and not begun:
                continue
            lines = [
                f"Function '{node.name()}' returned {what} values in its {i}th output.",
                f"  gradient of input {i}: {_text(array)}{_first_bad(array)}",
                *(f"  gradient that arrived: {_text(a)}" for a in arrays),
            ]
            for k, x in enumerate(node.saved or ()):
                if isinstance(x, Tensor):
                    lines.append(f"  saved input {k}: {_text(x.array)}")
            if isinstance(node.out, np.ndarray):
                lines.append(f"  saved result: {_text(node.out)}")
            lines.append(
                f"  The forward operation was at {node.where}"
                if node.where
                else "  No forward pass information: run it inside detect_anomaly(), too."
            )
            if not begun:
                lines.append("  The gradient that arrived was not finite already.")
            raise RuntimeError("\n".join(lines))


class detect_anomaly:
    """Find the first operation, forward or backward, that makes a NaN or an infinity.

    A context manager. Raises at the operation itself, with the user's line, the shapes and ranges
    of what it read; for a backward operation, with the line of its forward operation. Infinities
    are accepted where they come from an infinite input or number (a mask filled with ``-inf``).

    Parameters
    ----------
    check_nan : bool
        Look at values; otherwise only note lines, for other errors.

    Raises
    ------
    RuntimeError
        At the first operation whose result is not finite.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, -1.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     y = x.log().sum()
    Traceback (most recent call last):
        ...
    RuntimeError: 'log' returned NaN, at ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._anomaly = _Anomaly(check_nan)
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        self._tokens.append(current.set(_with(self._anomaly)))

    def __exit__(self, *exc: object) -> None:
        current.reset(self._tokens.pop())


def _with(anomaly: _Anomaly | None) -> Any:
    """The current mode with this anomaly detection, and no other."""
    mode = current.get()
    listeners = tuple(f for f in mode.listeners if not _is_ours(f))
    if anomaly is None:
        return mode._replace(listeners=listeners, locate=None)
    return mode._replace(listeners=(*listeners, anomaly), locate=user_line)


def _is_ours(listener: Any) -> bool:
    return isinstance(listener, _Anomaly)


class set_detect_anomaly:
    """Switch anomaly detection on or off: at once when called, back at the end of a ``with``."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = current.get()
        current.set(_with(_Anomaly(check_nan) if mode else None))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        before = self._before
        current.set(current.get()._replace(listeners=before.listeners, locate=before.locate))


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return any(map(_is_ours, current.get().listeners))
