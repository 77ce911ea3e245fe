"""What each statement writes."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from minigrad.kernels.lower.expressions import Expressions, Scratch
from minigrad.kernels.lower.known import require
from minigrad.kernels.lower.source import UnsupportedError, definition
from minigrad.kernels.lower.text import Text, Value, integer

__all__ = ["written"]


class _Function(Expressions):
    """One function in the text of a body."""

    def __init__(self, text: Text, function: FunctionType, arguments: Any, depth: int) -> None:
        super().__init__(text, function, arguments, depth)
        tree = definition(function)
        self.end = text.new("return")
        self.result: Any = None  # memory of what is returned
        self.loops: list[tuple[str, str]] = []  # where to go on, and where to after the loop
        self.scratch: list[Scratch] = []
        require(len(arguments) == len(tree.args.args), f"a call of {function.__qualname__}")
        for parameter, argument in zip(tree.args.args, arguments, strict=True):
            self.set(parameter.arg, argument)
        for statement in tree.body:
            self.top = True
            self.statement(statement)
        text.begin(self.end)
        for array in self.scratch:
            text.add(f"call void @free(ptr {array.pointer})")

    def inside(self, function: FunctionType, arguments: list[Value]) -> Value:
        callee = _Function(self.text, function, arguments, self.depth + 1)
        return () if callee.result is None else self.text.load(callee.result)

    def statement(self, node: ast.stmt) -> None:
        """Write a statement."""
        write = getattr(self, f"_{type(node).__name__}", None)
        if write is None:
            raise UnsupportedError(f"{ast.unparse(node)} in {self.function.__qualname__}")
        write(node)

    def _block(self, nodes: list[ast.stmt]) -> None:
        self.top = False
        for node in nodes:
            self.statement(node)

    def _Pass(self, node: ast.Pass) -> None:
        pass

    def _Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.value(node.value)

    def _Assign(self, node: ast.Assign) -> None:
        require(len(node.targets) == 1, ast.unparse(node))
        target = node.targets[0]
        if isinstance(target, ast.Subscript):
            self._mark(target, node.value)
            return
        value = self.value(node.value)
        if isinstance(value, Scratch):
            require(self.top and not self.loops, "an array in a loop")
            self.scratch.append(value)
        self._put(target, value)

    def _put(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Tuple):
            require(isinstance(value, tuple) and len(value) == len(target.elts), "unpacking")
            for part, given in zip(target.elts, value, strict=True):
                self._put(part, given)
            return
        require(isinstance(target, ast.Name), ast.unparse(target))
        assert isinstance(target, ast.Name)
        require(not isinstance(value, Scratch) or target.id in self.fixed, "an array that changes")
        self.set(target.id, value)

    def _mark(self, target: ast.Subscript, value: ast.expr) -> None:
        """``array[0] = 0`` only tells numba that the array is in use up to here."""
        array = self.value(target.value)
        zeros = [isinstance(n, ast.Constant) and n.value == 0 for n in (target.slice, value)]
        require(isinstance(array, Scratch) and all(zeros), ast.unparse(target))
        self.text.add(f"store i{8 * array.itemsize} 0, ptr {array.pointer}")

    def _AugAssign(self, node: ast.AugAssign) -> None:
        require(isinstance(node.target, ast.Name), ast.unparse(node))
        assert isinstance(node.target, ast.Name)
        before = self.value(ast.Name(node.target.id, ast.Load()))
        self.set(node.target.id, self.operation(node.op, before, self.value(node.value)))

    def _Return(self, node: ast.Return) -> None:
        if node.value is not None:
            value = self.value(node.value)
            if self.result is None:
                self.result = self.text.slots(value)
            self.text.store(value, self.result)
        self.text.leave(f"br label %{self.end}")

    def _If(self, node: ast.If) -> None:
        text = self.text
        yes, no, end = text.new("yes"), text.new("no"), text.new("end")
        text.add(f"br i1 {self.bit(node.test)}, label %{yes}, label %{no}")
        text.lines.append(f"{yes}:")
        self._block(node.body)
        text.add(f"br label %{end}")
        text.lines.append(f"{no}:")
        self._block(node.orelse)
        text.begin(end)

    def _Break(self, node: ast.Break) -> None:
        self.text.leave(f"br label %{self.loops[-1][1]}")

    def _Continue(self, node: ast.Continue) -> None:
        self.text.leave(f"br label %{self.loops[-1][0]}")

    def _While(self, node: ast.While) -> None:
        require(not node.orelse, "else after a loop")
        text = self.text
        test, body, end = text.new("test"), text.new("body"), text.new("end")
        text.begin(test)
        text.add(f"br i1 {self.bit(node.test)}, label %{body}, label %{end}")
        text.lines.append(f"{body}:")
        self._loop(node.body, test, end)
        text.add(f"br label %{test}")
        text.lines.append(f"{end}:")

    def _loop(self, nodes: list[ast.stmt], on: str, out: str) -> None:
        self.loops.append((on, out))
        self._block(nodes)
        self.loops.pop()

    def _For(self, node: ast.For) -> None:
        begin, limit, step = self._range(node)
        text = self.text
        counter = text.slots("0")
        text.store(begin, counter)
        test, body, on, end = (text.new(name) for name in ("test", "body", "on", "end"))
        text.begin(test)
        index = text.load(counter)
        below = text.give(f"icmp slt i64 {index}, {limit}")
        above = text.give(f"icmp sgt i64 {index}, {limit}")
        upwards = text.give(f"icmp sgt i64 {step}, 0")
        more = text.give(f"select i1 {upwards}, i1 {below}, i1 {above}")
        text.add(f"br i1 {more}, label %{body}, label %{end}")
        text.lines.append(f"{body}:")
        self._put(node.target, index)
        self._loop(node.body, on, end)
        text.begin(on)
        text.store(text.give(f"add i64 {index}, {step}"), counter)
        text.add(f"br label %{test}")
        text.lines.append(f"{end}:")

    def _range(self, node: ast.For) -> list[str]:
        """Beginning, end and step of a loop."""
        call = node.iter
        require(isinstance(call, ast.Call) and not node.orelse, ast.unparse(node.iter))
        assert isinstance(call, ast.Call)
        require(self._thing(call.func) is range and not call.keywords, ast.unparse(call))
        values = [integer(self.value(argument)) for argument in call.args]
        if len(values) == 1:
            values = ["0", *values]
        return [*values, "1"][:3]


def written(function: FunctionType) -> str:
    """The text of a module whose function NAME is a body.

    Raises
    ------
    UnsupportedError
        If there is something in it that is left to numba.
    """
    text = Text()
    _Function(text, function, ["%address", "%first", "%last"], 0)
    return text.module()
