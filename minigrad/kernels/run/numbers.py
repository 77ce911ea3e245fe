"""The integers that a body reads: named tuples of them, which lie at an address."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

__all__ = ["numbers_at"]


@intrinsic
def numbers_at(typing_context: Any, kind: Any, address: Any) -> Any:
    """The named tuple of integers, of a given class, that lies at an address."""
    fields = types.NamedUniTuple(types.int64, len(kind.instance_class._fields), kind.instance_class)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[1], context.get_value_type(fields).as_pointer())
        return builder.load(pointer, align=8)

    return fields(kind, types.int64), codegen
