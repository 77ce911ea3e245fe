"""Every function gives what array_api_strict gives, for every type, on samples that hypothesis
draws: shapes with and without elements, signs of zero, infinities, NaN.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

strict = pytest.importorskip("array_api_strict")

from hypothesis.extra import numpy as hnp  # noqa: E402

from minigrad import xp  # noqa: E402
from tests.xp.strict import NAMES, Type, compare  # noqa: E402
from tests.xp.test_names import FUNCTIONS, LEFT_OUT, NOT_STANDARD  # noqa: E402

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 3.0, np.inf, -np.inf, np.nan, 1e30, 7.25]


def elements(kind: str, small: bool = False) -> Any:
    dtype = np.dtype(kind)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        return st.sampled_from(SPECIAL) | st.floats(-20, 20, width=32)
    info = np.iinfo(dtype)
    near = st.integers(max(info.min, -9), 9)
    return near if small else near | st.integers(int(info.min), int(info.max))


def arrays(kind: str, shape: Any = SHAPES, small: bool = False, finite: bool = False) -> Any:
    values = elements(kind, small)
    if finite and np.dtype(kind).kind == "f":
        values = st.floats(-20, 20, width=32)
    return hnp.arrays(np.dtype(kind), shape, elements=values)


def kinds(name: str) -> Any:
    return st.sampled_from(NAMES[name])


# -- element by element ----------------------------------------------------------------------------

UNARY = {
    "all": ["isfinite", "isinf", "isnan", "positive", "conj", "real"],
    "numeric": ["abs", "ceil", "floor", "negative", "round", "sign", "square", "trunc"],
    "float": [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "cos",
        "cosh",
        "exp",
        "expm1",
        "log",
        "log10",
        "log1p",
        "log2",
        "reciprocal",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "signbit",
    ],
    "integer or bool": ["bitwise_invert"],
    "bool": ["logical_not"],
}  # fmt: skip
BINARY = {
    "numeric": [
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
    ],
    "all": ["equal", "not_equal"],
    "float": [
        "divide", "atan2", "copysign", "hypot", "logaddexp", "nextafter", "pow", "remainder",
    ],
    "integer or bool": ["bitwise_and", "bitwise_or", "bitwise_xor"],
    "bool": ["logical_and", "logical_or", "logical_xor"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in UNARY.items() for n in names])
@QUICK
@given(data=st.data())
def test_unary(kind: str, name: str, data: Any) -> None:
    x = data.draw(arrays(data.draw(kinds(kind))))
    done = compare(name, x)
    assert done or x.dtype.kind == "b"
    if "float32" in NAMES[kind]:
        assert compare(name, np.array(SPECIAL, data.draw(kinds("float"))))


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in BINARY.items() for n in names])
@QUICK
@given(data=st.data())
def test_binary(kind: str, name: str, data: Any) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    x, y = (data.draw(arrays(data.draw(kinds(kind)), s)) for s in shapes.input_shapes)
    compare(name, x, y)
    number = data.draw(elements(str(x.dtype), small=True).map(lambda v: v if np.isfinite(v) else 1))
    compare(name, x, number)
    compare(name, number, y)


@pytest.mark.parametrize("name", ["remainder", "floor_divide", "pow", "bitwise_left_shift",
                                  "bitwise_right_shift"])  # fmt: skip
@QUICK
@given(data=st.data())
def test_integer_arithmetic(name: str, data: Any) -> None:
    x = data.draw(arrays(data.draw(kinds("integer"))))
    kind = data.draw(kinds("integer"))
    y = data.draw(hnp.arrays(np.dtype(kind), st.sampled_from([x.shape, ()]),
                             elements=st.integers(1, 6)))  # fmt: skip
    compare(name, x, y)


@QUICK
@given(data=st.data())
def test_floor_divide(data: Any) -> None:
    kind = data.draw(kinds("float"))
    x = data.draw(arrays(kind))
    y = data.draw(arrays(kind, st.sampled_from([x.shape, ()])))
    if not (np.isinf(x).any() or np.isinf(y).any()):  # the standard differs: see special cases
        compare("floor_divide", x, y)


@QUICK
@given(data=st.data())
def test_clip(data: Any) -> None:
    kind = data.draw(kinds("numeric"))
    x = data.draw(arrays(kind))
    bounds = [
        data.draw(st.none() | elements(kind, small=True).filter(lambda v: v == v)
                  | arrays(kind, st.sampled_from([x.shape, ()]), small=True))
        for _ in range(2)
    ]  # fmt: skip
    bounds = [float(b) if isinstance(b, float) else b for b in bounds]
    compare("clip", x, *bounds, tolerance=1e-6)  # between 0.0 and -0.0 either is a right answer


@QUICK
@given(data=st.data())
def test_where(data: Any) -> None:
    a, b = data.draw(kinds("all")), data.draw(kinds("all"))
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    c, x, y = (
        data.draw(arrays(k, s)) for k, s in zip(("bool", a, b), shapes.input_shapes, strict=True)
    )
    compare("where", c, x, y)


def test_imag_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        xp.imag(xp.ones(2))


# -- makers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMES["all"])
def test_makers(kind: str) -> None:
    d = Type(kind)
    for name in ("zeros", "ones"):
        for shape in ((), (2, 3), (0, 4), 3):
            assert compare(name, shape, dtype=d)
    x = np.arange(6).reshape(2, 3).astype(kind)
    for name in ("zeros_like", "ones_like"):
        assert compare(name, x)
        assert compare(name, x, dtype=Type("float64"))
    assert compare("full", (2, 2), kind == "bool" or 3, dtype=d)
    assert compare("full_like", x, kind == "bool" or 3)
    assert compare("eye", 3, 4, k=1, dtype=d)
    assert compare("eye", 3, dtype=d)
    assert compare("eye", 2, 3, k=-7, dtype=d)
    assert compare("eye", 0, k=2, dtype=d)
    for name in ("empty", "empty_like"):
        made = getattr(xp, name)(
            (2, 3) if name == "empty" else xp.asarray(x), dtype=getattr(xp, kind)
        )
        assert made.shape == (2, 3)
        assert made.dtype == getattr(xp, kind)
    if kind != "bool":
        assert compare("arange", 5, dtype=d)
        assert compare("arange", 1, 9, 3, dtype=d)
        assert compare("arange", 5, 1, dtype=d)
        assert kind[0] == "u" or compare("arange", 5, -2, -2, dtype=d)
        assert kind[0] != "f" or compare("linspace", 0.0, 2.0, 5, dtype=d, endpoint=False)
        for name in ("tril", "triu"):
            assert compare(name, x)
            assert compare(name, x, k=-1)


def test_default_types() -> None:
    assert xp.asarray(1.5).dtype == xp.float32
    assert xp.asarray([True]).dtype == xp.bool
    assert xp.zeros(2).dtype == xp.ones(2).dtype == xp.eye(2).dtype == xp.float32
    assert xp.full(2, 1).dtype == xp.int64
    assert xp.full(2, 1.0).dtype == xp.float32
    assert xp.arange(3).dtype == xp.int64
    assert xp.arange(3.0).dtype == xp.float32
    assert xp.linspace(0, 1, 3).dtype == xp.float32
    assert xp.full((), True).dtype == xp.bool
    assert xp.asarray([1, 2.5]).dtype == xp.float32
    assert xp.asarray([]).dtype == xp.float32


@QUICK
@given(data=st.data())
def test_asarray(data: Any) -> None:
    kind = data.draw(kinds("all"))
    x = data.draw(arrays(kind))
    assert compare("asarray", x.tolist(), dtype=Type(kind))
    assert compare("asarray", x)
    other = data.draw(kinds("all"))
    finite = np.nan_to_num(x, posinf=3, neginf=2) if x.dtype.kind == "f" else x
    if x.dtype.kind != "f" or (np.abs(finite) < 100).all():
        compare("astype", np.abs(finite) if x.dtype.kind == "f" else finite, Type(other))


def test_asarray_shares_or_copies() -> None:
    x = xp.ones(3)
    assert np.shares_memory(xp.asarray(x).array, x.array)
    assert not np.shares_memory(xp.asarray(x, copy=True).array, x.array)
    a = np.ones(3)
    assert np.shares_memory(xp.asarray(a, copy=False).array, a)
    assert not np.shares_memory(xp.asarray(a, copy=True).array, a)
    for bad in (lambda: xp.asarray(x, dtype=xp.int8, copy=False),
                lambda: xp.asarray([1, 2], copy=False),
                lambda: xp.asarray(a, dtype=xp.float32, copy=False)):  # fmt: skip
        with pytest.raises(ValueError, match="copy"):
            bad()
    with pytest.raises(OverflowError):
        xp.asarray(300, dtype=xp.uint8)
    with pytest.raises(OverflowError):
        xp.asarray(2**63)
    assert int(xp.asarray(2**64 - 1, dtype=xp.uint64)) == 2**64 - 1
    assert xp.asarray([2**63, 1], dtype=xp.uint64).array.tolist() == [2**63, 1]
    with pytest.raises(TypeError, match="complex"):
        xp.asarray(1j)
    assert xp.asarray(2 + 0j).dtype == xp.float32
    for bad in ("abc", object(), ["a"]):
        with pytest.raises(TypeError):
            xp.asarray(bad)
    assert xp.asarray([xp.asarray(1, dtype=xp.int8), xp.asarray(2, dtype=xp.int8)]).dtype == xp.int8
    assert np.shares_memory(xp.from_dlpack(a).array, a)


def test_meshgrid() -> None:
    x, y, z = (np.arange(n).astype("int16") for n in (2, 3, 4))
    for indexing in ("xy", "ij"):
        for vectors in ((x,), (x, y), (x, y, z)):
            assert compare("meshgrid", *vectors, indexing=indexing)


# -- types -----------------------------------------------------------------------------------------


def test_promotion() -> None:
    for a in NAMES["all"]:
        for b in NAMES["all"]:
            compare("result_type", Type(a), Type(b))
            compare("can_cast", Type(a), Type(b))
            compare("can_cast", np.ones((), a), Type(b))
            compare("result_type", np.ones((), a), Type(b))
            compare("add", np.ones((), a), np.ones(3, b))
        for kind in ("bool", "signed integer", "unsigned integer", "integral", "real floating",
                     "complex floating", "numeric", ("bool", "integral")):  # fmt: skip
            assert compare("isdtype", Type(a), kind)
        assert compare("isdtype", Type(a), Type("int8"))
        assert compare("isdtype", Type(a), (Type("bool"),))
        compare("result_type", Type(a), 1)
        compare("result_type", np.ones(2, a), 2.0)
    with pytest.raises(TypeError, match="cannot be type promoted"):
        xp.result_type(xp.uint64, xp.int8)
    for kind in NAMES["integer"]:
        ours, theirs = xp.iinfo(getattr(xp, kind)), strict.iinfo(getattr(strict, kind))
        assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
        assert ours.dtype == getattr(xp, kind) == xp.iinfo(xp.ones(1, dtype=ours.dtype)).dtype
    for kind in NAMES["float"]:
        ours, theirs = xp.finfo(getattr(xp, kind)), strict.finfo(getattr(strict, kind))
        for field in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(ours, field) == getattr(theirs, field)
            assert type(getattr(ours, field)) in (int, float)
        assert ours.dtype == getattr(xp, kind)


# -- shapes ----------------------------------------------------------------------------------------


@QUICK
@given(data=st.data())
def test_manipulation(data: Any) -> None:
    kind = data.draw(kinds("all"))
    x = data.draw(arrays(kind, small=True))
    axis = st.integers(-x.ndim - 1, x.ndim)
    a = data.draw(axis)
    order = data.draw(st.permutations(range(x.ndim)))
    compare("permute_dims", x, tuple(order))
    compare("expand_dims", x, a)
    if x.ndim:
        compare("squeeze", x, a)
    compare("squeeze", np.ones((1, *x.shape, 1), x.dtype), (0, -1))
    compare("flip", x)
    compare("flip", x, axis=a)
    compare("flip", x, axis=tuple(order[:2]))
    compare("roll", x, a)
    compare("roll", x, 2, axis=a)
    if x.ndim > 1:
        compare("roll", x, (1, -1), axis=tuple(order[:2]))
    compare("moveaxis", x, a, data.draw(axis))
    compare("moveaxis", x, tuple(range(x.ndim)), tuple(order))
    compare("unstack", x, axis=a)
    compare("stack", [x, x], axis=a)
    compare("concat", [x, x], axis=a)
    compare("concat", (x, x.reshape(-1)), axis=None)
    compare("tile", x, tuple(data.draw(st.lists(st.integers(0, 2), max_size=4))))
    compare("repeat", x, data.draw(st.integers(0, 2)))
    if x.ndim:
        compare("repeat", x, 2, axis=a)
    if x.ndim and -x.ndim <= a < x.ndim:
        times = data.draw(hnp.arrays(np.int64, x.shape[a], elements=st.integers(0, 2)))
        compare("repeat", x, times, axis=a)
    compare("reshape", x, (-1,))
    compare("reshape", x, (1, *x.shape[::-1]), copy=True)
    compare("broadcast_to", x, (2, *x.shape))
    compare("broadcast_arrays", x, x.reshape(1, *x.shape))
    compare("broadcast_shapes", x.shape, (3, 1, 1))
    compare("matrix_transpose", x)


def test_broadcast_shapes_and_reshapes_that_do_not_fit() -> None:
    for bad in (lambda: xp.broadcast_shapes((2,), (3,)), lambda: xp.reshape(xp.ones(4), (3,)),
                lambda: xp.reshape(xp.ones((2, 3)).T, (6,), copy=False),
                lambda: xp.squeeze(xp.ones(2), 0), lambda: xp.concat([xp.ones(()), xp.ones(())]),
                lambda: xp.take(xp.ones((2, 2)), xp.asarray([0])),
                lambda: xp.permute_dims(xp.ones((2, 3)), (0,)), lambda: xp.nonzero(xp.ones(())),
                lambda: xp.permute_dims(xp.ones((2, 3)), (0, 0)),
                lambda: xp.matrix_transpose(xp.ones(3)), lambda: xp.tril(xp.ones(3)),
                lambda: xp.max(xp.ones(0)), lambda: xp.argmin(xp.ones((0, 2)), axis=0),
                lambda: xp.cumulative_sum(xp.ones((2, 2))), lambda: xp.stack([])):  # fmt: skip
        with pytest.raises(ValueError):
            bad()
    for bad in (lambda: xp.sum(xp.ones(2), axis=1), lambda: xp.expand_dims(xp.ones(2), 3),
                lambda: xp.flip(xp.ones(2), axis=-2), lambda: xp.unstack(xp.ones(2), axis=1),
                lambda: xp.sort(xp.ones(2), axis=1)):  # fmt: skip
        with pytest.raises(IndexError):
            bad()
    for bad in (lambda: xp.add(1, 2), lambda: xp.sin(1.0), lambda: xp.sum([1.0]),
                lambda: xp.where(xp.ones(1), 1.0, 2.0), lambda: xp.take(xp.ones(2), xp.ones(1)),
                lambda: xp.clip(xp.asarray([1]), 0.5, None)):  # fmt: skip
        with pytest.raises(TypeError):
            bad()
    with pytest.raises(OverflowError):
        xp.add(xp.ones(1, dtype=xp.int8), 128)


@QUICK
@given(data=st.data())
def test_take(data: Any) -> None:
    x = data.draw(arrays(data.draw(kinds("all")), FULL, small=True))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    kind = data.draw(kinds("integer"))
    low = 0 if kind[0] == "u" else -n
    index = data.draw(
        hnp.arrays(np.dtype(kind), st.integers(0, 4), elements=st.integers(low, n - 1))
    )
    if kind != "uint64":
        compare("take", x, index, axis=axis)
    shape = tuple(2 if d == axis % x.ndim else s for d, s in enumerate(x.shape))
    index = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-n, n - 1)))
    assert compare("take_along_axis", x, index, axis=axis)


# -- sums, extremes, orders, sets ------------------------------------------------------------------


@QUICK
@given(data=st.data())
def test_reductions(data: Any) -> None:
    kind = data.draw(kinds("all"))
    x = data.draw(arrays(kind, small=True, finite=True))
    axes = st.none() | st.lists(
        st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.nothing(), max_size=2
    ).map(tuple)
    axis = data.draw(axes if x.ndim else st.sampled_from([None, ()]))
    if isinstance(axis, tuple) and len({a % x.ndim for a in axis}) < len(axis):
        axis = axis[:1]
    if isinstance(axis, tuple) and len(axis) == 1 and data.draw(st.booleans()):
        (axis,) = axis
    keep = data.draw(st.booleans())
    for name in ("sum", "prod", "mean", "max", "min", "all", "any", "count_nonzero"):
        compare(name, x, axis=axis, keepdims=keep, tolerance=1e-4)
    for name in ("sum", "prod"):
        compare(name, x, axis=axis, dtype=Type("float64"), tolerance=1e-4)
    if x.dtype.kind == "f":
        count = x.size if axis is None else int(np.prod([x.shape[a] for a in np.atleast_1d(axis)]))
        if count > 1:
            compare("var", x, axis=axis, keepdims=keep, correction=0.5, tolerance=1e-3)
            compare("std", x, axis=axis, keepdims=keep, correction=1.0, tolerance=1e-3)
    one = axis if isinstance(axis, int) else None
    for name in ("argmax", "argmin"):
        compare(name, x, axis=one, keepdims=keep)


@QUICK
@given(data=st.data())
def test_running_and_order(data: Any) -> None:
    kind = data.draw(kinds("numeric"))
    x = data.draw(arrays(kind, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
                         small=True, finite=True))  # fmt: skip
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    initial = data.draw(st.booleans())
    for name in ("cumulative_sum", "cumulative_prod"):
        compare(name, x, axis=axis, include_initial=initial, tolerance=1e-4)
        compare(name, x, axis=axis, dtype=Type("float64"), include_initial=initial, tolerance=1e-4)
    compare("diff", x, axis=axis, n=data.draw(st.integers(0, 3)))
    compare("diff", x, axis=axis, prepend=x, append=x)
    down = data.draw(st.booleans())
    compare("sort", x, axis=axis, descending=down)
    compare("argsort", x, axis=axis, descending=down)
    row = np.sort(x.reshape(-1))
    for side in ("left", "right"):
        compare("searchsorted", row, x, side=side)
        compare("searchsorted", row, 3, side=side)
    flat = x.reshape(-1)
    compare("searchsorted", flat, x, sorter=np.argsort(flat, kind="stable"))


@QUICK
@given(data=st.data())
def test_sets_and_places(data: Any) -> None:
    x = data.draw(arrays(data.draw(kinds("all")), small=True))
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values", "nonzero"):
        compare(name, x)
    y = data.draw(arrays(str(x.dtype), small=True))
    if x.dtype.kind in "iu":
        compare("isin", x, y)
        found = xp.isin(xp.asarray(x), xp.asarray(y), invert=True)
        np.testing.assert_array_equal(found.array, np.isin(x, y, invert=True))


# -- matrices --------------------------------------------------------------------------------------


@QUICK
@given(data=st.data())
def test_products(data: Any) -> None:
    group = data.draw(st.sampled_from(["signed", "unsigned", "float"]))
    kinds_ = data.draw(kinds(group)), data.draw(kinds(group))
    n, m, k = (data.draw(st.integers(0, 3)) for _ in range(3))
    a = data.draw(
        arrays(kinds_[0], st.sampled_from([(n, m), (m,), (2, n, m), (1, n, m)]), True, True)
    )
    b = data.draw(arrays(kinds_[1], st.sampled_from([(m, k), (m,), (2, m, k)]), True, True))
    compare("matmul", a, b, tolerance=1e-4)
    compare("linalg.matmul", a, b, tolerance=1e-4)
    compare("tensordot", a, b, axes=((-1,), (0,)), tolerance=1e-4)
    compare("linalg.tensordot", a, b, axes=0, tolerance=1e-4)
    c = data.draw(arrays(kinds_[1], a.shape, True, True))
    compare("tensordot", a, c, axes=a.ndim, tolerance=1e-4)
    for axis in range(-a.ndim, 0):
        compare("vecdot", a, c, axis=axis, tolerance=1e-4)
        compare(
            "linalg.vecdot", a, c[..., :1] * 0 + 1 if axis != -1 else c, axis=axis, tolerance=1e-4
        )
    compare("linalg.outer", a.reshape(-1), b.reshape(-1))
    compare("linalg.trace", a, offset=data.draw(st.integers(-1, 1)), tolerance=1e-4)
    compare("linalg.diagonal", a, offset=data.draw(st.integers(-2, 2)))
    compare("linalg.matrix_transpose", a)
    three = (
        data.draw(arrays(kinds_[0], (2, 3), True, True)),
        data.draw(arrays(kinds_[1], (2, 3), True, True)),
    )
    compare("linalg.cross", *three, tolerance=1e-4)


@pytest.mark.parametrize("kind", NAMES["float"])
@pytest.mark.parametrize("lead", [(), (2,), (0,), (2, 1)])
def test_decompositions(kind: str, lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(*lead, 3, 3)) + 3 * np.eye(3)).astype(kind)
    wide = rng.normal(size=(*lead, 2, 4)).astype(kind)
    positive = x @ x.swapaxes(-1, -2)
    more: Any = {"tolerance": 1e-3}
    for upper in (False, True):
        assert compare("linalg.cholesky", positive, upper=upper, **more)
    for name in ("det", "inv", "slogdet", "eigvalsh", "svdvals"):
        assert compare(f"linalg.{name}", positive, **more)
    assert compare("linalg.solve", x, rng.normal(size=(*lead, 3, 2)).astype(kind), **more)
    assert compare("linalg.solve", x, np.ones(3, kind), **more)
    for n in (-2, 0, 1, 3):
        assert compare("linalg.matrix_power", x, n, **more)
    assert compare("linalg.pinv", wide, **more)
    assert compare("linalg.pinv", wide, rtol=1e-3, **more)
    assert compare("linalg.matrix_rank", wide)
    assert compare("linalg.matrix_rank", wide, rtol=0.5)
    assert compare("linalg.matrix_rank", np.zeros((*lead, 2, 3), kind))
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        assert compare("linalg.matrix_norm", wide, ord=order, keepdims=order == 1, **more)
    for order in (2, 1, 0, np.inf, -np.inf, 3, -1, 0.5):
        compare("linalg.vector_norm", wide, ord=order, axis=-1, **more)
        compare("linalg.vector_norm", wide, ord=order, keepdims=True, **more)
        compare("linalg.vector_norm", wide, ord=order, axis=(-2, -1), **more)
    rebuilt(x, wide, kind)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 0), (0, 2, 2), (2, 0, 3)])
def test_matrices_without_elements(shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    if shape[-1] == shape[-2]:
        for name in ("cholesky", "det", "inv", "eigh", "eigvalsh", "slogdet"):
            assert compare(f"linalg.{name}", x)
        assert compare("linalg.matrix_power", x, -2)
        assert compare("linalg.solve", x, x)
    for name in ("svdvals", "matrix_rank", "pinv", "trace", "diagonal"):
        compare(f"linalg.{name}", x)
    for offset in (-10_000, 5):
        assert compare("linalg.diagonal", x, offset=offset)
        assert compare("tril", x, k=offset)
    for mode in ("reduced", "complete"):
        compare("linalg.qr", x, mode=mode)
    for full in (True, False):
        compare("linalg.svd", x, full_matrices=full)
    for order in ("fro", 1, 2, np.inf):
        compare("linalg.matrix_norm", x, ord=order, keepdims=True)
        compare("linalg.vector_norm", x, ord=order if order != "fro" else 0, axis=-1)


def rebuilt(x: np.ndarray, wide: np.ndarray, kind: str) -> None:
    """Factors are found up to signs: their products are what was taken apart."""
    tolerance = 1e-4 if kind == "float32" else 1e-10
    symmetric = x + x.swapaxes(-1, -2)
    values, vectors = xp.linalg.eigh(xp.asarray(symmetric))
    back = vectors * values[..., None, :] @ vectors.mT
    np.testing.assert_allclose(back.array, symmetric, atol=tolerance)
    for mode, rows in (("reduced", 2), ("complete", 2)):
        q, r = xp.linalg.qr(xp.asarray(wide), mode=mode)
        assert q.shape[-1] == rows
        assert (xp.triu(r) == r).array.all()
        np.testing.assert_allclose((q @ r).array, wide, atol=tolerance)
    for full in (False, True):
        u, s, vh = xp.linalg.svd(xp.asarray(wide), full_matrices=full)
        assert vh.shape[-2] == (4 if full else 2)
        back = u * s[..., None, :] @ vh[..., :2, :]
        np.testing.assert_allclose(back.array, wide, atol=tolerance)


def test_no_function_of_the_standard_is_missing_above() -> None:
    """Each test names what it compares: "name", "name" after f"linalg.", or `xp.name`."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(Path(__file__).read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.update((node.value, f"linalg.{node.value}"))
        elif isinstance(node, ast.Attribute):
            named.add(ast.unparse(node).removeprefix("xp."))
    functions = {n for n in FUNCTIONS if n not in NOT_STANDARD | LEFT_OUT and n[0] != "_"}
    assert functions - named == set()
