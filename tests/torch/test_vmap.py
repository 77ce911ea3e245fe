"""Every public name that `op_db` has samples of: many examples at once, and one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import minigrad as mg
from minigrad.func import tree, vmap
from tests.torch import opdb
from tests.torch.twins import Missing, Twins

EXAMPLES, MOST = 3, 4
#: They draw, or have elements that mean nothing.
RANDOM = {
    "bernoulli", "cauchy", "empty", "empty_like", "empty_permuted", "empty_strided", "exponential",
    "geometric", "log_normal", "multinomial", "new_empty", "new_empty_strided", "normal", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "uniform",
}  # fmt: skip
#: What cannot be computed inside `vmap`, and why.
REFUSED = (
    "randomness error mode",  # dropout
    "needs the values",  # the result has as many elements as the values say
    "inplace arithmetic",  # running statistics that are the same for all examples
)
SAMPLED = sorted({n for names in opdb.names().values() for n in names if n in opdb.entries()})


def variant(a: np.ndarray, i: int) -> np.ndarray:
    """Elements that are valid where those of `a` are."""
    if i == 0 or not a.ndim:
        return a if a.dtype.kind != "f" else (a * (1 - 0.25 * (i == 1))).astype(a.dtype)
    return (a * 0.75).astype(a.dtype) if a.dtype.kind == "f" and i == 1 else np.flip(a, -1).copy()


def calls(op: Any) -> Iterator[tuple[Any, list[Any], list[int], Any]]:
    """The function of each sample, its leaves, which of them are tensors, and their structure."""
    try:
        ours = opdb._Trial(op, opdb.Report(op.name))._function()
    except (Missing, ImportError):
        return
    for dtype in (torch.float64, torch.int64):
        if dtype not in op.dtypes:
            continue
        opdb._seed(op.name, str(dtype))
        samples = opdb._quick(op.sample_inputs("cpu", dtype, requires_grad=False))
        for sample in opdb.spread(samples, MOST):
            twins = Twins(mg, False)
            try:
                parts = twins(sample.input), twins(sample.args), twins(sample.kwargs)
            except Exception:  # complex numbers, and what else is not ours
                continue
            leaves, spec = tree.flatten(parts)
            places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, mg.Tensor)]
            if places:
                yield ours, leaves, places, spec


@pytest.mark.parametrize("name", [n for n in SAMPLED if n not in RANDOM])
def test_many_examples_are_each_example(name: str) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for op in opdb.entries()[name]:
            for ours, leaves, places, spec in calls(op):
                for mapped in {(True,) * len(places), (True,) + (False,) * (len(places) - 1)}:
                    compare(name, ours, leaves, places, spec, mapped)


def compare(
    name: str, ours: Any, leaves: list[Any], places: list[int], spec: Any, mapped: tuple[bool, ...]
) -> None:
    def call(*tensors: mg.Tensor) -> Any:
        given = list(leaves)
        for k, t in zip(places, tensors, strict=True):
            given[k] = t
        first, args, kwargs = tree.unflatten(given, spec)
        return ours(first, *args, **kwargs)

    arrays = [leaves[k].array for k in places]
    inputs = [
        mg.from_numpy(np.stack([variant(a, i) for i in range(EXAMPLES)])) if m else mg.tensor(a)
        for a, m in zip(arrays, mapped, strict=True)
    ]
    try:
        each = [
            [t[i].clone() if m else t.clone() for t, m in zip(inputs, mapped, strict=True)]
            for i in range(EXAMPLES)
        ]
        rows = [tree.leaves_of(call(*given)) for given in each]
    except Exception:  # the variants do not suit this function
        return
    columns = list(zip(*rows, strict=True))
    if not all(isinstance(y, mg.Tensor) for column in columns for y in column):
        return
    if any(len({y.array.shape for y in column}) > 1 for column in columns):
        return
    try:
        found = vmap(call, tuple(0 if m else None for m in mapped))(*inputs)
    except RuntimeError as error:
        if any(words in str(error) for words in REFUSED):
            return
        raise
    for column, y in zip(columns, tree.leaves_of(found), strict=True):
        expected = np.stack([row.array for row in column])
        assert y.array.dtype == expected.dtype
        np.testing.assert_allclose(
            y.array.astype(float), expected.astype(float), rtol=1e-6, atol=1e-8, err_msg=name
        )
