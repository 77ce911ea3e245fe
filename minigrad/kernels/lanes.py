"""Eight numbers at a time: vectors as values inside jitted code, for loops over short rows.

LLVM turns a plain loop into vector code that takes 32 or more elements at a time and leaves the
rest to a scalar loop. The rows of images are often shorter than that. Code that says itself what
to do with eight neighbours ("lanes") runs at full speed from eight elements on, whatever vectors
the processor has: LLVM splits them or joins them as needed.

A value is of the type :class:`Lanes`: float32, float64, int32 or boolean. There are no operators,
only the functions below; everything but loads and stores works lane by lane.

They exist only inside compiled code.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LANES", "Lanes", "add", "both", "choose", "divide", "either", "equal", "inside", "interleaved",
    "load", "load_masked", "load_second", "load_second_masked", "multiply", "negative", "places",
    "spread", "store", "store_masked", "takes_over",
]  # fmt: skip

LANES = 8
_I32, _I64 = ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):  # type: ignore[misc]
    """The type of eight numbers of one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Any) -> None:
        element = (
            ir.IntType(1) if lanes.dtype == types.boolean else manager[lanes.dtype].get_value_type()
        )
        super().__init__(manager, lanes, ir.VectorType(element, LANES))


_FLAGS, _INTS = Lanes(types.boolean), Lanes(types.int32)


def _splat(builder: Any, value: Any) -> Any:
    """The same value in all lanes."""
    vector = ir.VectorType(value.type, LANES)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


@intrinsic
def spread(typingctx: Any, x: Any) -> Any:
    """One number in all lanes; whole numbers as int32."""
    kind = types.int32 if isinstance(x, types.Integer) else types.unliteral(x)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, context.cast(builder, args[0], signature.args[0], kind))

    return Lanes(kind)(x), codegen


@intrinsic
def places(typingctx: Any, first: Any, step: Any) -> Any:
    """``first + step * i`` in lane `i`, int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, distance = (_splat(builder, builder.trunc(a, _I32)) for a in args)
        count = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES)))
        return builder.add(start, builder.mul(distance, count))

    return _INTS(types.int64, types.int64), codegen


@intrinsic
def inside(typingctx: Any, x: Any, size: Any) -> Any:
    """``0 <= x < size``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        limit = _splat(builder, builder.trunc(args[1], _I32))
        return builder.icmp_unsigned("<", args[0], limit)

    return _FLAGS(_INTS, types.int64), codegen


@intrinsic
def negative(typingctx: Any, x: Any) -> Any:
    """``x < 0`` of int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.icmp_signed("<", args[0], ir.Constant(args[0].type, [0] * LANES))

    return _FLAGS(_INTS), codegen


@intrinsic
def equal(typingctx: Any, x: Any, value: Any) -> Any:
    """``x == value`` of int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.icmp_signed("==", args[0], _splat(builder, builder.trunc(args[1], _I32)))

    return _FLAGS(_INTS, types.int64), codegen


@intrinsic
def takes_over(typingctx: Any, x: Any, best: Any) -> Any:
    """``x > best``, or `x` is NaN."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        larger = builder.fcmp_ordered(">", *args)
        return builder.or_(larger, builder.fcmp_unordered("uno", args[0], args[0]))

    return _FLAGS(x, best), codegen


def _flags_operation(name: str, doc: str) -> Any:
    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return _FLAGS(_FLAGS, _FLAGS), codegen

    typing.__doc__ = doc
    return intrinsic(typing)


both = _flags_operation("and_", "``a and b``.")
either = _flags_operation("or_", "``a or b``.")


def _arithmetic(name: str, doc: str) -> Any:
    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return a(a, a), codegen

    typing.__doc__ = doc
    return intrinsic(typing)


add = _arithmetic("fadd", "``a + b``.")
multiply = _arithmetic("fmul", "``a * b``.")
divide = _arithmetic("fdiv", "``a / b``.")


@intrinsic
def choose(typingctx: Any, flags: Any, a: Any, b: Any) -> Any:
    """``a`` where the flag is set, ``b`` elsewhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    return a(_FLAGS, a, a), codegen


# -- memory ----------------------------------------------------------------------------------------


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _lanes_of(array: Any) -> Any:
    """Floats as they are; whole numbers, of whatever size in memory, as int32."""
    return Lanes(array.dtype) if isinstance(array.dtype, types.Float) else _INTS


def _stored(context: Any, array: Any, count: int = LANES) -> Any:
    return ir.VectorType(context.get_data_type(array.dtype), count)


def _plain_load(builder: Any, address: Any, vector: Any, size: int) -> Any:
    loaded = builder.load(builder.bitcast(address, vector.as_pointer()))
    loaded.align = size
    return loaded


