"""Special functions against identities and Python's `math`; rearrangements against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg

X = np.concatenate([np.linspace(-4.9, 4.9, 50), np.array([1e-8, 0.5, 20.0])])


def wide(values: np.ndarray) -> mg.Tensor:
    return mg.tensor(values)


def test_erfinv_undoes_erf_to_the_last_bits() -> None:
    x = np.linspace(-5, 5, 101)
    complement = mg.erfc(wide(np.abs(x))).numpy()
    back = mg.erfinv(wide(np.copysign(1 - complement, x))).numpy()
    # how much a rounding of 1 - erfc moves the inverse
    room = 1e-14 + 2e-16 * np.exp(x * x)
    assert (np.abs(back - x) < room).all()
    assert mg.erfinv(wide(np.array([1.0, -1.0, 0.0]))).tolist() == [math.inf, -math.inf, 0.0]


def test_gamma_functions() -> None:
    for x in (0.1, 1.0, 3.7, 50.0, -0.5, -3.3):
        assert mg.lgamma(mg.tensor(x, dtype=mg.float64)).item() == pytest.approx(
            math.lgamma(x), rel=1e-13
        )
        step = 1e-5
        slope = (math.lgamma(x + step) - math.lgamma(x - step)) / (2 * step)
        assert mg.digamma(mg.tensor(x, dtype=mg.float64)).item() == pytest.approx(slope, rel=1e-6)
    one = mg.tensor(1.0, dtype=mg.float64)
    assert mg.digamma(one).item() == pytest.approx(-0.57721566490153286, rel=1e-14)
    assert mg.polygamma(1, one).item() == pytest.approx(math.pi**2 / 6, rel=1e-14)
    assert mg.polygamma(2, one).item() == pytest.approx(-2 * 1.2020569031595942, rel=1e-14)


def test_inverse_pairs() -> None:
    x = wide(np.linspace(-0.95, 0.95, 21))
    for f, inverse in (("sin", "asin"), ("tan", "atan"), ("sinh", "asinh"), ("tanh", "atanh")):
        np.testing.assert_allclose(
            getattr(mg, inverse)(getattr(mg, f)(x)).numpy(), x.numpy(), atol=1e-14
        )
    np.testing.assert_allclose(mg.logit(mg.sigmoid(x)).numpy(), x.numpy(), atol=1e-14)
    assert mg.log2(mg.tensor([8.0, 1024.0])).tolist() == [3.0, 10.0]


def test_sums_of_exponentials_do_not_overflow() -> None:
    a, b = mg.tensor([1000.0, -math.inf]), mg.tensor([1000.0, -math.inf])
    assert mg.logaddexp(a, b).tolist() == pytest.approx([1000 + math.log(2), -math.inf])
    assert mg.hypot(mg.tensor(3e30), mg.tensor(4e30)).item() == pytest.approx(5e30, rel=1e-6)


def test_the_product_of_the_others_where_factors_are_zero() -> None:
    x = mg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    mg.cumprod(x, 0).sum().backward()
    assert x.grad.tolist() == [1.0, 8.0, 0.0]


def test_windows_are_views() -> None:
    x = mg.arange(6.0)
    windows = x.unfold(0, 3, 2)
    x[2] = 9.0
    assert windows.tolist() == [[0.0, 1.0, 9.0], [9.0, 3.0, 4.0]]
    strided = mg.as_strided(x, (2, 2), (3, 1))
    strided[1, 1] = 7.0
    assert x.tolist() == [0.0, 1.0, 9.0, 3.0, 7.0, 5.0]
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        mg.as_strided(x, (4, 2), (2, 1))


def test_overlapping_windows_add_up_their_gradients() -> None:
    x = mg.zeros(5, requires_grad=True)
    x.unfold(0, 3, 1).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0, 2.0, 1.0]


def test_grids_follow_numpy() -> None:
    u, v = np.arange(2.0), np.arange(3.0)
    for indexing in ("ij", "xy"):
        ours = mg.meshgrid(wide(u), wide(v), indexing=indexing)
        for a, b in zip(ours, np.meshgrid(u, v, indexing=indexing), strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


def test_quantiles() -> None:
    x = np.random.default_rng(0).normal(size=(4, 7))
    for q in (0.0, 0.25, 0.6, 1.0):
        np.testing.assert_allclose(mg.quantile(wide(x), q, 1).numpy(), np.quantile(x, q, 1))
    assert math.isnan(mg.quantile(wide(np.array([1.0, math.nan])), 0.5).item())
    assert mg.nanquantile(wide(np.array([1.0, math.nan, 3.0])), 0.5).item() == 2.0


def test_covariance() -> None:
    x = np.random.default_rng(0).normal(size=(3, 9))
    counts, weights = np.arange(1, 10), np.linspace(0.5, 2, 9)
    np.testing.assert_allclose(mg.cov(wide(x)).numpy(), np.cov(x))
    ours = mg.cov(wide(x), fweights=mg.tensor(counts), aweights=wide(weights))
    np.testing.assert_allclose(ours.numpy(), np.cov(x, fweights=counts, aweights=weights))
    np.testing.assert_allclose(mg.corrcoef(wide(x)).numpy(), np.corrcoef(x))
