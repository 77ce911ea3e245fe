"""The running logsumexp and its derivative where values rise and fall by more than exp holds."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor

STEEP = [
    [0.0, 110.0], [110.0, 0.0], [-800.0, 0.0, 800.0, 0.0, 1600.0], [0.0, 800.0, -1e4, 801.0],
    [-1e6, 1e6, 3.0], [5.0], [-np.inf, 0.0, 200.0], [-np.inf, -np.inf, 1.0],
    [0.0, -np.inf, 300.0], [1000.0, 1000.0, 1000.0],
]  # fmt: skip


def expected(x: list[float], flow: list[float]) -> list[float]:
    """``sum over j >= i of g[j] exp(x[i] - y[j])``: no exponent is above 0."""
    y = np.logaddexp.accumulate(np.array(x, np.float64))
    return [
        sum(flow[j] * (np.exp(x[i] - y[j]) if x[i] > -np.inf else 0.0) for j in range(i, len(x)))
        for i in range(len(x))
    ]


@pytest.mark.parametrize("values", STEEP, ids=str)
@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_gradient_where_values_rise_steeply(values: list[float], dtype: mg.dtype) -> None:
    flow = [1.0, -2.0, 3.0, 0.5, 2.0][: len(values)]
    x = mg.tensor(values, dtype=dtype, requires_grad=True)
    x.logcumsumexp(0).backward(mg.tensor(flow, dtype=dtype))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected(values, flow), rtol=2e-6, atol=1e-6)


def test_second_derivative_where_values_rise_steeply() -> None:
    """By finite differences where they can be had; finite everywhere."""
    x = mg.tensor([0.0, 2.0, 300.0, 301.0, 0.0], dtype=mg.float64, requires_grad=True)
    assert mg.autograd.gradcheck(lambda a: a.logcumsumexp(0), (x,))
    assert mg.autograd.gradgradcheck(lambda a: a.logcumsumexp(0), (x,))


def test_along_any_dimension() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 5)) * 300
    for dim in range(3):
        x = mg.tensor(values, requires_grad=True)
        x.logcumsumexp(dim).sum().backward()
        assert x.grad is not None
        lines = np.moveaxis(values, dim, -1).reshape(-1, values.shape[dim])
        want = [expected(line.tolist(), [1.0] * len(line)) for line in lines]
        found: Tensor = x.grad.movedim(dim, -1).reshape(-1, values.shape[dim])
        np.testing.assert_allclose(found.numpy(), want, rtol=1e-9, atol=1e-300)
