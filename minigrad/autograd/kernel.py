"""Your own kernel in the graph: a compiled function and its derivative, beside the built-in ones.

    @minigrad.kernel
    @numba.njit
    def cumulative(x, decay=0.9):
        y = x.copy()
        for i in range(1, x.size):
            y[i] += decay * y[i - 1]
        return y

    @cumulative.backward
    @numba.njit
    def cumulative_backward(g, decay):
        ...

Arguments without a default are tensors, those with one are numbers, as in minigrad's own
declarations; a derivative names what it reads: ``g`` (the gradient of the result), ``y`` (the
result), the arguments as the forward spells them, ``residuals`` (what forward returned beyond its
results) and ``needs`` (for which inputs a gradient is wanted).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from minigrad.core.declare import Op, Rule
from minigrad.core.engine import Node, apply
from minigrad.core.modes import current
from minigrad.core.promotion import as_operand, promote
from minigrad.core.public import PUBLIC, bind
from minigrad.core.tensor import Array, Tensor
from minigrad.ops.batching import BatchRule, each, same

__all__ = ["Kernel", "kernel"]

Function = Callable[..., Any]

_BATCH: dict[Any, BatchRule] = {"each": each, "same": same}


class _KernelOp(Op):
    """A user's function as an operation of the engine.

    `rules` and `joint` are the formulas on tensors, as for any operation; `on_arrays` are the
    functions of arrays, one for each input or a single one for all.
    """

    owns = False  # the functions are the user's
    kind, flags = "float", 0  # how `promote` treats the operands of elementwise kernels

    def __init__(self, function: Function, elementwise: bool, results: int, batch: Any) -> None:
        name = function.__name__
        arguments = list(inspect.signature(function).parameters.values())
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in arguments):
            raise TypeError(
                f"kernel {name}: *args and **kwargs are not possible; name the arguments: tensors "
                "without a default, numbers with one"
            )
        arity = sum(p.default is p.empty for p in arguments)
        if arity == 0:
            raise TypeError(f"kernel {name}: no argument is a tensor (those without a default are)")
        doc = inspect.getdoc(function) or ""
        super().__init__(name, [p.name for p in arguments], arity, None, lambda rng: (), doc)
        self.defaults = tuple(p.default for p in arguments[arity:])
        self.elementwise = self.broadcasts = elementwise
        self.results = results
        self.batch = _aligned if elementwise else _BATCH.get(batch, batch)
        if not callable(self.batch):
            raise ValueError(f"kernel {name}: batch must be 'each', 'same' or a rule")
        self.run = _vectorized(function) if elementwise else function
        self.on_arrays: tuple[Rule, ...] = ()

    def derive(self, rules: tuple[Function, ...], on_arrays: bool) -> None:
        """Take the derivative: one function for each input, or one for all."""
        allowed = (self.arity,) if on_arrays and self.elementwise else (1, self.arity)
        if len(rules) not in allowed:
            raise TypeError(
                f"kernel {self.name} has {self.arity} inputs: expected "
                f"{' or '.join(map(str, allowed))} derivatives, got {len(rules)}"
            )
        names = [*self.names, "residuals", "needs"]
        made = tuple(Rule(f, names) for f in rules)
        if on_arrays:
            if self.elementwise:
                for rule in made:
                    rule.function = _vectorized(rule.function)
            self.on_arrays = made
        elif len(made) == 1:
            self.joint, self.rules = made[0], ()
        else:
            self.joint, self.rules = None, made
        self.differentiable = True
        self.reads_output = any(1 in r.picks for r in self._readers())
        self.kept.clear()
        self._kept.clear()

    def _readers(self) -> list[Rule]:
        return super()._readers() + list(getattr(self, "on_arrays", ()))

    def _extra_readers(self) -> list[Rule]:
        return super()._extra_readers() + list(self.on_arrays)

    def forward(self, arrays: Sequence[Array], params: tuple[Any, ...]) -> Any:
        """The user's function on contiguous arrays; what it returns is made its own."""
        if self.elementwise:
            return np.asarray(self.run(*arrays, *params), dtype=arrays[0].dtype)
        arrays = [_contiguous(a) for a in arrays]
        found = self.run(*arrays, *params)
        parts = [_own(p, arrays) for p in (found if isinstance(found, tuple) else (found,))]
        if len(parts) < self.results:
            raise RuntimeError(
                f"kernel {self.name} has {self.results} results, but its function returned "
                f"{len(parts)}"
            )
        return parts[0] if len(parts) == 1 else tuple(parts)

    def vjp(self, node: Node, g: Tensor) -> Sequence[Tensor | None]:
        """The gradients by the formulas."""
        if not self.rules and self.joint is None:
            raise RuntimeError(
                f"kernel {self.name} has its derivative on arrays only, so it cannot be "
                f"differentiated twice: give it as a formula on tensors, too, by @{self.name}.vjp"
            )
        found: Any = super().vjp(node, g)
        return (found,) if isinstance(found, Tensor) else found

    def backward(self, node: Node, g: Array) -> Sequence[Array | None]:
        """The gradients by the functions of arrays, checked; by the formulas if there are none."""
        if not self.on_arrays:
            return super().backward(node, g)
        values = [_contiguous(v) if isinstance(v, np.ndarray) else v for v in self._arrays(node, g)]
        if len(self.on_arrays) > 1 or self.arity == 1:
            found: Any = [
                None if target is None else rule(values)
                for rule, target in zip(self.on_arrays, node.edges, strict=True)
            ]
        else:
            found = self.on_arrays[0](values)
        if self.arity == 1 and isinstance(found[0], tuple):
            found = found[0]
        if not isinstance(found, (tuple, list)) or len(found) != self.arity:
            count = len(found) if isinstance(found, (tuple, list)) else 1
            raise RuntimeError(
                f"the backward of kernel {self.name} returned {count} gradients; expected "
                f"{self.arity}, one (or None) for each of its inputs"
            )
        return [self._fit(p, t, i) for i, (p, t) in enumerate(zip(found, node.edges, strict=True))]

    def _arrays(self, node: Node, g: Any) -> list[Any]:
        needs = tuple(e is not None for e in node.edges)
        inputs = [None if t is None else t.array for t in node.saved or (None,) * self.arity]
        if isinstance(g, list):  # of several results, some of them unused
            g = tuple(
                np.zeros(shape, dtype) if p is None else p
                for p, (shape, dtype) in zip(g, node.outputs, strict=True)
            )
        return [g, node.out, *inputs, *node.params, node.residuals, needs, None]

    def _values(self, node: Node, g: Any) -> list[Any]:
        *values, x_shape = super()._values(node, g)
        needs = tuple(e is not None for e in node.edges)
        return [*values, tuple(Tensor(r) for r in node.residuals), needs, x_shape]

    def _fit(self, part: Any, target: Any, place: int) -> Array | None:
        """One gradient in the type of its input; refused if it has another shape."""
        if part is None or target is None:
            return None
        dtype = target.dtype if isinstance(target, Node) else target.array.dtype
        array: Array = np.asarray(part, dtype=dtype)
        shape = tuple(target.shape)
        if array.shape != shape and not self.elementwise:
            raise RuntimeError(
                f"the backward of kernel {self.name} returned a gradient of shape "
                f"{list(array.shape)} for input '{self.names[place]}' of shape {list(shape)}"
            )
        return array


