"""Comparisons of whole tensors, and tests of elements with more arguments than a formula has."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.events import read
from minigrad.core.plain import Plain, plain
from minigrad.core.promotion import as_operand, constant, result_type
from minigrad.core.public import called, public
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.guard import guarded


def _same_types(input: Tensor, other: Tensor, name: str) -> tuple[Tensor, Tensor]:
    a, b = as_operand(input, name, 0), as_operand(other, name, 1)
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"{a.dtype.name} did not match {b.dtype.name}: {name} compares tensors of one type"
        )
    return a, b


@plain
def _close(a: Array, b: Array, rtol: float, atol: float, equal_nan: bool) -> Array:
    with np.errstate(all="ignore"):
        close: Array = a == b
        if a.dtype.kind == "f":
            near = np.isfinite(b) & (np.abs(a - b) <= atol + rtol * np.abs(b))
            close = close | near
            if equal_nan:
                close = close | (np.isnan(a) & np.isnan(b))
        elif a.dtype.kind != "b":
            close = close | (np.abs(a.astype(float) - b) <= atol + np.abs(rtol * b.astype(float)))
    return close


@public
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Element by element, whether ``|input - other| <= atol + rtol * |other|``.

    Parameters
    ----------
    input, other : Tensor
        Of the same type; they broadcast.
    rtol, atol : float
        Relative and absolute tolerance.
    equal_nan : bool
        Whether NaN is close to NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.isclose(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    a, b = _same_types(input, other, "isclose")
    if rtol < 0 or atol < 0:
        raise RuntimeError(
            f"rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}"
        )
    return _close((a, b), rtol, atol, equal_nan)


@public
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, see :func:`isclose`."""
    close = isclose(input, other, rtol, atol, equal_nan)
    read("allclose", close)
    return bool(close.array.all())


@public
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    a, b = _same_types(input, other, "equal")
    read("equal", a)
    read("equal", b)
    return a.array.shape == b.array.shape and bool(np.array_equal(a.array, b.array))


@plain
def _is_among(a: Array, b: Array, kind: Any, assume_unique: bool, invert: bool) -> Array:
    return np.isin(a.astype(kind), b.astype(kind), assume_unique, invert=invert)


@public(method=False)
@guarded
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Element by element, whether it is among `test_elements`; either may be a number."""
    kind = result_type(elements, test_elements).numpy
    a, b = (x if isinstance(x, Tensor) else constant(x, kind) for x in (elements, test_elements))
    return _is_among((a, b), kind, assume_unique, invert)


def _infinite(name: str, sign: str) -> Any:
    find = np.isposinf if sign == "+" else np.isneginf
    op = Plain(lambda x: find(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool), name=name)

    @called(name, f"Element by element, whether it is {sign}inf.")
    def function(input: Tensor) -> Tensor:
        return op((input,))

    return public(function)


isposinf = _infinite("isposinf", "+")
isneginf = _infinite("isneginf", "-")


@public
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return given(np.ones(input.array.shape, bool))
