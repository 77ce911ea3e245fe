"""What stands for numba's intrinsics, and for Python's own functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from minigrad.kernels.lower.source import UnsupportedError
from minigrad.kernels.lower.text import Text, Value, integer

__all__ = ["known"]


def _numbers_at(text: Text, kind: Any, address: Value) -> Value:
    pointer = text.pointer(address)
    parts = []
    for i in range(len(kind._fields)):
        place = text.give(f"getelementptr i64, ptr {pointer}, i64 {i}")
        parts.append(text.give(f"load i64, ptr {place}, align 8"))
    return kind(*parts)


def _load(text: Text, address: Value) -> Value:
    return text.give(f"load atomic i64, ptr {text.pointer(address)} seq_cst, align 8")


def _store(text: Text, address: Value, value: Value) -> Value:
    place = text.pointer(address)
    text.add(f"store atomic i64 {integer(value)}, ptr {place} seq_cst, align 8")
    return ()


def _fetch_add(text: Text, address: Value, value: Value) -> Value:
    place = text.pointer(address)
    return text.give(f"atomicrmw add ptr {place}, i64 {integer(value)} seq_cst")


def _compare_and_swap(text: Text, address: Value, expected: Value, value: Value) -> Value:
    place = text.pointer(address)
    both = f"i64 {integer(expected)}, i64 {integer(value)}"
    pair = text.give(f"cmpxchg ptr {place}, {both} seq_cst seq_cst")
    return text.truth(f"extractvalue {{ i64, i1 }} {pair}, 1")


def _call(text: Text, address: Value, arguments: Value) -> Value:
    given = ", ".join(f"i64 {integer(argument)}" for argument in arguments)
    text.add(f"call void {text.pointer(address)}({given})")
    return ()


def _chosen(test: str) -> Callable[..., Value]:
    def write(text: Text, a: Value, b: Value) -> Value:
        first = text.give(f"icmp {test} i64 {integer(a)}, {integer(b)}")
        return text.give(f"select i1 {first}, i64 {a}, i64 {b}")

    return write


@functools.cache
def _table() -> dict[int, Callable[..., Value]]:
    from minigrad.kernels import scalar  # which import numba
    from minigrad.kernels.run import atomics, numbers
    from minigrad.kernels.vector import emitter

    smaller, larger = _chosen("slt"), _chosen("sgt")
    pairs: list[tuple[Any, Callable[..., Value]]] = [
        (numbers.numbers_at, _numbers_at), (emitter.call, _call),
        (atomics.load, _load), (atomics.store, _store), (atomics.fetch_add, _fetch_add),
        (atomics.compare_and_swap, _compare_and_swap),
        (scalar.smaller, smaller), (scalar.larger, larger), (min, smaller), (max, larger),
    ]  # fmt: skip
    return {id(function): write for function, write in pairs}


def known(function: Any) -> Callable[..., Value] | None:
    """What writes the instructions of a function that has no source for us."""
    return _table().get(id(function))


def require(condition: Any, what: str) -> None:
    """Refuse unless a condition holds."""
    if not condition:
        raise UnsupportedError(what)
