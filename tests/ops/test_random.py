"""Random numbers: streams and their states, distributions, what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg

N = 200_000


@pytest.fixture(autouse=True)
def _seed() -> None:
    mg.manual_seed(3)


def test_the_same_seed_gives_the_same_numbers() -> None:
    a = mg.rand(5), mg.randn(5), mg.randint(10, (5,)), mg.randperm(5)
    mg.manual_seed(3)
    b = mg.rand(5), mg.randn(5), mg.randint(10, (5,)), mg.randperm(5)
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert not (mg.rand(5) == a[0]).all()
    assert mg.initial_seed() == 3
    assert mg.seed() == mg.initial_seed() != 3
    with pytest.raises(RuntimeError, match="64 bits"):
        mg.manual_seed(2**64)
    mg.manual_seed(-1)


def test_states_bring_a_stream_back() -> None:
    mg.rand(3)
    mg.randint(5, (3,), dtype=mg.int32)  # leaves half a word behind
    state = mg.get_rng_state()
    assert state.dtype is mg.uint8
    first = [mg.randint(99, (7,), dtype=mg.int32).tolist(), mg.randn(3).tolist()]
    mg.set_rng_state(state)
    assert [mg.randint(99, (7,), dtype=mg.int32).tolist(), mg.randn(3).tolist()] == first
    g = mg.Generator()
    g.set_state(state)
    assert [
        mg.randint(99, (7,), dtype=mg.int32, generator=g).tolist(),
        mg.randn(3, generator=g).tolist(),
    ] == first
    with pytest.raises(TypeError, match="56 bytes"):
        g.set_state(mg.ones(3))


def test_generators_are_streams_of_their_own() -> None:
    g = mg.Generator().manual_seed(5)
    assert g.initial_seed() == 5
    a = mg.rand(4, generator=g)
    before = mg.get_rng_state()
    twins = [copy.deepcopy(g), pickle.loads(pickle.dumps(g)), g.clone_state()]
    b = mg.rand(4, generator=g)
    assert (mg.get_rng_state() == before).all()
    assert not (a == b).all()
    assert all((mg.rand(4, generator=t) == b).all() for t in twins)
    with pytest.raises(TypeError, match=r"expected a minigrad.Generator"):
        mg.rand(2, generator=3)
    with pytest.raises(RuntimeError, match="CPU"):
        mg.Generator("cuda")


DRAWN: list[tuple[Callable[[], Any], float, float]] = [
    (lambda: mg.rand(N), 0.5, 1 / 12),
    (lambda: mg.rand(N, dtype=mg.float16), 0.5, 1 / 12),
    (lambda: mg.randn(N), 0, 1),
    (lambda: mg.randn(N, dtype=mg.float64), 0, 1),
    (lambda: mg.randint(-2, 3, (N,)).float(), 0, 2),
    (lambda: mg.normal(3.0, 2.0, (N,)), 3, 4),
    (lambda: mg.normal(mg.full((N,), 3.0), 2.0), 3, 4),
    (lambda: mg.normal(3.0, mg.full((N,), 2.0)), 3, 4),
    (lambda: mg.bernoulli(mg.full((N,), 0.3)), 0.3, 0.21),
    (lambda: mg.poisson(mg.full((N,), 4.0)), 4, 4),
    (lambda: mg.empty(N).uniform_(-1, 2), 0.5, 0.75),
    (lambda: mg.empty(N).normal_(1, 3), 1, 9),
    (lambda: mg.empty(N).exponential_(2.0), 0.5, 0.25),
    (lambda: mg.empty(N).bernoulli_(0.3), 0.3, 0.21),
    (lambda: mg.empty(N).bernoulli_(mg.full((N,), 0.3)), 0.3, 0.21),
    (lambda: mg.empty(N).geometric_(0.5), 2, 2),
    (lambda: mg.empty(N).random_(5), 2, 2),
    (lambda: mg.empty(N).random_(5, 10), 7, 2),
    (lambda: mg.empty(N).log_normal_(0, 0.5), math.exp(0.125), math.exp(0.5) - math.exp(0.25)),
    (lambda: mg.randint_like(mg.empty(N), 5), 2, 2),
    (lambda: mg.multinomial(mg.tensor([1.0, 0.0, 3.0]), N, True).float(), 1.5, 0.75),
]  # fmt: skip


@pytest.mark.parametrize(("draw", "mean", "variance"), DRAWN)
def test_moments(draw: Callable[[], Any], mean: float, variance: float) -> None:
    x = draw().numpy().astype("float64")
    assert x.size == N
    assert abs(x.mean() - mean) < 6 * math.sqrt(variance / N)
    assert abs(x.var() / variance - 1) < 0.05


def test_limits_types_and_shapes() -> None:
    x = mg.rand(N)
    assert x.min().item() >= 0
    assert x.max().item() < 1
    half = mg.rand(N, dtype=mg.float16)
    assert half.max().item() < 1
    tight = mg.empty(N).uniform_(0, 1e-3)
    assert tight.max().item() < np.float32(1e-3)
    assert mg.randn(2, 3, requires_grad=True).requires_grad
    assert mg.rand((2, 3)).shape == mg.rand(size=(2, 3)).shape == (2, 3)
    assert mg.rand_like(mg.ones(2, dtype=mg.float64)).dtype is mg.float64
    assert mg.randn_like(mg.ones(2), dtype=mg.float64).dtype is mg.float64
    assert mg.randint(3, (2,)).dtype is mg.int64
    assert mg.randint(0, 3, (2,), dtype=mg.float32).dtype is mg.float32
    assert sorted(mg.randperm(9).tolist()) == list(range(9))
    assert mg.randperm(4, dtype=mg.int32).dtype is mg.int32
    assert mg.empty(3, dtype=mg.uint8).random_().dtype is mg.uint8
    assert mg.empty(1000, dtype=mg.bool).random_().any().item()
    assert mg.empty(100).random_().max().item() <= 2**24
    assert mg.rand(0, 3).shape == (0, 3)
    assert np.isfinite(np.median(mg.empty(99).cauchy_().numpy()))


def test_multinomial() -> None:
    w = mg.tensor([[0.0, 1.0, 2.0, 3.0], [5.0, 0.0, 0.0, 5.0]])
    x = mg.multinomial(w, 2).numpy()
    assert x.shape == (2, 2)
    assert set(x[1]) == {0, 3}
    assert 0 not in x[0]
    first = [mg.multinomial(mg.tensor([1.0, 2.0, 7.0]), 3)[0].item() for _ in range(3000)]
    assert abs(np.mean(np.array(first) == 2) - 0.7) < 0.05
    for bad, match in (
        (mg.tensor([1.0, -1.0]), "element < 0"), (mg.zeros(3), "invalid"),
        (mg.tensor([1.0, math.nan]), "nan"), (mg.tensor([1, 2]), "floating"),
        (mg.ones(1, 1, 1), "1 or 2 dim"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=match):
            mg.multinomial(bad, 1)
    with pytest.raises(RuntimeError, match="2 samples"):
        mg.multinomial(mg.tensor([1.0, 0.0]), 2)
    with pytest.raises(RuntimeError, match="<= 0"):
        mg.multinomial(mg.ones(2), 0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: mg.rand(2, dtype=mg.int64), "floating point"),
        (lambda: mg.rand(-1), "negative"),
        (lambda: mg.rand(2, low=3), "unexpected keyword"),
        (lambda: mg.randint(3, 3, (2,)), "less than 'to'"),
        (lambda: mg.randint(3), "size"),
        (lambda: mg.randint(300, (2,), dtype=mg.uint8), "must fit"),
        (lambda: mg.normal(0.0, 1.0), "size"),
        (lambda: mg.normal(0.0, -1.0, (2,)), "std >= 0"),
        (lambda: mg.bernoulli(mg.tensor([2.0])), "p_in"),
        (lambda: mg.bernoulli(mg.tensor([1])), "floating"),
        (lambda: mg.empty(2).uniform_(1, 0), "from=1 > to=0"),
        (lambda: mg.empty(2).exponential_(0), "lambda"),
        (lambda: mg.empty(2).cauchy_(0, 0), "sigma"),
        (lambda: mg.empty(2).geometric_(1.5), "in \\(0, 1\\)"),
        (lambda: mg.empty(2).log_normal_(0, 0), "std"),
        (lambda: mg.empty(2, dtype=mg.int64).normal_(), "floating"),
        (lambda: mg.poisson(-mg.ones(2)), ">= 0"),
        (lambda: mg.randperm(-1), "non-negative"),
        (lambda: mg.ones(2, requires_grad=True).normal_(), "leaf"),
    ],
)
def test_refusals(call: Callable[[], Any], match: str) -> None:
    with pytest.raises((RuntimeError, TypeError), match=match):
        call()


def test_writing_cuts_the_graph() -> None:
    w = mg.ones(3, requires_grad=True)
    x = w * 2
    y = x * x
    x.normal_()
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()
    (x.sum() + w.sum()).backward()
    assert w.grad.tolist() == [1, 1, 1]
