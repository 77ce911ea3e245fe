"""What functions say about arguments of the wrong type, and about too much memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.ops.misuse import by_accident


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, r"trapz\(\): argument 'y' \(position 1\) must be Tensor, not NoneType",
         lambda: mg.trapz(None)),
        (TypeError, r"group_norm\(\): argument 'num_groups' \(position 2\) must be int, not str",
         lambda: F.group_norm(mg.ones(2, 4), "two")),
        (TypeError, r"narrow\(\): argument 'length'.* must be int, not float",
         lambda: mg.narrow(mg.ones(3), 0, 0, length=1.5)),
        (TypeError, r"relu_.*must be Tensor, not float", lambda: F.relu(1.0, inplace=True)),
        (RuntimeError, r"can't allocate memory.*4398046511104 bytes", lambda: mg.zeros(2**40)),
        (RuntimeError, r"can't allocate memory", lambda: mg.ones(2**40, 2**40)),
        (RuntimeError, r"negative dimension", lambda: mg.ones(2).new_zeros(-1)),
        (RuntimeError, r"degree .* is too high",
         lambda: mg.special.hermite_polynomial_h(mg.ones(2), 2**40)),
        (RuntimeError, r"bitwise_and_?\(\): the sizes of the tensors must match",
         lambda: mg.arange(3).bitwise_and_(mg.arange(4))),
    ],
)  # fmt: skip
def test_says_what_is_wrong(error: Any, words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=words):
        call()


def test_missing_arguments_are_left_to_python() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        mg.trapz()  # type: ignore[call-arg]


def test_by_accident() -> None:
    with pytest.raises(IndexError) as meant:
        mg.ones(2).sum(5)
    with pytest.raises(IndexError) as accident:
        [][0]
    assert not by_accident(meant.value)
    assert by_accident(accident.value)


def test_writing_through_as_strided_keeps_gradients() -> None:
    for create_graph in (False, True):
        x = mg.arange(6.0).reshape(2, 3).T.requires_grad_()
        s = mg.ones(2, requires_grad=True)
        y = x.clone()
        y.as_strided((2,), (3,), 1).copy_(s)
        weights = mg.arange(6.0).reshape(3, 2)
        gx, gs = mg.autograd.grad((y * weights).sum(), (x, s), create_graph=create_graph)
        assert gs.tolist() == [2, 3]
        assert gx.tolist() == [[0, 1], [0, 0], [4, 5]]


def test_an_empty_gather_stays_in_the_graph() -> None:
    x = mg.ones(3, 2, requires_grad=True)
    picked = x.gather(1, mg.zeros(3, 0, dtype=mg.int64))
    assert picked.shape == (3, 0)
    picked.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == mg.zeros(3, 2).tolist()


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 3, 0), (2, 0, 3), (0, 0)])
@pytest.mark.parametrize("order", ["nuc", 2, 1, "fro"])
def test_norms_of_empty_matrices_are_0(shape: tuple[int, ...], order: Any) -> None:
    found = mg.linalg.matrix_norm(mg.zeros(shape), order)
    assert found.shape == shape[:-2]
    assert not found.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.logsumexp(0),
        lambda x: x.index_add(0, mg.tensor([0]), x[:1]),
        lambda x: F.linear(x, x),
        lambda x: F.layer_norm(x, (3,)),
        lambda x: x.cumprod(0),
        lambda x: x.exp(),
    ],
)
def test_there_is_no_arithmetic_in_bfloat16(call: Callable[[Any], Any]) -> None:
    with pytest.raises(RuntimeError, match="bfloat16"):
        call(mg.ones(3, 3, dtype=mg.bfloat16))
