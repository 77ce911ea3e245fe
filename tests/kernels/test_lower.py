"""Bodies that are lowered without numba do what numba's do."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from minigrad.kernels.emit import target
from minigrad.kernels.lower import entry
from minigrad.kernels.lower.source import UnsupportedError
from minigrad.kernels.lower.statements import written
from minigrad.kernels.run import bodies
from minigrad.kernels.run.atomics import compare_and_swap, fetch_add, load, store
from minigrad.kernels.run.bodies import Body, inner, numbers_at
from minigrad.kernels.scalar import larger, smaller

pytestmark = pytest.mark.skipif(target.host() is None, reason="everything is left to numba")

#: The modules whose bodies are integers only; nothing of them may fall back to numba.
LOWERED = [
    "conv.direct", "conv.direct_weight", "conv.winograd", "conv.winograd_weight", "matmul.sgemm",
]  # fmt: skip
STEP = 3


class Numbers(NamedTuple):
    """What the bodies below read: where to write, and two integers."""

    out: int
    a: int
    b: int


AT = 8 * len(Numbers._fields)


@inner
def _put(out: int, place: int, value: int) -> None:
    store(out + 8 * place, value)


def divisions(address: int, b0: int, b1: int) -> None:
    p = numbers_at(Numbers, address)
    _put(p.out, 0, p.a // p.b)
    _put(p.out, 1, p.a % p.b)
    _put(p.out, 2, -p.a // STEP)
    _put(p.out, 3, p.a % -STEP)


def choices(address: int, b0: int, b1: int) -> None:
    p = numbers_at(Numbers, address)
    _put(p.out, 0, smaller(p.a, p.b))
    _put(p.out, 1, larger(p.a, p.b))
    _put(p.out, 2, max(p.a, min(p.b, 4)))
    _put(p.out, 3, p.a if p.a > 0 and p.b > 0 else p.b)
    _put(p.out, 4, 1 if p.a > 0 or not p.b > 0 else 2)
    _put(p.out, 5, 1 if -5 <= p.a < p.b else 0)
    if p.a == p.b:
        _put(p.out, 6, 1)
    elif p.a != 0:
        _put(p.out, 6, 2)
    else:
        _put(p.out, 6, 3)


@inner
def _found(a: int, b: int) -> tuple[int, int]:
    """The first multiple of `a`, of at least `b`; and whether there was none below 100."""
    for i in range(0, 100, larger(1, a)):
        if i >= b:
            return i, 0
    return -1, 1


def loops(address: int, b0: int, b1: int) -> None:
    p = numbers_at(Numbers, address)
    total, last = 0, -1
    for i in range(p.a, p.b):
        if i % 3 == 0:
            continue
        if i > 20:
            break
        total += i * i
        last = i
    _put(p.out, 0, total)
    _put(p.out, 1, last)
    for i in range(p.b, p.a, -2):
        total -= i
    _put(p.out, 2, total)
    count = 0
    while count < 10 and count != p.b:
        count += 1
    first, none = _found(p.a, p.b)
    _put(p.out, 3, count)
    _put(p.out, 4, first)
    _put(p.out, 5, none)


def words(address: int, b0: int, b1: int) -> None:
    p = numbers_at(Numbers, address)
    _put(p.out, 0, p.a)
    before = fetch_add(p.out, 5)
    swapped = compare_and_swap(p.out, p.a + 5, p.b)
    again = compare_and_swap(p.out, p.b + 1, 77)
    _put(p.out, 1, before)
    _put(p.out, 2, 1 if swapped else 0)
    _put(p.out, 3, 1 if again else 0)
    _put(p.out, 4, load(p.out) + b1 - b0)
    _put(p.out, 5, (p.a & 12) | (p.b ^ 3))


def memory(address: int, b0: int, b1: int) -> None:
    p = numbers_at(Numbers, address)
    work = np.empty(larger(1, p.a) + 8, np.float32)
    place = (work.ctypes.data + 63) // 64 * 64
    store(place - 64 if place >= work.ctypes.data + 64 else work.ctypes.data, 7)
    _put(p.out, 0, load(work.ctypes.data))
    _put(p.out, 1, 1 if 0 <= place - work.ctypes.data < 64 else 0)
    work[0] = 0


def _called(address: int, a: int, b: int) -> list[int]:
    """What a body writes, whose code is at an address."""
    out = np.full(8, -99, np.int64)
    numbers = np.array([out.ctypes.data, a, b], np.int64)
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3)
    unused = np.zeros(4, np.int64)
    status = kind(address)(unused.ctypes.data, unused.ctypes.data, numbers.ctypes.data, 2, 9)
    assert status == 0
    return out.tolist()


def _by_numba(function: Callable[..., Any]) -> tuple[int, Any]:
    body = inner(function)
    body.compile(bodies._ARGUMENTS)
    compiled = body.overloads[bodies._ARGUMENTS]
    name = compiled.fndesc.llvm_func_name
    return int(compiled.library.get_pointer_to_function(name)), body


@pytest.mark.parametrize("function", [divisions, choices, loops, words, memory])
def test_same_numbers_as_numba(function: Any) -> None:
    lowered = entry.entry(function)
    assert lowered is not None, entry.refused
    reference, _alive = _by_numba(function)
    for a in (-7, -1, 0, 1, 5, 2**40, -(2**63)):
        for b in (-3, -1, 0, 2, 7, 30):
            if function in (loops, memory) and abs(a) > 100:
                continue
            assert _called(lowered, a, b) == _called(reference, a, b), (a, b)


def test_no_memory() -> None:
    function: Any = memory
    lowered = entry.entry(function)
    assert lowered is not None
    with pytest.raises(SystemError) as raised:  # what ctypes makes of it
        _called(lowered, 2**60, 0)
    assert isinstance(raised.value.__cause__, MemoryError)


@pytest.mark.parametrize("module", LOWERED)
def test_bodies_are_lowered(module: str) -> None:
    found = vars(importlib.import_module(f"minigrad.kernels.{module}")).values()
    functions = [body._function.py_func for body in found if isinstance(body, Body)]
    assert functions
    for function in functions:
        assert entry.entry(function) is not None, entry.refused
        assert not [key for key in entry.refused if key.endswith(f"{module}.{function.__name__}")]


def _floats(address: int, b0: int, b1: int) -> None:
    store(address, 1.5)


def _itself(address: int, b0: int, b1: int) -> None:
    _itself(address, b0, b1)


def _sometimes(address: int, b0: int, b1: int) -> None:
    if b0 > 0:
        x = numbers_at(Numbers, address)
    else:
        x = 1
    store(address, x)


@pytest.mark.parametrize("function", [_floats, _itself, _sometimes])
def test_what_is_not_understood_is_refused(function: Any) -> None:
    with pytest.raises(UnsupportedError):
        written(function)
    assert entry.entry(function) is None
    assert f"{__name__}.{function.__name__}" in entry.refused
