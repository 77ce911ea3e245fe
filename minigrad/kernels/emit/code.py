"""The text of one function in LLVM's language, written line by line."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Code", "Kind", "literal"]

#: Types of numbers by the names they have here.
_TYPES = {
    "f32": "float", "f64": "double", "i64": "i64", "i32": "i32", "i8": "i8", "i1": "i1",
}  # fmt: skip


class Kind(NamedTuple):
    """A type of number and how many of them one value holds."""

    dtype: str
    lanes: int = 1

    @property
    def text(self) -> str:
        """As LLVM spells it."""
        element = _TYPES[self.dtype]
        return element if self.lanes == 1 else f"<{self.lanes} x {element}>"

    @property
    def element(self) -> str:
        """One number of it, as LLVM spells it."""
        return _TYPES[self.dtype]

    @property
    def suffix(self) -> str:
        """As names of LLVM's own functions end: ``v16f32``."""
        return self.dtype if self.lanes == 1 else f"v{self.lanes}{self.dtype}"

    @property
    def size(self) -> int:
        """Bytes of one number in memory."""
        return max(1, int(self.dtype[1:]) // 8)


def literal(number: float, dtype: str) -> str:
    """A number as LLVM spells it: floats by their bits, those of float32 as of float64."""
    if dtype == "i1":
        return "true" if number else "false"
    if dtype[0] == "i":
        if number != int(number):
            raise TypeError(f"{number} is no {dtype}: this formula is for floating point numbers")
        return str(int(number))
    if dtype == "f32":
        with np.errstate(all="ignore"):
            number = float(np.float32(number))
    return "0x" + struct.pack(">d", float(number)).hex().upper()


class Code:
    """Lines of one function, and what it needs outside of itself.

    An instruction that has been written in the present block is not written again: its value is
    known. So shared parts of formulas and of elementary functions are computed once, whoever
    wrote them.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.outside: dict[str, str] = {}  # declarations and constants, by name
        self.label = ""
        self._known: dict[str, str] = {}
        self._count = 0

    def block(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.label = label
        self._known = {}

    def line(self, text: str) -> None:
        """An instruction without a value."""
        self.lines.append("  " + text)

    def new(self, text: str) -> str:
        """An instruction whose value may differ each time it is written."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def value(self, text: str) -> str:
        """An instruction that computes something of its operands only."""
        name = self._known.get(text)
        if name is None:
            name = self._known[text] = self.new(text)
        return name

    def call(self, function: str, result: str, operands: Sequence[str]) -> str:
        """A call of one of LLVM's functions; operands are ``type value``."""
        self._declare(function, result, operands)
        return self.value(f"call {result} @{function}({', '.join(operands)})")

    def effect(self, function: str, operands: Sequence[str]) -> None:
        """A call of one of LLVM's functions that returns nothing."""
        self._declare(function, "void", operands)
        self.line(f"call void @{function}({', '.join(operands)})")

    def _declare(self, function: str, result: str, operands: Sequence[str]) -> None:
        if function not in self.outside:
            # the type is what comes before the last word that is no part of a vector's brackets
            kinds = ", ".join(_type_of(operand) for operand in operands)
            self.outside[function] = f"declare {result} @{function}({kinds})"

    def phi(self, name: str, kind: str, *sources: tuple[str, str]) -> str:
        """The value that goes with where control comes from: pairs of value and block."""
        choices = ", ".join(f"[ {value}, %{block} ]" for value, block in sources)
        self.line(f"{name} = phi {kind} {choices}")
        return name

    def splat(self, scalar: str, kind: Kind) -> str:
        """One number in all lanes."""
        if kind.lanes == 1:
            return scalar
        first = self.value(f"insertelement {kind.text} poison, {kind.element} {scalar}, i32 0")
        return self.value(
            f"shufflevector {kind.text} {first}, {kind.text} poison, "
            f"<{kind.lanes} x i32> zeroinitializer"
        )

    def module(self) -> str:
        """The text, complete."""
        return "\n".join([*self.outside.values(), *self.lines, ""])


def _type_of(operand: str) -> str:
    end = operand.index(">") + 1 if operand.startswith("<") else operand.index(" ")
    return operand[:end]
