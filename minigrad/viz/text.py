"""Numbers, shapes and counts in the few characters that a picture has room for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core import dtypes

__all__ = ["SMALL", "Summary", "number_text", "plural", "shape_text", "value_text"]

#: Tensors of at most this many elements are written out in full.
SMALL = 8


def number_text(value: Any) -> str:
    """A number with three significant digits.

    >>> [number_text(v) for v in (3.0, 0.70710678, -1234.5, 2.5e-7, 0.9999999, 7, True)]
    ['3.0', '0.707', '-1234', '2.5e-07', '1.0', '7', 'True']
    """
    if isinstance(value, (bool, int, np.integer, np.bool_)):
        return str(value)
    value = float(value)
    if not np.isfinite(value):
        return str(value)
    size = abs(value)
    if size < 1e6 and value == round(value):
        return f"{value:.1f}"
    if 1000 <= size < 1e6:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{text}.0" if text.lstrip("-").isdigit() and size < 99.5 else text


def shape_text(shape: Any, dtype: Any) -> str:
    """Shape and element type on one line.

    >>> shape_text((128, 64), np.dtype("float32")), shape_text((), np.dtype("int64"))
    ('128×64 float32', 'scalar int64')
    """
    sizes = "×".join(map(str, shape)) if len(shape) else "scalar"
    known = dtypes.FROM_NUMPY.get(np.dtype(dtype))
    return f"{sizes} {str(known).removeprefix('minigrad.') if known else np.dtype(dtype)}"


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "op"), plural(1204, "op")
    ('1 op', '1,204 ops')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


class Summary(NamedTuple):
    """What a picture says about the elements of a tensor.

    Small tensors keep their elements, large ones mean and standard deviation, so that nothing large
    has to stay in memory for the sake of a drawing.
    """

    small: bool
    text: str

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Summary:
        """The summary of the elements as they are now.

        >>> Summary.of(np.array([[1.0, -0.5], [0.25, 1 / 3]])).text
        '[[1.0, -0.5], [0.25, 0.333]]'
        >>> Summary.of(np.arange(100.0)).text
        '49.5 ± 28.9'
        """
        if array.size <= SMALL:
            return cls(True, _elements_text(array.tolist()))
        return cls(False, _statistics_text(array))


def _elements_text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_elements_text, value))}]"
    return number_text(value)


def _statistics_text(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind == "b":
        return f"{np.count_nonzero(array):,} of {array.size:,} True"
    if array.dtype.kind != "f":
        return f"in [{array.min()}, {array.max()}]"
    finite = np.isfinite(array)
    bad = array.size - int(np.count_nonzero(finite))
    if bad:
        nans = int(np.count_nonzero(np.isnan(array)))
        parts = [f"{n:,} {name}" for n, name in ((nans, "nan"), (bad - nans, "inf")) if n]
        return f"{', '.join(parts)} of {array.size:,}"
    mean, std = array.mean(dtype=np.float64), array.std(dtype=np.float64)
    return f"{number_text(mean)} ± {number_text(std)}"


def value_text(array: np.ndarray[Any, Any], level: str | bool) -> str | None:
    """What to write about the elements at a level of detail; None for nothing.

    `level` is True, False, or ``"small"`` for tensors of at most eight elements only.

    >>> value_text(np.ones(100), "small") is None
    True
    """
    if level is False or (level == "small" and array.size > SMALL):
        return None
    return Summary.of(array).text
