"""Your own elementwise operation, from a formula and its derivative.

    from minigrad import elementwise, fx, span

    squareplus = elementwise(
        "squareplus",
        lambda x, b=4.0: (x + fx.sqrt(x * x + b)) / 2,
        vjp=lambda g, x, b: g * (1 + x / fx.sqrt(x * x + b)) / 2,
        sample=span(-3, 3),
        module="Squareplus",
    )

From these lines come ``minigrad.squareplus``, ``Tensor.squareplus`` and ``squareplus_``, fused
kernels, derivatives of any order, ``nn.functional.squareplus`` and
``nn.Squareplus(b=4.0, inplace=False)``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from minigrad.core.declare import REGISTRY
from minigrad.core.declare import elementwise as declare
from minigrad.core.public import OpFunction, elementwise_function
from minigrad.core.samples import Sample, Sampler, span
from minigrad.core.tensor import Tensor
from minigrad.ops.activations import Activation, offer

__all__ = ["elementwise"]

PACKAGE = __name__.partition(".")[0]
#: What users declared: a cell of a notebook may be run again.
_own: dict[str, str] = {}


def elementwise(
    name: str, formula: Callable[..., Any], vjp: Any = None, *,
    sample: Sampler | tuple[float, float], kind: str = "float", public: bool = True,
    method: bool = True, module: str = "", inplace: bool = True, doc: str = "", check: bool = True,
) -> OpFunction:  # fmt: skip
    """Declare an operation that works element by element; returns its function.

    Parameters
    ----------
    name : str
        What it is called.
    formula : callable
        The value, from the inputs (arguments without default) and numbers (with default). It is
        called on arrays, symbols and tensors: use arithmetic, comparisons, and the functions of
        ``minigrad.fx``.
    vjp : callable or tuple of callable, optional
        For each input, the gradient: a function that names what it reads, ``g`` (the gradient of
        the result), ``y`` (the result), inputs and numbers as the formula spells them. Without it
        no gradient flows.
    sample : (low, high) or callable
        Where to try it: an interval, or ``minigrad.span(low, high, avoid=kinks, params=numbers)``
        and its likes `pair` and `spans` for several inputs.
    kind : {"float", "promote", "compare", "test"}
        Integers become floats; operands become what they promote to; the same with a boolean
        result; no conversion with a boolean result.
    public, method : bool
        Whether ``minigrad.name`` and ``Tensor.name`` (and ``name_``) are to exist.
    module : str
        The name of a class in ``minigrad.nn``, if there is to be one; and of one input then, with
        ``minigrad.nn.functional.name``.
    inplace : bool
        Whether those take `inplace`.
    doc : str
        What to know about it.
    check : bool
        Compare `vjp` with finite differences on the samples now.

    Raises
    ------
    ValueError
        If a name is taken by minigrad, or `vjp` is not the derivative of `formula`.

    Examples
    --------
    >>> from minigrad import elementwise, fx
    >>> import minigrad as mg
    >>> bump = elementwise(
    ...     "bump", lambda x: fx.exp(-x * x), vjp=lambda g, x, y: -2 * g * x * y, sample=(-2, 2)
    ... )
    >>> x = mg.tensor([0.0, 1.0], requires_grad=True)
    >>> x.bump()
    tensor([1.0000, 0.3679], grad_fn=<BumpBackward>)
    >>> elementwise("exp", lambda x: fx.exp(x), sample=(-2, 2))
    Traceback (most recent call last):
        ...
    ValueError: elementwise: the name 'exp' is taken: minigrad.exp exists; choose another
    """
    _refuse_taken(name, public, method, module)
    known = REGISTRY.pop(name, None)
    sampler = _with_numbers(sample if callable(sample) else span(*sample), formula)
    try:
        op = declare(
            name, formula, vjp, sample=sampler, kind=kind, public=False, method=False, doc=doc
        ).op
        if check and vjp is not None:
            _check_derivative(op)
    except Exception:
        REGISTRY.pop(name, None)
        if known is not None:
            REGISTRY[name] = known
        raise
    function = elementwise_function(op, method=method, public=public)
    _own[name] = module
    if public:
        setattr(sys.modules[PACKAGE], name, function)
    if module:
        offer(Activation(function, module, doc or f"``{op.root}``.", inplace))
    return function


def _refuse_taken(name: str, public: bool, method: bool, module: str) -> None:
    """Names that exist are others', unless the user declared them before."""
    if not name.isidentifier():
        raise ValueError(f"elementwise: expected a name for a function, got {name!r}")
    places: list[tuple[Any, str, str]] = []
    if name not in _own:
        places += [(sys.modules[PACKAGE], PACKAGE, name)] * public + [
            (Tensor, "Tensor", name)
        ] * method
    if module and module not in _own.values():
        nn = import_module(f"{PACKAGE}.nn")
        places += [(nn, "nn", module), (nn.functional, "nn.functional", name)]
    for place, called, taken in places:
        if hasattr(place, taken):
            raise ValueError(
                f"elementwise: the name {taken!r} is taken: {called}.{taken} exists; choose another"
            )
    if name in REGISTRY and name not in _own:
        raise ValueError(
            f"elementwise: the name {name!r} is taken by an operation of minigrad; choose another"
        )


def _with_numbers(sampler: Sampler, formula: Callable[..., Any]) -> Sampler:
    """Samples without numbers get the defaults of the formula."""
    defaults = formula.__defaults__ or ()

    def sample(rng: Any) -> Iterator[Sample]:
        for inputs, params in sampler(rng):
            yield Sample(inputs, params or defaults)

    return sample


def _check_derivative(op: Any) -> None:
    from minigrad.autograd.opcheck import first_order, samples  # only for those who declare

    for sample in samples(op):
        report = first_order(op, sample)
        if report is not None and not report.ok:
            raise ValueError(f"elementwise: `vjp` is not the derivative of the formula.\n{report}")
