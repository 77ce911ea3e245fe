"""How Python calls a body: one small function of machine code, written here once for all of them.

``call(pool, launch, rows, columns, out, *operands, *params)`` looks at its arguments, puts the
numbers that the body reads on the stack, and runs the body, in this thread or (where `pool` is not
0) through `launch`, the function of :mod:`~minigrad.kernels.run.threads`. It returns `out`; or
None, having done nothing, if anything about an argument is not as the kernel has it: then Python
converts and copies until it is. With ``rows = 0`` it looks at shapes too, all of which must be
that of `out`.

It reads the fields of arrays where numpy promises its extension modules that they are, and those of
Python's float. numba's kernels do the same; through ctypes a call would cost four times as much.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.emit import objects
from minigrad.kernels.emit.target import llvm
from minigrad.kernels.run.sizes import BLOCK

__all__ = ["MOST_NUMBERS", "caller"]

#: Arguments that one body may have besides rows and columns.
MOST_NUMBERS = 30

# A kernel's record, in words: what the function below knows of it.
#   0 entry   1 operands   2 params   3 whether rows matter   4 type of arrays   5 type of floats
#   6 ...: numpy's number of the type of `out` and of each operand

# Offsets in objects: of the type; of data, dimensions and flags of an array; in its dtype, of the
# byte order and the number of the type. A float's value lies where an array has its data.
_TYPE, _DATA, _NDIM, _DIMS, _DTYPE, _FLAGS = 8, 16, 24, 32, 56, 64
_ORDER, _NUMBER = 26, 28
#: C contiguous, aligned; and writeable.
_READABLE, _WRITEABLE = 0x101, 0x501

_SYMBOLS = ("PyLong_AsLongLong", "PyEval_SaveThread", "PyEval_RestoreThread", "_Py_NoneStruct")

_TEXT = """
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
@_Py_NoneStruct = external global i8

; the data of an array, if it is one, of the right type and with all of these flags; else null
define internal ptr @data_of(ptr %object, i64 %arrays, i64 %number, i32 %wanted) {{
  %type_at = getelementptr i8, ptr %object, i64 {TYPE}
  %type = load i64, ptr %type_at
  %is_array = icmp eq i64 %type, %arrays
  br i1 %is_array, label %array, label %no
array:
  %flags_at = getelementptr i8, ptr %object, i64 {FLAGS}
  %flags = load i32, ptr %flags_at
  %present = and i32 %flags, %wanted
  %usable = icmp eq i32 %present, %wanted
  %dtype_at = getelementptr i8, ptr %object, i64 {DTYPE}
  %dtype = load ptr, ptr %dtype_at
  %order_at = getelementptr i8, ptr %dtype, i64 {ORDER}
  %order = load i8, ptr %order_at
  %native = icmp ne i8 %order, {FOREIGN}
  %number_at = getelementptr i8, ptr %dtype, i64 {NUMBER}
  %found = load i32, ptr %number_at
  %found_wide = sext i32 %found to i64
  %same = icmp eq i64 %found_wide, %number
  %both = and i1 %usable, %native
  %all = and i1 %both, %same
  br i1 %all, label %yes, label %no
yes:
  %data_at = getelementptr i8, ptr %object, i64 {DATA}
  %data = load ptr, ptr %data_at
  ret ptr %data
no:
  ret ptr null
}}

