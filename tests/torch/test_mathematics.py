"""Linear algebra, special functions, windows and the rest of mathematics, against PyTorch.

The tables are read as those of `test_first_list`: values in float32 and of other types, first and
second order gradients in float64.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import gradients, inputs, outcome, same, same_or_zero  # noqa: E402
from tests.torch.test_first_list import table  # noqa: E402

EXPRESSIONS = table("linalg.txt") + table("special.txt") + table("third_list.txt")
#: float32 loses half of its digits in these, in either library.
LOOSE = ("pinv", "lstsq", "cond", "polygamma", "zeta", "inv", "lu", "tensorsolve", "solve")
#: Not compared: NaN, and a gradient that PyTorch sends to elements that were overwritten.
SKIP_GRADIENT = ("nan", "as_strided_scatter")
#: PyTorch's second derivative is NaN where elements are 0.
SKIP_SECOND = ("x * 0", "mask * x")
#: Of integers: random, or as in `test_first_list`, or PyTorch looks at the type of what is empty.
ELSEWHERE = ("m.binomial", "m.linalg.eigh(q[:0, :0])", "m.clamp_(")


def _compare(expression: str, dtype: str) -> None:
    theirs = outcome(torch, expression, inputs(torch, dtype))
    ours = outcome(mg, expression, inputs(mg, dtype))
    if isinstance(theirs, Exception):
        message = str(theirs)
        if not isinstance(theirs, NotImplementedError) and "support" not in message:
            assert isinstance(ours, Exception), f"{dtype}: PyTorch raises {theirs!r}, not {ours!r}"
            names = (type(theirs).__name__.strip("_"), "LinAlgError")
            assert type(ours).__name__ in names, f"{dtype}: {theirs!r}, {ours!r}"
        return
    assert not isinstance(ours, Exception), f"{dtype}: we raise {ours!r}, PyTorch {theirs!r}"
    loose = any(word in expression for word in LOOSE) and dtype != "float64"
    try:
        same(ours, theirs, 2e-3 if loose else 2e-5)
    except AssertionError as error:
        raise AssertionError(f"{dtype}: {error}") from None


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values(expression: str) -> None:
    _compare(expression, "float32")
    _compare(expression, "float64")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_integers(expression: str) -> None:
    if not any(word in expression for word in ELSEWHERE):
        for dtype in ("int64", "uint8"):
            _compare(expression.replace("-q", "q") if dtype == "uint8" else expression, dtype)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradients(expression: str) -> None:
    if any(word in expression for word in SKIP_GRADIENT):
        return
    try:
        theirs, theirs_second = gradients(torch, expression, -2.5, 2.5)
    except Exception as error:  # what PyTorch refuses is compared by test_values
        if isinstance(error, AssertionError):
            raise
        return
    ours, ours_second = gradients(mg, expression, -2.5, 2.5)
    same_or_zero(ours, theirs, 1e-8)
    if not any(word in expression for word in SKIP_SECOND):
        same_or_zero(ours_second, theirs_second, 1e-6)
