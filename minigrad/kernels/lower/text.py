"""The text of a module in LLVM's language, written line by line.

A value is the text of an operand of type ``i64``, or a (named) tuple of values. A truth is 0 or 1.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from minigrad.kernels.lower.source import UnsupportedError

__all__ = ["Text", "Value", "number"]

Value: TypeAlias = Any  # str, or a tuple of values

# Python's division rounds down. Where there is no result, LLVM's would end the process, and numba
# gives 0.
_HEAD = """
declare noalias ptr @malloc(i64)
declare void @free(ptr)
declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare ptr @PyErr_NoMemory()

define internal i1 @undefined(i64 %a, i64 %b) alwaysinline {
  %by_zero = icmp eq i64 %b, 0
  %by_minus_one = icmp eq i64 %b, -1
  %least = icmp eq i64 %a, -9223372036854775808
  %too_large = and i1 %by_minus_one, %least
  %result = or i1 %by_zero, %too_large
  ret i1 %result
}

define internal i64 @quotient(i64 %a, i64 %b) alwaysinline {
  %undefined = call i1 @undefined(i64 %a, i64 %b)
  %divisor = select i1 %undefined, i64 1, i64 %b
  %whole = sdiv i64 %a, %divisor
  %product = mul i64 %whole, %divisor
  %rest = sub i64 %a, %product
  %inexact = icmp ne i64 %rest, 0
  %signs = xor i64 %rest, %divisor
  %unlike = icmp slt i64 %signs, 0
  %down = and i1 %inexact, %unlike
  %less = zext i1 %down to i64
  %floor = sub i64 %whole, %less
  %result = select i1 %undefined, i64 0, i64 %floor
  ret i64 %result
}

define internal i64 @rest(i64 %a, i64 %b) alwaysinline {
  %undefined = call i1 @undefined(i64 %a, i64 %b)
  %floor = call i64 @quotient(i64 %a, i64 %b)
  %product = mul i64 %floor, %b
  %plain = sub i64 %a, %product
  %result = select i1 %undefined, i64 0, i64 %plain
  ret i64 %result
}

define i32 @NAME(ptr %unused, ptr %error, i64 %address, i64 %first, i64 %last) {
"""
_TAIL = """
no_memory:
  %lock = call i32 @PyGILState_Ensure()
  %none = call ptr @PyErr_NoMemory()
  call void @PyGILState_Release(i32 %lock)
  ret i32 -1
}
"""


def number(value: int) -> str:
    """A constant."""
    if not -(2**63) <= value < 2**63:
        raise UnsupportedError(f"{value} in 64 bits")
    return str(int(value))


class Text:
    """Lines of the one function, and the memory of its variables, which comes before them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.variables: list[str] = []
        self._count = 0

    def new(self, kind: str) -> str:
        """A name."""
        self._count += 1
        return f"{kind}{self._count}"

    def add(self, line: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {line}")

    def give(self, line: str) -> str:
        """Write an instruction; its result."""
        name = self.new("%v")
        self.add(f"{name} = {line}")
        return name

    def truth(self, line: str) -> str:
        """Write an instruction that gives a bit; its result as an integer."""
        return self.give(f"zext i1 {self.give(line)} to i64")

    def bit(self, value: Value) -> str:
        """Whether a value is not 0."""
        return self.give(f"icmp ne i64 {integer(value)}, 0")

    def pointer(self, value: Value) -> str:
        """An address."""
        return self.give(f"inttoptr i64 {integer(value)} to ptr")

    def begin(self, label: str) -> None:
        """Begin a block; who has not left the one before goes on here."""
        self.add(f"br label %{label}")
        self.lines.append(f"{label}:")

    def leave(self, line: str) -> None:
        """End a block by going elsewhere; what follows has a block of its own."""
        self.add(line)
        self.lines.append(f"{self.new('after')}:")

    def slots(self, value: Value) -> Any:
        """Memory for a variable that is to hold such values."""
        if isinstance(value, tuple):
            return rebuilt(value, [self.slots(part) for part in value])
        integer(value)
        name = self.new("%m")
        self.variables.append(f"  {name} = alloca i64")
        return name

    def store(self, value: Value, slots: Any) -> None:
        """Give a variable a value."""
        if isinstance(slots, tuple):
            if not isinstance(value, tuple) or len(value) != len(slots):
                raise UnsupportedError("a variable of several types")
            for part, slot in zip(value, slots, strict=True):
                self.store(part, slot)
            return
        self.add(f"store i64 {integer(value)}, ptr {slots}")

    def load(self, slots: Any) -> Value:
        """The value of a variable."""
        if isinstance(slots, tuple):
            return rebuilt(slots, [self.load(slot) for slot in slots])
        return self.give(f"load i64, ptr {slots}")

    def module(self) -> str:
        """All of it; the function is called NAME."""
        return "\n".join([_HEAD, *self.variables, *self.lines, "  ret i32 0", _TAIL])


def integer(value: Value) -> str:
    """A value that must be an integer."""
    if not isinstance(value, str):
        raise UnsupportedError(f"{value!r} for an integer")
    return value


def rebuilt(like: Any, parts: list[Any]) -> Any:
    """A tuple of the type of another."""
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
