"""From a call to machine code is a short way: no more than ten Python functions are entered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numba
import pytest

import minigrad as mg
from minigrad.nn import functional as F

MOST = 10


def entered(function: Callable[[], Any], until: str) -> list[str]:
    """The names of the package's functions entered, up to the compiled one, once all is warm."""
    names: list[str] = []

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and "minigrad" in frame.f_code.co_filename:
            names.append(frame.f_code.co_name)

    for _ in range(3):
        function()
    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)
    return names[: names.index(until) + 1]


X = mg.ones(8, 16, 32, 32)
W, B = mg.ones(32, 16, 3, 3, requires_grad=True), mg.ones(32, requires_grad=True)
CALLS: dict[str, Callable[[], Any]] = {
    "conv2d": lambda: F.conv2d(X, W, B, 1, 1),
    "conv2d without bias": lambda: F.conv2d(X, W, stride=2),
    "max_pool2d": lambda: F.max_pool2d(X, 2),
    "avg_pool2d": lambda: F.avg_pool2d(X, 3, 2, 1),
}


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="there is no machine code")
@pytest.mark.parametrize("name", CALLS)
def test_few_functions_are_entered(name: str) -> None:
    names = entered(CALLS[name], "_run")
    assert len(names) <= MOST, names
