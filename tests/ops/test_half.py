"""float16 is computed in float32 and rounded once: values and gradients are those of float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor

F = mg.nn.functional
_rng = np.random.default_rng(0)
#: More elements than float16 can count; values whose squares it cannot hold.
INPUTS = {
    "many": _rng.uniform(0.5, 1.5, (2, 70_000)).astype(np.float16),
    "loud": (_rng.normal(size=(40, 50)) * 300).astype(np.float16),
}


def half_like(x: Tensor) -> Tensor:
    return mg.ones_like(x) * 0.5


def powers_of_two(x: Tensor) -> Tensor:
    """Factors whose product falls below the range of float16 on the way, and comes back."""
    falls = mg.tensor([0.5] * 20 + [2.0] * 20, dtype=x.dtype)
    return x[:, :40] * 0 + falls


def classes(x: Tensor) -> Tensor:
    return mg.arange(len(x)) % x.shape[1]


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean(),
    "mean along": lambda x: x.mean(1),
    "nanmean": lambda x: x.nanmean(),
    "norm": lambda x: x.norm(),
    "norm 3": lambda x: x.norm(3, 1),
    "vector_norm": lambda x: mg.linalg.vector_norm(x, 2, 1),
    "linalg.norm": lambda x: mg.linalg.norm(x),
    "dist": lambda x: x.dist(x * 0.5),
    "var": lambda x: (x * 0.25).var(1),
    "std": lambda x: x.std(),
    "std_mean": lambda x: mg.std_mean(x, 1)[0],
    "var_mean": lambda x: mg.var_mean(x)[1],
    "prod": lambda x: powers_of_two(x).prod(1),
    "cumprod": lambda x: powers_of_two(x).cumprod(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "cov": lambda x: mg.cov(x[:3] * 0.125),
    "normalize": lambda x: F.normalize(x, dim=1),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[1:]),
    "batch_norm": lambda x: F.batch_norm(x.T, None, None, training=True),
    "instance_norm": lambda x: F.instance_norm(x.unsqueeze(0)),
    "local_response_norm": lambda x: F.local_response_norm(x[:, :50].unsqueeze(0), 3),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x.flip(0) + 1, 1),
    "pairwise_distance": lambda x: F.pairwise_distance(x, x * 0.5),
    "lp_pool1d": lambda x: F.lp_pool1d(x, 2.0, 10),
    "mse_loss": lambda x: F.mse_loss(x * 0.5, half_like(x)),
    "l1_loss": lambda x: F.l1_loss(x, half_like(x)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, half_like(x)),
    "huber_loss": lambda x: F.huber_loss(x, half_like(x)),
    "bce_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, half_like(x)),
    "kl_div": lambda x: F.kl_div(x, half_like(x), reduction="batchmean"),
    "soft_margin_loss": lambda x: F.soft_margin_loss(x, mg.ones_like(x)),
    "gaussian_nll_loss": lambda x: F.gaussian_nll_loss(x * 0.5, half_like(x), mg.ones_like(x)),
    "cross_entropy": lambda x: F.cross_entropy(x, classes(x)),
    "nll_loss": lambda x: F.nll_loss(x, classes(x)),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x, classes(x)),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x, half_like(x), half_like(x) * 4),
}


def run(call: Callable[[Tensor], Tensor], values: Any, create_graph: bool) -> Any:
    x = mg.tensor(values, requires_grad=True)
    y = call(x)
    flow = np.random.default_rng(1).integers(-1, 2, tuple(y.shape)) if y.ndim else 1
    (g,) = mg.autograd.grad(y, x, mg.tensor(flow, dtype=y.dtype), create_graph=create_graph)
    assert g is not None
    assert y.dtype == g.dtype == x.dtype
    return y.detach().numpy(), g.detach().numpy()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_in_float64(name: str, given: str, create_graph: bool) -> None:
    """Within three steps of float16, those below its smallest normal number included."""
    found = run(FUNCTIONS[name], INPUTS[given], create_graph)
    exact = run(FUNCTIONS[name], INPUTS[given].astype(np.float64), create_graph)
    for got, wanted in zip(found, exact, strict=True):
        with np.errstate(over="ignore"):
            rounded = wanted.astype(np.float16)
        inside = np.isfinite(rounded)
        np.testing.assert_array_equal(np.isfinite(got), inside)
        np.testing.assert_allclose(
            got[inside].astype(np.float64), wanted[inside], rtol=3e-3, atol=2e-7
        )
