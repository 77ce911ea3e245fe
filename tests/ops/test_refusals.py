"""What numpy refused is told in PyTorch's words: of one example, where there are many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
from minigrad.core.refusal import explain
from minigrad.func import vmap

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: mg.ones(2, 3) @ mg.ones(2, 3), r"multiplied \(2x3 and 2x3\); a @ b.mT would fit"),
    (lambda: mg.ones(3) @ mg.ones(2), r"got 3 and 2 elements"),
    (lambda: mg.ones(2, 3) @ mg.ones(2), r"size mismatch, .*a.mT @ v would fit"),
    (lambda: mg.ones(2, 2, 3) @ mg.ones(3, 3, 2), r"size of tensor a \(2\) .* tensor b \(3\)"),
    (lambda: mg.ones(2, 3) @ mg.ones(3, 2).double(), r"same dtype, but got: float != double"),
    (lambda: mg.ones(()) @ mg.ones(2), r"at least 1D, but they are 0D and 1D"),
    (lambda: mg.ones(2, 3).reshape(4, 2), r"shape \[4, 2\] is invalid for input of size 6"),
    (lambda: mg.ones(2, 3).reshape(-2, 3), r"invalid shape dimension in \[-2, 3\]"),
    (lambda: mg.ones(2, 3).reshape(-1, -1), r"only one dimension can be inferred"),
    (lambda: mg.ones(0, 3).reshape(-1, 0), r"can be any value and is ambiguous"),
    (lambda: mg.ones(0).reshape(2**62, 2**62, 0), r"more elements than there are addresses"),
    (lambda: mg.ones(2, 3).permute(0), r"input.dim\(\) = 2 is not equal to len\(dims\) = 1"),
    (lambda: mg.ones(2, 3).permute(0, -2), r"duplicate dims are not allowed"),
    (lambda: mg.ones(2, 3).expand(3), r"the number of sizes provided \(1\) must be greater"),
    (lambda: mg.ones(2, 3).expand(4, 3), r"expanded size of the tensor \(4\) must match"),
    (lambda: mg.ones(2, 3).expand(-1, -1, 3), r"expanded size of the tensor \(-1\)"),
    (lambda: mg.ones(2, 3) + mg.ones(4), r"add: The size of tensor a \(3\) must match .* \(4\)"),
    (lambda: vmap(mg.matmul)(mg.ones(5, 2, 3), mg.ones(5, 2, 3)), r"multiplied \(2x3 and 2x3\)"),
    (lambda: vmap(mg.matmul)(mg.ones(5, 3), mg.ones(5, 2)), r"got 3 and 2 elements"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refusals_name_sizes_and_types(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


def test_what_nothing_explains_is_told_as_numpy_says_it() -> None:
    error = explain("add", (mg.ones(2), mg.ones(2)), ValueError("some reason"))
    assert str(error) == "add: some reason"