def _vectorized(function: Function) -> Function:
    """A function of scalars as one of arrays that broadcast, compiled for each new type."""
    import numba

    compiled: Function = numba.vectorize(getattr(function, "py_func", function))
    return compiled


def _contiguous(a: Array) -> Array:
    """One layout for numba to compile for; `ascontiguousarray` alone would lose 0-dim shapes."""
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def _own(result: Any, inputs: Sequence[Array]) -> Array:
    """A result as an array that shares no memory with an input: it is written and freed freely."""
    array = np.asarray(result)
    if any(np.may_share_memory(array, x) for x in inputs):
        return array.copy()
    return array


def _aligned(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Any:
    """The rule of elementwise kernels: ones behind the examples, so that dimensions line up."""
    most = max(t.array.ndim for t in inputs)
    reshape = PUBLIC["reshape"]
    lined = [
        reshape(t, (t.array.shape[0], *(1,) * (most - t.array.ndim), *t.array.shape[1:]))
        for t in inputs
    ]
    return apply(op, tuple(lined), params)


class Kernel:
    """A user's function in the graph; made by :func:`kernel`, called like any operation.

    Attributes
    ----------
    op : Operation
        What the engine records.
    """

    def __init__(self, function: Function, elementwise: bool, results: int, batch: Any) -> None:
        functools.update_wrapper(self, function)
        self.op = _KernelOp(function, elementwise, results, batch)

    def backward(self, *functions: Function) -> Any:
        """Give the derivative as a function of arrays, compiled or not; usable as a decorator.

        It returns the gradient of the only input, or a tuple with one (or None) for each. For an
        elementwise kernel of several inputs: one function of scalars for each.
        """
        self.op.derive(functions, on_arrays=True)
        return functions[0] if len(functions) == 1 else functions

    def vjp(self, *rules: Function) -> Any:
        """Give the derivative as a formula on tensors, which can be differentiated again.

        One formula for each input, or one that returns all gradients; usable as a decorator.
        Beside a :meth:`backward` it serves only where a graph of the derivative is wanted.
        """
        self.op.derive(rules, on_arrays=False)
        return rules[0] if len(rules) == 1 else rules

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute, and record the call where a gradient may be wanted."""
        op = self.op
        if len(args) < op.arity:
            args = (*args, *[self._by_name(n, kwargs) for n in op.names[len(args) : op.arity]])
        params = bind(op, args[op.arity :], kwargs)
        if op.elementwise:
            inputs = promote(op, args[: op.arity])
            dtype = inputs[0].array.dtype.type
            params = tuple([dtype(p) if isinstance(p, float) else p for p in params])
        else:
            inputs = tuple([as_operand(x, op.name, i) for i, x in enumerate(args[: op.arity])])
        if not op.differentiable and current.get().grad and any(t.requires_grad for t in inputs):
            raise RuntimeError(
                f"kernel {op.name} has no derivative, but an input requires grad: give one by "
                f"@{op.name}.backward (a function of arrays) or @{op.name}.vjp (a formula on "
                "tensors), or call it under no_grad()"
            )
        try:
            return apply(op, inputs, params)
        except Exception as error:
            shapes = ", ".join(f"{t.dtype} {list(t.array.shape)}" for t in inputs)
            error.add_note(f"in kernel {op.name}, called with {shapes}")
            raise

    def _by_name(self, name: str, kwargs: dict[str, Any]) -> Any:
        if name not in kwargs:
            raise TypeError(f"{self.op.name}() is missing its tensor argument '{name}'")
        return kwargs.pop(name)

    def __repr__(self) -> str:
        return f"<kernel {self.op.name}({', '.join(self.op.names)})>"


@overload
def kernel(function: Function) -> Kernel: ...
@overload
def kernel(
    *, elementwise: bool = False, results: int = 1, batch: str | BatchRule = "each"
) -> Callable[[Function], Kernel]: ...
def kernel(
    function: Function | None = None,
    *,
    elementwise: bool = False,
    results: int = 1,
    batch: str | BatchRule = "each",
) -> Any:
    """Make a function of arrays, such as one that numba compiled, an operation of the graph.

    Its arguments without a default are tensors and reach it as C-contiguous numpy arrays, which it
    must not write; arguments with a default are numbers. Then give its derivative, by
    :meth:`Kernel.backward` (on arrays, fast), :meth:`Kernel.vjp` (a formula on tensors, for
    derivatives of any order), or both. It can be checked by `gradcheck`, drawn, batched by `vmap`
    and differentiated by `func` as the built-in operations are.

    Parameters
    ----------
    function : callable
        Any function of arrays: compiled by numba, written with numpy, or from elsewhere. It returns
        an array, or a tuple: `results` results, then arrays that backward reads as ``residuals``.
    elementwise : bool
        The function is one of scalars (numba compiles it) and is applied element by element, with
        broadcasting and promotion of types.
    results : int
        How many results it has.
    batch : {"each", "same"} or callable
        How `vmap` computes many examples: one call for each; or a single call, if the function
        takes additional leading dimensions; or a rule, see `minigrad.ops.batching`.

    Raises
    ------
    RuntimeError
        When called on a tensor that requires grad while no derivative was given; when backward
        returns another number of gradients, or other shapes, than there are inputs.

    Examples
    --------
    A running average, which no composition of array operations computes well:

    >>> import minigrad as mg
    >>> import numba
    >>> @mg.kernel
    ... @numba.njit
    ... def smooth(x, decay=0.5):
    ...     y = x.copy()
    ...     for i in range(1, x.size):
    ...         y[i] += decay * y[i - 1]
    ...     return y
    >>> @smooth.backward
    ... @numba.njit
    ... def smooth_backward(g, decay):
    ...     gx = g.copy()
    ...     for i in range(g.size - 2, -1, -1):
    ...         gx[i] += decay * gx[i + 1]
    ...     return gx
    >>> x = mg.tensor([1.0, 0.0, 4.0], requires_grad=True)
    >>> y = smooth(x)
    >>> y.sum().backward()
    >>> y, x.grad
    (tensor([1.0000, 0.5000, 4.2500], grad_fn=<SmoothBackward>), tensor([1.7500, 1.5000, 1.0000]))

    A function of scalars, with its derivative as a formula:

    >>> @mg.kernel(elementwise=True)
    ... def soft(x, width=1.0):
    ...     return x / (width + abs(x))
    >>> rule = soft.vjp(lambda g, x, width: g * width / (width + x.abs()) ** 2)
    >>> mg.autograd.gradcheck(soft, mg.tensor([0.5, -2.0], dtype=mg.float64, requires_grad=True))
    True
    """
    if function is None:
        return lambda f: Kernel(f, elementwise, results, batch)
    return Kernel(function, elementwise, results, batch)
