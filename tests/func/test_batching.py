"""Every declared operation, on many examples at once and one after the other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd import opcheck
from minigrad.core.declare import REGISTRY, Elementwise, Op
from minigrad.core.engine import apply
from minigrad.core.public import PUBLIC
from minigrad.core.samples import Sample
from minigrad.func import vmap

NAMES = sorted(REGISTRY)
EXAMPLES = 3


def examples(op: Op, sample: Sample) -> list[list[np.ndarray]]:
    """For each input, as many variants as there are examples, all valid for the parameters.

    Floating values are moved a little, integers (indices) and masks permuted along an axis.
    """
    rng = np.random.default_rng(1)
    made = []
    for a in sample.inputs:
        a = np.asarray(a)
        variants = [a]
        for _ in range(EXAMPLES - 1):
            if a.dtype.kind == "f":
                # a scale keeps triangular, symmetric and positive definite matrices what they are
                variants.append(a * rng.uniform(0.97, 1.03))
            else:
                axis = -1 if a.shape[-1] > 1 else 0  # the first may list coordinates
                variants.append(rng.permutation(a, axis=axis))
        made.append(variants)
    return made


def leaves(op: Op, variants: list[list[np.ndarray]], batched: tuple[bool, ...]) -> list[Tensor]:
    found = []
    for i, (rows, many) in enumerate(zip(variants, batched, strict=True)):
        t = Tensor(np.stack(rows) if many else rows[0].copy())
        no_rule = bool(op.rules) and op.rules[i] is None
        t._requires_grad = t.array.dtype.kind == "f" and op.differentiable and not no_rule
        found.append(t)
    return found


def summed(outs: Any) -> Any:
    """One number that depends on every element of the floating results in its own way."""
    total = None
    for k, y in enumerate(outs if isinstance(outs, tuple) else (outs,)):
        if y.requires_grad:
            flow = np.cos(np.arange(y.numel()) + k).reshape(y.shape)
            part = (y * Tensor(flow)).sum()
            total = part if total is None else total + part
    return total


def gradients(outs: Any, tensors: list[Tensor], create_graph: bool = False) -> list[Any]:
    total = summed(outs)
    wanted = [t for t in tensors if t.requires_grad]
    if total is None or not wanted:
        return []
    return list(mg.autograd.grad(total, wanted, create_graph=create_graph, materialize_grads=True))


def looped(op: Op, tensors: list[Tensor], batched: tuple[bool, ...], params: Any) -> Any:
    rows = []
    for i in range(EXAMPLES):
        inputs = tuple(
            t[i].clone() if many else t for t, many in zip(tensors, batched, strict=True)
        )
        rows.append(apply(op, inputs, params))
    if op.results == 1:
        return PUBLIC["stack"](rows)
    return tuple(PUBLIC["stack"](list(parts)) for parts in zip(*rows, strict=True))


def combinations(count: int) -> list[tuple[bool, ...]]:
    every = [c for c in itertools.product((True, False), repeat=count) if any(c)]
    return every if count <= 3 else [c for c in every if sum(c) in (1, count)]


def cases(name: str) -> list[tuple[Sample, tuple[bool, ...]]]:
    op = REGISTRY[name]
    found = opcheck.samples(op)
    return [(s, c) for s in found for c in combinations(len(s.inputs))]


def params_of(op: Op, sample: Sample) -> tuple[Any, ...]:
    return sample.params or (op.defaults if isinstance(op, Elementwise) else ())


def test_every_operation_has_a_rule() -> None:
    missing = [n for n in NAMES if not isinstance(REGISTRY[n], Elementwise)]
    assert [n for n in missing if REGISTRY[n].batch is None] == []  # type: ignore[attr-defined]


def close(a: Any, b: Any, what: str) -> None:
    np.testing.assert_allclose(a.array, b.array, rtol=1e-9, atol=1e-9, err_msg=what)
    assert a.array.dtype == b.array.dtype, what


@pytest.mark.parametrize("name", NAMES)
def test_many_examples_are_each_example(name: str) -> None:
    op = REGISTRY[name]
    for sample, batched in cases(name):
        params = params_of(op, sample)
        tensors = leaves(op, examples(op, sample), batched)
        expected = looped(op, tensors, batched, params)
        in_dims = tuple(0 if b else None for b in batched)
        found = vmap(lambda *ts: apply(op, ts, params), in_dims)(*tensors)
        shapes = [t.array.shape for t in tensors]
        what = f"{name} {batched} {shapes} {params}"
        pairs = zip(
            found if isinstance(found, tuple) else (found,),
            expected if isinstance(expected, tuple) else (expected,),
            strict=True,
        )
        for a, b in pairs:
            close(a, b, what)
        for a, b in zip(gradients(found, tensors), gradients(expected, tensors), strict=True):
            close(a, b, f"gradient of {what}")


@pytest.mark.parametrize("name", [n for n in NAMES if REGISTRY[n].differentiable])
def test_gradients_of_each_example_are_differentiable(name: str) -> None:
    op = REGISTRY[name]
    for sample in opcheck.samples(op)[:2]:
        batched = (True,) * len(sample.inputs)
        params = params_of(op, sample)
        tensors = leaves(op, examples(op, sample), batched)
        in_dims = tuple(0 for _ in batched)
        found = vmap(lambda *ts: apply(op, ts, params), in_dims)(*tensors)
        expected = looped(op, tensors, batched, params)
        first = [gradients(outs, tensors, True) for outs in (found, expected)]
        second = [gradients(tuple(g), tensors) for g in first]
        for a, b in zip(*second, strict=True):
            close(a, b, f"second derivative of {name} {params}")


@pytest.mark.parametrize("name", NAMES)
def test_nested_levels(name: str) -> None:
    """Two levels, with the first input in both, the last in the inner one only."""
    op = REGISTRY[name]
    sample = opcheck.samples(op)[0]
    params = params_of(op, sample)
    variants = examples(op, sample)
    first = Tensor(np.stack([np.stack(variants[0])] * 2))
    others = [Tensor(np.stack(v)) for v in variants[1:]]

    def call(*ts: Tensor) -> Any:
        return apply(op, ts, params)

    inner = vmap(call)
    found = vmap(inner, (0, *(None,) * len(others)))(first, *others)
    once = inner(Tensor(np.stack(variants[0])), *others)
    for a, b in zip(
        found if isinstance(found, tuple) else (found,),
        once if isinstance(once, tuple) else (once,),
        strict=True,
    ):
        np.testing.assert_allclose(a.array, np.stack([b.array] * 2), rtol=1e-9, atol=1e-9)


SHAPES = [(4,), (3, 4), (4, 5), (2, 3, 4), (2, 4, 5), (1, 4, 5), (6, 2, 3, 4), (6, 1, 4, 5)]


@pytest.mark.parametrize("batched", combinations(2))
@pytest.mark.parametrize("second", SHAPES)
@pytest.mark.parametrize("first", SHAPES)
def test_matrix_products_of_all_shapes(
    first: tuple[int, ...], second: tuple[int, ...], batched: tuple[bool, bool]
) -> None:
    rng = np.random.default_rng(0)
    try:
        np.matmul(np.ones(first), np.ones(second))
    except ValueError:
        return
    a, b = (
        Tensor(rng.normal(size=(3, *shape) if many else shape))
        for shape, many in zip((first, second), batched, strict=True)
    )
    found = vmap(mg.matmul, tuple(0 if many else None for many in batched))(a, b)
    rows = [mg.matmul(a[i] if batched[0] else a, b[i] if batched[1] else b) for i in range(3)]
    np.testing.assert_allclose(found.array, mg.stack(rows).array, rtol=1e-12, atol=1e-12)
