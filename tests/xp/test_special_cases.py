"""What the standard says about NaN, infinities and signs of zero, case by case."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from minigrad import xp

INF, NAN = math.inf, math.nan
PI = math.pi

UNARY: dict[str, list[tuple[float, float]]] = {
    "abs": [(NAN, NAN), (-0.0, 0.0), (INF, INF), (-INF, INF)],
    "acos": [(NAN, NAN), (1.5, NAN), (-1.5, NAN), (1.0, 0.0)],
    "acosh": [(NAN, NAN), (0.5, NAN), (1.0, 0.0), (INF, INF)],
    "asin": [(NAN, NAN), (1.5, NAN), (-1.5, NAN), (0.0, 0.0), (-0.0, -0.0)],
    "asinh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "atan": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, PI / 2), (-INF, -PI / 2)],
    "atanh": [
        (NAN, NAN),
        (-1.5, NAN),
        (1.5, NAN),
        (-1.0, -INF),
        (1.0, INF),
        (0.0, 0.0),
        (-0.0, -0.0),
    ],
    "ceil": [(NAN, NAN), (INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (-0.5, -0.0)],
    "cos": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "cosh": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF)],
    "exp": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0)],
    "expm1": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0)],
    "floor": [(NAN, NAN), (INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0)],
    "log": [(NAN, NAN), (-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF)],
    "log1p": [(NAN, NAN), (-2.0, NAN), (-1.0, -INF), (-0.0, -0.0), (0.0, 0.0), (INF, INF)],
    "log2": [(NAN, NAN), (-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF)],
    "log10": [(NAN, NAN), (-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF)],
    "negative": [(NAN, NAN), (0.0, -0.0), (-0.0, 0.0), (INF, -INF)],
    "positive": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0)],
    "reciprocal": [(NAN, NAN), (0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0)],
    "round": [
        (NAN, NAN),
        (INF, INF),
        (-INF, -INF),
        (0.0, 0.0),
        (-0.0, -0.0),
        (0.5, 0.0),
        (1.5, 2.0),
        (-2.5, -2.0),
    ],
    "sign": [
        (NAN, NAN),
        (0.0, 0.0),
        (-0.0, 0.0),
        (2.5, 1.0),
        (-2.5, -1.0),
        (INF, 1.0),
        (-INF, -1.0),
    ],
    "sin": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "sinh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "sqrt": [(NAN, NAN), (-1.0, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF)],
    "square": [(NAN, NAN), (INF, INF), (-INF, INF), (-0.0, 0.0)],
    "tan": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "tanh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "trunc": [
        (NAN, NAN),
        (INF, INF),
        (-INF, -INF),
        (0.0, 0.0),
        (-0.0, -0.0),
        (-0.5, -0.0),
        (1.5, 1.0),
    ],
}
TESTS: dict[str, list[tuple[float, bool]]] = {
    "isfinite": [(NAN, False), (INF, False), (-INF, False), (0.0, True), (1e30, True)],
    "isinf": [(NAN, False), (INF, True), (-INF, True), (0.0, False)],
    "isnan": [(NAN, True), (INF, False), (0.0, False)],
    "signbit": [(0.0, False), (-0.0, True), (INF, False), (-INF, True), (-2.5, True), (2.5, False)],
}


def equal(a: float, b: float) -> bool:
    """The same number, the same zero, or both NaN."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return math.isclose(a, b, rel_tol=1e-6) and math.copysign(1, a) == math.copysign(1, b)


