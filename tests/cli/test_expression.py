"""Expressions typed by users: arithmetic and nothing else."""

from __future__ import annotations

import math

import pytest

import minigrad as mg
from minigrad.cli.expression import evaluate, names_in, parse_value, read_variables

X = {"x": mg.tensor(2.0), "y": mg.tensor(-3.0), "m": mg.tensor([[1.0, 2.0], [3.0, 4.0]])}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", 2.0),
        ("x + y * 2", -4.0),
        ("-x ** 2", -4.0),
        ("(x - y) / 2", 2.5),
        ("+x % 3 + x // 1", 4.0),
        ("max(x, y)", 2.0),
        ("sum(m @ m)", 54.0),
        ("x * pi", 2 * math.pi),
        ("exp(log(x))", 2.0),
        ("x * exp(1)", 2 * math.e),
        ("1_000 * x", 2000.0),
        ("m[0, 1] + m[-1][0]", 5.0),
        ("sum(m[:, 1])", 6.0),
        ("sum(softmax(m))", 2.0),
        ("ln(exp(x)) + silu(x - x)", 2.0),
    ],
)
def test_values(text: str, value: float) -> None:
    assert evaluate(text, X).item() == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "x.array", "x.__class__", "[x for x in m]", "lambda: x",
        "x if x else y", "'text' * x", "x := 3", "m[x]", "m['a']",
        "m[0.5]", "3[0]", "open('f')", "x and y", "x < y", "{1: x}",
        "(x).exp()", "sum(*m)", "sum(m, dim=0)", "True * x", "1j * x", "f'{x}'", "globals()",
        "load('file')", "manual_seed(0)", "x; y", "", "   ",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|cannot read|no function|by position"):
        evaluate(text, X)


def test_errors_of_functions_are_explained() -> None:
    with pytest.raises(ValueError, match=r"tanh\(\)"):
        evaluate("tanh(x, y, m)", X)
    with pytest.raises(ValueError, match="variable z has no value"):
        evaluate("x + z", X)


def test_what_students_type_is_answered() -> None:
    with pytest.raises(ValueError, match=r"got \^: write 1 \+ x \*\* 2"):
        evaluate("1 + x ^ 2", X)
    with pytest.raises(ValueError, match=r"m\[5\].*the shape is \[2, 2\]"):
        evaluate("m[5]", X)
    with pytest.raises(ValueError, match="no variables"):
        read_variables("log(-1)", [])


def test_parts_of_the_text() -> None:
    parts: dict[int, str] = {}
    x = mg.tensor(2.0, requires_grad=True)
    evaluate("-x ** 2 + tanh(3 * x)", {"x": x}, parts)
    assert list(parts.values()) == ["x ** 2", "-x ** 2", "3 * x", "tanh(3 * x)",
                                    "-x ** 2 + tanh(3 * x)"]  # fmt: skip


def test_huge_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        evaluate("x * 9 ** 9 ** 9", X)
    with pytest.raises(ValueError, match="too deeply"):
        evaluate("-" * 300 + "x", X)


def test_names() -> None:
    assert names_in("tanh(w * x + b) * pi + x") == ["w", "x", "b"]


def test_numbers_and_lists() -> None:
    assert parse_value(" -1.5") == -1.5
    assert parse_value("[[1, 2], [3, -4e-1]]") == [[1.0, 2.0], [3.0, -0.4]]
    for text in ("x", "[x]", "'a'", "1 + 1", "True", "--[1]"):
        with pytest.raises(ValueError, match="expected a number"):
            parse_value(text)
