"""The type of every result: pairs of types, tensors with and without dimensions, numbers.

Also what depends on the type: integers that overflow, divide, and are shifted; the types of
reductions; kept and negative dimensions; the names of results.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import outcome, same  # noqa: E402

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64"]
NUMBERS = ["True", "3", "-2", "2.5"]
#: What an operation may be asked of: ``b3`` is a vector, ``b0`` has no dimensions.
OPERANDS = [f"{d}_{n}" for d in DTYPES for n in (0, 3)]


def tensors(module: Any) -> dict[str, Any]:
    """The operands by name."""
    named: dict[str, Any] = {"w": module.tensor([True, False, True])}
    for d in (*DTYPES, "float16"):
        kind = getattr(module, d)
        named[f"{d}_3"] = module.tensor([1, 0, 3]).to(kind)
        named[f"{d}_0"] = module.tensor(2).to(kind)
    return named


OURS, THEIRS = tensors(mg), tensors(torch)


def compare(expression: str) -> str:
    """What differs between the two results, or ""."""
    theirs, ours = outcome(torch, expression, THEIRS), outcome(mg, expression, OURS)
    if isinstance(theirs, Exception):
        # what PyTorch has not written for a type may work here, and numbers for tensors
        message = str(theirs)
        lax = any(w in message for w in ("implemented", "not support", "invalid combination"))
        lax = lax and "Subtraction" not in message
        if lax or isinstance(theirs, NotImplementedError) or isinstance(ours, Exception):
            return ""
        return f"{expression}: PyTorch raises {theirs!r}, we return {ours!r}"
    if isinstance(ours, Exception):
        return f"{expression}: we raise {ours!r}, PyTorch returns {theirs!r}"
    try:
        same(ours, theirs, 1e-3 if "float16" in expression else 2e-6)
    except AssertionError as error:
        return f"{expression}: {' '.join(str(error).split())[:200]}"
    return ""


def differences(expressions: list[str]) -> list[str]:
    """All that is not the same."""
    return [found for expression in expressions if (found := compare(expression))]


PAIRS = """
a + c | a - c | a * c | a / c | a // c | a % c | a ** c | a == c | a != c | a < c | a >= c | a & c |
a ^ c | m.add(a, c) | m.sub(a, c) | m.true_divide(a, c) | m.floor_divide(a, c) |
m.div(a, c, rounding_mode='trunc') | m.div(a, c, rounding_mode='floor') | m.remainder(a, c) |
m.fmod(a, c) | m.pow(a, c) | m.where(w, a, c) | m.logical_and(a, c) | m.logical_xor(a, c) |
m.bitwise_or(a, c) | m.result_type(a, c) | m.float_power(a, c) | m.xlogy(a, c) | m.clamp(a, min=c)
"""


@pytest.mark.parametrize("pattern", [e.strip() for e in PAIRS.replace("\n", " ").split("|")])
def test_pairs(pattern: str) -> None:
    expressions = []
    for a, c in [*product(OPERANDS, OPERANDS + NUMBERS), *product(NUMBERS, OPERANDS)]:
        if "clamp" in pattern and (a in NUMBERS or (c == "-2" and "uint8" in a)):
            continue  # a bound outside of the type is the end of the type here
        words = pattern.replace("(a,", f"({a},").replace(", a,", f", {a},")
        words = words.replace("a ", f"{a} ", 1) if not words.startswith("m.") else words
        expressions.append(words.replace(" c", f" {c}").replace("=c", f"={c}"))
    assert not differences(expressions)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "hypot", "atan2", "logaddexp"])
def test_pairs_of_tensors(name: str) -> None:
    assert not differences([f"m.{name}({a}, {c})" for a, c in product(OPERANDS, OPERANDS)])


def test_joined() -> None:
    vectors = [f"{d}_3" for d in DTYPES]
    pairs = list(product(vectors, vectors))
    expressions = [f"m.cat([{a}, {c}])" for a, c in pairs]
    expressions += [f"m.stack([{a}, {c}])" for a, c in pairs]
    expressions += [f"m.hstack([{a}, {c.replace('_3', '_0')}])" for a, c in pairs]
    assert not differences(expressions)


def test_types_alone() -> None:
    every = [*DTYPES, "float16"]
    expressions = [f"m.promote_types(m.{a}, m.{c})" for a, c in product(every, every)]
    expressions += [f"m.can_cast(m.{a}, m.{c})" for a, c in product(every, every)]
    halves = [f"float16_{n}" for n in (0, 3)]
    expressions += [f"m.result_type({a}, {c})" for a, c in product(halves, OPERANDS + NUMBERS)]
    assert not differences(expressions)


def test_in_place() -> None:
    """Whether a result may be written to a type, and as what."""
    kept = []
    for sign, a, c in product(["+", "-", "*", "/", "//", "%", "&"], DTYPES, OPERANDS + NUMBERS):
        kept.append(f"out = {a}_3.clone(); out {sign}= {c}")
    assert not differences(kept)


# -- integers --------------------------------------------------------------------------------------

EDGES = """
m.tensor([100, 127, -128], dtype=m.int8) + 100
m.tensor([100, 127, -128], dtype=m.int8) * 3
m.tensor([2**31 - 1, -2**31], dtype=m.int32) + 1
m.tensor([2**62, 2**63 - 1]) * 2
m.tensor([250, 5], dtype=m.uint8) + 10
m.tensor([250, 5], dtype=m.uint8) - 10
-m.tensor([1, 0, 255], dtype=m.uint8)
-m.tensor([-128, 127], dtype=m.int8)
m.abs(m.tensor([-128, 127], dtype=m.int8))
m.tensor([7, -7, 7, -7]) // m.tensor([2, 2, -2, -2])
m.tensor([7, -7, 7, -7]) % m.tensor([2, 2, -2, -2])
m.fmod(m.tensor([7, -7, 7, -7]), m.tensor([2, 2, -2, -2]))
m.div(m.tensor([7, -7, 7, -7]), m.tensor([2, 2, -2, -2]), rounding_mode='trunc')
m.tensor([7.0, -7.0, 7.0, -7.0]) // 2
m.tensor([7.0, -7.0, 7.0, -7.0]) % -2
m.fmod(m.tensor([7.0, -7.0]), -2)
m.tensor([1.0, -1.0, 0.0]) / 0
m.tensor([1.0, -1.0, 0.0]) // 0
m.tensor([1.0, -1.0, 0.0]) % 0
m.tensor([float('inf'), -float('inf'), float('nan')]) // 2
m.tensor([float('inf'), -float('inf'), float('nan')]) % 2
m.tensor([1, 2]) // 0
m.tensor([1, 2]) % 0
m.fmod(m.tensor([1, 2]), 0)
m.tensor([1, 2]) / 0
m.tensor([2, 3, -2]) ** 3
m.tensor([2, 3, -2]) ** -1
m.tensor([2, 1, -1]) ** m.tensor([-1, -2, -3])
2 ** m.tensor([-1, 0, 3])
0 ** m.tensor([0, 1, 2])
m.tensor([3, 5]) ** 0.5
m.tensor([0.0, -0.0]) ** -1
m.tensor([-8.0]) ** (1 / 3)
m.tensor([2**62], dtype=m.int64) ** 2
m.tensor([1, 2]) << 3
m.tensor([-8, 8]) >> 1
m.tensor([1, 2], dtype=m.int8) << 7
~m.tensor([0, 5, -1])
~m.tensor([0, 5], dtype=m.uint8)
~m.tensor([True, False])
m.tensor([True, True]) + m.tensor([True, False])
m.tensor([True, True]) * 2
m.tensor([True, False]) / 2
m.tensor([True, False]) - m.tensor([True, True])
-m.tensor([True])
m.tensor([1.9, -1.9, 300.7]).int()
m.tensor([1.9, -1.9]).to(m.int8)
m.tensor([0.0, 0.5, float('nan')]).bool()
m.tensor([300, -1]).to(m.uint8)
m.tensor([2**40 + 1]).int()
m.tensor([0, 3]).bool()
m.tensor(3) + m.tensor([0.5], dtype=m.float64)
m.tensor(3.5) + m.tensor([1])
m.tensor(3.5, dtype=m.float64) + m.tensor([1.0])
m.add(m.tensor([1]), 2, alpha=2)
m.add(m.tensor([1]), 2, alpha=2.5)
m.add(m.tensor([1]), 2.5, alpha=2)
m.add(m.tensor([1.0]), m.tensor([2]), alpha=2.5)
m.sub(m.tensor([True]), m.tensor([2]))
m.clamp(m.tensor([1, 5]), min=2.5)
m.clamp(m.tensor([1, 5], dtype=m.uint8), 2, 4)
m.square(m.tensor([True, False]))
m.sqrt(m.tensor([4, 9]))
m.exp(m.tensor([True, False]))
m.floor(m.tensor([1, 2]))
m.round(m.tensor([0.5, 1.5, 2.5, -0.5]))
m.round(m.tensor([12.345, -12.355]), decimals=2)
m.sign(m.tensor([True, False]))
m.sign(m.tensor([-3, 0, 4], dtype=m.int8))
m.sigmoid(m.tensor([0, 1]))
m.relu(m.tensor([-1, 1]))
m.reciprocal(m.tensor([2, 4]))
m.arange(5) / m.arange(5)
m.arange(3, dtype=m.float32).double() / m.arange(3)
m.mean(m.tensor([1, 2]))
m.mean(m.tensor([True]))
m.tensor([1, 2]).std()
m.linspace(0, 1, 3, dtype=m.int32)
m.full((2,), True)
m.full((2,), 3)
m.full((2,), 3.0)
m.arange(0, 1, 0.25)
m.arange(3.0)
m.zeros(2).new_full((2,), 3)
m.full_like(m.tensor([1.5]), 3)
m.tensor([1, 2.5])
m.tensor([True, 2])
m.tensor([True, 2.5])
m.tensor([[], []])
m.tensor(5)
m.tensor(np.float32(2))
m.tensor(np.arange(3, dtype=np.int16))
m.tensor([np.float64(1.5)])
m.tensor([m.tensor(2), m.tensor(3)])
m.as_tensor([1, 2])
m.tensor(2**40)
""".strip().splitlines()


@pytest.mark.parametrize("expression", EDGES)
def test_edges(expression: str) -> None:
    assert not compare(expression)


# -- reductions ------------------------------------------------------------------------------------

REDUCTIONS = [
    "sum", "prod", "mean", "all", "any", "amax", "amin", "argmax", "argmin", "max", "min",
    "cumsum", "logsumexp", "std", "var", "median", "nanmedian", "count_nonzero", "nansum",
    "nanmean", "aminmax", "cumprod", "cummax", "cummin", "mode", "sort", "argsort", "topk",
    "kthvalue", "norm", "unique", "softmax", "logcumsumexp",
]  # fmt: skip
#: Arguments that reductions take, ``x`` of shape (2, 3, 2).
FORMS = {
    "sum": ["", "dim=1", "dim=-1, keepdim=True", "dim=(0, 2)", "dim=(-1, 0), keepdim=True",
            "dtype=m.float64", "dim=1, dtype=m.int32"],
    "prod": ["", "dim=1", "dim=-2, keepdim=True", "dtype=m.float32"],
    "cumsum": ["dim=0", "dim=-1", "dim=1, dtype=m.float64"], "cumprod": ["dim=0", "dim=-2"],
    "argsort": ["", "dim=0", "dim=1, descending=True"], "softmax": ["dim=-1", "dim=0"],
    "sort": ["", "dim=0", "dim=-2, descending=True"], "topk": ["2", "1, dim=1", "1, largest=False"],
    "kthvalue": ["1", "2, dim=1, keepdim=True"], "mode": ["", "dim=0", "dim=1, keepdim=True"],
    "cummax": ["dim=0", "dim=-1"], "cummin": ["dim=0", "dim=-1"], "logcumsumexp": ["dim=0"],
    "count_nonzero": ["", "dim=1", "dim=(0, -1)"], "logsumexp": ["dim=0", "dim=(1, 2)"],
    "aminmax": ["", "dim=1", "dim=-1, keepdim=True"], "unique": ["", "return_counts=True"],
    "norm": ["", "dim=1", "p=1, dim=(0, 1), keepdim=True"],
    "amax": ["", "dim=1", "dim=(0, -1)", "dim=-1, keepdim=True"],
    "amin": ["", "dim=1", "dim=(0, -1)", "dim=-1, keepdim=True"],
}  # fmt: skip
USUAL = ["", "dim=1", "dim=-1", "dim=-2, keepdim=True", "dim=3", "dim=-4"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    rng = np.random.default_rng(5)
    grid = rng.permutation(12).reshape(2, 3, 2) - 4
    wrong = []
    for d in DTYPES:
        for module, named in ((mg, OURS), (torch, THEIRS)):
            named["x"] = module.tensor(grid).to(getattr(module, d))
        ties = d == "bool" and name in ("topk", "mode", "argsort", "median", "nanmedian")
        if not ties:  # which of equal elements is found is open
            forms = [f"m.{name}(x, {f})" if f else f"m.{name}(x)" for f in FORMS.get(name, USUAL)]
            wrong += [f"{d} {found}" for found in differences(forms)]
    assert not wrong


@pytest.mark.parametrize(
    "expression",
    [
        "m.max(float32_3, 0)", "m.min(float32_3, 0)", "m.sort(float32_3)", "m.topk(float32_3, 1)",
        "m.median(float32_3, 0)", "m.mode(float32_3)", "m.kthvalue(float32_3, 1)",
        "m.cummax(float32_3, 0)", "m.aminmax(float32_3)",
    ],
)  # fmt: skip
def test_names_of_results(expression: str) -> None:
    theirs, ours = outcome(torch, expression, THEIRS), outcome(mg, expression, OURS)
    fields = [n for n in ("values", "indices", "min", "max") if hasattr(theirs, n)]
    assert fields
    for field in fields:
        same(getattr(ours, field), getattr(theirs, field))
