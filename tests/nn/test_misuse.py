"""Layers say which argument they cannot use; errors of other people's code stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg
from minigrad import nn


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.Linear("3", 4), TypeError,
         r"Linear\(\): argument 'in_features' \(position 1\) must be int, not str"),
        (lambda: nn.Conv2d((1, 2), 3, 2), TypeError,
         r"Conv2d\(\): argument 'in_channels' .* must be int, not tuple"),
        (lambda: nn.BatchNorm1d(float("inf")), TypeError, "'num_features' .* int, not float"),
        (lambda: nn.ZeroPad2d("typo"), TypeError, r"ZeroPad2d: expected 4 ints, got 'typo'"),
        (lambda: nn.GRU(3, 2**40), RuntimeError, r"GRU\(\): can't allocate memory"),
        (lambda: nn.BatchNorm1d(3)([1.0]), TypeError,
         r"BatchNorm1d\(\): argument 'input' \(position 1\) must be Tensor, not list"),
        (lambda: nn.CELU("a")(mg.ones(3)), TypeError, "'alpha' must be a number, not str"),
        (lambda: nn.CELU("a")(mg.ones(10_000)), TypeError, "'alpha' must be a number, not str"),
        (lambda: nn.LeakyReLU((0.1, 0.2))(mg.ones(3, 2)), TypeError, "must be a number, not tuple"),
        (lambda: nn.LazyLinear(3)(mg.tensor(1.0)), IndexError,
         r"LazyLinear\(\) received an invalid .*Tensor of shape \[\]"),
        (lambda: nn.Linear(2, 2).load_state_dict({3: mg.ones(2)}), TypeError,
         "keys of a state_dict must be str, not int"),
    ],
)  # fmt: skip
def test_the_argument_is_named(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_missing_and_unknown_arguments() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'out_features'"):
        nn.Linear(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'biass'"):
        nn.Linear(3, 4, biass=False)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'input'"):
        nn.Linear(3, 4)()


def test_the_place_is_named() -> None:
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3)))
    with pytest.raises(TypeError, match="must be Tensor, not NoneType") as caught:
        model(None)
    assert "in Sequential.0.0: BatchNorm1d" in caught.value.__notes__[0]


class Theirs(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.foo[0]


class TheirLinear(nn.Linear):
    def __init__(self, size: Any) -> None:
        super().__init__(size, size)
        self.half = size / "2"


def test_errors_of_others_stay() -> None:
    for layer in (Theirs(), nn.Sequential(Theirs())):
        with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'foo'"):
            layer(mg.ones(2))
    with pytest.raises(TypeError, match="unsupported operand"):
        TheirLinear(2)
    with pytest.raises(TypeError, match=r"'in_features' .* must be int, not str"):
        TheirLinear("2")
