"""PyTorch's words for what numpy refused: sizes that do not fit, types that do not mix.

The operations of the core leave checks of sizes to numpy, which makes them anyway. Only a call that
failed comes here, and what would have refused it beforehand is asked for its words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.promotion import refuse_bfloat16
from minigrad.core.refusal import use_words
from minigrad.core.tensor import Tensor
from minigrad.ops.room import no_room

__all__ = ["check_factors", "filled_in", "hint", "type_name"]

Shape = tuple[int, ...]


def _explain(name: str, arguments: tuple[Any, ...], error: Exception) -> Exception:
    """What `core.refusal.explain` answers."""
    if isinstance(error, MemoryError):
        return no_room(name, error)
    try:
        _CHECKS.get(name, _check_broadcast)(name, *arguments)
    except (RuntimeError, NotImplementedError) as better:
        return better
    if name in _CHECKS:  # all fits, but numpy cannot count to such sizes
        return no_room(name, error)
    return RuntimeError(f"{name}: {error}")


def _check_broadcast(name: str, *operands: Tensor) -> None:
    """Operands of an elementwise operation: which sizes differ, and where."""
    shapes = [o.array.shape for o in operands]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        dim, a, b = _unlike(shapes)
    else:
        return
    listed = " and ".join(str(list(s)) for s in shapes)
    raise RuntimeError(
        f"{name}: The size of tensor a ({a}) must match the size of tensor b ({b}) at "
        f"non-singleton dimension {dim}; the shapes are {listed}"
    )


def _unlike(shapes: list[Shape]) -> tuple[int, int, int]:
    """The last dimension along which shapes do not broadcast, and two of its sizes."""
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(s)) + s for s in shapes]
    for dim in reversed(range(longest)):
        sizes = [p[dim] for p in padded if p[dim] != 1]
        if len(set(sizes)) > 1:
            break
    return dim, sizes[0], next(s for s in sizes if s != sizes[0])


# -- views -----------------------------------------------------------------------------------------


def filled_in(old: Shape, shape: Shape, name: str) -> Shape:
    """Fill in the one size that is -1.

    Parameters
    ----------
    old, shape : tuple of int
        The sizes that are, and those that are wanted.
    name : str
        Who wants them.

    Raises
    ------
    RuntimeError
        If they make another number of elements, or leave more than one size open.
    """
    numel = math.prod(old)
    if shape.count(-1) > 1:
        raise RuntimeError(f"{name}: only one dimension can be inferred, got shape {list(shape)}")
    if any(s < -1 for s in shape):
        raise RuntimeError(f"{name}: invalid shape dimension in {list(shape)}")
    if -1 in shape:
        known = -math.prod(shape)
        if known == 0:
            raise RuntimeError(
                f"{name}: cannot reshape tensor of {numel} elements into shape {list(shape)} "
                "because the unspecified dimension size -1 can be any value and is ambiguous"
            )
        if numel % known == 0:
            return tuple(numel // known if s == -1 else s for s in shape)
    elif math.prod(shape) == numel:
        return shape
    raise RuntimeError(
        f"{name}: shape {list(shape)} is invalid for input of size {numel} (shape {list(old)})"
    )


def _check_reshape(name: str, old: Shape, shape: Shape) -> None:
    filled_in(old, shape, name)


def _check_order(name: str, n: int, order: Shape) -> None:
    """Dimensions in another order."""
    if len(order) != n:
        raise RuntimeError(
            f"{name}: number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {n} is not equal to "
            f"len(dims) = {len(order)}"
        )
    if len({d % n for d in order}) != n:
        raise RuntimeError(f"{name}(): duplicate dims are not allowed.")


def _check_expand(name: str, shape: Shape, wanted: Shape) -> None:
    """Dimensions of size 1 repeated."""
    new = len(wanted) - len(shape)
    if new < 0:
        raise RuntimeError(
            f"{name}({list(shape)}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    for i, s in enumerate(wanted):
        old = shape[i - new] if i >= new else None
        if s == -1 and old is not None:
            s = old
        if s < 0 or (old is not None and old not in (1, s)):
            raise RuntimeError(
                f"The expanded size of the tensor ({s}) must match the existing size ({old}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(wanted)}.  "
                f"Tensor sizes: {list(shape)}"
            )


# -- products --------------------------------------------------------------------------------------


def type_name(x: Tensor) -> str:
    """The type of elements as PyTorch names it in errors."""
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}.get(
        x.dtype.name, x.dtype.name
    )


def hint(a: Shape, b: Shape) -> str:
    """What would make two matrices fit."""
    if a[-1] == b[-1]:
        return "; a @ b.mT would fit"
    if len(a) > 1 and a[-2] == b[-2]:
        return "; a.mT @ b would fit"
    if len(a) > 1 and a[-2] == b[-1]:
        return "; b @ a would fit"
    return f"; the last size of the first, {a[-1]}, must be the first size of the second, {b[-2]}"


def _check_product(name: str, a: Tensor, b: Tensor) -> None:
    check_factors(a.array.shape, b.array.shape)
    _check_types(a, b)


def check_factors(m: Shape, n: Shape) -> None:
    """Refuse to multiply shapes that do not fit.

    Raises
    ------
    RuntimeError
        With both, and with what would fit.
    """
    if not m or not n:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(m)}D and {len(n)}D"
        )
    if len(n) == 1:
        if len(m) == 1:
            if m != n:
                raise RuntimeError(
                    f"inconsistent tensor size, expected tensor [{m[0]}] and src [{n[0]}] to have "
                    "the same "
                    f"number of elements, but got {m[0]} and {n[0]} elements respectively"
                )
        elif m[-1] != n[0]:
            rows = int(np.prod(m[:-1]))
            raise RuntimeError(
                f"size mismatch, got input ({rows}), mat ({rows}x{m[-1]}), vec "
                f"({n[0]}){_vector_hint(m, n)}"
            )
    elif len(n) == 2 or len(m) == 1:
        if m[-1] != n[-2]:
            rows = int(np.prod(m[:-1]))
            raise RuntimeError(
                f"mat1 and mat2 shapes cannot be multiplied ({rows}x{m[-1]} and {n[-2]}x{n[-1]})"
                + hint(m, n)
            )
    else:
        _check_batches(m, n)


def _vector_hint(m: Shape, n: Shape) -> str:
    return "; a.mT @ v would fit" if len(m) > 1 and m[-2] == n[0] else ""


def _check_batches(m: Shape, n: Shape) -> None:
    if m[-1] != n[-2]:
        size = int(np.prod(n[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size}, {m[-1]}] "
            "but got: "
            f"[{size}, {n[-2]}].{hint(m, n)}"
        )
    lead_a, lead_b = m[:-2], n[:-2]
    try:
        np.broadcast_shapes(lead_a, lead_b)
    except ValueError:
        k = max(len(lead_a), len(lead_b))
        pairs = zip(
            (1,) * (k - len(lead_a)) + lead_a, (1,) * (k - len(lead_b)) + lead_b, strict=True
        )
        dim, p, q = next((d, p, q) for d, (p, q) in enumerate(pairs) if p != q and 1 not in (p, q))
        raise RuntimeError(
            f"The size of tensor a ({p}) must match the size of tensor b ({q}) at non-singleton "
            "dimension "
            f"{dim}; matmul broadcasts all but the last two dimensions of {list(m)} and {list(n)}"
        ) from None


def _check_types(a: Tensor, b: Tensor) -> None:
    if a.array.dtype != b.array.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {type_name(a)} != "
            f"{type_name(b)}; convert one of them, such as by .float()"
        )
    if a.array.dtype.kind == "V":
        refuse_bfloat16("matmul")
    if a.array.dtype.kind == "b":
        raise NotImplementedError(
            "\"matmul\" not implemented for 'Bool': convert with .long() or .float()"
        )


_CHECKS: dict[str, Callable[..., None]] = {
    "reshape": _check_reshape, "permute": _check_order, "expand": _check_expand,
    "matmul": _check_product,
}  # fmt: skip
use_words(_explain)
