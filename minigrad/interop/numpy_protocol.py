"""numpy's functions on tensors: ``np.sum(t, axis=0)`` is `minigrad.sum`, gradients included.

Most need only be told which function it is and where numpy's arguments go: a line of `_TABLE`.
What numpy does differently is written out in `numpy_functions`, with numpy's names of arguments.
Types, and what gradients do at kinks, are minigrad's.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import linalg
from minigrad.core.dtypes import promote_types
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.interop import numpy_functions
from minigrad.interop.numpy_ufuncs import as_tensor, refuse
from minigrad.xp._array import ON_TENSORS
from minigrad.xp._dtypes import as_float

__all__ = ["FUNCTIONS", "call_function"]

#: How arguments, by numpy's names, go to which functions, "numpy's name=minigrad's" or one name.
#:
#: Functions are those of minigrad, of ``linalg``, and of ``xp`` as they compute on tensors. An
#: argument is handed over as a tensor ("a!"; "a%": flat if there is no axis; "a~": of floats;
#: "a&": of the type that all of these promote to; "a?": or None), as a list of tensors ("a*"), as a
#: tuple ("a#"), or as it is; "dim=axis" by keyword. Other words are values. Tensors become of
#: `dtype`, if that is given. (Functions whose signatures numpy does not tell before its version
#: 2.4, those written in C, are in `numpy_functions`.)
_TABLE = {
    "a! axis=axis keepdims=keepdims": """
        prod=xp.prod max=xp.max amax=xp.max min=xp.min amin=xp.min all=xp.all any=xp.any
        argmax=xp.argmax argmin=xp.argmin count_nonzero=xp.count_nonzero""",
    "a~ axis=axis keepdims=keepdims": "mean=xp.mean",
    "a! axis keepdims": "nansum",
    "a~ axis keepdims": "nanmean",
    "a~ 0.5 axis keepdims": "median=quantile nanmedian=nanquantile",
    "a% axis": "cumsum cumprod",
    "a% axis=axis": "sort=xp.sort argsort=xp.argsort",
    "x! axis=axis include_initial=include_initial":
        "cumulative_sum=xp.cumulative_sum cumulative_prod=xp.cumulative_prod",
    "a! n axis prepend? append?": "diff",
    "a! v! side=side sorter=sorter?": "searchsorted",
    "ar! True return_inverse return_counts axis": "unique",
    "a! as_tuple=True": "nonzero",
    "a! decimals=decimals": "round around=round",
    "x! nan posinf neginf": "nan_to_num",
    "val!": "real",
    "x!": """
        fix=trunc sinc isneginf isposinf isreal matrix_transpose=xp.linalg.matrix_transpose
        linalg.matrix_transpose=xp.linalg.matrix_transpose linalg.svdvals""",
    "a!": "argwhere copy=clone linalg.det linalg.inv linalg.slogdet",
    "m!": "fliplr flipud",
    "a& b& rtol atol equal_nan": "isclose allclose",
    "element! test_elements! invert=invert": "isin",
    "a! axis": "expand_dims=xp.expand_dims",
    "a! axis1 axis2": "swapaxes=transpose",
    "a! source destination": "moveaxis=xp.moveaxis",
    "array! shape#": "broadcast_to",
    "m! axis=axis": "flip=xp.flip",
    "m! k axes": "rot90",
    "a! shift axis=axis": "roll=xp.roll",
    "A! reps#": "tile",
    "a% repeats axis=axis": "repeat=xp.repeat",
    "m! k": "tril triu",
    "v! k": "diag diagflat",
    "a! offset axis1 axis2": "diagonal",
    "x! offset=offset": "linalg.diagonal=xp.linalg.diagonal linalg.trace=xp.linalg.trace",
    "a% indices! axis=axis": "take=xp.take",
    "arr% indices! axis=axis": "take_along_axis=xp.take_along_axis",
    "arrays* axis=axis": "stack=xp.stack",
    "tup*": "vstack hstack dstack column_stack",
    "x! axis=axis": "unstack=xp.unstack",
    "x! dtype copy=copy": "astype=xp.astype",
    "x! N increasing": "vander",
    "a& b&": "kron",
    "a& b& axes": "tensordot",
    "x1& x2& axes": "linalg.tensordot=tensordot",
    "x1& x2&": "linalg.matmul=matmul",
    "x! keepdims=keepdims ord=ord axis=axis": "linalg.vector_norm=xp.linalg.vector_norm",
    "x! keepdims=keepdims ord=ord": "linalg.matrix_norm=xp.linalg.matrix_norm",
    "a! upper=upper": "linalg.cholesky",
    "x! p": "linalg.cond",
    "a! UPLO": "linalg.eigh linalg.eigvalsh",
    "a! b! rcond": "linalg.lstsq",
    "a! n": "linalg.matrix_power",
    "A! tol hermitian rtol=rtol": "linalg.matrix_rank",
    "arrays*": "linalg.multi_dot",
    "a! rcond hermitian rtol=rtol": "linalg.pinv",
    "a! mode": "linalg.qr",
    "a! b!": "linalg.solve",
}  # fmt: skip

#: Arguments that change nothing about the values.
_HINTS = {"assume_unique", "casting", "copy", "device", "kind", "order", "stable", "subok"}


def _target(name: str) -> Any:
    if name.startswith("xp."):
        return ON_TENSORS[name[3:]]
    return getattr(linalg, name[7:]) if name.startswith("linalg.") else PUBLIC[name]


class _Row:
    """A line of the table: calls the counterpart, given numpy's arguments by name."""

    def __init__(self, target: str, arguments: str) -> None:
        self.target = _target(target)
        self.words = [_Word(word) for word in arguments.split()]
        self.names = {w.name for w in self.words} | {"dtype", "axis"}
        self.flat = [w.name for w in self.words if w.mark == "%"]
        self.alike = [w.name for w in self.words if w.mark == "&"]

    def __call__(self, given: dict[str, Any]) -> Any:
        if self.flat and given["axis"] is None:
            (name,) = self.flat
            given = given | {name: PUBLIC["reshape"](as_tensor(given[name]), -1), "axis": 0}
        if self.alike:
            tensors = {name: as_tensor(given[name]) for name in self.alike}
            kind = promote_types(*[t.dtype for t in tensors.values()]).numpy
            given = given | {name: cast(t, kind) for name, t in tensors.items()}
        args = [w.of(given) for w in self.words if not w.key]
        return self.target(*args, **{w.key: w.of(given) for w in self.words if w.key})


