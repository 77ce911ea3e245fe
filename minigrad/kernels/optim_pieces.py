"""How an optimizer updates all its parameters in one call, each in its own memory.

The arrays of all parameters are cut into *pieces* of at most ``BLOCK`` elements, and a table says
where each piece lies: address of the parameter's part, and of the parts of its state. Only the
gradients are new arrays in every step, so their addresses are looked up each time. The kernel gets
the table, and the pool shares the pieces out. Nothing is copied, and twenty tensors cost hardly
more than one of their total size.

A kernel is written for one piece, and knows of none of this::

    @update
    def sgd(p, g, buffer, _1, _2, sign, decay, lr):
        for i in range(p.size):
            p[i] -= lr * (sign * g[i] + decay * p[i])

``p`` and ``g`` are parameter and gradient, followed by three arrays of state (of size 0 where there
is none); what comes after is given by name when the kernel is called, and rounded to the type of
the parameter. Each kernel is compiled for each type when it first runs, in about 0.1 s: as the code
around it takes nothing but addresses, there is no wrapper to compile for calls from Python.
"""

from __future__ import annotations

import array
import functools
import sys
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import config
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from minigrad.kernels.run.atomics import load, store
from minigrad.kernels.run.bodies import entry_of, inner, numbers_at
from minigrad.kernels.run.jit import BLOCK, PARALLEL_CHEAP, jit
from minigrad.kernels.run.threads import launch, pool_address

__all__ = ["STATES", "Pieces", "Update", "update"]

Array = np.ndarray[Any, Any]

#: Arrays of state that a kernel gets.
STATES = 3

#: Options are kept behind the head, this many at most.
_OPTIONS = 16


class Head(NamedTuple):
    """The first thing a kernel reads: addresses of the table, of the gradients' addresses."""

    table: int
    gradients: int


class Row(NamedTuple):
    """One piece: its size, where its gradient is, and addresses of its other arrays."""

    size: int
    gradient: int  # 8 times the number of the parameter
    offset: int  # in bytes, from the beginning of that gradient
    param: int
    state0: int
    state1: int
    state2: int
    unused: int  # makes a row 64 bytes, one cache line


_HEAD_BYTES = 8 * len(Head._fields)
_ROW_BYTES = 8 * len(Row._fields)


class Pieces:
    """Arrays of parameters and their state, as kernels find them.

    Parameters
    ----------
    params : list of ndarray
        C-contiguous, of one dtype: float32 or float64.
    states : sequence of list of ndarray, or of None
        At most three kinds of state; in each, arrays of the same sizes and dtype, or None where
        the kernel finds none.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.kernels.optim import sgd
    >>> w = [np.array([1.0, 2.0]), np.array([3.0])]
    >>> pieces = Pieces(w, [])
    >>> gradients = [np.array([1.0, 0.0]), np.array([2.0])]
    >>> sgd(pieces, gradients, sign=1, decay=0, lr=0.5, momentum=0, keep=1, nesterov=False)
    >>> w
    [array([0.5, 2. ]), array([2.])]
    """

    def __init__(self, params: list[Array], states: Sequence[list[Array] | None]) -> None:
        self.dtype = params[0].dtype
        self.kind = self.dtype.char
        nothing = [None] * len(params)
        columns = [nothing if column is None else column for column in states]
        self.arrays = list(zip(params, *columns, strict=True))  # also keeps them alive
        self.shapes = [p.shape for p in params]
        self._dtypes = [self.dtype] * len(params)
        tables = [self._rows(i, arrays) for i, arrays in enumerate(self.arrays)]
        self.table = np.concatenate(tables)
        self.parallel = sum(p.size for p in params) >= PARALLEL_CHEAP
        self.head = np.zeros(len(Head._fields) + _OPTIONS, np.int64)
        self.head[0] = self.table.ctypes.data
        self.place = int(self.head.ctypes.data)
        self._options = self.head[len(Head._fields) :].view(self.dtype)
        self._values: list[float] = []

    def _rows(self, number: int, arrays: tuple[Any, ...]) -> Array:
        """The rows of one parameter."""
        starts = np.arange(0, arrays[0].size, BLOCK)
        rows = np.zeros((starts.size, len(Row._fields)), np.int64)
        rows[:, 0] = np.minimum(arrays[0].size - starts, BLOCK)
        rows[:, 1] = 8 * number
        rows[:, 2] = starts * self.dtype.itemsize
        for column, part in enumerate(arrays, 3):
            if part is not None:
                rows[:, column] = part.ctypes.data + rows[:, 2]
        return rows

    def set_options(self, names: Sequence[str], values: list[float]) -> None:
        """Write the numbers that the kernel reads, unless they are there already."""
        if values == self._values:
            return
        try:
            self._options[: len(values)] = array.array("d", values)
        except TypeError:  # numpy alone would take strings for numbers
            for name, value in zip(names, values, strict=True):
                if not hasattr(value, "__float__"):
                    kind = type(value).__name__
                    raise TypeError(f"'{name}' must be a number, not {kind} ({value!r})") from None
            raise
        self._values = values

    def fits(self, gradients: list[Array]) -> bool:
        """Whether kernels can read these gradients: one for each parameter, of its shape."""
        return (
            [g.shape for g in gradients] == self.shapes
            and [g.dtype for g in gradients] == self._dtypes
            and False not in [g.flags.c_contiguous for g in gradients]
        )


# ---------------------------------------------------------------------------------- from addresses


