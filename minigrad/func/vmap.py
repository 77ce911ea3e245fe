"""Many examples at once: ``vmap(f)`` is ``f`` for each entry of its arguments, without a loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core.ops.shape import expand
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.func import batching, tree  # noqa: F401 - the engine asks it
from minigrad.func.batched import Level, moved, split, wrap

__all__ = ["map_level", "name_of", "vmap"]


def name_of(func: Any) -> str:
    """What to call a function in an error."""
    if hasattr(func, "__name__"):
        return str(func.__name__)
    if isinstance(func, functools.partial):
        return f"functools.partial({name_of(func.func)}, ...)"
    return repr(func)


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that computes `func` for every entry along a dimension of its arguments.

    `func` is written for one example. Inside, each argument looks like one, and every operation is
    one operation on all examples: a batched matrix product instead of a loop of products. Nests
    with itself and with the other transforms of `minigrad.func`, in any order.

    Parameters
    ----------
    func : callable
        From tensors (and trees of tensors: tuples, lists, dictionaries) to the same.
    in_dims : int, None or nested structure
        For each argument the dimension that runs over the examples; None for one that is the same
        for all.
    out_dims : int, None or nested structure
        Where that dimension goes in the results.
    randomness : {"error", "same", "different"}
        Whether random operations inside are refused, draw the same for all examples, or anew for
        each.
    chunk_size : int, optional
        How many examples to compute at a time, to bound memory; by default all.

    Raises
    ------
    ValueError
        If `in_dims` or `out_dims` does not fit, or the sizes of the mapped dimensions differ.
    RuntimeError
        If `func` asks for values (``item()``, ``if x > 0``), or draws random numbers.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.vmap(mg.dot)(mg.ones(3, 5), mg.ones(3, 5))
    tensor([5., 5., 5.])

    The gradient of the loss for each sample:

    >>> loss = lambda w, x, y: (x @ w - y) ** 2
    >>> x, y = mg.tensor([[1.0, 0.0], [0.0, 2.0]]), mg.tensor([1.0, 1.0])
    >>> mg.vmap(mg.func.grad(loss), in_dims=(None, 0, 0))(mg.zeros(2), x, y)
    tensor([[-2.,  0.],
            [ 0., -4.]])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        _check_out_dims(out_dims, func)
        flat, dims, spec = _inputs(in_dims, args, func)
        size = _size(flat, dims)
        if chunk_size is None or chunk_size >= size:
            return _run(func, flat, dims, spec, size, out_dims, randomness, kwargs)
        starts = range(0, size, chunk_size)
        parts = []
        for start in starts:
            length = min(chunk_size, size - start)
            piece = [
                t if d is None else t.narrow(d, start, length)
                for t, d in zip(flat, dims, strict=True)
            ]
            parts.append(_run(func, piece, dims, spec, length, out_dims, randomness, kwargs))
        return _joined(parts, out_dims)

    return mapped


# -- arguments -------------------------------------------------------------------------------------


def _inputs(
    in_dims: Any, args: tuple[Any, ...], func: Any
) -> tuple[list[Any], list[int | None], tree.Spec]:
    """The leaves of the arguments, and for each the dimension to map over."""
    call = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or "
            "you are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    flat, spec = tree.flatten(args)
    dims = tree.broadcast(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{call}in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree.flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    return flat, [_dim(d, t, call) for d, t in zip(dims, flat, strict=True)], spec


def _dim(dim: Any, arg: Any, call: str) -> int | None:
    """One checked dimension, counted from the front."""
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(
            f"{call}Got in_dim={dim} for an input but in_dim must be either an integer dimension "
            "or None."
        )
    if not isinstance(arg, Tensor):
        raise ValueError(
            f"{call}Got in_dim={dim} for an input but the input is of type {type(arg)}. We cannot "
            "vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    n = arg.array.ndim
    if not -n <= dim < n:
        raise ValueError(
            f"{call}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality "
            f"{n} so expected in_dim to satisfy -{n} <= in_dim < {n}."
        )
    return dim % n


def _size(flat: Sequence[Any], dims: Sequence[int | None]) -> int:
    """The number of examples."""
    sizes = [t.array.shape[d] for t, d in zip(flat, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def map_level(t: Tensor, dim: int, level: Level) -> Tensor:
    """`t` seen from inside `level`: dimension `dim` runs over the examples."""
    value, levels = split(t)
    k = len(levels)
    return wrap(moved(value, k + dim, k), (*levels, level))


# -- the call and its results ----------------------------------------------------------------------


def _run(
    func: Any, flat: Sequence[Any], dims: Sequence[int | None], spec: tree.Spec, size: int,
    out_dims: Any, randomness: str, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    with Level(size, randomness) as level:
        inside = [
            t if d is None else map_level(t, d, level) for t, d in zip(flat, dims, strict=True)
        ]
        result = func(*tree.unflatten(inside, spec), **kwargs)
        leaves, shape = tree.flatten(result)
        places = _out_dims(out_dims, result, shape, func)
        outs = [_leave(y, level, d, func) for y, d in zip(leaves, places, strict=True)]
    return tree.unflatten(outs, shape)


def _check_out_dims(out_dims: Any, func: Any) -> None:
    if not all(d is None or isinstance(d, int) for d in tree.leaves_of(out_dims)):
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or "
            "a python collection of ints representing where in the outputs the vmapped dimension "
            "should appear."
        )


def _out_dims(out_dims: Any, result: Any, spec: tree.Spec, func: Any) -> list[int | None]:
    """For each leaf of the result, where the examples go."""
    if isinstance(result, Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]  # as PyTorch has it
    places = tree.broadcast(out_dims, spec)
    if places is None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not "
            "compatible with the structure of `outputs`. out_dims has structure "
            f"{tree.flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    return places


def _leave(y: Any, level: Level, dim: int | None, func: Any) -> Any:
    """One result seen from outside of `level`."""
    name = name_of(func)
    if not isinstance(y, Tensor):
        if dim is None:
            return y
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(y)}. Did you "
            "mean to set out_dims= to None for output?"
        )
    value, levels = split(y)
    mapped = bool(levels) and levels[-1] is level
    if dim is None:
        if mapped:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return y
    ndim = y.array.ndim + 1
    if not -ndim <= dim < ndim:
        raise _out_of_range(dim, ndim)
    if not mapped:
        y = expand(y, (level.size, *y.array.shape))
        value, levels = split(y)
        levels = (*levels, level)
    k = len(levels) - 1
    return wrap(moved(value, k, k + dim % ndim), levels[:-1])


def _out_of_range(dim: int, ndim: int) -> Exception:
    return IndexError(
        f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})"
    )


def _joined(parts: list[Any], out_dims: Any) -> Any:
    """The results of chunks, one after the other."""
    rows = [tree.leaves_of(p) for p in parts]
    spec = tree.flatten(parts[0])[1]
    if isinstance(parts[0], Tensor) and isinstance(out_dims, tuple):
        (out_dims,) = out_dims
    places = tree.broadcast(out_dims, spec) or []
    cat = PUBLIC["cat"]
    joined = [
        pieces[0] if d is None else cat(list(pieces), d)
        for pieces, d in zip(zip(*rows, strict=True), places, strict=True)
    ]
    return tree.unflatten(joined, spec)
