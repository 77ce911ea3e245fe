"""Comparisons of whole tensors, and tests of elements with more arguments than a formula has."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.promotion import as_operand, constant, result_type
from minigrad.core.public import called, public
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.guard import guarded


def _same_types(input: Tensor, other: Tensor, name: str) -> tuple[Array, Array]:
    a, b = as_operand(input, name, 0), as_operand(other, name, 1)
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"{a.dtype.name} did not match {b.dtype.name}: {name} compares tensors of one type"
        )
    return a.array, b.array


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
    with np.errstate(all="ignore"):
        close = a == b
        if a.dtype.kind == "f":
            near = np.isfinite(b) & (np.abs(a - b) <= atol + rtol * np.abs(b))
            close = close | near
            if equal_nan:
                close = close | (np.isnan(a) & np.isnan(b))
        elif a.dtype.kind != "b":
            close = close | (np.abs(a.astype(float) - b) <= atol + np.abs(rtol * b.astype(float)))
    return Tensor(np.asarray(close))


@public
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, see :func:`isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


@public
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    a, b = _same_types(input, other, "equal")
    return a.shape == b.shape and bool(np.array_equal(a, b))


@public(method=False)
@guarded
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Element by element, whether it is among `test_elements`; either may be a number."""
    kind = result_type(elements, test_elements).numpy
    a, b = (x if isinstance(x, Tensor) else constant(x, kind) for x in (elements, test_elements))
    found = np.isin(a.array.astype(kind), b.array.astype(kind), assume_unique, invert=invert)
    return Tensor(np.asarray(found))


def _infinite(name: str, sign: str) -> Any:
    find = np.isposinf if sign == "+" else np.isneginf

    @called(name, f"Element by element, whether it is {sign}inf.")
    def function(input: Tensor) -> Tensor:
        x = input.array
        return Tensor(np.asarray(find(x)) if x.dtype.kind == "f" else np.zeros(x.shape, bool))

    return public(function)


isposinf = _infinite("isposinf", "+")
isneginf = _infinite("isneginf", "-")


@public
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex numbers."""
    return Tensor(np.ones(input.array.shape, bool))
