"""Custom functions (`autograd.Function`) on many examples at once."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.autograd.function import Function, FunctionCtx, run_forward
from minigrad.core.ops.shape import expand
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.func import tree
from minigrad.func.batched import Batched, Level, peel, split, union, wrap
from minigrad.func.batching import Batching
from minigrad.func.vmap import map_level

__all__ = ["VmapInfo", "apply_batched"]


class VmapInfo(NamedTuple):
    """What the `vmap` method of a custom function is told."""

    batch_size: int
    randomness: str


def apply_batched(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """``cls.apply(*args)`` where some arguments stand for many examples."""
    level = union([a for a in args if isinstance(a, Tensor)])[-1]
    pairs = [peel(a, level) if isinstance(a, Tensor) else (a, False) for a in args]
    values, mapped = [a for a, _ in pairs], tuple(m for _, m in pairs)
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and "
            "an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            "overridden vmap staticmethod to avoid ambiguity."
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True."
        )
    if cls.generate_vmap_rule:
        result = _generated(cls, mapped, level).apply(*values)
        return tree.tree_map(lambda t: _inside(t, 0, level), result)
    info = VmapInfo(level.size, level.randomness)
    found = cls.vmap(info, tuple(0 if m else None for m in mapped), *values)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise RuntimeError(
            f"{cls.__name__}.vmap must return two values (output, out_dims), got {type(found)}"
        )
    result, out_dims = found
    leaves, spec = tree.flatten(result)
    dims = tree.broadcast(out_dims, spec)
    if dims is None:
        raise RuntimeError(
            f"Expected the vmap staticmethod of {cls.__name__} to have an `out_dims` compatible "
            f"with the structure of its output {spec}, got {out_dims}"
        )
    return tree.unflatten([_inside(t, d, level) for t, d in zip(leaves, dims, strict=True)], spec)


def _inside(t: Any, dim: int | None, level: Level) -> Any:
    if dim is None or not isinstance(t, Tensor):
        return t
    return map_level(t, dim % t.array.ndim, level)


def _outside(t: Any, level: Level) -> tuple[Any, bool]:
    """The value of a tensor outside of a level, and whether it is mapped there."""
    if not isinstance(t, Batched) or t.levels[-1] is not level:
        return t, False
    return wrap(split(t)[0], t.levels[:-1]), True


def _generated(cls: type[Function], mapped: tuple[bool, ...], outer: Level) -> type[Function]:
    """A custom function whose forward and backward are `cls`'s inside `vmap`."""
    size, randomness = outer.size, outer.randomness

    class Mapped(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            inner = FunctionCtx(ctx.needs_input_grad)
            with Level(size, randomness) as level:
                inside = tuple(
                    map_level(a, 0, level) if m else a for a, m in zip(args, mapped, strict=True)
                )
                raw = run_forward(cls, inner, inside)
                pairs = [_outside(t, level) for t in inner._to_save]
                single = not isinstance(raw, (tuple, list))
                outs = [_outside(y, level) for y in ([raw] if single else raw)]
            ctx.inner, ctx.flags = inner, tuple(m for _, m in pairs)
            ctx.save_for_backward(*(t for t, _ in pairs))
            whole = [
                y if m or not isinstance(y, Tensor) else expand(y, (size, *y.array.shape))
                for y, m in outs
            ]
            ctx.set_materialize_grads(inner.materialize_grads)
            constant = [id(_outside(t, level)[0]) for t in inner._constant]
            ctx.mark_non_differentiable(*(y for y in whole if id(y) in constant))
            return whole[0] if single else tuple(whole)

        @staticmethod
        def backward(ctx: Any, *flows: Any) -> Any:
            inner = ctx.inner
            with Level(size, randomness) as level:
                inner._unpacked = tuple(
                    map_level(t, 0, level) if m else t
                    for t, m in zip(ctx.saved_tensors, ctx.flags, strict=True)
                )
                inside = [g if g is None else map_level(g, 0, level) for g in flows]
                try:
                    found = cls.backward(inner, *inside)
                finally:
                    inner._unpacked = None
                found = found if isinstance(found, (tuple, list)) else (found,)
                pairs = [_outside(g, level) for g in found]
            return tuple(
                _fitted(g, each, own) for (g, each), own in zip(pairs, mapped, strict=True)
            )

    def _fitted(g: Any, each: bool, own: bool) -> Any:
        """A gradient for each example, where the argument is one for each; else their sum."""
        if not isinstance(g, Tensor) or each == own:
            return g
        if each:
            return PUBLIC["sum"](g, 0)
        return expand(g, (size, *g.array.shape))

    Mapped.__name__ = Mapped.__qualname__ = f"Vmapped{cls.__name__}"
    return Mapped


Batching.custom = staticmethod(apply_batched)
