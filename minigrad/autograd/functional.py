"""Derivatives of functions: Jacobians, Hessians and their products with vectors.

With ``f : R^n -> R^m`` and its Jacobian `J` (m by n), reverse mode computes ``v^T J`` in one
backward pass (:func:`vjp`). Since ``v^T J`` is linear in `v`, differentiating it with respect to
`v` along `u` gives ``J u`` (:func:`jvp`): forward mode from two reverse passes.

References
----------
Pearlmutter 1994, "Fast exact multiplication by the Hessian"; Townsend 2017, "A new trick for
calculating Jacobian vector products".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.graph import grad
from minigrad.autograd.modes import enable_grad
from minigrad.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Tensor | tuple[Tensor, ...]


def _as_tuple(value: Any, what: str, function: str) -> tuple[tuple[Tensor, ...], bool]:
    """The tensors, and whether they came as a tuple."""
    single = isinstance(value, Tensor)
    values = (value,) if single else tuple(value) if isinstance(value, (tuple, list)) else None
    if values is None or not all(isinstance(v, Tensor) for v in values):
        raise TypeError(
            f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but got "
            f"{type(value).__name__}."
        )
    return values, not single


def _leaves(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """Copies to differentiate by; with a graph, they stay connected to where they came from."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else _leaf(x) for x in inputs)
    return tuple(_leaf(x) for x in inputs)


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


def _run(
    func: Callable[..., Any], inputs: Any, create_graph: bool, function: str
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], bool, bool]:
    xs, many_in = _as_tuple(inputs, "inputs", function)
    leaves = _leaves(xs, create_graph)
    outs, many_out = _as_tuple(func(*leaves), "outputs of the user-provided function", function)
    return leaves, outs, many_in, many_out


def _gradients(
    outs: tuple[Tensor, ...],
    leaves: tuple[Tensor, ...],
    flows: tuple[Tensor, ...] | None,
    create_graph: bool,
    strict: bool,
) -> tuple[Tensor, ...]:
    """``sum_o flows[o]^T d outs[o] / d leaves``; zeros where there is no dependence."""
    pairs = [
        (y, None if flows is None else flows[o]) for o, y in enumerate(outs) if y.requires_grad
    ]
    if strict and len(pairs) < len(outs):
        raise RuntimeError(
            "Output of the user-provided function is independent of the inputs (strict mode)"
        )
    if not pairs:
        return tuple(_zeros(x) for x in leaves)
    found = grad(
        [y for y, _ in pairs], leaves, [v for _, v in pairs],
        retain_graph=True, create_graph=create_graph, allow_unused=True,
    )  # fmt: skip
    if strict and any(g is None for g in found):
        i = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(f"The outputs are independent of input {i} (strict mode)")
    return tuple(_zeros(x) if g is None else g for x, g in zip(leaves, found, strict=True))


def _zeros(x: Tensor) -> Tensor:
    return Tensor(np.zeros(x.array.shape, x.array.dtype))


def _plain(results: tuple[Tensor, ...], many: bool, create_graph: bool) -> Any:
    kept = results if create_graph else tuple(r.detach() for r in results)
    return kept if many else kept[0]


def _vectors(v: Any, like: tuple[Tensor, ...], function: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) == 1 and like[0].array.size == 1:
            return (Tensor(np.ones(like[0].array.shape, like[0].array.dtype)),)
        raise RuntimeError(
            f"{function}: the vector v can only be None if there is a single value it multiplies"
        )
    vs, _ = _as_tuple(v, "v", function)
    if len(vs) != len(like):
        raise RuntimeError(f"{function}: v has {len(vs)} tensors, but {len(like)} are needed")
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.array.shape != b.array.shape:
            raise RuntimeError(
                f"{function}: entry {i} of v has shape {list(a.array.shape)}, expected "
                f"{list(b.array.shape)}"
            )
    return vs


