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
from minigrad.core.modes import enable_grad
from minigrad.core.tensor import Tensor, given

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


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
    return given(np.zeros(x.array.shape, x.array.dtype))


class _Point:
    """A function at a point: its arguments and results as tuples, with the graph between them.

    With `create_graph` the arguments stay connected to where they came from, and what is returned
    keeps its graph.
    """

    def __init__(
        self, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool, name: str
    ) -> None:
        self.name, self.create_graph, self.strict = name, create_graph, strict
        xs, self.many_in = _as_tuple(inputs, "inputs", name)
        self.leaves = tuple(
            x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
            for x in xs
        )
        results = func(*self.leaves)
        self.outs, self.many_out = _as_tuple(results, "outputs of the user-provided function", name)

    def vectors(self, v: Any, like: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the user multiplies with, one of the shape of each of `like`."""
        if v is None:
            if len(like) == 1 and like[0].array.size == 1:
                return (given(np.ones(like[0].array.shape, like[0].array.dtype)),)
            raise RuntimeError(
                f"{self.name}: the vector v can only be None if there is a single value it "
                "multiplies"
            )
        vs, _ = _as_tuple(v, "v", self.name)
        if len(vs) != len(like):
            raise RuntimeError(f"{self.name}: v has {len(vs)} tensors, but {len(like)} are needed")
        for i, (a, b) in enumerate(zip(vs, like, strict=True)):
            if a.array.shape != b.array.shape:
                raise RuntimeError(
                    f"{self.name}: entry {i} of v has shape {list(a.array.shape)}, expected "
                    f"{list(b.array.shape)}"
                )
        return vs

    def number(self) -> Tensor:
        """The result, where it must be a single number."""
        if self.many_out:
            raise RuntimeError(f"The function given to {self.name} should return a single Tensor")
        (y,) = self.outs
        if y.array.size != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {self.name} should contain a single "
                f"element, got shape {list(y.array.shape)}"
            )
        return y.reshape(()) if y.array.ndim else y

    def pull(self, flows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """``v^T J``."""
        return _gradients(self.outs, self.leaves, flows, self.create_graph, self.strict)

    def pusher(self) -> Callable[..., tuple[Tensor, ...]]:
        """``v -> J v``: the derivative of ``v^T J`` in `v`."""
        flows = tuple(_zeros(y).requires_grad_() for y in self.outs)
        back = _gradients(self.outs, self.leaves, flows, True, self.strict)
        return lambda *vs: _gradients(back, flows, vs, self.create_graph, False)

    def given(self, results: tuple[Tensor, ...], many: bool) -> Any:
        """Results as the user gets them."""
        kept = results if self.create_graph else tuple(r.detach() for r in results)
        return kept if many else kept[0]


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
    at = _Point(func, inputs, create_graph, strict, "vjp")
    products = at.pull(at.vectors(v, at.outs))
    return at.given(at.outs, at.many_out), at.given(products, at.many_in)


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
    at = _Point(func, inputs, create_graph, strict, "jvp")
    products = at.pusher()(*at.vectors(v, at.leaves))
    return at.given(at.outs, at.many_out), at.given(products, at.many_out)


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

    Parameters
    ----------
    func, inputs, create_graph, strict
        As for :func:`vjp`.
    vectorize : bool
        All rows (or columns) at once by `minigrad.vmap`, instead of one after the other.
    strategy : {"reverse-mode", "forward-mode"}
        One backward pass per element of the results, or a product per element of the inputs.

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
    if strict and vectorize:
        raise RuntimeError(
            "minigrad.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    at = _Point(func, inputs, create_graph, strict, "jacobian")
    blocks = _rows(at, vectorize) if strategy == "reverse-mode" else _columns(at, vectorize)
    rows = [at.given(tuple(row), at.many_in) for row in blocks]
    return tuple(rows) if at.many_out else rows[0]


def _rows(at: _Point, vectorize: bool) -> list[list[Tensor]]:
    """The blocks of a Jacobian, result by result, from ``v^T J`` for all unit vectors `v`."""
    from minigrad.func.basis import basis, mapped

    blocks = []
    for y in at.outs:

        def pull(v: Tensor, y: Tensor = y) -> tuple[Tensor, ...]:
            return _gradients((y,), at.leaves, (v,), at.create_graph, at.strict)

        found = mapped(pull, basis([y]), None if vectorize else 1)
        shapes = [(*y.array.shape, *x.array.shape) for x in at.leaves]
        blocks.append([b.reshape(s) for b, s in zip(found, shapes, strict=True)])
    return blocks


def _columns(at: _Point, vectorize: bool) -> list[list[Tensor]]:
    """The same from ``J v``."""
    from minigrad.func.basis import basis, columns, mapped

    found = mapped(at.pusher(), basis(at.leaves), None if vectorize else 1)
    return [columns(c, at.leaves, y.array.ndim) for c, y in zip(found, at.outs, strict=True)]


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

    Parameters as for :func:`jacobian`, which is taken of the gradient.

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
        at = _Point(func, xs, True, strict, "hessian")
        found = _gradients((at.number(),), at.leaves, None, True, strict)
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
    at = _Point(func, inputs, create_graph, strict, "vhp")
    y = at.number()
    first = _gradients((y,), at.leaves, None, True, strict)
    products = _gradients(first, at.leaves, at.vectors(v, at.leaves), create_graph, False)
    return at.given((y,), False), at.given(products, at.many_in)


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
    return vhp(func, inputs, v, create_graph, strict)
