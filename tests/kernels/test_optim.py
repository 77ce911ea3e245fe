"""Optimizer steps against the same formulas written with numpy in float64."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad.kernels import optim, optim_pieces
from minigrad.kernels.run.jit import BLOCK
from minigrad.kernels.run.threads import get_num_threads, set_num_threads

SIZES = (1, 1003, 0, 17 * BLOCK + 5, BLOCK)
STEPS = 3
Arrays = list[np.ndarray]
Formula = Callable[..., None]


def sgd(p: Any, g: Any, v: Any, sign: Any, decay: Any, lr: Any, momentum: Any, keep: Any,
        nesterov: Any) -> None:  # fmt: skip
    d = sign * g + decay * p
    v[:] = momentum * v + keep * d
    p -= lr * (d + momentum * v if nesterov else v)


def adam(p: Any, g: Any, m: Any, v: Any, sign: Any, decay: Any, shrink: Any, rest1: Any,
         beta2: Any, rest2: Any, rate: Any, root: Any, eps: Any) -> None:  # fmt: skip
    p *= shrink
    d = sign * g + decay * p
    m += rest1 * (d - m)
    v[:] = beta2 * v + rest2 * d * d
    p -= rate * m / (np.sqrt(v) / root + eps)


def rprop(p: Any, g: Any, before: Any, size: Any, sign: Any, shrink: Any, stay: Any, grow: Any,
          smallest: Any, largest: Any) -> None:  # fmt: skip
    d = sign * g
    same = d * before
    size *= np.where(same > 0, grow, np.where(same < 0, shrink, 1))
    np.clip(size, smallest, largest, out=size)
    before[:] = np.where(same < 0, 0, d)
    p -= np.sign(before) * size


COMMON = {"sign": -1.0, "decay": 0.1}
CASES: dict[str, tuple[Any, Formula, int, dict[str, float]]] = {
    "sgd": (
        optim.sgd, sgd, 1,
        {**COMMON, "lr": 0.1, "momentum": 0.9, "keep": 0.5, "nesterov": 0},
    ),
    "nesterov": (
        optim.sgd, sgd, 1,
        {**COMMON, "lr": 0.1, "momentum": 0.9, "keep": 1, "nesterov": 1},
    ),
    "adam": (
        optim.adam, adam, 2,
        {
            **COMMON, "shrink": 0.9, "rest1": 0.1, "beta2": 0.9, "rest2": 0.1, "rate": 0.1,
            "root": 0.5, "eps": 1e-3,
        },
    ),
    "rprop": (
        optim.rprop, rprop, 2,
        {
            "sign": -1, "shrink": 0.5, "stay": 1, "grow": 1.2, "smallest": 1e-3, "largest": 2,
        },
    ),
}  # fmt: skip


def data(dtype: str, states: int) -> tuple[Arrays, list[Arrays], list[Arrays]]:
    """Parameters, gradients of each step, and state that begins with 0.5."""
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(n).astype(dtype) for n in SIZES]
    grads = [[rng.standard_normal(n).astype(dtype) for n in SIZES] for _ in range(STEPS)]
    return params, grads, [[np.full(n, 0.5, dtype) for n in SIZES] for _ in range(states)]


def run(kernel: Any, dtype: str, states: int, options: dict[str, float]) -> Arrays:
    params, grads, state = data(dtype, states)
    pieces = optim.Pieces(params, state)
    for g in grads:
        assert pieces.fits(g)
        kernel(pieces, g, **options)
    return [*params, *(a for column in state for a in column)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 1e-5), ("f8", 1e-13)])
def test_kernels_compute_their_formulas(name: str, dtype: str, tolerance: float) -> None:
    kernel, formula, states, options = CASES[name]
    got = run(kernel, dtype, states, options)
    params, grads, state = data(dtype, states)
    params = [p.astype("f8") for p in params]
    state = [[a.astype("f8") for a in column] for column in state]
    for g in grads:
        for i, p in enumerate(params):
            formula(p, g[i].astype("f8"), *(column[i] for column in state), **options)
    want = [*params, *(a for column in state for a in column)]
    for a, b in zip(got, want, strict=True):
        assert a.dtype == np.dtype(dtype)
        np.testing.assert_allclose(a, b, tolerance, tolerance)


@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_threads_or_on_how_addresses_are_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, _, states, options = CASES[name]
    before = get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            results.append(run(kernel, "f4", states, options))
    finally:
        set_num_threads(before)
    monkeypatch.setattr(optim_pieces, "_READ_OBJECTS", False)
    results.append(run(kernel, "f4", states, options))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.tobytes() == b.tobytes()


def test_state_that_is_missing() -> None:
    p, g = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    average = np.zeros(2)
    pieces = optim.Pieces([p], [[np.zeros(2)], None, [average]])
    options = {"sign": 1, "decay": 0, "lr": 0.1, "alpha": 0.5, "rest": 0.5, "eps": 0, "inside": 0}
    options["momentum"] = 9
    optim.rmsprop(pieces, [g], **options)
    assert average.tolist() == [0.5, -0.5]
    np.testing.assert_allclose(p, [1 - 0.1 / 0.5, 2 + 0.1 / 0.5])


def test_gradients_that_do_not_fit_are_seen() -> None:
    pieces = optim.Pieces([np.zeros((2, 3), "f4")], [])
    assert pieces.fits([np.zeros((2, 3), "f4")])
    assert not pieces.fits([np.zeros((2, 3))])
    assert not pieces.fits([np.zeros(5, "f4")])
    assert not pieces.fits([np.zeros((3, 2), "f4").T])
    assert not pieces.fits([])


def test_options_are_read_anew_when_they_change() -> None:
    p, g = np.zeros(1), [np.ones(1)]
    pieces = optim.Pieces([p], [])
    options = {"sign": 1, "decay": 0, "momentum": 0, "keep": 1, "nesterov": False}
    for lr in (1.0, 1.0, 0.5):
        optim.sgd(pieces, g, lr=lr, **options)
    assert p.tolist() == [-2.5]
    with pytest.raises(KeyError, match="lr"):
        optim.sgd(pieces, g, **options)


def test_without_penalty_an_infinite_parameter_stays() -> None:
    p = np.array([np.inf, -np.inf, 1.0])
    options = {"sign": 1, "decay": 0, "momentum": 0, "keep": 1, "nesterov": False, "lr": 1}
    optim.sgd(optim.Pieces([p], []), [np.ones(3)], **options)
    assert p.tolist() == [np.inf, -np.inf, 0.0]


PLAIN = """
import minigrad as mg
from minigrad import optim
for name in ("SGD", "Adam", "Rprop"):
    w = mg.tensor([1.0, -2.0], dtype=mg.float64, requires_grad=True)
    w.grad = mg.tensor([1.0, -3.0], dtype=mg.float64)
    opt = getattr(optim, name)([w], lr=0.1)
    opt.step()
    opt.step()
    print(name, w.tolist())
"""


def test_the_same_without_compiled_code() -> None:
    """For debuggers: NUMBA_DISABLE_JIT=1."""
    results = []
    for disabled in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        done = subprocess.run(
            [sys.executable, "-c", PLAIN], env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        results.append(done.stdout)
    assert results[0] == results[1]
    assert results[0].count("\n") == 3
