"""Operations on tensors that stand for many examples: what the engine asks while `vmap` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core import gradients
from minigrad.core.declare import Elementwise
from minigrad.core.engine import apply
from minigrad.core.operation import NoValues
from minigrad.core.ops.shape import expand, permute
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Array, Tensor, given
from minigrad.func import batched, tree
from minigrad.func.batched import (
    Batched,
    Level,
    Levels,
    active,
    aligned,
    full,
    moved,
    peel,
    split,
    union,
    wrap,
)
from minigrad.ops.batching import apart
from minigrad.ops.inplace import write as write_plain
from minigrad.ops.random import Law, default_generator

__all__ = ["Batching"]


#: Functions whose results have as many elements as the values say.
_OF_ANY_SIZE = {
    "argwhere", "bincount", "masked_select", "nonzero", "repeat_interleave", "unique",
    "unique_consecutive", "where",
}  # fmt: skip


class Batching:
    """What the engine and the operations ask while some `vmap` runs."""

    #: Calls a custom function on many examples; set by `func.custom`.
    custom: Any = None

    @staticmethod
    def apply(op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...]) -> Any:
        """The result for all examples; None where no input is batched."""
        if not any(t.__class__ is Batched for t in inputs):
            return None
        levels = union(inputs)
        if isinstance(op, Elementwise):
            ndim = max(len(t.array.shape) for t in inputs)
            values = tuple([aligned(t, levels, ndim) for t in inputs])
            return Batched(apply(op, values, params), levels)
        level = levels[-1]
        rule = getattr(op, "batch", None)
        if rule is None:
            raise NoValues(
                f"vmap: the operation '{op.name}' does not say how to compute many examples at "
                "once. Give its declaration a rule (batch=..., see minigrad.ops.batching), or call "
                "it outside of vmap."
            )
        peeled = [peel(t, level) for t in inputs]
        batched = tuple(b for _, b in peeled)
        values = tuple(t for t, _ in peeled)
        if not getattr(rule, "shares", False):
            values = tuple(
                t if b else expand(t, (level.size, *t.array.shape))
                for t, b in zip(values, batched, strict=True)
            )
        result = rule(op, values, params, batched)
        if isinstance(result, tuple):
            return tuple(_add(r, level, op) for r in result)
        return _add(result, level, op)

    @staticmethod
    def has_batched(args: Sequence[Any]) -> bool:
        """Whether some argument is batched."""
        return any(isinstance(a, Batched) for a in args)

    @staticmethod
    def values(t: Tensor) -> Array:
        """The elements of all examples, for checks."""
        value: Array = split(t)[0].array
        return value

    @staticmethod
    def loop(
        error: NoValues, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
    ) -> Any:
        """``function(*args, **kwargs)`` for one example after the other of the innermost level."""
        leaves, spec = tree.flatten((args, kwargs))
        levels = union([t for t in leaves if isinstance(t, Tensor)])
        if not levels or not levels[-1].size or function.__name__ in _OF_ANY_SIZE:
            raise error
        level = levels[-1]
        rows = [_examples(t, level) for t in leaves]
        results = []
        for row in zip(*rows, strict=True):
            one_args, one_kwargs = tree.unflatten(row, spec)
            try:
                results.append(function(*one_args, **one_kwargs))
            except NoValues as deeper:
                results.append(Batching.loop(deeper, function, one_args, one_kwargs))
        outs = [tree.leaves_of(r) for r in results]
        shape = tree.flatten(results[0])[1]
        for parts in zip(*outs, strict=True):
            if not all(isinstance(t, Tensor) for t in parts):
                raise error
            if any(t.array.shape != parts[0].array.shape for t in parts):
                raise error
        stack = PUBLIC["stack"]
        return tree.unflatten(
            [_insert(stack(list(parts)), level) for parts in zip(*outs, strict=True)], shape
        )

    @staticmethod
    def write(x: Tensor, compute: Callable[[Tensor], Tensor], name: str) -> Tensor | None:
        """Write over a batched tensor; None for an ordinary one."""
        if x.__class__ is not Batched:
            return None
        value, levels = split(x)

        def fitted(source: Tensor) -> Tensor:
            result = compute(Batched(source, levels))
            if any(level not in levels for level in split(result)[1]):
                raise RuntimeError(Batching.cannot_write(name))
            shape = x.array.shape
            if result.array.shape != shape:
                raise RuntimeError(
                    f"{name}: output with shape {list(shape)} doesn't match the broadcast shape "
                    f"{list(result.array.shape)}"
                )
            return full(result, levels)

        write_plain(value, fitted, name)
        return x

    @staticmethod
    def own_copy(x: Tensor, others: tuple[Tensor, ...]) -> Tensor:
        """A copy of `x` that results of `others` can be written into."""
        levels = union((x, *others))
        return wrap(PUBLIC["clone"](full(x, levels)), levels)

    @staticmethod
    def become(x: Tensor, view: Callable[..., Tensor], args: Any, kwargs: Any) -> bool:
        """Make a batched tensor another view of its memory; False for an ordinary one."""
        if not isinstance(x, Batched):
            return False
        x.value = split(view(x, *args, **kwargs))[0]
        return True

    @staticmethod
    def like(x: Tensor, shape: tuple[int, ...], make: Callable[..., Array]) -> Tensor | None:
        """A new tensor ``make(shape)`` for each example of `x`; None if `x` is an ordinary one."""
        if x.__class__ is not Batched:
            return None
        levels = split(x)[1]
        return Batched(given(make((*(level.size for level in levels), *shape))), levels)

    @staticmethod
    def draw(
        law: Law, inputs: tuple[Tensor, ...], params: tuple[Any, ...], generator: Any
    ) -> Tensor:
        """Random numbers, as the levels want them."""
        levels = {level.depth: level for level in (*union(inputs), *active.get())}
        if any(level.randomness == "error" for level in levels.values()):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use "
                "the 'same' or 'different' randomness flags on vmap or perform the randomness "
                "operation out of vmap"
            )
        repeated = [level for level in union(inputs) if level.randomness == "same"]
        if repeated:
            return _draw_same(law, inputs, params, generator, repeated[-1])
        own = tuple(levels[d] for d in sorted(levels) if levels[d].randomness == "different")
        lead, whole = tuple(level.size for level in own), tuple([full(t, own) for t in inputs])
        return wrap(law.drawn(lead, whole, params, generator), own)

    @staticmethod
    def gradients(
        outs: Sequence[Tensor], ins: Sequence[Tensor], flows: Sequence[Tensor | None],
        retain_graph: bool | None, create_graph: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """The gradients of tensors at any levels, from gradients at any levels.

        The graph is one of ordinary tensors: it is run on the values, whose dimensions include
        those of their levels. Levels that only the arriving gradients have stay levels on the way.
        """
        known = union(outs)
        for x in ins:
            if any(level not in split(x)[1] for level in known):
                raise RuntimeError(
                    "vmap: autograd.grad of a tensor that is mapped over, with respect to one that "
                    "is not: use minigrad.func.grad, which gives the gradient of each example"
                )
        lowered = [None if g is None else _lowered(g, y) for y, g in zip(outs, flows, strict=True)]
        found = gradients.gradients(
            [split(y)[0] for y in outs], [split(x)[0] for x in ins],
            [_ones(y) if g is None else g for y, g in zip(outs, lowered, strict=True)],
            retain_graph, create_graph, any(g.__class__ is Batched for g in lowered),
        )  # fmt: skip
        return [None if g is None else _raised(g, x) for x, g in zip(ins, found, strict=True)]

    @staticmethod
    def cannot_write(name: str) -> str:
        """The text of the error where a batched result does not fit into an ordinary tensor."""
        return (
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a "
            "Tensor `other` in extra_args that has more elements than `self`. This happened due to "
            "`other` being vmapped over but `self` not being vmapped over in a vmap. Please try to "
            "use out-of-place operators instead of inplace arithmetic, or make `self` with "
            f"new_zeros() or zeros_like() of a tensor that is vmapped over. ({name})"
        )


def _ones(y: Tensor) -> Tensor | None:
    """The gradient that a number gets where none is given."""
    value, levels = split(y)
    if not levels or y.array.size != 1:
        return None  # as for ordinary tensors, with their error
    return given(np.ones(value.array.shape, value.array.dtype))


def _lowered(g: Tensor, y: Tensor) -> Tensor:
    """A gradient of `y` as one of its value: the levels of `y` become dimensions."""
    if g.array.shape != y.array.shape:
        return g  # for the error
    own = split(y)[1]
    rest = tuple(level for level in split(g)[1] if level not in own)
    value = full(g, tuple(sorted((*rest, *own), key=lambda level: level.depth)))
    return wrap(_sorted(value, own, rest, (*rest, *own)), rest)


def _raised(g: Tensor, x: Tensor) -> Tensor:
    """A gradient of the value of `x` as one of `x`."""
    own, (value, rest) = split(x)[1], split(g)
    levels = tuple(sorted((*rest, *own), key=lambda level: level.depth))
    order = [(*rest, *own).index(level) for level in levels]
    return wrap(_permuted(value, order), levels)


def _sorted(value: Tensor, own: Levels, rest: Levels, wanted: Levels) -> Tensor:
    """The leading dimensions of `value`, which are levels in order of depth, as `wanted`."""
    levels = sorted((*rest, *own), key=lambda level: level.depth)
    return _permuted(value, [levels.index(level) for level in wanted])


def _permuted(value: Tensor, order: list[int]) -> Tensor:
    if order == sorted(order):
        return value
    return permute(value, (*order, *range(len(order), value.array.ndim)))


def _add(t: Tensor, level: Level, op: Any) -> Tensor:
    """The result of a rule as a tensor of one example."""
    value, levels = split(t)
    if t.array.shape[:1] != (level.size,):
        raise RuntimeError(
            f"vmap: the batching rule of '{op.name}' returned the shape {list(t.array.shape)}; "
            f"its first dimension must run over the {level.size} examples"
        )
    return Batched(value, (*levels, level))


def _draw_same(
    law: Law, inputs: tuple[Tensor, ...], params: tuple[Any, ...], generator: Any, level: Level
) -> Tensor:
    """The same random numbers for each example, although the inputs differ."""
    stream = default_generator if generator is None else generator
    state = stream.get_state()
    results = []
    for row in zip(*(_examples(t, level) for t in inputs), strict=True):
        stream.set_state(state)
        results.append(Batching.draw(law, row, params, stream))
    return _insert(PUBLIC["stack"](results), level)


def _examples(t: Any, level: Level) -> Sequence[Any]:
    """A tensor for each example of a level; what does not have it, again and again."""
    value, levels = split(t) if isinstance(t, Tensor) else (t, ())
    if level not in levels:
        return (t,) * level.size
    k = levels.index(level)
    rest = levels[:k] + levels[k + 1 :]
    return [wrap(part, rest) for part in apart(moved(value, k, 0))]


def _insert(t: Tensor, level: Level) -> Tensor:
    """Dimension 0 of `t` as a level."""
    value, levels = split(t)
    k = sum(other.depth < level.depth for other in levels)
    return Batched(moved(value, len(levels), k), (*levels[:k], level, *levels[k:]))


batched.dispatcher = Batching
