"""Every operation and many functions, forward and back, done again from what listeners heard.

Twice: with the same values, bit for bit; and with other values of the same shapes, where the code
would compute what the replay does. The second shows that nothing was kept as a constant that
depends on a tensor: an index, a count, a mask that numpy computed by the way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import capture
from minigrad.autograd import opcheck
from minigrad.core.engine import apply
from minigrad.core.rules import REGISTRY

Arrays = Sequence[np.ndarray[Any, Any]]
Function = Callable[..., Any]


def _results(function: Function, tensors: Sequence[mg.Tensor], order: int) -> list[Any]:
    """What comes out, and the derivatives of its sum: first, and of the squares of those."""
    made = function(*tensors)
    found = [t for t in _leaves(made) if isinstance(t, mg.Tensor)]
    wanted = [t for t in tensors if t.requires_grad]
    flows = [t for t in found if t.requires_grad]
    if not wanted or not flows or order < 1:
        return found
    loss: Any = sum((t * t).sum() for t in flows)
    if order < 2:
        loss.backward()
        return found + [t.grad for t in wanted if t.grad is not None]
    firsts = mg.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
    known = [g for g in firsts if g is not None]
    again: Any = sum((g * g).sum() for g in known)
    if again.requires_grad:
        again.backward()
    return found + known + [t.grad for t in wanted if t.grad is not None]


def _leaves(made: Any) -> list[Any]:
    if isinstance(made, (list, tuple)):
        return [leaf for part in made for leaf in _leaves(part)]
    return [made]


def _tensors(arrays: Arrays, grads: Sequence[bool]) -> list[mg.Tensor]:
    made = [mg.from_numpy(np.array(a, order="C")) for a in arrays]
    for t, wants in zip(made, grads, strict=True):
        t.requires_grad_(wants)
    return made


def _check(
    function: Function, arrays: Arrays, others: Arrays, grads: Sequence[bool], order: int
) -> None:
    tensors = _tensors(arrays, grads)
    state = mg.get_rng_state()
    with warnings.catch_warnings(), capture.recording(tensors) as seen:
        warnings.simplefilter("ignore")
        expected = _results(function, tensors, order)
    numbers = [
        n for e in seen.events for n in _leaves(e.residuals) if isinstance(n, (float, np.generic))
    ]
    assert not numbers, "kept for a derivative, without a place in memory"
    for event in seen.events:
        if event.op.name != "given":
            params = _leaves(event.event.params)
            assert not [p for p in params if isinstance(p, (np.ndarray, mg.Tensor, FunctionType))]
    again = seen.replay()
    for i, t in enumerate(expected):
        np.testing.assert_array_equal(again.value(t), t.array, err_msg=f"result {i}")
    if seen.reads:
        return  # values decided in Python, and listeners were told
    other = seen.replay(dict(zip(tensors, others, strict=True)))
    mg.set_rng_state(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new = _results(function, _tensors(others, grads), order)
    for i, (t, n) in enumerate(zip(expected, new, strict=True)):
        np.testing.assert_array_equal(other.value(t), n.array, err_msg=f"result {i}, other values")


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_operations(name: str, order: int) -> None:
    op = REGISTRY[name]
    pairs = zip(opcheck.samples(op, 0), opcheck.samples(op, 1), strict=True)
    for sample, other in pairs:
        tensors = opcheck.tensors_of(op, sample)
        arrays = [t.array for t in tensors]
        others = [t.array for t in opcheck.tensors_of(op, other)]
        if [a.shape for a in arrays] != [a.shape for a in others]:
            others = arrays

        def function(*inputs: mg.Tensor, params: Any = sample.params) -> Any:
            return apply(op, inputs, params)

        _check(function, arrays, others, [t.requires_grad for t in tensors], order)


def _draws(seed: int, *kinds: Any) -> list[Any]:
    """Arrays by a word for each: shape, and what it contains."""
    rng = np.random.default_rng(seed)
    made = []
    for shape, kind in kinds:
        if kind == "f":
            made.append(rng.normal(size=shape).astype(np.float32))
        elif kind == "ties":
            made.append(rng.integers(0, 3, shape).astype(np.float32))
        elif kind == "nan":
            x = rng.normal(size=shape).astype(np.float32)
            made.append(np.where(rng.random(shape) < 0.3, np.float32(np.nan), x))
        elif kind == "b":
            made.append(rng.random(shape) < 0.5)
        elif kind == "definite":
            x = rng.normal(size=shape)
            made.append((x @ x.mT + np.eye(shape[-1])).astype(np.float32))
        elif kind == "share":
            made.append(rng.uniform(0.1, 0.9, shape).astype(np.float32))
        else:  # integers below
            made.append(rng.integers(0, kind, shape))
    return made


M, S, V = ((3, 4), "f"), ((3, 3), "f"), ((5,), "f")
CASES: dict[str, tuple[Function, tuple[Any, ...]]] = {
    "amax": (lambda x: x.amax(1), (((3, 4), "ties"),)),
    "max": (lambda x: x.max(1), (((3, 4), "ties"),)),
    "isclose": (mg.isclose, (((3, 4), "ties"), ((3, 4), "ties"))),
    "isin": (mg.isin, (((3, 4), "ties"), ((2,), "ties"))),
    "isposinf": (mg.isposinf, (M,)),
    "isreal": (mg.isreal, (M,)),
    "nonzero_static": (lambda x: mg.nonzero_static(x, size=4), (((3, 4), "ties"),)),
    "nonzero": (mg.nonzero, (((3, 4), "ties"),)),
    "where": (mg.where, (((3, 4), "b"),)),
    "argwhere": (mg.argwhere, (((3, 4), "ties"),)),
    "as_strided_scatter": (
        lambda x, y: mg.as_strided_scatter(x, y, (2, 2), (4, 1)), (M, ((2, 2), "f"))
    ),
    "as_strided of a part": (lambda x: x[1].as_strided((2, 2), (1, 1), 0), (M,)),
    "masked_select": (mg.masked_select, (M, ((3, 4), "b"))),
    "masked_scatter": (lambda x, m, s: x.masked_scatter(m, s), (M, ((3, 4), "b"), M)),
    "masked_fill": (lambda x, m: x.masked_fill(m, 2.0), (M, ((3, 4), "b"))),
    "mask key": (lambda x, m: x[m], (M, ((3, 4), "b"))),
    "index": (lambda x, i: x[i], (M, ((4,), 3))),
    "two indices": (lambda x, i, j: x[i, j], (M, ((4,), 3), ((4,), 4))),
    "index_put": (lambda x, i, v: mg.index_put(x, (i,), v, True), (M, ((2,), 3), ((2, 4), "f"))),
    "index_fill": (lambda x, i: x.index_fill(0, i, 2.0), (M, ((2,), 3))),
    "index_select": (lambda x, i: x.index_select(1, i), (M, ((2,), 4))),
    "index_add": (lambda x, i, v: x.index_add(0, i, v), (M, ((2,), 3), ((2, 4), "f"))),
    "gather": (lambda x, i: x.gather(1, i), (M, ((3, 2), 4))),
    "take": (lambda x, i: x.take(i), (M, ((3, 2), 12))),
    "take_along_dim": (lambda x, i: x.take_along_dim(i, 1), (M, ((3, 2), 4))),
    **{
        f"scatter_reduce {how}": (
            lambda x, i, s, how=how: x.scatter_reduce(0, i, s, how, include_self=False),
            (((3, 4), "ties"), ((3, 4), 3), ((3, 4), "ties")),
        )
        for how in ("sum", "prod", "mean", "amax", "amin")
    },
    "sort": (lambda x: x.sort(1, True), (M,)),
    "topk": (lambda x: x.topk(2, 0), (M,)),
    "kthvalue": (lambda x: x.kthvalue(2), (M,)),
    "median": (lambda x: x.median(1), (((3, 5), "nan"),)),
    "nanmedian": (lambda x: x.nanmedian(), (((3, 5), "nan"),)),
    "mode": (lambda x: x.mode(1), (((3, 5), "ties"),)),
    "unique": (lambda x: mg.unique(x, return_inverse=True), (((3, 5), "ties"),)),
    "unique_consecutive": (lambda x: mg.unique_consecutive(x), (((9,), "ties"),)),
    "bincount": (lambda i, w: mg.bincount(i, w), (((9,), 4), ((9,), "f"))),
    "histc": (lambda x: mg.histc(x, 4), (M,)),
    "histogram": (lambda x, w: mg.histogram(x, 4, weight=w), (M, M)),
    "histogramdd": (lambda x: mg.histogramdd(x, [2, 3]).hist, (((5, 2), "f"),)),
    "searchsorted": (lambda x, y: mg.searchsorted(x.sort().values, y), (M, ((3, 2), "f"))),
    "bucketize": (lambda x, y: mg.bucketize(x, y.sort().values), (M, V)),
    "repeat_interleave": (lambda x, i: mg.repeat_interleave(x, i, 0), (M, ((3,), 3))),
    "unravel_index": (lambda i: mg.unravel_index(i, (3, 4)), (((5,), 12),)),
    "combinations": (mg.combinations, (V,)),
    "block_diag": (lambda x, y: mg.block_diag(x, y), (M, S)),
    "unbind": (lambda x: x.unbind(1)[2], (M,)),
    "unfold": (lambda x: x.unfold(1, 2, 1), (M,)),
    "view": (lambda x: x.view(mg.int32) + 1, (M,)),
    "fill_diagonal_": (lambda x: x.clone().fill_diagonal_(2.0), (M,)),
    "cummax": (lambda x: x.cummax(1), (((3, 5), "ties"),)),
    "cumprod": (lambda x: x.cumprod(1), (((3, 5), "ties"),)),
    "prod": (lambda x: x.prod(1), (((3, 5), "ties"),)),
    "nansum": (lambda x: x.nansum(1), (((3, 5), "nan"),)),
    "nanmean": (lambda x: x.nanmean(1), (((3, 5), "nan"),)),
    "quantile": (lambda x, q: mg.quantile(x, q, 1), (((3, 5), "f"), ((2,), "share"))),
    "nanquantile": (lambda x, q: mg.nanquantile(x, q, 1), (((3, 5), "nan"), ((2,), "share"))),
    "nan_to_num": (lambda x: x.nan_to_num(1.0), (((3, 5), "nan"),)),
    "heaviside": (lambda x, v: mg.heaviside(x, v), (((3, 4), "ties"), M)),
    "gcd": (mg.gcd, (((5,), 9), ((5,), 9))),
    "signbit": (mg.signbit, (M,)),
    "angle": (mg.angle, (M,)),
    "chebyshev_polynomial_t": (lambda x: mg.special.chebyshev_polynomial_t(x, 3), (M,)),
    "multigammaln": (lambda x: mg.special.multigammaln(x.abs() + 2, 2), (M,)),
    "cholesky_ex": (lambda x: mg.linalg.cholesky_ex(x), (((3, 3), "definite"),)),
    "inv_ex": (lambda x: mg.linalg.inv_ex(x), (((3, 3), "definite"),)),
    "qr": (lambda x: mg.linalg.qr(x), (S,)),
    "svd": (lambda x: mg.linalg.svd(x)[1], (S,)),
    "eigh": (lambda x: mg.linalg.eigh(x), (((3, 3), "definite"),)),
    "pinv": (lambda x, a: mg.linalg.pinv(x, atol=a), (((2, 3, 4), "f"), ((2,), "share"))),
    "matrix_rank": (
        lambda x, a: mg.linalg.matrix_rank(x, atol=a), (((2, 3, 4), "f"), ((2,), "share"))
    ),
    "lstsq": (lambda x, y: mg.linalg.lstsq(x, y).solution, (((4, 3), "f"), ((4, 2), "f"))),
    "lu": (lambda x: mg.linalg.lu(x), (((3, 3), "definite"),)),
    "lu_factor_ex": (lambda x: mg.linalg.lu_factor_ex(x), (((3, 3), "definite"),)),
    "geqrf": (mg.geqrf, (S,)),
    "householder": (
        lambda x, t: mg.linalg.householder_product(x, t), (S, ((3,), "share"))
    ),
    "matrix_exp": (lambda x: mg.linalg.matrix_exp(x), (S,)),
    "cond": (lambda x: mg.linalg.cond(x), (((3, 3), "definite"),)),
    "cholesky_inverse": (mg.cholesky_inverse, (((3, 3), "definite"),)),
    "cross_entropy": (
        lambda x, t, w: F.cross_entropy(x, t, w, label_smoothing=0.1),
        (M, ((3,), 4), ((4,), "share")),
    ),
    "cross_entropy soft": (lambda x, t: F.cross_entropy(x, t), (M, ((3, 4), "share"))),
    "nll_loss": (
        lambda x, t, w: F.nll_loss(x.log_softmax(1), t, w), (M, ((3,), 4), ((4,), "share"))
    ),
    "ctc_loss": (
        lambda x, t: F.ctc_loss(
            x.log_softmax(2), t + 1, mg.tensor([6, 5]), mg.tensor([3, 2])
        ), (((6, 2, 5), "f"), ((2, 3), 4)),
    ),
    "embedding": (lambda i, w: F.embedding(i, w, padding_idx=1), (((4,), 3), M)),
    "interpolate": (
        lambda x: F.interpolate(x.to(mg.uint8), scale_factor=2), (((1, 1, 3, 4), "ties"),)
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), (((1, 1, 4, 6), "ties"),)),
    "max_unpool2d": (
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
        (((1, 1, 4, 6), "f"),),
    ),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1),
        (((1, 2, 3, 3), "f"), ((2, 1, 2, 2), "f")),
    ),
    "rms_norm": (lambda x: F.rms_norm(x, (4,)), (M,)),
    "numpy operand": (lambda x: x * np.float32(2) + np.ones(4, np.float32), (M,)),
    "write": (lambda x, i: x.clone().index_fill_(0, i, 1.0), (M, ((2,), 3))),
    "setitem": (lambda x, i, v: _set(x, i, v), (M, ((2,), 3), ((2, 4), "f"))),
    "setitem mask": (lambda x, m: _set(x, m, 2.0), (M, ((3, 4), "b"))),
}  # fmt: skip


def _set(x: mg.Tensor, key: Any, value: Any) -> mg.Tensor:
    y = x.clone()
    y[key] = value
    return y


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
def test_functions(name: str, order: int) -> None:
    function, kinds = CASES[name]
    arrays, others = _draws(0, *kinds), _draws(1, *kinds)
    grads = [order > 0 and a.dtype.kind == "f" and name not in NO_GRADIENT for a in arrays]
    grads[-1] = grads[-1] and name not in WEIGHTED
    _check(function, arrays, others, grads, order)


#: What refuses a gradient.
NO_GRADIENT = {"geqrf"}
#: Whose last input, a weight, has no gradient.
WEIGHTED = {"cross_entropy", "nll_loss"}


def test_what_would_be_found() -> None:
    """A value kept as a constant, so that the tests above cannot pass by seeing nothing."""
    from minigrad.core.tensor import given

    arrays, others = _draws(0, M), _draws(1, M)
    with pytest.raises(AssertionError):
        _check(lambda x: x * given(x.array > 0), arrays, others, [False], 0)