@pytest.mark.parametrize("kind", [xp.float32, xp.float64], ids=str)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, kind: object) -> None:
    for x, expected in UNARY[name]:
        out = getattr(xp, name)(xp.asarray(x, dtype=kind))
        assert equal(float(out), expected), f"{name}({x}) = {float(out)}, not {expected}"


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_unary_of_large_arrays(name: str) -> None:
    """numpy computes small arrays, kernels large ones."""
    given = [x for x, _ in UNARY[name]]
    out = getattr(xp, name)(xp.asarray(given * (70_000 // len(given) + 1)))
    for i, (x, expected) in enumerate(UNARY[name]):
        assert equal(float(out[i]), expected), f"{name}({x}) = {float(out[i])}, not {expected}"


@pytest.mark.parametrize("name", TESTS)
def test_tests(name: str) -> None:
    for x, expected in TESTS[name]:
        assert bool(getattr(xp, name)(xp.asarray(x))) is expected


VALUES = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -2.0, -3.0, 2.5, -2.5, 1e30]
finite = math.isfinite


def positive(x: float) -> bool:
    return math.copysign(1, x) > 0


def odd(x: float) -> bool:
    return finite(x) and x.is_integer() and x % 2 == 1


Rule = tuple[Callable[[float, float], bool], Callable[[float, float], float]]


def signed(value: float) -> Callable[[float, float], float]:
    """`value` with the sign of a product."""
    return lambda a, b: value if positive(a) == positive(b) else -value


def constant(value: float) -> Callable[[float, float], float]:
    return lambda a, b: value


ATAN2: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: finite(a) and a > 0 and b == 0, constant(PI / 2)),
    (lambda a, b: finite(a) and a < 0 and b == 0, constant(-PI / 2)),
    (lambda a, b: a == 0 and b > 0, lambda a, b: math.copysign(0.0, a)),
    (lambda a, b: a == 0 and b == 0 and positive(b), lambda a, b: math.copysign(0.0, a)),
    (lambda a, b: a == 0 and b == 0, lambda a, b: math.copysign(PI, a)),
    (lambda a, b: a == 0 and b < 0, lambda a, b: math.copysign(PI, a)),
    (lambda a, b: finite(a) and b == INF, lambda a, b: math.copysign(0.0, a)),
    (lambda a, b: finite(a) and b == -INF, lambda a, b: math.copysign(PI, a)),
    (lambda a, b: math.isinf(a) and finite(b), lambda a, b: math.copysign(PI / 2, a)),
    (lambda a, b: math.isinf(a) and b == INF, lambda a, b: math.copysign(PI / 4, a)),
    (lambda a, b: math.isinf(a) and b == -INF, lambda a, b: math.copysign(3 * PI / 4, a)),
]
DIVIDE: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: math.isinf(a) and math.isinf(b), constant(NAN)),
    (lambda a, b: a == 0 and b == 0, constant(NAN)),
    (lambda a, b: a == 0, signed(0.0)),
    (lambda a, b: b == 0, signed(INF)),
    (lambda a, b: math.isinf(a), signed(INF)),
    (lambda a, b: math.isinf(b), signed(0.0)),
]
REMAINDER: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: math.isinf(a), constant(NAN)),
    (lambda a, b: b == 0, constant(NAN)),
    (lambda a, b: a == 0, lambda a, b: math.copysign(0.0, b)),
    (lambda a, b: math.isinf(b) and positive(a) == positive(b), lambda a, b: a),
    (lambda a, b: math.isinf(b), lambda a, b: b),
]
POW: list[Rule] = [
    (lambda a, b: b == 0, constant(1.0)),
    (lambda a, b: a == 1, constant(1.0)),
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: math.isinf(b) and abs(a) == 1, constant(1.0)),
    (lambda a, b: b == INF, lambda a, b: INF if abs(a) > 1 else 0.0),
    (lambda a, b: b == -INF, lambda a, b: 0.0 if abs(a) > 1 else INF),
    (lambda a, b: a == INF, lambda a, b: INF if b > 0 else 0.0),
    (lambda a, b: a == -INF and b > 0, lambda a, b: -INF if odd(b) else INF),
    (lambda a, b: a == -INF, lambda a, b: -0.0 if odd(-b) else 0.0),
    (lambda a, b: a == 0 and b > 0, lambda a, b: a if odd(b) else 0.0),
    (lambda a, b: a == 0, lambda a, b: math.copysign(INF, a) if odd(-b) else INF),
    (lambda a, b: a < 0 and finite(a) and not b.is_integer(), constant(NAN)),
]
ADD: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: math.isinf(a) and math.isinf(b) and a != b, constant(NAN)),
    (lambda a, b: math.isinf(a), lambda a, b: a),
    (lambda a, b: math.isinf(b), lambda a, b: b),
    (lambda a, b: a == 0 and b == 0, lambda a, b: 0.0 if positive(a) or positive(b) else -0.0),
    (lambda a, b: a == -b, constant(0.0)),
]
MULTIPLY: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: (math.isinf(a) and b == 0) or (a == 0 and math.isinf(b)), constant(NAN)),
    (lambda a, b: math.isinf(a) or math.isinf(b), signed(INF)),
    (lambda a, b: a == 0 or b == 0, signed(0.0)),
]
EXTREME: list[Rule] = [(lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN))]
HYPOT: list[Rule] = [
    (lambda a, b: math.isinf(a) or math.isinf(b), constant(INF)),
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: a == 0, lambda a, b: abs(b)),
    (lambda a, b: b == 0, lambda a, b: abs(a)),
]
LOGADDEXP: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: a == INF or b == INF, constant(INF)),
]
NEXTAFTER: list[Rule] = [
    (lambda a, b: math.isnan(a) or math.isnan(b), constant(NAN)),
    (lambda a, b: a == b, lambda a, b: b),
]
COPYSIGN: list[Rule] = [
    (lambda a, b: math.isnan(a), constant(NAN)),
    (lambda a, b: not math.isnan(b), lambda a, b: math.copysign(a, b)),
]
RULES = {
    "add": ADD, "atan2": ATAN2, "copysign": COPYSIGN, "divide": DIVIDE, "floor_divide": DIVIDE,
    "hypot": HYPOT, "logaddexp": LOGADDEXP, "maximum": EXTREME, "minimum": EXTREME,
    "multiply": MULTIPLY, "nextafter": NEXTAFTER, "pow": POW, "remainder": REMAINDER,
}  # fmt: skip
OPERATORS = {
    "add": "__add__", "divide": "__truediv__", "floor_divide": "__floordiv__",
    "multiply": "__mul__", "pow": "__pow__", "remainder": "__mod__",
}  # fmt: skip


