"""What each expression writes; its value."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

import numpy as np

from minigrad.kernels.lower.known import known, require
from minigrad.kernels.lower.source import UnsupportedError, assigned_once, meaning
from minigrad.kernels.lower.text import Text, Value, integer, number

__all__ = ["Expressions", "Scratch"]

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add i64 {}, {}", ast.Sub: "sub i64 {}, {}", ast.Mult: "mul i64 {}, {}",
    ast.BitAnd: "and i64 {}, {}", ast.BitOr: "or i64 {}, {}", ast.BitXor: "xor i64 {}, {}",
    ast.FloorDiv: "call i64 @quotient(i64 {}, i64 {})", ast.Mod: "call i64 @rest(i64 {}, i64 {})",
}  # fmt: skip
_TESTS: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge",
}  # fmt: skip
#: Functions in functions, at most: who calls himself is left to numba.
_DEEPEST = 16


class Scratch:
    """An array of a body's own, of which only the address is of use."""

    def __init__(self, pointer: str, itemsize: int) -> None:
        self.pointer, self.itemsize = pointer, itemsize


class Expressions:
    """One function in the text of a body, and its variables.

    Parameters
    ----------
    text : Text
    function : function
    arguments : sequence of value
    depth : int
        How many functions it is in.
    """

    def __init__(self, text: Text, function: FunctionType, arguments: Any, depth: int) -> None:
        self.text, self.function, self.depth = text, function, depth
        self.fixed = assigned_once(function)
        self.variables: dict[str, Any] = {}  # memory; for a name in `fixed`, the value itself

    def set(self, name: str, value: Value) -> None:
        """Give a variable a value."""
        if name in self.fixed:
            self.variables[name] = value
            return
        if name not in self.variables:
            self.variables[name] = self.text.slots(value)
        self.text.store(value, self.variables[name])

    def value(self, node: ast.expr) -> Value:
        """Write an expression."""
        write = getattr(self, f"_{type(node).__name__}", None)
        if write is None:
            raise UnsupportedError(f"{ast.unparse(node)} in {self.function.__qualname__}")
        return write(node)

    def bit(self, node: ast.expr) -> str:
        """Write a condition."""
        return self.text.bit(self.value(node))

    def _thing(self, node: ast.expr) -> Any:
        """What an expression means that is known now: a function, a class."""
        if isinstance(node, ast.Attribute):
            return getattr(self._thing(node.value), node.attr, None)
        require(isinstance(node, ast.Name) and node.id not in self.variables, ast.unparse(node))
        assert isinstance(node, ast.Name)
        return meaning(self.function, node.id)

    def _Constant(self, node: ast.Constant) -> Value:
        require(isinstance(node.value, int), repr(node.value))
        return number(node.value)  # type: ignore[arg-type]  # an integer, see above

    def _Name(self, node: ast.Name) -> Value:
        if node.id in self.variables:
            found = self.variables[node.id]
            return found if node.id in self.fixed else self.text.load(found)
        require(node.id not in self.function.__code__.co_varnames, f"{node.id} before its value")
        found = meaning(self.function, node.id)
        require(isinstance(found, int), f"the constant {node.id}")
        return number(found)

    def _Tuple(self, node: ast.Tuple) -> Value:
        return tuple(self.value(part) for part in node.elts)

    def _Attribute(self, node: ast.Attribute) -> Value:
        owner = node.value
        if isinstance(owner, ast.Attribute) and (owner.attr, node.attr) == ("ctypes", "data"):
            array = self.value(owner.value)
            require(isinstance(array, Scratch), ast.unparse(node))
            return self.text.give(f"ptrtoint ptr {array.pointer} to i64")
        record = self.value(owner)
        require(node.attr in getattr(record, "_fields", ()), ast.unparse(node))
        return getattr(record, node.attr)

    def operation(self, op: ast.operator, left: Value, right: Value) -> Value:
        """Write an operation on two integers."""
        form = _OPERATORS.get(type(op))
        if form is None:
            raise UnsupportedError(type(op).__name__)
        return self.text.give(form.format(integer(left), integer(right)))

    def _BinOp(self, node: ast.BinOp) -> Value:
        return self.operation(node.op, self.value(node.left), self.value(node.right))

    def _UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = integer(self.value(node.operand))
        if isinstance(node.op, ast.Not):
            return self.text.truth(f"icmp eq i64 {value}, 0")
        require(isinstance(node.op, ast.USub), ast.unparse(node))
        return self.text.give(f"sub i64 0, {value}")

    def _Compare(self, node: ast.Compare) -> Value:
        """All are looked at, also after one that is false: none may do anything."""
        calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
        require(len(node.ops) == 1 or not calls, ast.unparse(node))
        values = [integer(self.value(part)) for part in (node.left, *node.comparators)]
        result = "1"
        for op, left, right in zip(node.ops, values, values[1:]):
            require(type(op) in _TESTS, ast.unparse(node))
            found = self.text.truth(f"icmp {_TESTS[type(op)]} i64 {left}, {right}")
            result = self.text.give(f"and i64 {result}, {found}")
        return result

    def _BoolOp(self, node: ast.BoolOp) -> Value:
        text, end = self.text, self.text.new("end")
        slot = text.slots("0")
        for part in node.values:
            text.store(self.value(part), slot)
            more, bit = text.new("more"), text.bit(text.load(slot))
            goes, stays = (more, end) if isinstance(node.op, ast.And) else (end, more)
            text.add(f"br i1 {bit}, label %{goes}, label %{stays}")
            text.lines.append(f"{more}:")
        text.begin(end)
        return text.load(slot)

    def _IfExp(self, node: ast.IfExp) -> Value:
        text = self.text
        yes, no, end = text.new("yes"), text.new("no"), text.new("end")
        text.add(f"br i1 {self.bit(node.test)}, label %{yes}, label %{no}")
        text.lines.append(f"{yes}:")
        value = self.value(node.body)
        slots = text.slots(value)
        text.store(value, slots)
        text.add(f"br label %{end}")
        text.lines.append(f"{no}:")
        text.store(self.value(node.orelse), slots)
        text.begin(end)
        return text.load(slots)

    def _Call(self, node: ast.Call) -> Value:
        require(not node.keywords, ast.unparse(node))
        function = self._thing(node.func)
        if function is np.empty:
            return self._scratch(node)
        write = known(function)
        if write is not None:
            return write(self.text, *(self._argument(argument) for argument in node.args))
        function = getattr(function, "py_func", function)  # made by `inner`, or plain
        callable_here = isinstance(function, FunctionType) and self.depth < _DEEPEST
        require(callable_here, ast.unparse(node.func))
        return self.inside(function, [self.value(argument) for argument in node.args])

    def inside(self, function: FunctionType, arguments: list[Value]) -> Value:
        """Write a function that is called, in this place; what it returns."""
        raise NotImplementedError

    def _argument(self, node: ast.expr) -> Any:
        """A value; or the class of a named tuple."""
        if isinstance(node, ast.Name) and node.id not in self.function.__code__.co_varnames:
            thing = self._thing(node)
            if isinstance(thing, type):
                require(hasattr(thing, "_fields"), node.id)
                return thing
        return self.value(node)

    def _scratch(self, node: ast.Call) -> Scratch:
        """An array for the whole body, freed at its end."""
        require(self.depth == 0 and len(node.args) == 2, "an array in a function")
        dtype = np.dtype(self._thing(node.args[1]))
        size = self.operation(ast.Mult(), self.value(node.args[0]), number(dtype.itemsize))
        pointer, there = self.text.give(f"call ptr @malloc(i64 {size})"), self.text.new("there")
        missing = self.text.give(f"icmp eq ptr {pointer}, null")
        self.text.leave(f"br i1 {missing}, label %no_memory, label %{there}")
        self.text.begin(there)
        return Scratch(pointer, dtype.itemsize)