@enable_grad()
def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The results of `func`, and ``v^T J``: one backward pass.

    Parameters
    ----------
    func : callable
        From tensors to a tensor, or to a tuple.
    inputs : Tensor or tuple of Tensor
    v : Tensor or tuple of Tensor, optional
        Of the shapes of the results; 1 for a single number.
    create_graph : bool
        Make the results differentiable in turn.
    strict : bool
        Raise where results do not depend on inputs, instead of giving zeros.

    Returns
    -------
    (results, products)

    Examples
    --------
    >>> import minigrad as mg
    >>> vjp(lambda x: (x * x).sum(), mg.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    leaves, outs, many_in, many_out = _run(func, inputs, create_graph, "vjp")
    products = _gradients(outs, leaves, _vectors(v, outs, "vjp"), create_graph, strict)
    return _plain(outs, many_out, create_graph), _plain(products, many_in, create_graph)


@enable_grad()
def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The results of `func`, and ``J v``: the derivative along `v`.

    Parameters as in :func:`vjp`; `v` has the shapes of the inputs.

    Examples
    --------
    >>> import minigrad as mg
    >>> jvp(lambda x: x * x, mg.tensor([1.0, 2.0]), mg.tensor([1.0, 0.0]))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    leaves, outs, _, many_out = _run(func, inputs, create_graph, "jvp")
    vs = _vectors(v, leaves, "jvp")
    flows = tuple(_zeros(y).requires_grad_() for y in outs)
    backward = _gradients(outs, leaves, flows, True, strict)
    products = _gradients(backward, flows, vs, create_graph, False)
    return _plain(outs, many_out, create_graph), _plain(products, many_out, create_graph)


def _row(
    y: Tensor, leaves: tuple[Tensor, ...], k: int, create_graph: bool, strict: bool
) -> tuple[Tensor, ...]:
    v = np.zeros(y.array.shape, y.array.dtype)
    v.reshape(-1)[k] = 1
    return _gradients((y,), leaves, (Tensor(v),), create_graph, strict)


@enable_grad()
def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each result and input, a tensor of the shape of both together.

    One backward pass per element of the results; with ``strategy="forward-mode"``, one `jvp` per
    element of the inputs. `vectorize` is accepted and changes nothing.

    Returns
    -------
    Tensor, or tuple (over inputs), or tuple (over results) of those
        As in PyTorch: nested only where there are several.

    Examples
    --------
    >>> import minigrad as mg
    >>> jacobian(lambda x: x * x, mg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f"Expected strategy to be either 'reverse-mode' or 'forward-mode', got {strategy!r}"
        )
    from minigrad.ops.functions import PUBLIC

    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs, create_graph, PUBLIC["stack"])
    leaves, outs, many_in, many_out = _run(func, inputs, create_graph, "jacobian")
    rows: list[Any] = []
    for y in outs:
        parts = [_row(y, leaves, k, create_graph, strict) for k in range(y.array.size)]
        blocks = []
        for i, x in enumerate(leaves):
            shape = (*y.array.shape, *x.array.shape)
            if not parts:
                blocks.append(Tensor(np.zeros(shape, x.array.dtype)))
                continue
            blocks.append(PUBLIC["stack"]([p[i] for p in parts]).reshape(shape))
        rows.append(_plain(tuple(blocks), many_in, create_graph))
    return tuple(rows) if many_out else rows[0]


def _forward_jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool, stack: Any) -> Any:
    xs, many_in = _as_tuple(inputs, "inputs", "jacobian")
    columns: list[list[Any]] = []  # [input][element] -> results
    many_out = False
    for i, x in enumerate(xs):
        columns.append([])
        for k in range(x.array.size):
            vs = [_zeros(other) for other in xs]
            vs[i].array.reshape(-1)[k] = 1
            product = jvp(func, xs, tuple(vs), create_graph)[1]
            many_out = isinstance(product, tuple)
            columns[i].append(product if many_out else (product,))
    rows = []
    for o in range(len(columns[0][0])):
        blocks = []
        for x, found in zip(xs, columns, strict=True):
            shape = found[0][o].array.shape
            stacked = stack([c[o] for c in found], len(shape))
            blocks.append(stacked.reshape((*shape, *x.array.shape)))
        rows.append(_plain(tuple(blocks), many_in, create_graph))
    return tuple(rows) if many_out else rows[0]


def _number(out: Any, function: str) -> Tensor:
    if not isinstance(out, Tensor):
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if out.array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single "
            f"element, got shape {list(out.array.shape)}"
        )
    return out.reshape(()) if out.array.ndim else out  # type: ignore[attr-defined, no-any-return]


@enable_grad()
def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one number as its result.

    Returns
    -------
    Tensor, or tuple of tuples for several inputs
        Of the shape of the input twice.

    Examples
    --------
    >>> import minigrad as mg
    >>> hessian(lambda x: x[0] * x[0] * x[1], mg.tensor([1.0, 3.0]))
    tensor([[6., 2.],
            [2., 0.]])
    """
    many = not isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        y = _number(func(*xs), "hessian")
        found = _gradients((y,), xs, None, True, strict)
        return found if many else found[0]

    return jacobian(gradient, inputs, create_graph, False, vectorize, outer_jacobian_strategy)


@enable_grad()
def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The result of `func`, and ``v^T H`` with its Hessian: two backward passes.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 3.0])
    >>> vhp(lambda x: x[0] * x[0] * x[1], x, mg.tensor([1.0, 0.0]))
    (tensor(3.), tensor([6., 2.]))
    """
    leaves, outs, many_in, _ = _run(func, inputs, create_graph, "vhp")
    y = _number(outs[0] if len(outs) == 1 else outs, "vhp")
    first = _gradients((y,), leaves, None, True, strict)
    products = _gradients(first, leaves, _vectors(v, leaves, "vhp"), create_graph, False)
    return _plain((y,), False, create_graph), _plain(products, many_in, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The result of `func`, and ``H v`` with its Hessian.

    The Hessian is symmetric, so this is :func:`vhp` (PyTorch computes it by two backward passes
    more).

    Examples
    --------
    >>> import minigrad as mg
    >>> hvp(lambda x: (x ** 3).sum(), mg.tensor([1.0, 2.0]), mg.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)  # type: ignore[no-any-return]