@pytest.mark.parametrize("kind", [xp.float32, xp.float64], ids=str)
@pytest.mark.parametrize("name", RULES)
def test_binary(name: str, kind: object) -> None:
    tried = 0
    for a, b in product(VALUES, VALUES):
        for applies, expected in RULES[name]:
            if applies(a, b):
                break
        else:
            continue
        x, y = xp.asarray([a], dtype=kind), xp.asarray([b], dtype=kind)
        results = [getattr(xp, name)(x, y), getattr(xp, name)(x, b), getattr(xp, name)(a, y)]
        if name in OPERATORS:
            operator = OPERATORS[name]
            results += [getattr(x, operator)(y), getattr(x, operator)(b)]
            results += [getattr(y, f"__r{operator[2:]}")(a)]
            z = xp.asarray(x, copy=True)
            results += [getattr(z, f"__i{operator[2:]}")(y)]
        for out in results:
            assert equal(float(out), expected(a, b)), (
                f"{name}({a}, {b}) = {float(out)}, not {expected(a, b)}"
            )
            assert out.dtype == kind
        tried += 1
    assert tried > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_large_arrays_follow_the_same_rules(name: str) -> None:
    pairs = np.array(list(product(VALUES, VALUES)), np.float32)
    small = getattr(xp, name)(xp.asarray(pairs[:, 0].copy()), xp.asarray(pairs[:, 1].copy()))
    times = 70_000 // len(pairs) + 1
    many = np.tile(pairs, (times, 1))
    large = getattr(xp, name)(xp.asarray(many[:, 0].copy()), xp.asarray(many[:, 1].copy()))
    for i, (a, b) in enumerate(pairs.tolist()):
        if any(applies(a, b) for applies, _ in RULES[name]):
            assert equal(float(large[i]), float(small[i])), f"{name}({a}, {b})"


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "var", "std"])
def test_nan_spreads(name: str) -> None:
    x = xp.asarray([1.0, NAN, 3.0])
    assert math.isnan(float(getattr(xp, name)(x)))


def test_nothing_summed() -> None:
    empty = xp.zeros((0, 2))
    assert float(xp.sum(empty)) == 0
    assert float(xp.prod(empty)) == 1
    assert math.isnan(float(xp.mean(empty)))
    assert bool(xp.all(empty))
    assert not bool(xp.any(empty))
    assert xp.sum(empty, axis=0).shape == (2,)
    assert xp.cumulative_sum(empty, axis=0, include_initial=True).shape == (1, 2)
    assert xp.cumulative_prod(empty, axis=1, include_initial=True).shape == (0, 3)


def test_each_nan_is_distinct() -> None:
    x = xp.asarray([NAN, 1.0, NAN, 1.0, -0.0, 0.0])
    found = xp.unique_all(x)
    assert found.values.shape == (4,)
    assert sorted(found.counts.tolist()) == [1, 1, 2, 2]