class _Word:
    """Where an argument of a counterpart comes from, and as what."""

    def __init__(self, text: str) -> None:
        self.key, _, word = text.rpartition("=")
        self.name = word.rstrip("!%~&?*#")
        self.mark = word[len(self.name) :]
        self.is_value = not self.name.isidentifier() or self.name == "True"
        self.value = ast.literal_eval(self.name) if self.is_value else None

    def of(self, given: dict[str, Any]) -> Any:
        if self.is_value:
            return self.value
        value, mark = given[self.name], self.mark
        if not mark or (mark == "?" and value is None):
            return value
        if mark == "*":
            return [as_tensor(v, given.get("dtype")) for v in value]
        if mark == "#":
            return tuple(value) if isinstance(value, (tuple, list)) else (value,)
        t = as_tensor(value, given.get("dtype"))
        return as_float(t) if mark == "~" else t


#: Counterparts by numpy's names (``"linalg.norm"``): rows of the table, and functions.
FUNCTIONS: dict[str, _Row | Callable[..., Any]] = {
    name.partition("=")[0]: _Row(name.rpartition("=")[2], arguments)
    for arguments, names in _TABLE.items()
    for name in names.split()
} | numpy_functions.FUNCTIONS

#: By numpy's names: the signature, and what arguments are if they are not given.
_signatures: dict[str, tuple[inspect.Signature, dict[str, Any]]] = {}


def name_of(func: Any) -> str:
    """``"sum"`` for ``np.sum``, ``"linalg.norm"`` for ``np.linalg.norm``."""
    module = (func.__module__ or "numpy").removeprefix("numpy").removeprefix(".")
    return f"{module}.{func.__name__}" if module else func.__name__


def call_function(func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``func(*args, **kwargs)``, computed by minigrad.

    Raises
    ------
    TypeError
        For functions without a counterpart, and for arguments that it does not have.
    """
    if not all(issubclass(t, (Tensor, np.ndarray)) for t in types):
        return NotImplemented
    name = name_of(func)
    counterpart = FUNCTIONS.get(name)
    if counterpart is None:
        raise refuse(f"numpy.{name}", "this function has no counterpart for tensors of minigrad")
    kwargs = dict(kwargs)
    if kwargs.pop("out", None) is not None:
        raise refuse(
            f"numpy.{name}", "out= is no argument for tensors of minigrad: results are new tensors"
        )
    if kwargs.get("where", True) is True:
        kwargs.pop("where", None)
    signature, defaults = _signatures.get(name) or _signature(name, func, counterpart)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise refuse(f"numpy.{name}", f"the counterpart for tensors of minigrad {error}") from None
    if not isinstance(counterpart, _Row):
        return counterpart(*args, **kwargs)
    for key, value in bound.arguments.items():
        if key not in counterpart.names and key not in _HINTS:
            default = signature.parameters[key].default
            if value is not default and value != default:
                why = f"{key}={value!r} is no argument for tensors of minigrad"
                raise refuse(f"numpy.{name}", why)
    return counterpart(defaults | bound.arguments)


def _signature(name: str, func: Any, counterpart: Any) -> tuple[inspect.Signature, dict[str, Any]]:
    """What arguments numpy's function takes, or the counterpart that is written out."""
    signature = inspect.signature(func if isinstance(counterpart, _Row) else counterpart)
    defaults = {
        p.name: (False if p.name == "keepdims" else None) if p.default is np._NoValue else p.default
        for p in signature.parameters.values()
    }
    _signatures[name] = signature, defaults
    return signature, defaults
