"""Derivatives as functions of functions: ``grad(f)`` is a function again.

Reverse mode follows the graph: an argument is replaced by a new leaf (or, where a derivative around
this one is to flow through it, by a view of itself), the function is called, and one backward pass
gives the products with the Jacobian. A derivative of a derivative is a graph of a graph.

Forward mode comes from two reverse passes: ``v^T J`` is linear in `v`, and the derivative of that
linear function along `t` is ``J t``. The function itself runs once; what follows is linear.

References
----------
Townsend 2017, "A new trick for calculating Jacobian vector products".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.engine import Node
from minigrad.core.gradients import gradients
from minigrad.core.modes import current, enable_grad, interpreter
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor, given
from minigrad.func import tree
from minigrad.func.basis import basis, columns, cut, mapped
from minigrad.func.batched import active, full, split, wrap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]

# -- arguments -------------------------------------------------------------------------------------


def _checked_argnums(argnums: Any, count: int) -> tuple[int, ...]:
    """Argument numbers counted from the front."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for n in numbers:
        if not isinstance(n, int):
            raise RuntimeError(f"argnum must be int, got: {type(n)}")
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
    wrapped = tuple(n % count for n in numbers)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return wrapped


def _replaced(args: tuple[Any, ...], numbers: tuple[int, ...], new: Sequence[Any]) -> list[Any]:
    changed = list(args)
    for n, value in zip(numbers, new, strict=True):
        changed[n] = value
    return changed


class _Leaves:
    """The arguments that one transform differentiates with respect to.

    Attributes
    ----------
    tensors : list of Tensor
        What the function is called with in their place.
    outer : bool
        Whether derivatives around this one are recorded.
    """

    def __init__(self, flat: Sequence[Any]) -> None:
        self.outer = current.get().grad
        self.tensors = [self._leaf(x) for x in flat]
        self._private = {id(split(t)[0]) for t in self.tensors}

    def _leaf(self, x: Any) -> Tensor:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if x.array.dtype.kind != "f":
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients; this argument is "
                f"{x.dtype} of shape {list(x.array.shape)}: leave it out of argnums, or convert it"
            )
        levels = active.get()
        value = full(x, levels) if levels else x  # a gradient for each example
        if self.outer and value._requires_grad:
            return wrap(value.view_as(value), levels)
        leaf = value.detach()
        leaf._requires_grad = True
        return wrap(leaf, levels)

    def reach_out(self, tensors: Sequence[Tensor]) -> bool:
        """Whether a derivative around this one depends on how `tensors` were made."""
        if not self.outer:
            return False
        seen: set[int] = set()
        stack: list[Any] = []
        for t in tensors:
            value = split(t)[0]
            if value._requires_grad:
                stack.append(value.node or value)
        while stack:
            maker = stack.pop()
            if maker is None or id(maker) in seen:
                continue
            if not isinstance(maker, Node):
                if id(maker) not in self._private:
                    return True
                continue
            seen.add(id(maker))
            stack.extend(maker.edges)
        return False

    def release(self, result: Any) -> Any:
        """Results as they look from outside: without a graph that ends in our own leaves."""

        def one(t: Any) -> Any:
            if not isinstance(t, Tensor) or not t._requires_grad or self.reach_out([t]):
                return t
            return t.detach()

        return tree.tree_map(one, result)


def _pull(
    outs: Sequence[Tensor], ins: Sequence[Tensor], flows: Sequence[Tensor | None],
    retain: bool, create: bool,
) -> list[Tensor]:  # fmt: skip
    """``sum_o flows[o]^T d outs[o] / d ins``; zeros where there is no dependence."""
    pairs = [(y, g) for y, g in zip(outs, flows, strict=True) if y._requires_grad]
    found: list[Tensor | None] = [None] * len(ins)
    if pairs:
        run: Any = gradients if interpreter() is None else interpreter().gradients
        found = run([y for y, _ in pairs], ins, [g for _, g in pairs], retain, create)
    return [PUBLIC["zeros_like"](x) if g is None else g for x, g in zip(ins, found, strict=True)]


