"""LLVM code on whole vector registers, for loops whose sums must stay in registers.

numba compiles loops over numbers, and LLVM may or may not make vectors of them. Where a loop is to
use the registers in a certain way, it is written down here instruction by instruction: an
:class:`Emitter` has the instructions, and a :class:`Function` written with them has an *address*
once it is compiled. Drivers call by address (:func:`call`), so that one compiled driver serves all
variants of a function, and a variant takes some hundredths of a second to compile, not seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

__all__ = ["I32", "LINE", "Emitter", "Function", "Value", "Vector", "call"]

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
Value = Any

#: Bytes of a line of the cache.
LINE = 64


class Vector(NamedTuple):
    """A vector register: the size of its numbers in bytes (4 or 8) and how many it holds."""

    size: int
    lanes: int

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return self.size * self.lanes


class Emitter:
    """LLVM instructions on vectors of one kind, addresses being plain integers."""

    def __init__(self, builder: Any, vector: Vector) -> None:
        self.b = builder
        self.vector = vector
        self.element = ir.FloatType() if vector.size == 4 else ir.DoubleType()
        self.type = ir.VectorType(self.element, vector.lanes)
        self.flags = ir.VectorType(I1, vector.lanes)
        self.whole = ir.VectorType(I32, vector.lanes)
        self.suffix = f"v{vector.lanes}f{8 * vector.size}"
        self.zero = ir.Constant(self.type, [0.0] * vector.lanes)

    def integer_constant(self, value: int) -> Value:
        """A number for addresses and counts."""
        return ir.Constant(I64, value)

    def at(self, address: Value, offset: Value | int) -> Value:
        """``address + offset``."""
        if isinstance(offset, int):
            offset = self.integer_constant(offset)
        return self.b.add(address, offset)

    def times(self, value: Value, factor: int) -> Value:
        """``value * factor``."""
        return self.b.mul(value, self.integer_constant(factor))

    def integer(self, address: Value) -> Value:
        """The integer stored at an address."""
        return self.b.load(self.b.inttoptr(address, I64.as_pointer()), align=8)

    def load(self, address: Value, offset: Value | int = 0) -> Value:
        """The vector stored at an address, aligned like a single number."""
        pointer = self.b.inttoptr(self.at(address, offset), self.type.as_pointer())
        return self.b.load(pointer, align=self.vector.size)

    def store(self, value: Value, address: Value, offset: Value | int = 0) -> None:
        """Write a vector."""
        pointer = self.b.inttoptr(self.at(address, offset), self.type.as_pointer())
        self.b.store(value, pointer, align=self.vector.size)

    def broadcast(self, address: Value, offset: Value | int = 0) -> Value:
        """A vector with the number at an address in all lanes."""
        pointer = self.b.inttoptr(self.at(address, offset), self.element.as_pointer())
        return self.spread(self.b.load(pointer, align=self.vector.size), self.type)

    def scalar(self, address: Value) -> Value:
        """The number stored at an address."""
        pointer = self.b.inttoptr(address, self.element.as_pointer())
        return self.b.load(pointer, align=self.vector.size)

    def spread(self, scalar: Value, kind: Any) -> Value:
        """A vector with the scalar in all lanes."""
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(nothing, scalar, I32(0))
        lanes = ir.Constant(ir.VectorType(I32, self.vector.lanes), [0] * self.vector.lanes)
        return self.b.shuffle_vector(first, nothing, lanes)

    def prefetch(self, address: Value, for_store: int = 0) -> None:
        """Begin to fetch the line of the cache at `address`, which may be any number."""
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
        function = get_or_insert_function(self.b.module, kind, "llvm.prefetch.p0")
        self.b.call(function, [self.b.inttoptr(address, pointer), I32(for_store), I32(3), I32(1)])

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """``a * b + c``, rounded once where the processor can."""
        # fmuladd, not fma: where the processor has none, that would be a call for each lane
        kind = ir.FunctionType(self.type, [self.type] * 3)
        name = f"llvm.fmuladd.{self.suffix}"
        return self.b.call(get_or_insert_function(self.b.module, kind, name), [a, b, c])

    # ------------------------------------------------------------------------------------- masks

    def below(self, count: Value, first: int | Value = 0) -> Value:
        """The lanes of which ``first + lane < count``, compared as signed numbers."""
        lanes = ir.Constant(self.whole, list(range(self.vector.lanes)))
        left = self.b.sub(count, self.integer_constant(first) if isinstance(first, int) else first)
        return self.b.icmp_signed("<", lanes, self.spread(self.b.trunc(left, I32), self.whole))

    def inside(self, first: Value, step: Value, size: Value) -> Value:
        """The lanes of which ``0 <= first + step * lane < size``."""
        lanes = ir.Constant(self.whole, list(range(self.vector.lanes)))
        start, distance, limit = [
            self.spread(self.b.trunc(v, I32), self.whole) for v in (first, step, size)
        ]
        places = self.b.add(start, self.b.mul(distance, lanes))
        return self.b.icmp_unsigned("<", places, limit)

    def load_masked(self, address: Value, mask: Value) -> Value:
        """The lanes of the mask; 0 in the others, of which the memory is not touched."""
        pointer = self.type.as_pointer()
        kind = ir.FunctionType(self.type, [pointer, I32, self.flags, self.type])
        name = f"llvm.masked.load.{self.suffix}.p0"
        function = get_or_insert_function(self.b.module, kind, name)
        where = self.b.inttoptr(address, pointer)
        return self.b.call(function, [where, I32(self.vector.size), mask, self.zero])

    def store_masked(self, value: Value, address: Value, mask: Value) -> None:
        """Write the lanes of the mask only."""
        pointer = self.type.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [self.type, pointer, I32, self.flags])
        name = f"llvm.masked.store.{self.suffix}.p0"
        function = get_or_insert_function(self.b.module, kind, name)
        where = self.b.inttoptr(address, pointer)
        self.b.call(function, [value, where, I32(self.vector.size), mask])

    # ---------------------------------------------------------------------------- small integers

    def load_bytes(self, address: Value, size: int, mask: Value = None) -> Value:
        """Integers of 1 (not negative) or 4 bytes, as 4 bytes; 0 where the mask is not set."""
        kind = ir.VectorType(I8 if size == 1 else I32, self.vector.lanes)
        pointer = self.b.inttoptr(address, kind.as_pointer())
        if mask is None:
            loaded = self.b.load(pointer, align=size)
        else:
            function_type = ir.FunctionType(kind, [pointer.type, I32, self.flags, kind])
            name = f"llvm.masked.load.v{self.vector.lanes}i{8 * size}.p0"
            function = get_or_insert_function(self.b.module, function_type, name)
            nothing = ir.Constant(kind, [0] * self.vector.lanes)
            loaded = self.b.call(function, [pointer, I32(size), mask, nothing])
        return self.b.zext(loaded, self.whole) if size == 1 else loaded

    def store_bytes(self, value: Value, address: Value, size: int, mask: Value = None) -> None:
        """The opposite of :meth:`load_bytes`."""
        kind = ir.VectorType(I8 if size == 1 else I32, self.vector.lanes)
        value = self.b.trunc(value, kind) if size == 1 else value
        pointer = self.b.inttoptr(address, kind.as_pointer())
        if mask is None:
            self.b.store(value, pointer, align=size)
            return
        function_type = ir.FunctionType(ir.VoidType(), [kind, pointer.type, I32, self.flags])
        name = f"llvm.masked.store.v{self.vector.lanes}i{8 * size}.p0"
        function = get_or_insert_function(self.b.module, function_type, name)
        self.b.call(function, [value, pointer, I32(size), mask])

    # ------------------------------------------------------------------------------------- loops

    def loop(
        self,
        count: Value,
        starts: list[Value],
        steps: list[Value],
        carried: list[Value],
        body: Callable[[Value, list[Value], list[Value]], list[Value]],
        maybe: bool = False,
    ) -> list[Value]:
        """Run ``body(index, addresses, carried)`` `count` times: at least once, unless `maybe`.

        The addresses begin at `starts` and grow by `steps`; `carried` values are the results of
        the turn before: LLVM keeps both in registers.
        """
        b = self.b
        before = b.block
        top = b.append_basic_block()
        b.branch(top)
        b.position_at_end(top)

        def variable(value: Value) -> Value:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            return phi

        index = variable(self.integer_constant(0))
        addresses = [variable(start) for start in starts]
        values = [variable(value) for value in carried]
        after = None
        if maybe:
            inner, after = b.append_basic_block(), b.append_basic_block()
            b.cbranch(b.icmp_signed("<", index, count), inner, after)
            b.position_at_end(inner)
        results = body(index, addresses, values)
        end = b.block
        grown = b.add(index, self.integer_constant(1))
        index.add_incoming(grown, end)
        for phi, step in zip(addresses, steps, strict=True):
            phi.add_incoming(b.add(phi, step), end)
        for phi, result in zip(values, results, strict=True):
            phi.add_incoming(result, end)
        if after is not None:
            b.branch(top)
            b.position_at_end(after)
            return values
        after = b.append_basic_block()
        b.cbranch(b.icmp_signed("<", grown, count), top, after)
        b.position_at_end(after)
        return results

    def transposed(self, rows: list[Value]) -> list[Value]:
        """As many vectors as there are lanes, rows and columns exchanged.

        Each step swaps one bit of the number of the row with the same bit of the lane.
        """
        lanes = self.vector.lanes
        bit = 1
        while bit < lanes:
            low = [lanes + (j ^ bit) if j & bit else j for j in range(lanes)]
            high = [(j | bit) if not j & bit else lanes + j for j in range(lanes)]
            swapped = list(rows)
            for i in range(lanes):
                if not i & bit:
                    pair = rows[i], rows[i | bit]
                    swapped[i] = self.shuffled(*pair, low)
                    swapped[i | bit] = self.shuffled(*pair, high)
            rows = swapped
            bit *= 2
        return rows

    def interleaved(self, even: Value, odd: Value) -> list[Value]:
        """``even[0], odd[0], even[1], ...``, as two vectors."""
        lanes = self.vector.lanes
        order = [v for i in range(lanes) for v in (i, i + lanes)]
        return [self.shuffled(even, odd, order[:lanes]), self.shuffled(even, odd, order[lanes:])]

    def shuffled(self, a: Value, b: Value, places: list[int]) -> Value:
        """The lanes at these places of two vectors in a row."""
        mask = ir.Constant(ir.VectorType(I32, len(places)), places)
        return self.b.shuffle_vector(a, b, mask)


class Function(NamedTuple):
    """A function of integers that returns nothing, by the instructions of its body."""

    vector: Vector
    name: str
    arguments: int
    write: Callable[[Emitter, list[Value]], None]

    def add_to(self, module: Any, name: str) -> Any:
        """Write it into a module of LLVM's; returns the function there."""
        kind = ir.FunctionType(ir.VoidType(), [I64] * self.arguments)
        function = ir.Function(module, kind, name=name)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.write(Emitter(builder, self.vector), list(function.args))
        builder.ret_void()
        return function

    def text(self, name: str) -> str:
        """A module of its own in LLVM's language."""
        module = ir.Module(name)
        self.add_to(module, name)
        return str(module)

    def address(self) -> Any:
        """An intrinsic that returns the address of the code, for processors left to numba."""

        @intrinsic
        def address(typing_context: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                name = builder.module.get_unique_name(f"{builder.function.name}.{self.name}")
                function = self.add_to(builder.module, name)
                function.linkage = "internal"
                return builder.ptrtoint(function, I64)

            return types.int64(), codegen

        return address


@intrinsic
def call(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the function at `address` with a tuple of integers; it returns nothing."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(arguments.types))
        values = [
            context.cast(builder, builder.extract_value(args[1], i), given, types.int64)
            for i, given in enumerate(arguments.types)
        ]
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), codegen
