"""The same call on array_api_strict, the reference implementation, and on minigrad.xp."""

from __future__ import annotations

import warnings
from typing import Any

import array_api_strict as strict
import numpy as np

import minigrad as mg
from minigrad import xp

NAMES = {
    "bool": ["bool"],
    "signed": ["int8", "int16", "int32", "int64"],
    "unsigned": ["uint8", "uint16", "uint32", "uint64"],
    "float": ["float32", "float64"],
}
NAMES["integer"] = NAMES["signed"] + NAMES["unsigned"]
NAMES["numeric"] = NAMES["integer"] + NAMES["float"]
NAMES["all"] = NAMES["bool"] + NAMES["numeric"]
NAMES["integer or bool"] = NAMES["bool"] + NAMES["integer"]


def to(module: Any, value: Any) -> Any:
    """numpy arrays and type names inside `value` as those of the module."""
    if isinstance(value, (np.ndarray, np.generic)):
        return module.asarray(value)
    if isinstance(value, Type):
        return getattr(module, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(to(module, v) for v in value)
    return value


class Type:
    """The name of a type, to be looked up in either module."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def numpy(x: Any) -> np.ndarray:
    return x.array if isinstance(x, mg.Tensor) else np.from_dlpack(x)


def type_name(x: Any) -> str:
    return str(x.dtype).split(".")[-1]


EXACT = 2e-5  #: functions of single elements: signs of zero count


def same(ours: Any, theirs: Any, tolerance: float = EXACT) -> None:
    """Equal structure, types, shapes and elements."""
    if isinstance(theirs, strict._array_object.Array):
        assert isinstance(ours, xp.Array), f"{type(ours)} is no array"
        assert type_name(ours) == type_name(theirs)
        a, b = numpy(ours), numpy(theirs)
        assert a.shape == b.shape
        if b.dtype.kind == "f":
            kind = 64 if b.dtype == np.float64 else 32
            limit = tolerance if kind == 32 else tolerance * 1e-7
            np.testing.assert_allclose(a, b, rtol=limit, atol=limit)
            zero = (a == 0) & (b == 0) & (tolerance == EXACT)
            np.testing.assert_array_equal(np.signbit(a[zero]), np.signbit(b[zero]))
        else:
            np.testing.assert_array_equal(a, b)
    elif isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        if hasattr(theirs, "_fields"):
            assert ours._fields == theirs._fields
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, tolerance)
    elif isinstance(theirs, strict._dtypes.DType):
        assert str(ours).split(".")[-1] == str(theirs).split(".")[-1]
    else:
        assert ours == theirs or (ours != ours and theirs != theirs)


def find(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def compare(name: str, *args: Any, tolerance: float = EXACT, **kwargs: Any) -> bool:
    """Call both, and compare; False where the reference refuses the arguments."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = find(strict, name)(
                *to(strict, args), **{k: to(strict, v) for k, v in kwargs.items()}
            )
        except Exception:
            return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find(xp, name)(*to(xp, args), **{k: to(xp, v) for k, v in kwargs.items()})
    same(found, expected, tolerance)
    return True
