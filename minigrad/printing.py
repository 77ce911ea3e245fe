"""How tensors look when printed: as PyTorch prints them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.events import read
from minigrad.core.tensor import Array, Tensor
from minigrad.notebook import tensor_html

__all__ = ["set_printoptions", "tensor_text"]


class _Options:
    """What `set_printoptions` changes."""

    precision = 4
    threshold: float = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how many digits, elements and columns tensors print with.

    Parameters
    ----------
    precision : int
        Digits after the point (4).
    threshold : float
        Above how many elements the middle is left out (1000).
    edgeitems : int
        How many elements are shown at each end then (3).
    linewidth : int
        Columns (80).
    profile : {"default", "short", "full"}
        Values to start from.
    sci_mode : bool
        Whether to write numbers as ``1.0000e+03``; decided by their sizes by default.
    """
    for key, value in _PROFILES.get(profile or "", {}).items():
        setattr(_Options, key, value)
    for key, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            setattr(_Options, key, value)
    _Options.sci_mode = sci_mode


class _Formatter:
    """One format for all elements shown: whole, fixed or scientific, of one width.

    As in PyTorch the width of floats is that of the finite ones other than 0; what is longer
    sticks out.
    """

    def __init__(self, values: Array) -> None:
        self.float = dtypes.is_float(values.dtype)
        self.whole, self.sci, self.width = True, False, 1
        seen = values.ravel()
        if self.float:
            seen = seen.astype(np.float64)
            seen = seen[np.isfinite(seen) & (seen != 0)]
            self._look(np.abs(seen))
        self.width = max([len(self._text(v)) for v in seen.tolist()], default=1)

    def _look(self, sizes: Array) -> None:
        if sizes.size == 0:
            return
        low, high = float(sizes.min()), float(sizes.max())
        self.whole = bool((sizes == np.ceil(sizes)).all())
        self.sci = high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4
        if _Options.sci_mode is not None:
            self.sci = _Options.sci_mode

    def _text(self, value: Any) -> str:
        if not self.float:
            return str(value)
        if self.sci:
            return f"{value:.{_Options.precision}e}"
        if self.whole:
            return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
        return f"{value:.{_Options.precision}f}"

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)


def _shown(x: Array) -> Array:
    """The elements that are printed."""
    if x.size <= _Options.threshold or x.ndim == 0:
        return x
    n = _Options.edgeitems
    for axis, size in enumerate(x.shape):
        if size > 2 * n:
            x = np.concatenate([x.take(range(n), axis), x.take(range(-n, 0), axis)], axis)
    return x


def _lines(x: Array, form: _Formatter, indent: int, short: bool) -> str:
    n = _Options.edgeitems
    cut = short and x.ndim > 0 and x.shape[0] > 2 * n
    if x.ndim == 0:
        return form(x.item())
    if x.ndim == 1:
        items = [form(v) for v in x.tolist()] if not cut else None
        if items is None:
            items = (
                [form(v) for v in x[:n].tolist()] + [" ..."] + [form(v) for v in x[-n:].tolist()]
            )
        per_line = max(1, (_Options.linewidth - indent) // (form.width + 2))
        rows = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"
    parts = [_lines(p, form, indent + 1, short) for p in (x[:n] if cut else x)]
    if cut:
        parts += ["..."] + [_lines(p, form, indent + 1, short) for p in x[-n:]]
    return "[" + ("," + "\n" * (x.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def tensor_text(t: Tensor, prefix: str = "tensor(") -> str:
    """The tensor as PyTorch would print it."""
    x = t.array
    notes = []
    if x.size == 0:
        body = "[]"
        if x.ndim != 1:
            notes.append(f"size={tuple(x.shape)}")
    else:
        form = _Formatter(_shown(x))
        body = _lines(x, form, len(prefix), x.size > _Options.threshold)
    usual = {dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_}
    if t.dtype not in usual or (x.size == 0 and t.dtype is not dtypes.get_default_dtype()):
        notes.append(f"dtype={t.dtype}")
    if t.node is not None:
        notes.append(f"grad_fn=<{t.node.name()}>")
    elif t._requires_grad:
        notes.append("requires_grad=True")
    text = prefix + body
    last = len(text) - text.rfind("\n") + 1
    for note in notes:
        fits = last + len(note) + 2 <= _Options.linewidth
        text += (", " if fits else ",\n" + " " * len(prefix)) + note
        last = (last + 2 if fits else len(prefix)) + len(note)
    return text + ")"


def _repr(self: Tensor, *, tensor_contents: Any = None) -> str:
    read("print", self)
    return tensor_text(self)


def _format(self: Tensor, spec: str) -> str:
    if self.array.ndim == 0:
        return format(self.item(), spec)
    return object.__format__(self, spec)  # a TypeError if there is a format


setattr(Tensor, "__repr__", _repr)  # noqa: B010
setattr(Tensor, "__format__", _format)  # noqa: B010
setattr(Tensor, "_repr_html_", lambda self: tensor_html(self))  # noqa: B010
