"""Matrix products and einsum, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd.gradcheck import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def random(*shape: int) -> mg.Tensor:
    return mg.tensor(rng.normal(size=shape), requires_grad=True)


SIZES = [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2)), ((2, 3, 4), (4, 2)),
         ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((5, 1, 3, 4), (2, 4, 2)),
         ((2, 3, 0), (0, 2))]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SIZES)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = random(*a), random(*b)
    np.testing.assert_allclose((x @ y).detach().numpy(), x.detach().numpy() @ y.detach().numpy())
    assert gradcheck(mg.matmul, (x, y))
    assert gradgradcheck(mg.matmul, (x, y))


def test_only_what_the_derivative_reads_is_kept() -> None:
    w = mg.ones(2, 2)
    x = mg.ones(2, 2, requires_grad=True)
    y = (x * 2) @ w  # the derivative reads w, not x * 2
    assert [t is not None for t in y.grad_fn.saved] == [False, True]


LETTERS = st.lists(st.sampled_from("ijk"), max_size=3)


@given(LETTERS, LETTERS, st.data())
@settings(max_examples=80, deadline=None)
def test_einsum_of_any_two_operands(first: list[str], second: list[str], data: Any) -> None:
    size = {"i": 2, "j": 3, "k": 4}
    known = sorted(set(first + second))
    out = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    equation = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    x, y = (rng.normal(size=[size[k] for k in labels]) for labels in (first, second))
    result = mg.einsum(equation, mg.tensor(x), mg.tensor(y))
    np.testing.assert_allclose(result.numpy(), np.einsum(equation, x, y), atol=1e-12)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("ij,jk,kl", [(2, 3), (3, 4), (4, 2)]), ("...ij,jk->...ik", [(5, 2, 3), (3, 4)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 3, 2, 4)]), ("ii->i", [(3, 3)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]),
    ("...,...", [(2, 3), (3,)]), ("ijk->", [(2, 3, 4)]),
])  # fmt: skip
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    xs = [random(*s) for s in shapes]
    expected = np.einsum(equation, *[x.detach().numpy() for x in xs])
    np.testing.assert_allclose(mg.einsum(equation, *xs).detach().numpy(), expected, atol=1e-12)
    assert gradcheck(lambda *t: mg.einsum(equation, *t), tuple(xs))


def test_integers_multiply_exactly() -> None:
    a = mg.tensor([[2**40, 1], [0, 3]])
    assert (a @ a).tolist() == [[2**80 % 2**64, 2**40 + 3], [0, 9]]


def test_infinities_are_values() -> None:
    a = mg.tensor([[np.inf, 1.0]])
    assert np.isnan((a @ mg.zeros(2, 1, dtype=a.dtype)).item())


@pytest.mark.parametrize(("call", "kind", "words"), [
    (lambda a, b: a @ b, RuntimeError, r"cannot be multiplied \(2x3 and 2x3\); a @ b.mT would fit"),
    (lambda a, b: a @ b[0, :2], RuntimeError, r"size mismatch, got input \(2\), mat \(2x3\)"),
    (lambda a, b: a @ b.T.double(), RuntimeError, "same dtype, but got: float != double"),
    (lambda a, b: mg.tensor(1.0) @ b, RuntimeError, "arguments to matmul need to be at least 1D"),
    (lambda a, b: a @ "b", TypeError, "unsupported operand"),
    (lambda a, b: a.bmm(b), RuntimeError, "batch1 must be a 3D tensor"),
    (lambda a, b: mg.einsum("ij,jk", a, b), RuntimeError, "subscript j has size 2 for operand 1"),
    (lambda a, b: mg.einsum("ijk", a), RuntimeError, "number of subscripts"),
    (lambda a, b: mg.einsum("ij->ik", a), RuntimeError, "output subscript k does not appear"),
])  # fmt: skip
def test_errors(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call(mg.ones(2, 3), mg.ones(2, 3))