@intrinsic
def _array_at(typing_context: Any, address: Any, size: Any, like: Any) -> Any:
    """The contiguous array of `size` elements of the type of `like` at an address."""
    kind = types.Array(like, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(like)
        step = context.get_constant(types.intp, context.get_abi_sizeof(element))
        array = context.make_array(kind)(context, builder)
        populate_array(
            array, data=builder.inttoptr(args[0], element.as_pointer()), shape=[args[1]],
            strides=[step], itemsize=step, meminfo=None, parent=None,
        )  # fmt: skip
        return array._getvalue()

    return kind(address, size, like), codegen


@intrinsic
def _values_at(typing_context: Any, address: Any, like: Any, count: Any) -> Any:
    """As many values of the type of `like` as the constant `count` says, a tuple."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    kind = types.UniTuple(like, count.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], context.get_value_type(kind).as_pointer())
        return builder.load(pointer, align=4)

    return kind(address, like, count), codegen


#: Where in an array object its address is: after what every Python object begins with.
_DATA = object.__basicsize__


def _holds_address() -> bool:
    """Whether the address of an array's data is where numpy's C interface says."""
    if sys.implementation.name != "cpython" or config.DISABLE_JIT:
        return False
    import ctypes

    array = np.empty(1)
    return ctypes.c_int64.from_address(id(array) + _DATA).value == array.ctypes.data


_READ_OBJECTS = _holds_address()


@jit
def _run(pool, entry, head, pieces, gradients, objects):
    if objects:
        for i in range(gradients.size):
            gradients[i] = load(gradients[i] + _DATA)
    store(head + 8, gradients.ctypes.data)
    launch(pool, entry, head, pieces)


# ------------------------------------------------------------------------------------ the kernels

# What stands in `_body` for the names of the kernel's own; see `Update.entry`.
_ONE: Any = np.float32(1)
_COUNT = 0
_PIECE: Any = None


def _body(address, b0, b1):
    head = numbers_at(Head, address)
    options = _values_at(address + _HEAD_BYTES, _ONE, _COUNT)
    for b in range(b0, b1):
        row = numbers_at(Row, head.table + _ROW_BYTES * b)
        _PIECE(
            _array_at(row.param, row.size, _ONE),
            _array_at(load(head.gradients + row.gradient) + row.offset, row.size, _ONE),
            _array_at(row.state0, row.size if row.state0 != 0 else 0, _ONE),
            _array_at(row.state1, row.size if row.state1 != 0 else 0, _ONE),
            _array_at(row.state2, row.size if row.state2 != 0 else 0, _ONE),
            *options,
        )


class Update:
    """A kernel: ``kernel(pieces, gradients, name=value, ...)`` updates all pieces.

    `gradients` are arrays for which ``pieces.fits``. The kernel is what `update` makes of a
    function for one piece.
    """

    def __init__(self, piece: Callable[..., None]) -> None:
        functools.update_wrapper(self, piece)
        code = piece.__code__
        self.names: tuple[str, ...] = code.co_varnames[2 + STATES : code.co_argcount]
        self._piece = inner(piece)
        self._function = piece
        self._entries: dict[str, int] = {}
        self._kernels: list[Any] = []  # machine code lives as long as what it was made of

    def __call__(self, pieces: Pieces, gradients: list[Array], **options: float) -> None:
        """Update all pieces."""
        if config.DISABLE_JIT:
            self._in_python(pieces, gradients, options)
            return
        pieces.set_options(self.names, [options[name] for name in self.names])
        entry = self._entries.get(pieces.kind) or self.entry(pieces.dtype)
        found = [id(g) if _READ_OBJECTS else g.ctypes.data for g in gradients]
        pool = pool_address() if pieces.parallel else 0
        addresses = np.array(found, np.int64)
        _run(pool, entry, pieces.place, len(pieces.table), addresses, _READ_OBJECTS)

    def entry(self, dtype: np.dtype[Any]) -> int:
        """Address of the machine code for a type, compiled if need be.

        It is `_body`, with this kernel and this type for its constants. It counts as part of the
        kernel's file, for the cache to notice when that changes.
        """
        function: Any = self._function
        code = _body.__code__.replace(
            co_filename=function.__code__.co_filename,
            co_firstlineno=function.__code__.co_firstlineno,
        )
        constants = {"_ONE": dtype.type(1), "_COUNT": len(self.names), "_PIECE": self._piece}
        body = FunctionType(code, {**globals(), **constants}, f"{function.__name__}_{dtype.name}")
        body.__module__ = function.__module__
        body.__qualname__ = body.__name__
        kernel = inner(body)
        self._kernels.append(kernel)
        self._entries[dtype.char] = entry_of(kernel)
        return self._entries[dtype.char]

    def _in_python(self, pieces: Pieces, gradients: list[Array], options: dict[str, float]) -> None:
        """The same without compiled code: ``NUMBA_DISABLE_JIT=1``, for debuggers."""
        kind = pieces.dtype.type
        values = [kind(options[name]) for name in self.names]
        none = np.empty(0, pieces.dtype)
        for (param, *states), gradient in zip(pieces.arrays, gradients, strict=True):
            arrays = [none if a is None else a.reshape(-1) for a in (param, gradient, *states)]
            arrays += [none] * (2 + STATES - len(arrays))
            self._function(*arrays, *values)


def update(piece: Callable[..., None]) -> Update:
    """Make a kernel of a function that updates one piece; see the head of this file."""
    return Update(piece)
