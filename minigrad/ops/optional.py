"""Operations whose last input may be missing: declared once, by functions that take None for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from minigrad.core.declare import primitive
from minigrad.core.public import OpFunction
from minigrad.core.samples import Sample, Sampler

__all__ = ["with_optional"]

Function = Callable[..., Any]


def _without(function: Function, name: str, rest: str = "") -> Function:
    """`function` without one of its parameters, which is None; `rest` is done to the result.

    It is spelled as it would be written by hand, because declarations read names of parameters.
    """
    names = list(inspect.signature(function).parameters)
    kept = ", ".join(n for n in names if n != name)
    given = ", ".join("None" if n == name else n for n in names)
    scope = {"f": function, "__name__": __name__}
    return eval(f"lambda {kept}: f({given}){rest}", scope)  # type: ignore[no-any-return]


def with_optional(
    names: tuple[str, str], forward: Function, vjp: Any, *, inputs: int,
    sample: Sampler | tuple[Sampler, Sampler], fused: Function, docs: tuple[str, str],
    broadcasts: bool = False, **options: Any,
) -> Function:  # fmt: skip
    """Declare two operations, without and with the last input; returns ``f(inputs, params)``.

    Parameters
    ----------
    names, docs : pair of str
        Of the operation without, and of that with the input.
    forward, fused : callable
        As of `primitive`, with `inputs` inputs; the last one may be None.
    vjp : callable or tuple of callable
        A rule for each input, or one that gives all gradients.
    sample : callable or pair of callable
        Samples with all inputs; or of the operation without, and of that with the last one.
    broadcasts : bool
        Whether that with the input broadcasts.
    **options
        What `primitive` takes besides.

    Returns
    -------
    callable
        Called with the inputs, the last of them perhaps None, and the parameters.
    """
    last = list(inspect.signature(forward).parameters)[inputs - 1]
    rules: Any
    if callable(vjp):
        rules = _without(vjp, last, "[:-1]")
    else:
        rules = tuple(None if rule is None else _without(rule, last) for rule in vjp[:-1])

    def shorter(rng: Any) -> Iterator[Sample]:
        for arrays, params in longer(rng):
            yield Sample(arrays[:-1], params)

    own, longer = sample if isinstance(sample, tuple) else (shorter, sample)

    plain: OpFunction = primitive(
        names[0], _without(forward, last), rules, inputs=inputs - 1, sample=own,
        fused=_without(fused, last, "[:-1]"), doc=docs[0], **options,
    )  # fmt: skip
    full: OpFunction = primitive(
        names[1], forward, vjp, inputs=inputs, sample=longer, fused=fused, doc=docs[1],
        broadcasts=broadcasts, **options,
    )  # fmt: skip

    def call(given: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Any:
        return plain(given[:-1], params) if given[-1] is None else full(given, params)

    return call
