"""The Python array API standard, version 2025.12: what any array library offers under one name.

A library that is written against the standard asks its arguments for their namespace
(``x.__array_namespace__()``) and calls the functions that it finds there: for tensors of minigrad,
these. Gradients flow through them. ``docs/array_api.md`` lists what is left out, and why.

Examples
--------
>>> import minigrad as mg
>>> from minigrad import xp
>>> t = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> t.__array_namespace__() is xp
True
>>> xp.sum(xp.square(t), axis=1).sum().backward()
>>> t.grad
tensor([[2., 4.],
        [6., 8.]])
"""

from __future__ import annotations

from math import e, inf, nan, pi

from minigrad.core.dtypes import bool_ as bool
from minigrad.core.dtypes import (
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from minigrad.xp import (
    _array,
    _creation,
    _dtypes,
    _elementwise,
    _manipulation,
    _statistics,
    linalg,
)
from minigrad.xp._array import Array
from minigrad.xp._creation import *  # noqa: F403
from minigrad.xp._dtypes import *  # noqa: F403
from minigrad.xp._info import __array_namespace_info__, check_version
from minigrad.xp._manipulation import *  # noqa: F403
from minigrad.xp._statistics import *  # noqa: F403
from minigrad.xp.linalg import matmul, matrix_transpose, tensordot, vecdot

__array_api_version__ = "2025.12"

newaxis = None

__all__ = [
    "Array", "__array_api_version__", "__array_namespace_info__", "bool", "check_version", "e",
    "float32", "float64", "inf", "int8", "int16", "int32", "int64", "linalg", "matmul",
    "matrix_transpose", "nan", "newaxis", "pi", "tensordot", "uint8", "uint16", "uint32", "uint64",
    "vecdot",
]  # fmt: skip
for _part in (_creation, _dtypes, _manipulation, _statistics):
    __all__ += _part.__all__
__all__ += _elementwise.FUNCTIONS
globals().update(_elementwise.FUNCTIONS)

_array.install({**_elementwise.FUNCTIONS, "matmul": matmul})