def _with_aux(result: Any, has_aux: bool, what: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


# -- gradients -------------------------------------------------------------------------------------


def grad_and_value(
    func: Function, argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of `func` and what `func` returns, as a tuple.

    Parameters as in :func:`grad`; the value is ``(output, aux)`` with `has_aux`.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.grad_and_value(lambda x: (x * x).sum())(mg.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        what = "grad_and_value(f)(*args)"
        numbers = _checked_argnums(argnums, len(args))
        flat, spec = tree.flatten(tuple(args[n] for n in numbers))
        leaves = _Leaves(flat)
        with enable_grad():
            called = _replaced(args, numbers, tree.unflatten(leaves.tensors, spec))
            output, aux = _with_aux(func(*called, **kwargs), has_aux, what)
        if not isinstance(output, Tensor):
            raise RuntimeError(f"{what}: Expected f(*args) to return a Tensor, got {type(output)}")
        if output.array.ndim:
            raise RuntimeError(
                f"{what}: Expected f(*args) to return a scalar Tensor, got tensor with "
                f"{output.array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        create = leaves.reach_out([output])
        retain = create or has_aux
        found = _pull([output], leaves.tensors, [None], retain, create)
        result = tree.unflatten(found, spec)
        result = result[0] if isinstance(argnums, int) else result
        output = output if create else output.detach()
        return result, (output, leaves.release(aux)) if has_aux else output

    return differentiated


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func`.

    Nests, with itself and with the other transforms: ``grad(grad(f))`` is the second derivative,
    ``vmap(grad(f))`` the gradient of each sample. The gradient is differentiable in turn, and with
    respect to everything else that `func` reads.

    Parameters
    ----------
    func : callable
        Its result is a tensor with one element; with `has_aux` a tuple of that and anything else.
    argnums : int or tuple of int
        The arguments to differentiate with respect to: tensors, or trees of tensors.
    has_aux : bool
        Return ``(gradient, aux)``.

    Returns
    -------
    callable
        Its result has the structure of the argument, or is a tuple of those of the arguments.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.grad(mg.func.grad(mg.sin))(mg.tensor(0.5)) == -mg.sin(mg.tensor(0.5))
    tensor(True)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return differentiated


# -- products with the Jacobian --------------------------------------------------------------------


class _Traced:
    """A function at a point: its results, and the graph from the leaves to them."""

    def __init__(self, func: Function, primals: Sequence[Any], has_aux: bool, what: str) -> None:
        flat, self.inputs = tree.flatten(tuple(primals))
        self.leaves = _Leaves(flat)
        with enable_grad():
            result = func(*tree.unflatten(self.leaves.tensors, self.inputs))
            output, self.aux = _with_aux(result, has_aux, what)
        self.outs, self.outputs = tree.flatten(output)
        if not self.outs:
            raise RuntimeError(
                f"{what}: Expected f to be a function that has non-empty output (got output = "
                f"{output})"
            )
        for y in self.outs:
            if not isinstance(y, Tensor):
                raise RuntimeError(
                    f"{what}: expected f(*primals) to return only tensors, got unsupported type "
                    f"{type(y)}"
                )
        self.outward = self.leaves.reach_out(self.outs)

    def results(self) -> Any:
        """What the function returned, as it looks from outside."""
        return tree.unflatten(self.leaves.release(self.outs), self.outputs)

    def pull(self, flows: Sequence[Tensor], create: bool) -> list[Tensor]:
        """``flows^T J``."""
        return _pull(self.outs, self.leaves.tensors, flows, True, create)


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The result of `func`, and a function from `v` to ``v^T J`` with its Jacobian there.

    Parameters
    ----------
    func : callable
        From tensors, or trees of tensors, to the same.
    *primals : Tensor or tree of tensors
        Where.
    has_aux : bool
        `func` returns ``(output, aux)``, and so does this: ``(output, vjp_fn, aux)``.

    Returns
    -------
    (output, vjp_fn)
        ``vjp_fn(v)``, with the structure of the output, returns a tuple with an entry for each of
        `primals`; it may be called many times.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, pull = mg.func.vjp(lambda x: x * x, mg.tensor([1.0, 2.0]))
    >>> pull(mg.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    traced = _Traced(func, primals, has_aux, "vjp(f, *primals)")
    for y in traced.outs:
        if y.array.dtype.kind != "f":
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                f"Tensor with dtype {y.dtype}"
            )

    def pull(
        cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> tuple[Any, ...]:
        flows, spec = tree.flatten(cotangents)
        if spec != traced.outputs:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {spec}, primal output: {traced.outputs}"
            )
        graph = create_graph
        if graph is None:
            graph = current.get().grad and (traced.outward or any(g._requires_grad for g in flows))
        result: tuple[Any, ...] = tree.unflatten(traced.pull(flows, graph), traced.inputs)
        return result

    if has_aux:
        return traced.results(), pull, traced.leaves.release(traced.aux)
    return traced.results(), pull


class _Linear:
    """The linear function from tangents of the arguments to tangents of the results."""

    def __init__(self, traced: _Traced) -> None:
        self.traced = traced
        self.flows = [self._flow(y) for y in traced.outs]
        self.back = traced.pull(self.flows, True)

    @staticmethod
    def _flow(y: Tensor) -> Tensor:
        levels = active.get()
        sizes = [level.size for level in levels]
        kind = y.array.dtype if y.array.dtype.kind == "f" else np.dtype(np.float32)
        zeros = given(np.zeros((*sizes, *y.array.shape), kind))
        zeros._requires_grad = True
        return wrap(zeros, levels)

    def push(self, tangents: Sequence[Tensor]) -> list[Tensor]:
        """``J tangents``."""
        create = current.get().grad and (
            self.traced.outward or any(t._requires_grad for t in tangents)
        )
        return _pull(self.back, self.flows, tangents, True, create)


def _check_tangents(flat: Sequence[Any], tangents: Sequence[Any], what: str) -> None:
    for name, values in (("primals", flat), ("tangents", tangents)):
        if not values:
            raise RuntimeError(f"{what}: Expected {name} to contain at least one Tensor.")
        for v in values:
            if not isinstance(v, Tensor):
                raise RuntimeError(
                    f"{what}: Expected {name} to only contain Tensors, got {type(v)}"
                )
    for i, (x, t) in enumerate(zip(flat, tangents, strict=True)):
        if x.array.shape != t.array.shape:
            raise RuntimeError(
                f"{what}: tangent {i} has the shape {list(t.array.shape)}, but its primal "
                f"{list(x.array.shape)}"
            )


def jvp(
    func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """The result of `func`, and ``J t``: its derivative along the tangents.

    Parameters
    ----------
    func : callable
        From tensors, or trees of tensors, to the same.
    primals : tuple
        Its arguments.
    tangents : tuple
        Of the structure and the shapes of `primals`.
    strict : bool
        Raise where a result does not depend on the arguments, instead of giving zeros.
    has_aux : bool
        `func` returns ``(output, aux)``, and this ``(output, jvp, aux)``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.jvp(lambda x: x * x, (mg.tensor([1.0, 2.0]),), (mg.tensor([1.0, 0.0]),))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    what = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{what}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    flat, spec = tree.flatten(primals)
    directions, own = tree.flatten(tangents)
    if own != spec:
        raise RuntimeError(
            f"{what}: Expected primals and tangents to have the same python structure. For "
            "example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with "
            f"structure {spec} and tangents with structure {own}"
        )
    _check_tangents(flat, directions, what)
    traced = _Traced(func, primals, has_aux, what)
    if strict and not all(y._requires_grad for y in traced.outs):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
            "inputs. This is not allowed with strict=True."
        )
    product = tree.unflatten(_Linear(traced).push(directions), traced.outputs)
    if has_aux:
        return traced.results(), product, traced.leaves.release(traced.aux)
    return traced.results(), product


def linearize(func: Function, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The result of `func`, and the linear function ``t -> J t`` that is its derivative there.

    `func` runs once, however often the linear function is called.

    Examples
    --------
    >>> import minigrad as mg
    >>> y, push = mg.func.linearize(lambda x: x * x, mg.tensor([1.0, 2.0]))
    >>> push(mg.tensor([1.0, 0.0])), push(mg.tensor([0.0, 1.0]))
    (tensor([2., 0.]), tensor([0., 4.]))
    """
    traced = _Traced(func, primals, False, "linearize(f, *primals)")
    linear = _Linear(traced)
    flat = tree.leaves_of(primals)

    def push(*tangents: Any) -> Any:
        directions, spec = tree.flatten(tangents)
        if spec != traced.inputs:
            raise RuntimeError(
                f"Expected the tangents {spec} to have the same argspec as the primals "
                f"{traced.inputs}"
            )
        _check_tangents(flat, directions, "linearize")
        return tree.unflatten(linear.push(directions), traced.outputs)

    return traced.results(), push


# -- Jacobians -------------------------------------------------------------------------------------


def _check_chunk(chunk_size: int | None, name: str) -> None:
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"{name}: `chunk_size` should be greater than 0.")


def _traced_part(
    func: Function, args: tuple[Any, ...], argnums: Argnums, has_aux: bool, what: str
) -> tuple[_Traced, Callable[[Any], Any]]:
    """The function of the chosen arguments, at those; and how to arrange what belongs to them."""
    numbers = _checked_argnums(argnums, len(args))

    def partial(*chosen: Any) -> Any:
        return func(*_replaced(args, numbers, chosen))

    traced = _Traced(partial, [args[n] for n in numbers], has_aux, what)
    single = isinstance(argnums, int)

    def arranged(leaves: Any) -> Any:
        whole = tree.unflatten(leaves, traced.inputs)
        return whole[0] if single else whole

    return traced, arranged


def jacrev(
    func: Function, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """A function that returns the Jacobian of `func`, by reverse mode.

    All rows in one backward pass with many gradients at once: best where results have fewer
    elements than arguments.

    Parameters
    ----------
    func : callable
        From tensors, or trees of tensors, to the same.
    argnums : int or tuple of int
        The arguments to differentiate with respect to.
    has_aux : bool
        `func` returns ``(output, aux)``, and the function made ``(jacobian, aux)``.
    chunk_size : int, optional
        How many rows to compute at a time; by default all.

    Returns
    -------
    callable
        For each result and argument a tensor of the shapes of both, one after the other.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.jacrev(mg.sin)(mg.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    _check_chunk(chunk_size, "jacrev")

    @functools.wraps(func)
    def jacobian(*args: Any) -> Any:
        traced, arranged = _traced_part(func, args, argnums, has_aux, "jacrev(f, ...)(*args)")
        create = traced.outward and current.get().grad

        def pull(*flows: Tensor) -> tuple[Tensor, ...]:
            return tuple(traced.pull(flows, create))

        rows = mapped(pull, basis(traced.outs), chunk_size)  # for each argument
        blocks = [cut(r, traced.outs) for r in rows]  # [argument][result]
        found = tree.unflatten(
            [arranged([b[o] for b in blocks]) for o in range(len(traced.outs))], traced.outputs
        )
        return (found, traced.leaves.release(traced.aux)) if has_aux else found

    return jacobian


def jacfwd(
    func: Function, argnums: Argnums = 0, has_aux: bool = False, *, chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:  # fmt: skip
    """A function that returns the Jacobian of `func`, by forward mode.

    Best where arguments have fewer elements than results. Parameters as in :func:`jacrev`; `func`
    runs once, so `randomness` makes no difference.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.jacfwd(lambda x: mg.stack([x, x * x]))(mg.tensor(3.0))
    tensor([1., 6.])
    """
    _check_chunk(chunk_size, "jacfwd")

    @functools.wraps(func)
    def jacobian(*args: Any) -> Any:
        traced, arranged = _traced_part(func, args, argnums, has_aux, "jacfwd(f, ...)(*args)")
        linear, leaves = _Linear(traced), traced.leaves.tensors

        def push(*tangents: Tensor) -> tuple[Tensor, ...]:
            return tuple(linear.push(tangents))

        found = mapped(push, basis(leaves), chunk_size)  # for each result
        blocks = []
        for column, y in zip(found, traced.outs, strict=True):
            blocks.append(arranged(columns(column, leaves, y.array.ndim)))
        whole = tree.unflatten(blocks, traced.outputs)
        return (whole, traced.leaves.release(traced.aux)) if has_aux else whole

    return jacobian


def hessian(func: Function, argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of `func`: ``jacfwd(jacrev(func))``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.func.hessian(lambda x: (x ** 3).sum())(mg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
