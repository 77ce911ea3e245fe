"""Optimizer steps against the same formulas written with numpy in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minigrad.kernels import optim
from minigrad.kernels.threads import get_num_threads, set_num_threads

SIZES = [1, 1003, 100_003]
STEPS = 3


def gradients(size: int, dtype: str) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(size)
    param = rng.standard_normal(size).astype(dtype)
    return param, [rng.standard_normal(size).astype(dtype) for _ in range(STEPS)]


def run(size: int, dtype: str, states: int, step: Callable[..., None]) -> np.ndarray:
    """The parameter after some calls of ``step(param, grad, states, number)``."""
    param, grads = gradients(size, dtype)
    state = [np.zeros_like(param) for _ in range(states)]
    for number, grad in enumerate(grads, 1):
        step(param, grad, state, number)
    return param


def agree(states: int, kernel: Callable[..., None], formula: Callable[..., None]) -> None:
    """Kernel and formula lead to the same parameters, in both dtypes."""
    for size in SIZES:
        for dtype, tolerance in (("f4", 2e-6), ("f8", 1e-14)):
            got = run(size, dtype, states, kernel)
            want = run(size, "f8", states, formula)
            if dtype == "f4":
                param, grads = gradients(size, "f4")
                want = param.astype("f8")
                state = [np.zeros(size) for _ in range(states)]
                for number, grad in enumerate(grads, 1):
                    formula(want, grad.astype("f8"), state, number)
            assert got.dtype == np.dtype(dtype)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1, "maximize": True},
        {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True},
    ],
    ids=str,
)
def test_sgd(options):
    momentum, decay = options.get("momentum", 0), options.get("weight_decay", 0)
    sign = -1 if options.get("maximize") else 1

    def kernel(p, g, state, number):
        buffer = state[0] if momentum else None
        optim.sgd(p, g, buffer, lr=0.1, first=number == 1, **options)

    def formula(p, g, state, number):
        d = sign * g + decay * p
        if momentum:
            keep = 1 if number == 1 else 1 - options.get("dampening", 0)
            state[0][:] = momentum * state[0] + keep * d
            d = d + momentum * state[0] if options.get("nesterov") else state[0]
        p -= 0.1 * d

    agree(1, kernel, formula)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam(decoupled, amsgrad):
    decay, beta1, beta2 = 0.1, 0.8, 0.99

    def kernel(p, g, state, number):
        top = state[2] if amsgrad else None
        optim.adam(
            p, g, *state[:2], top, step=number, lr=0.01, betas=(beta1, beta2), eps=1e-6,
            weight_decay=decay, decoupled=decoupled, maximize=True,
        )  # fmt: skip

    def formula(p, g, state, number):
        m, v, top = state
        if decoupled:
            p *= 1 - 0.01 * decay
        d = -g if decoupled else -g + decay * p
        m[:] = beta1 * m + (1 - beta1) * d
        v[:] = beta2 * v + (1 - beta2) * d * d
        top[:] = np.maximum(top, v)
        root = np.sqrt((top if amsgrad else v) / (1 - beta2**number))
        p -= 0.01 / (1 - beta1**number) * m / (root + 1e-6)

    agree(3, kernel, formula)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop(momentum, centered):
    decay, alpha = 0.1, 0.9

    def kernel(p, g, state, number):
        buffer, average = state[1] if momentum else None, state[2] if centered else None
        optim.rmsprop(
            p, g, state[0], buffer, average, lr=0.01, alpha=alpha, eps=1e-6,
            weight_decay=decay, momentum=momentum,
        )  # fmt: skip

    def formula(p, g, state, number):
        square, buffer, average = state
        d = g + decay * p
        square[:] = alpha * square + (1 - alpha) * d * d
        average[:] = alpha * average + (1 - alpha) * d
        spread = square - average**2 if centered else square
        buffer[:] = momentum * buffer + d / (np.sqrt(spread) + 1e-6)
        p -= 0.01 * buffer

    agree(3, kernel, formula)


def test_adagrad():
    def kernel(p, g, state, number):
        options = {"lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}
        optim.adagrad(p, g, state[0], step=number, lr=0.1, **options)

    def formula(p, g, state, number):
        d = -g + 0.1 * p
        state[0] += d * d
        p -= 0.1 / (1 + (number - 1) * 0.1) * d / (np.sqrt(state[0]) + 1e-10)

    agree(1, kernel, formula)


def test_sum_of_squares_and_scale():
    for size in (0, *SIZES):
        x = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        np.testing.assert_allclose(optim.sumsq(x), (x.astype("f8") ** 2).sum(), rtol=1e-6)
        want = x * np.float32(0.3)
        optim.scale_(x, 0.3)
        np.testing.assert_array_equal(x, want)
    assert np.isnan(optim.sumsq(np.array([1, np.nan], np.float32)))


def test_same_bits_for_any_number_of_threads():
    before = get_num_threads()

    def results() -> list[bytes]:
        def step(p, g, state, number):
            optim.adam(p, g, *state, step=number, lr=0.01)

        param = run(100_003, "f4", 2, step)
        return [param.tobytes(), np.float64(optim.sumsq(param)).tobytes()]

    try:
        set_num_threads(1)
        serial = results()
        for threads in (2, 4):
            set_num_threads(threads)
            assert results() == serial
    finally:
        set_num_threads(before)
