"""Measure rounding errors in units in the last place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ulp_error"]


def ulp_error(got: npt.ArrayLike, want: npt.ArrayLike) -> Any:
    """Error of `got` in units in the last place (ulp) of the correctly rounded `want`.

    `want` should be of higher precision than `got`: float64 for float32, long double for float64.
    The error is 0 where both are NaN, or `got` is `want` rounded (infinities of one sign count);
    it is infinite where one alone is NaN or infinite. Half a unit is the best a function can do.
    """
    got, want = np.asarray(got), np.asarray(want)
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        largest = np.finfo(got.dtype).max
        unit = np.spacing(np.minimum(np.abs(rounded), largest))
        error = np.abs(got.astype(want.dtype) - want) / unit.astype(want.dtype)
    error[np.isnan(got) & np.isnan(want)] = 0
    error[(got == rounded) & ~np.isfinite(rounded)] = 0
    error[~np.isfinite(error)] = np.inf
    return error