def _masked_load(builder: Any, address: Any, vector: Any, size: int, flags: Any) -> Any:
    pointer = builder.bitcast(address, vector.as_pointer())
    name = f"llvm.masked.load.v{vector.count}{_suffix(vector.element)}.p0"
    kind = ir.FunctionType(vector, [pointer.type, _I32, flags.type, vector])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(
        function, [pointer, ir.Constant(_I32, size), flags, ir.Constant(vector, [0] * vector.count)]
    )


def _suffix(element: Any) -> str:
    if isinstance(element, ir.IntType):
        return f"i{element.width}"
    return "f64" if isinstance(element, ir.DoubleType) else "f32"


def _widened(builder: Any, value: Any) -> Any:
    """Whole numbers as int32; those of one byte are not negative."""
    element = value.type.element
    if not isinstance(element, ir.IntType) or element.width == 32:
        return value
    return builder.zext(value, ir.VectorType(_I32, LANES))


def _size(array: Any) -> int:
    return int(array.dtype.bitwidth) // 8


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """The eight elements from ``array[index]`` on, all of which must exist."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, *args)
        vector = _stored(context, array)
        return _widened(builder, _plain_load(builder, address, vector, _size(array)))

    return _lanes_of(array)(array, types.int64), codegen


@intrinsic
def load_masked(typingctx: Any, array: Any, index: Any, flags: Any) -> Any:
    """As :func:`load`; lanes whose flag is not set are not read, and are 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, *args[:2])
        vector = _stored(context, array)
        loaded = _masked_load(builder, address, vector, _size(array), args[2])
        return _widened(builder, loaded)

    return _lanes_of(array)(array, types.int64, _FLAGS), codegen


_EVEN = list(range(0, 2 * LANES, 2))


@intrinsic
def load_second(typingctx: Any, array: Any, index: Any) -> Any:
    """Every second of the sixteen elements from ``array[index]`` on; all sixteen must exist."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, *args)
        vector, size = _stored(context, array), _size(array)
        low = _plain_load(builder, address, vector, size)
        above = builder.gep(address, [ir.Constant(_I64, LANES)])
        high = _plain_load(builder, above, vector, size)
        return _shuffle(builder, low, high, _EVEN)

    return _lanes_of(array)(array, types.int64), codegen


@intrinsic
def load_second_masked(typingctx: Any, array: Any, index: Any, flags: Any) -> Any:
    """As :func:`load_second`; lanes whose flag is not set are not read, and are 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, array, *args[:2])
        vector, size, flags = _stored(context, array), _size(array), args[2]
        none, half = ir.Constant(flags.type, [0] * LANES), LANES // 2
        spots = [[v for i in range(half) for v in (i + part, LANES)] for part in (0, half)]
        low, high = (
            _masked_load(
                builder, builder.gep(address, [ir.Constant(_I64, offset)]), vector, size,
                _shuffle(builder, flags, none, where),
            )
            for offset, where in zip((0, LANES), spots, strict=True)
        )  # fmt: skip
        return _shuffle(builder, low, high, _EVEN)

    return _lanes_of(array)(array, types.int64, _FLAGS), codegen


def _narrowed(builder: Any, value: Any, vector: Any) -> Any:
    return value if value.type == vector else builder.trunc(value, vector)


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write the eight elements from ``array[index]`` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _stored(context, array)
        pointer = _address(context, builder, array, *args[:2])
        pointer = builder.bitcast(pointer, vector.as_pointer())
        builder.store(_narrowed(builder, args[2], vector), pointer).align = _size(array)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), codegen


@intrinsic
def store_masked(typingctx: Any, array: Any, index: Any, value: Any, flags: Any) -> Any:
    """As :func:`store`; lanes whose flag is not set are not written."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _stored(context, array)
        pointer = _address(context, builder, array, *args[:2])
        pointer = builder.bitcast(pointer, vector.as_pointer())
        name = f"llvm.masked.store.v{LANES}{_suffix(vector.element)}.p0"
        kind = ir.FunctionType(ir.VoidType(), [vector, pointer.type, _I32, args[3].type])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        aligned = ir.Constant(_I32, _size(array))
        builder.call(function, [_narrowed(builder, args[2], vector), pointer, aligned, args[3]])
        return context.get_dummy_value()

    return types.void(array, types.int64, value, _FLAGS), codegen


@intrinsic
def interleaved(typingctx: Any, even: Any, odd: Any, upper: Any) -> Any:
    """``even[0], odd[0], even[1], ...``: the first eight of them, or (`upper`) the others."""
    half = LANES // 2
    first = [v for i in range(half) for v in (i, i + LANES)]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low = _shuffle(builder, args[0], args[1], first)
        high = _shuffle(builder, args[0], args[1], [v + half for v in first])
        return builder.select(args[2], high, low)

    return even(even, even, types.boolean), codegen
