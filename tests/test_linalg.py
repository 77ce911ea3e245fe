"""Linear algebra by what defines it: factors that multiply to the matrix, inverses that undo it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import linalg as la
from minigrad.autograd.gradcheck import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def random(*shape: int, grad: bool = False) -> mg.Tensor:
    return mg.tensor(rng.normal(size=shape), requires_grad=grad)


def well(*shape: int, grad: bool = False) -> mg.Tensor:
    """Square matrices far from singular."""
    return mg.tensor(rng.normal(size=shape) / 3 + np.eye(shape[-1]), requires_grad=grad)


def positive(*shape: int) -> mg.Tensor:
    a = random(*shape)
    return a @ a.mT + mg.eye(shape[-1], dtype=mg.float64)


def same(a: mg.Tensor, b: Any, tolerance: float = 1e-9) -> None:
    other = b.detach().numpy() if isinstance(b, mg.Tensor) else b
    np.testing.assert_allclose(a.detach().numpy(), other, rtol=tolerance, atol=tolerance)


LEADS = st.lists(st.integers(0, 3), max_size=2).map(tuple)

# -- factorizations --------------------------------------------------------------------------------


@given(LEADS, st.integers(0, 6), st.integers(0, 6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_singular_values(lead: tuple[int, ...], m: int, n: int, full: bool) -> None:
    a = random(*lead, m, n)
    u, s, vh = la.svd(a, full)
    k = min(m, n)
    same(u[..., :k] * s[..., None, :] @ vh[..., :k, :], a)
    same(u.mT @ u, np.broadcast_to(np.eye(m if full else k), u.mT.shape[:-1] + u.shape[-1:]))
    assert u.shape == (*lead, m, m if full else k)
    assert vh.shape == (*lead, n if full else k, n)
    same(la.svdvals(a), s)


@given(LEADS, st.integers(0, 6), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_qr_and_lu(lead: tuple[int, ...], m: int, n: int) -> None:
    a = random(*lead, m, n)
    for mode in ("reduced", "complete"):
        q, r = la.qr(a, mode)
        same(q @ r, a)
        same(r, np.triu(r.numpy()))
    p, lower, upper = la.lu(a)
    same(p @ lower @ upper, a)
    same(lower, np.tril(lower.numpy()))
    assert (np.abs(lower.numpy()) <= 1).all()
    for x, y in zip(mg.lu_unpack(*la.lu_factor_ex(a)[:2]), (p, lower, upper), strict=True):
        same(x, y)


@given(LEADS, st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_symmetric_matrices(lead: tuple[int, ...], n: int) -> None:
    a = positive(*lead, n, n)
    w, v = la.eigh(a)
    same(v * w[..., None, :] @ v.mT, a)
    same(la.eigvalsh(a), w)
    lower = la.cholesky(a)
    same(lower @ lower.mT, a)
    same(la.cholesky(a, upper=True), lower.mT)
    b = random(*lead, n, 2)
    same(a @ mg.cholesky_solve(b, lower), b)
    same(a @ mg.cholesky_inverse(lower), np.broadcast_to(np.eye(n), a.shape))


def test_one_triangle_is_read() -> None:
    a = positive(4, 4)
    rubbish = a.clone()
    rubbish[0, 2] = rubbish[1, 3] = 77.0
    same(la.cholesky(rubbish), la.cholesky(a))
    same(la.eigvalsh(rubbish), la.eigvalsh(a))
    same(la.eigvalsh(rubbish.mT, "U"), la.eigvalsh(a))
    assert not np.allclose(la.eigvalsh(rubbish, UPLO="U").numpy(), la.eigvalsh(a).numpy())


@pytest.mark.parametrize("f", [
    lambda a: la.cholesky(a @ a.mT + mg.eye(3, dtype=mg.float64)),
    lambda a: la.eigh(a + a.mT)[1].abs(),
    lambda a: la.svd(a, False).U.abs(),
    lambda a: la.svd(a).Vh.abs().sum(0),
    lambda a: la.qr(a).Q,
    lambda a: la.qr(a[:2]).R,
    lambda a: la.lu(a)[2],
    lambda a: la.lu(a[:, :2])[1],
    lambda a: la.lu_factor(a[:2])[0],
    lambda a: la.lu_solve(*la.lu_factor(a), a[:, :1]),
    la.inv, la.det, la.matrix_exp, la.pinv,
    lambda a: la.solve(a, a[0]),
    lambda a: la.lstsq(a[:, :2], a).solution,
    lambda a: la.cond(a, "nuc"),
    lambda a: la.matrix_norm(a, "nuc"),
    lambda a: la.matrix_power(a, -3),
    lambda a: la.householder_product(a[:, :2], a[0, :2]),
])  # fmt: skip
def test_derivatives(f: Callable[..., Any]) -> None:
    a = mg.tensor(
        [[1.0, 0.3, -0.7], [0.9, -1.2, 0.4], [-0.2, 2.1, 0.8]], dtype=mg.float64, requires_grad=True
    )
    assert gradcheck(f, a)
    assert gradgradcheck(f, a)


def test_derivatives_of_third_order() -> None:
    a = well(3, 3, grad=True)
    for f in (
        la.det,
        la.inv,
        lambda x: la.cholesky(x @ x.mT),
        lambda x: la.eigh(x + x.mT)[1].abs(),
    ):

        def second(x: mg.Tensor, f: Any = f) -> mg.Tensor:
            (g,) = mg.autograd.grad((f(x) ** 2).sum(), x, create_graph=True)
            (h,) = mg.autograd.grad((g**2).sum(), x, create_graph=True)
            return h

        assert gradcheck(second, a)


def test_a_factor_that_was_written_to_does_not_spoil_the_gradient() -> None:
    a = positive(3, 3).requires_grad_()
    w, v = la.eigh(a)
    total = w.sum()
    with mg.no_grad():
        v.mul_(0.0)
    (g,) = mg.autograd.grad(total, a)
    same(g, np.eye(3))


def test_equal_singular_values_have_a_gradient_if_only_values_are_used() -> None:
    a = mg.eye(3, dtype=mg.float64, requires_grad=True)
    (g,) = mg.autograd.grad(la.svdvals(a).sum(), a)
    same(g, np.eye(3))
    (g,) = mg.autograd.grad(la.svd(a).U.sum(), a)
    assert not np.isfinite(g.numpy()).all()


# -- determinants ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_derivatives_of_a_singular_determinant(rank: int) -> None:
    a = random(4, rank) @ random(rank, 4)
    a.requires_grad_()
    assert gradcheck(la.det, a)
    assert gradgradcheck(la.det, a)


def test_cofactors() -> None:
    a = mg.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    mg.det(a).backward()
    same(a.grad, [[4.0, -2.0], [-2.0, 1.0]], 1e-6)
    assert mg.det(mg.empty(0, 0)).item() == 1.0


def test_logarithms_of_determinants() -> None:
    a = well(5, 4, 4)
    sign, log = mg.slogdet(a)
    same(sign * log.exp(), mg.det(a))
    assert math.isnan(mg.logdet(mg.tensor([[-1.0]])).item())
    assert mg.logdet(mg.zeros(1, 1)).item() == -math.inf
    big = mg.eye(400) * 100
    assert mg.logdet(big).item() == pytest.approx(400 * math.log(100), rel=1e-6)


# -- systems ---------------------------------------------------------------------------------------


@given(LEADS, st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_solutions(lead: tuple[int, ...], n: int, k: int) -> None:
    a, b = well(*lead, n, n), random(*lead, n, k)
    if k != n or not lead:
        same(a @ la.solve(a, b), b)
    same(la.solve(a, b.mT, left=False) @ a, b.mT)
    same(a @ la.inv(a), np.broadcast_to(np.eye(n), a.shape))
    packed, pivots = la.lu_factor(a)
    same(a @ la.lu_solve(packed, pivots, b), b)
    same(a.mT @ la.lu_solve(packed, pivots, b, adjoint=True), b)
    for upper in (True, False):
        triangle = (mg.triu if upper else mg.tril)(a)
        same(triangle @ la.solve_triangular(a, b, upper=upper), b)
        x = la.solve_triangular(a, b.mT, upper=upper, left=False, unitriangular=True)
        unit = (mg.triu(a, 1) if upper else mg.tril(a, -1)) + mg.eye(n, dtype=a.dtype)
        same(x @ unit, b.mT)


@pytest.mark.parametrize("n", [63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_large_triangles_and_factors(n: int, dtype: Any) -> None:
    a = (random(n, n) / n + mg.eye(n, dtype=mg.float64)).to(dtype)
    b, room = random(n, 3).to(dtype), 1e-4 if dtype is mg.float32 else 1e-11
    for upper in (True, False):
        triangle = (mg.triu if upper else mg.tril)(a)
        same(triangle @ la.solve_triangular(a, b, upper=upper), b, room)
    wild = random(n, n + 7).to(dtype)
    p, lower, upper_part = la.lu(wild)
    same(p @ lower @ upper_part, wild, room * 10)


def test_pseudo_inverse() -> None:
    a = random(5, 3) @ random(3, 4)
    p = la.pinv(a, rtol=1e-10)
    for x, y in ((a @ p @ a, a), (p @ a @ p, p), ((a @ p).mT, a @ p), ((p @ a).mT, p @ a)):
        same(x, y)
    assert la.matrix_rank(a).item() == 3
    b = random(5, 2)
    same(la.lstsq(a, b, rcond=1e-10).solution, p @ b)
    same(la.lstsq(a[:, :3], b, driver="gels").residuals,
         np.linalg.lstsq(a[:, :3].numpy(), b.numpy())[1])  # fmt: skip


def test_functions_of_matrices() -> None:
    a = random(4, 4)
    w, v = la.eigh(a + a.mT)
    same(la.matrix_exp(a + a.mT), v * w.exp() @ v.mT)
    same(la.matrix_exp(a) @ la.matrix_exp(-a), np.eye(4))
    turn = la.matrix_exp((a - a.mT) * 50)
    same(turn @ turn.mT, np.eye(4))
    same(la.matrix_power(a, 5), a @ a @ a @ a @ a)
    same(la.matrix_power(a, -2) @ a @ a, np.eye(4))
    assert la.matrix_power(mg.tensor([[1, 1], [1, 0]]), 10).tolist() == [[89, 55], [55, 34]]
    xs = [random(3, 20), random(20, 4), random(4, 30), random(30, 2)]
    same(la.multi_dot(xs), xs[0] @ xs[1] @ xs[2] @ xs[3])


# -- norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_norms_of_matrices(ord: Any) -> None:
    a = random(2, 3, 4)
    same(la.matrix_norm(a, ord), np.linalg.norm(a.numpy(), ord, (1, 2)))
    same(la.matrix_norm(a, ord, (2, 0), True), np.linalg.norm(a.numpy(), ord, (2, 0), True))
    q = well(3, 3)
    same(la.cond(q, ord), np.linalg.cond(q.numpy(), ord))


def test_the_gradient_of_a_norm_that_is_zero_is_zero() -> None:
    for p in (0.5, 1, 2, 3, math.inf):
        x = mg.zeros(3, requires_grad=True)
        la.vector_norm(x, p).backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_the_largest_elements_share_the_gradient() -> None:
    x = mg.tensor([2.0, -2.0, 1.0], requires_grad=True)
    la.vector_norm(x, math.inf).backward()
    assert x.grad.tolist() == [0.5, -0.5, 0.0]


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "words"), [
    (lambda: la.inv(mg.ones(2, 2)), "linalg.inv: The diagonal element 2 is zero"),
    (lambda: la.inv(mg.stack([mg.eye(2), mg.zeros(2, 2)])), r"\(Batch element 1\)"),
    (lambda: la.solve(mg.zeros(2, 2), mg.ones(2)), "input matrix is singular"),
    (lambda: la.cholesky(-mg.eye(2)), "leading minor of order 1 is not positive-definite"),
    (lambda: la.lu_factor(mg.ones(2, 2)), r"U\[2,2\] is zero"),
    (lambda: la.svd(mg.full((2, 2), math.nan)), "contained non-finite values"),
])  # fmt: skip
def test_no_factorization(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(la.LinAlgError, match=words):
        call()
    assert issubclass(la.LinAlgError, RuntimeError)


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda: la.inv(mg.ones(2, 3)), RuntimeError, "batches of square matrices, but they are 2 by"),
    (lambda: la.inv(mg.ones(2)), RuntimeError, "must have at least 2 dimensions"),
    (lambda: la.det(mg.ones(2, 2, dtype=mg.int64)), RuntimeError, "floating point .* Got Long"),
    (lambda: la.svd(mg.ones(2, 2).half()), RuntimeError, "Low precision dtypes not supported"),
    (lambda: la.qr([[1.0]]), TypeError, "must be Tensor, not list"),
    (lambda: la.solve(mg.eye(2), mg.ones(3, 1)), RuntimeError, r"AX = B \(2x2 and 3x1\)"),
    (lambda: la.solve(mg.eye(2), mg.ones(2).double()), RuntimeError, "A of type Float and B of"),
    (lambda: la.eig(mg.eye(2)), RuntimeError, "complex .* linalg.eigh"),
    (lambda: la.eigvals(mg.eye(2)), RuntimeError, "complex .* linalg.eigvalsh"),
    (lambda: la.qr(mg.ones(3, 2, requires_grad=True), "complete"), RuntimeError, "not differenti"),
    (lambda: la.lu_solve(mg.eye(2), mg.tensor([1, 5]).int(), mg.ones(2, 1)), RuntimeError, "rows"),
    (lambda: la.matrix_norm(mg.eye(2), 3), RuntimeError, "Order 3 not supported"),
    (lambda: mg.geqrf(mg.ones(2, 2, requires_grad=True)), NotImplementedError, "use linalg.qr"),
])  # fmt: skip
def test_refused(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_numbers_instead_of_errors() -> None:
    batch = mg.stack([mg.eye(2), mg.ones(2, 2), -mg.eye(2)])
    inverse, info = la.inv_ex(batch)
    assert info.tolist() == [0, 2, 0]
    assert inverse[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert mg.isnan(inverse[1]).all()
    assert la.cholesky_ex(batch).info.tolist() == [0, 2, 1]
    assert la.lu_factor_ex(batch).info.tolist() == [0, 2, 0]
    assert la.solve_ex(batch, mg.ones(2, 1)).info.tolist() == [0, 2, 0]
    with pytest.raises(la.LinAlgError):
        la.inv_ex(batch, check_errors=True)
    assert mg.isnan(la.eigvalsh(mg.full((2, 2), math.nan))).all()


# -- many examples at once -------------------------------------------------------------------------


@pytest.mark.parametrize("f", [
    la.inv, la.det, la.matrix_exp, la.svdvals, la.pinv, la.matrix_rank, la.cond,
    lambda a: la.slogdet(a)[1], lambda a: mg.logdet(a @ a.mT), lambda a: la.eigh(a + a.mT)[0],
    lambda a: la.cholesky(a @ a.mT), lambda a: la.qr(a)[1].abs(), lambda a: la.lu(a),
    lambda a: la.lu_solve(*la.lu_factor(a), a), lambda a: la.solve(a, a[0]),
    lambda a: la.solve(mg.stack([a, a]), mg.ones(3, 2, dtype=a.dtype)),
    lambda a: la.solve_triangular(a, mg.ones(3, 2, dtype=a.dtype), upper=True),
    lambda a: la.lstsq(a[:, :2], a)[0], lambda a: la.vector_norm(a, math.inf, 0),
    lambda a: la.matrix_norm(a, 1), lambda a: la.cond(a, 1), lambda a: la.matrix_power(a, -2),
])  # fmt: skip
def test_vmap_is_a_loop(f: Callable[..., Any]) -> None:
    batch = well(4, 3, 3)
    expected = [f(a) for a in batch]
    found = mg.func.vmap(f)(batch)
    if isinstance(found, tuple):
        for i, part in enumerate(found):
            same(part, mg.stack([e[i] for e in expected]))
    else:
        same(found, mg.stack(expected))
