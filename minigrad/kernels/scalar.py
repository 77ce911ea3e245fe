"""Functions by dtype, for kernels written once for float32 and float64.

``exp(x)`` inside jitted code becomes ``exp_f32`` or ``exp_f64`` of `kernels.math.vecmath`
when numba compiles the kernel for a dtype. Called from plain Python it is numpy's.

``order_key`` maps floats to integers of the same width that sort alike. Integer maxima vectorise
to one instruction, need no rule for NaN, and may be taken in any order; a loop over float maxima
that respects NaN is several times slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload

from minigrad.kernels.math import vecmath

__all__ = ["exp", "from_order_key", "larger", "log", "order_key", "smaller"]


def exp(x: Any) -> Any:
    """``e**x`` in the dtype of `x`."""
    return np.exp(x)


def log(x: Any) -> Any:
    """Natural logarithm in the dtype of `x`."""
    return np.log(x)


def _choose(name: str, x: Any) -> Callable[[Any], Any] | None:
    """The implementation of ``name(x)`` for the numba type `x`; None where there is none."""
    if x not in (types.float32, types.float64):
        return None
    function = getattr(vecmath, f"{name}_f{x.bitwidth}")
    return lambda x: function(x)


# numba compares the parameters of the two functions below, so neither may be annotated.
@overload(exp)
def _exp(x):
    return _choose("exp", x)


@overload(log)
def _log(x):
    return _choose("log", x)


def _key_type(x: Any) -> Any:
    return {types.float32: types.int32, types.float64: types.int64}.get(x)


def _flip_negative(builder: Any, bits: Any) -> Any:
    """Reverse the order of negative numbers, whose bits grow as they fall; its own inverse."""
    kind = bits.type
    sign = builder.ashr(bits, ir.Constant(kind, kind.width - 1))
    return builder.xor(bits, builder.and_(sign, ir.Constant(kind, 2 ** (kind.width - 1) - 1)))


@intrinsic
def order_key(typingctx: Any, x: Any, down: Any) -> Any:
    """Integer that grows with `x`, or falls with it if `down`; NaN comes above all others."""
    key_type = _key_type(x)
    if key_type is None or down != types.boolean:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, reverse = args
        kind = context.get_value_type(key_type)
        key = _flip_negative(builder, builder.bitcast(value, kind))
        key = builder.xor(key, builder.sext(reverse, kind))
        is_nan = builder.fcmp_unordered("uno", value, value)
        return builder.select(is_nan, ir.Constant(kind, 2 ** (kind.width - 1) - 1), key)

    return key_type(x, types.boolean), codegen


@intrinsic
def from_order_key(typingctx: Any, key: Any, down: Any) -> Any:
    """The float whose :func:`order_key` is `key`."""
    float_type = {types.int32: types.float32, types.int64: types.float64}.get(key)
    if float_type is None or down != types.boolean:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, reverse = args
        bits = builder.xor(bits, builder.sext(reverse, bits.type))
        return builder.bitcast(_flip_negative(builder, bits), context.get_value_type(float_type))

    return float_type(key, types.boolean), codegen


def _choose_integer(comparison: str, doc: str) -> Any:
    def typing(typingctx: Any, a: Any, b: Any) -> Any:
        common = types.unliteral(a)
        if common != types.unliteral(b) or not isinstance(common, types.Integer):
            return None

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.icmp_signed(comparison, *args), *args)

        return common(common, common), codegen

    typing.__doc__ = doc
    return intrinsic(typing)


larger = _choose_integer(">", "Larger of two integers of one type, in that type.")
smaller = _choose_integer("<", "Smaller of two integers of one type, in that type.")


if config.DISABLE_JIT:  # stand-ins, so that kernels run as plain Python: a key is (is NaN, value)

    def order_key(x: Any, down: bool) -> Any:  # noqa: D103
        return (True, 0.0) if x != x else (False, -x if down else x)

    def from_order_key(key: Any, down: bool) -> Any:  # noqa: D103
        return np.nan if key[0] else (-key[1] if down else key[1])

    larger, smaller = max, min