define internal i64 @size_of(ptr %array) {{
  %ndim_at = getelementptr i8, ptr %array, i64 {NDIM}
  %ndim = load i32, ptr %ndim_at
  %count = sext i32 %ndim to i64
  %dims_at = getelementptr i8, ptr %array, i64 {DIMS}
  %dims = load ptr, ptr %dims_at
  br label %test
test:
  %i = phi i64 [ 0, %0 ], [ %next, %step ]
  %size = phi i64 [ 1, %0 ], [ %grown, %step ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %step, label %done
step:
  %dim_at = getelementptr i64, ptr %dims, i64 %i
  %dim = load i64, ptr %dim_at
  %grown = mul i64 %size, %dim
  %next = add i64 %i, 1
  br label %test
done:
  ret i64 %size
}}

define internal i1 @same_shape(ptr %a, ptr %b) {{
  %a_ndim_at = getelementptr i8, ptr %a, i64 {NDIM}
  %a_ndim = load i32, ptr %a_ndim_at
  %b_ndim_at = getelementptr i8, ptr %b, i64 {NDIM}
  %b_ndim = load i32, ptr %b_ndim_at
  %count = sext i32 %a_ndim to i64
  %a_dims_at = getelementptr i8, ptr %a, i64 {DIMS}
  %a_dims = load ptr, ptr %a_dims_at
  %b_dims_at = getelementptr i8, ptr %b, i64 {DIMS}
  %b_dims = load ptr, ptr %b_dims_at
  %as_many = icmp eq i32 %a_ndim, %b_ndim
  br i1 %as_many, label %test, label %no
test:
  %i = phi i64 [ 0, %0 ], [ %next, %equal ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %step, label %yes
step:
  %a_dim_at = getelementptr i64, ptr %a_dims, i64 %i
  %a_dim = load i64, ptr %a_dim_at
  %b_dim_at = getelementptr i64, ptr %b_dims, i64 %i
  %b_dim = load i64, ptr %b_dim_at
  %same = icmp eq i64 %a_dim, %b_dim
  br i1 %same, label %equal, label %no
equal:
  %next = add i64 %i, 1
  br label %test
yes:
  ret i1 true
no:
  ret i1 false
}}

; (record as a Python integer, arguments, their number), as Python calls a METH_FASTCALL function
define ptr @{NAME}(ptr %self, ptr %args, i64 %given) {{
  %numbers = alloca [{WORDS} x i64], align 16
  %result = alloca ptr
  %error = alloca ptr
  %record_word = call i64 @PyLong_AsLongLong(ptr %self)
  %record = inttoptr i64 %record_word to ptr
  %entry = load ptr, ptr %record
  %operands_at = getelementptr i64, ptr %record, i64 1
  %operands = load i64, ptr %operands_at
  %params_at = getelementptr i64, ptr %record, i64 2
  %params = load i64, ptr %params_at
  %by_rows_at = getelementptr i64, ptr %record, i64 3
  %by_rows = load i64, ptr %by_rows_at
  %arrays_at = getelementptr i64, ptr %record, i64 4
  %arrays = load i64, ptr %arrays_at
  %floats_at = getelementptr i64, ptr %record, i64 5
  %floats = load i64, ptr %floats_at
  %types = getelementptr i64, ptr %record, i64 6
  %moving = add i64 %operands, %params
  %expected = add i64 %moving, 5
  %complete = icmp eq i64 %given, %expected
  br i1 %complete, label %integers, label %refuse

integers:
  %pool_object = load ptr, ptr %args
  %pool = call i64 @PyLong_AsLongLong(ptr %pool_object)
  %launch_at = getelementptr ptr, ptr %args, i64 1
  %launch_object = load ptr, ptr %launch_at
  %launch_word = call i64 @PyLong_AsLongLong(ptr %launch_object)
  %rows_at = getelementptr ptr, ptr %args, i64 2
  %rows_object = load ptr, ptr %rows_at
  %given_rows = call i64 @PyLong_AsLongLong(ptr %rows_object)
  %columns_at = getelementptr ptr, ptr %args, i64 3
  %columns_object = load ptr, ptr %columns_at
  %given_columns = call i64 @PyLong_AsLongLong(ptr %columns_object)
  %out_at = getelementptr ptr, ptr %args, i64 4
  %out = load ptr, ptr %out_at
  %out_type = load i64, ptr %types
  %out_data = call ptr @data_of(ptr %out, i64 %arrays, i64 %out_type, i32 {WRITEABLE})
  %no_out = icmp eq ptr %out_data, null
  br i1 %no_out, label %refuse, label %sizes

sizes:
  %flat = icmp eq i64 %given_rows, 0
  %size = call i64 @size_of(ptr %out)
  %rows = select i1 %flat, i64 1, i64 %given_rows
  %columns = select i1 %flat, i64 %size, i64 %given_columns
  store i64 %rows, ptr %numbers
  %second = getelementptr i64, ptr %numbers, i64 1
  store i64 %columns, ptr %second
  br label %next_argument

next_argument:
  %i = phi i64 [ 0, %sizes ], [ %following, %put ]
  %more = icmp slt i64 %i, %moving
  br i1 %more, label %look, label %put_out
look:
  %place = add i64 %i, 5
  %object_at = getelementptr ptr, ptr %args, i64 %place
  %object = load ptr, ptr %object_at
  %is_operand = icmp slt i64 %i, %operands
  br i1 %is_operand, label %operand, label %param
operand:
  %number_place = add i64 %i, 1
  %number_at = getelementptr i64, ptr %types, i64 %number_place
  %number = load i64, ptr %number_at
  %data = call ptr @data_of(ptr %object, i64 %arrays, i64 %number, i32 {READABLE})
  %no_data = icmp eq ptr %data, null
  br i1 %no_data, label %refuse, label %shape
shape:
  br i1 %flat, label %compare, label %put
compare:
  %fits = call i1 @same_shape(ptr %out, ptr %object)
  br i1 %fits, label %put, label %refuse
param:
  %type_at = getelementptr i8, ptr %object, i64 {TYPE}
  %type = load i64, ptr %type_at
  %is_float = icmp eq i64 %type, %floats
  %float_at = getelementptr i8, ptr %object, i64 {DATA}
  br i1 %is_float, label %put, label %refuse
put:
  %address = phi ptr [ %data, %shape ], [ %data, %compare ], [ %float_at, %param ]
  %target = add i64 %i, 2
  %target_at = getelementptr ptr, ptr %numbers, i64 %target
  store ptr %address, ptr %target_at
  %following = add i64 %i, 1
  br label %next_argument

put_out:
  %last = add i64 %moving, 2
  %last_at = getelementptr ptr, ptr %numbers, i64 %last
  store ptr %out_data, ptr %last_at
  %elements = mul i64 %rows, %columns
  %none = icmp eq i64 %elements, 0
  br i1 %none, label %done, label %count

count:
  %in_rows = icmp ne i64 %by_rows, 0
  %per_block = sdiv i64 {BLOCK}, %columns
  %rows_per_block = call i64 @llvm.smax.i64(i64 %per_block, i64 1)
  %units = select i1 %in_rows, i64 %rows, i64 %elements
  %per = select i1 %in_rows, i64 %rows_per_block, i64 {BLOCK}
  %up = add i64 %units, %per
  %up_less = sub i64 %up, 1
  %blocks = sdiv i64 %up_less, %per
  %numbers_word = ptrtoint ptr %numbers to i64
  %long = icmp sgt i64 %blocks, 1
  br i1 %long, label %release, label %short

short:
  %status_short = call i32 %entry(ptr %result, ptr %error, i64 %numbers_word, i64 0, i64 1)
  br label %done

release:
  %thread = call ptr @PyEval_SaveThread()
  %alone = icmp eq i64 %pool, 0
  br i1 %alone, label %here, label %shared
here:
  %status_here = call i32 %entry(ptr %result, ptr %error, i64 %numbers_word, i64 0, i64 %blocks)
  br label %take
shared:
  %launch = inttoptr i64 %launch_word to ptr
  %entry_word = ptrtoint ptr %entry to i64
  %status_shared = call i32 %launch(ptr %result, ptr %error, i64 %pool, i64 %entry_word,
                                    i64 %numbers_word, i64 %blocks)
  br label %take
take:
  call void @PyEval_RestoreThread(ptr %thread)
  br label %done

done:
  br label %return
refuse:
  br label %return
return:
  %answer = phi ptr [ %out, %done ], [ @_Py_NoneStruct, %refuse ]
  call void @Py_IncRef(ptr %answer)
  ret ptr %answer
}}
declare void @Py_IncRef(ptr)
"""


def _text(name: str) -> str:
    return _TEXT.format(
        NAME=name, WORDS=MOST_NUMBERS + 2, BLOCK=BLOCK, FOREIGN=ord(">"),
        TYPE=_TYPE, DATA=_DATA, NDIM=_NDIM, DIMS=_DIMS, DTYPE=_DTYPE, FLAGS=_FLAGS,
        ORDER=_ORDER, NUMBER=_NUMBER, READABLE=_READABLE, WRITEABLE=_WRITEABLE,
    )  # fmt: skip


class _Definition(ctypes.Structure):
    """Python's ``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80


@functools.cache
def _definition() -> _Definition:
    """The function, compiled or read from the cache."""
    for symbol in (*_SYMBOLS, "Py_IncRef"):
        found = ctypes.cast(getattr(ctypes.pythonapi, symbol), ctypes.c_void_p).value
        llvm().add_symbol(symbol, found)
    entry = objects.entry_of("call", "", _text)
    definition = _Definition(b"call", entry, _FASTCALL, None)
    # functions look at it even when they are thrown away, which can be the last that Python does
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(definition))
    return definition


@functools.cache
def _make() -> Callable[..., Any]:
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = (
        ctypes.py_object,
        (ctypes.c_void_p, ctypes.py_object, ctypes.py_object),
    )
    return make


#: Records in use: they must outlive the functions that point to them.
_records: list[np.ndarray[Any, Any]] = []


def caller(entry: int, dtypes: list[np.dtype[Any]], params: int, rows: bool) -> Callable[..., Any]:
    """A function of Python that runs the body at `entry`.

    Parameters
    ----------
    entry : int
        The address of its code, valid for the rest of the process.
    dtypes : list of dtype
        Of the output and of each operand.
    params : int
        How many numbers follow the operands.
    rows : bool
        Whether blocks are made of whole rows.
    """
    numbers = [d.num for d in dtypes]
    words = [entry, len(dtypes) - 1, params, int(rows), id(np.ndarray), id(float), *numbers]
    record = np.array(words, np.int64)
    _records.append(record)
    definition = ctypes.addressof(_definition())
    return _make()(definition, record.ctypes.data, "minigrad.kernels")
