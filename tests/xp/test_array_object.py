"""Operators, indices and attributes of arrays follow the standard; tensors stay PyTorch's."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra.array_api import make_strategies_namespace

pytest.importorskip("array_api_strict")

import minigrad as mg
from minigrad import nn, xp
from tests.xp.strict import NAMES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    xps = make_strategies_namespace(xp, api_version="2021.12")
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


# -- indices ---------------------------------------------------------------------------------------


@QUICK
@given(data=st.data())
def test_getitem(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    a = np.arange(math.prod(shape)).reshape(shape)
    key = data.draw(xps.indices(shape, allow_newaxis=True))
    x = xp.asarray(a)
    out = x[key]
    assert isinstance(out, xp.Array)
    assert out.dtype == xp.int64
    np.testing.assert_array_equal(out.array, a[key])


@QUICK
@given(data=st.data())
def test_setitem(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    key = data.draw(xps.indices(shape))
    kind = data.draw(st.sampled_from(NAMES["all"]))
    a, x = np.zeros(shape, kind), xp.zeros(shape, dtype=getattr(xp, kind))
    value = np.arange(a[key].size).reshape(np.shape(a[key])).astype(kind)
    a[key] = value
    x[key] = xp.asarray(value)
    np.testing.assert_array_equal(x.array, a)
    a[key] = one = (kind == "bool") or 1
    x[key] = one
    np.testing.assert_array_equal(x.array, a)
    x[key] = xp.asarray(one, dtype=getattr(xp, kind))
    np.testing.assert_array_equal(x.array, a)


@QUICK
@given(data=st.data())
def test_masks(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    a = np.arange(math.prod(shape)).reshape(shape)
    part = shape[: data.draw(st.integers(0, len(shape)))]
    mask = data.draw(hnp.arrays(bool, part))
    x, m = xp.asarray(a), xp.asarray(mask)
    np.testing.assert_array_equal(x[m].array, a[mask])
    x, a = xp.asarray(x, copy=True), a.copy()
    x[m] = 77
    a[mask] = 77
    np.testing.assert_array_equal(x.array, a)


def test_index_arrays_of_any_type_and_empty_masks() -> None:
    x = xp.asarray([[1, 2], [3, 4]])
    for kind in NAMES["integer"]:
        i = xp.asarray([1, 0], dtype=getattr(xp, kind))
        assert x[i, i].tolist() == [4, 1]
        assert x[xp.asarray(1, dtype=getattr(xp, kind)), 0].item() == 3
    assert x[xp.zeros((0, 2), dtype=xp.bool)].shape == (0,)
    x[xp.zeros((0,), dtype=xp.bool)] = 5
    assert x.tolist() == [[1, 2], [3, 4]]
    for bad in (lambda: x[5], lambda: x[0, 0, 0], lambda: x[xp.ones(3, dtype=xp.bool)],
                lambda: x[xp.ones((0, 3), dtype=xp.bool)]):  # fmt: skip
        with pytest.raises(IndexError):
            bad()


# -- operators -------------------------------------------------------------------------------------

BINARY = {
    "numeric": ["add", "sub", "mul"],
    "float": ["truediv", "pow", "mod", "floordiv"],
    "integer or bool": ["and_", "or_", "xor"],
    "all": ["eq", "ne"],
}


@pytest.mark.parametrize(("group", "name"), [(g, n) for g, names in BINARY.items() for n in names])
def test_operators_promote_by_the_standard(group: str, name: str) -> None:
    compute = getattr(operator, name)
    for a in NAMES[group]:
        for b in NAMES[group]:
            x, y = xp.ones(3, dtype=getattr(xp, a)), xp.ones((), dtype=getattr(xp, b))
            try:
                kind = xp.result_type(x, y)
            except TypeError:
                with pytest.raises(TypeError):
                    compute(x, y)
                continue
            for out in (compute(x, y), compute(y, x)):
                assert isinstance(out, xp.Array)
                assert out.shape == (3,)
                assert out.dtype == (xp.bool if group == "all" else kind)
            in_place = getattr(operator, f"i{name.rstrip('_')}", None)
            if in_place is None:
                continue
            if kind == x.dtype:
                assert in_place(x, y) is x
            else:
                with pytest.raises(TypeError, match="the result would be"):
                    in_place(x, y)


@pytest.mark.parametrize("kind", NAMES["all"])
def test_numbers(kind: str) -> None:
    d = getattr(xp, kind)
    x = xp.ones(2, dtype=d)
    if kind == "bool":
        assert (x & True).dtype == (True | x).dtype == (~x).dtype == xp.bool
        return
    for out in (x + 1, 2 - x, x * 3, x // 1, x % 2, x**2, -x, +x, abs(x)):
        assert out.dtype == d
        assert isinstance(out, xp.Array)
    assert (x > 0).dtype == xp.bool
    assert (x >= 1).tolist() == [True, True]
    if kind.startswith("float"):
        assert (x / 2).dtype == (1.5 + x).dtype == (x**0.5).dtype == d
    else:
        assert (x << 1).dtype == (x >> 1).dtype == (1 << x).dtype == (x ^ 1).dtype == d
        with pytest.raises(OverflowError):
            x + 2**64


def test_matmul_and_unknown_operands() -> None:
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert (x @ x).tolist() == [[7, 10], [15, 22]]
    y = xp.asarray(x, copy=True)
    y @= x
    assert y.tolist() == [[7, 10], [15, 22]]
    assert (x == None).__class__ is bool  # noqa: E711
    for bad in (lambda: x + "a", lambda: x @ 2, lambda: x @ xp.asarray(1.0)):
        with pytest.raises((TypeError, ValueError)):
            bad()
    assert isinstance(np.ones((2, 2), "f4") @ x, mg.Tensor)
    assert isinstance(np.ones(2) + x, mg.Tensor)


def test_tensors_keep_the_rules_of_pytorch() -> None:
    t, s = mg.ones(3, dtype=mg.int8), mg.tensor(1, dtype=mg.int32)
    assert (t + s).dtype is mg.int8
    assert (xp.asarray(t) + xp.asarray(s)).dtype is mg.int32
    assert (t + xp.asarray(s)).dtype is mg.int32  # one array is enough
    assert type(t) is mg.Tensor
    assert type(xp.asarray(t)) is xp.Array
    with pytest.raises(ValueError, match="step"):
        t[::-1]
    assert t.size() == (3,)


# -- attributes ------------------------------------------------------------------------------------


def test_attributes() -> None:
    x = xp.asarray(np.arange(6).reshape(2, 3))
    assert x.size == 6
    assert x.size(0) == 2
    assert x.size() == (2, 3)
    assert isinstance(x.size, int)
    assert x.shape == (2, 3)
    assert x.ndim == 2
    assert x.dtype == xp.int64
    assert x.T.shape == x.mT.shape == (3, 2)
    assert isinstance(x.T, xp.Array)
    assert x.device == mg.device("cpu")
    assert x.to_device(x.device) is x
    assert x.to_device("cpu") is x
    for bad in (lambda: xp.ones(3).T, lambda: xp.ones(3).mT,
                lambda: x.to_device("cpu", stream=1)):  # fmt: skip
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(RuntimeError, match="CPU only"):
        x.to_device("cuda")
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]
    y = xp.asarray(x, copy=True)
    assert hash(x) != hash(y)
    assert len({x, y, x}) == 2
    for kind in NAMES["integer"]:
        one = xp.asarray(1, dtype=getattr(xp, kind))
        assert operator.index(one) == int(one) == 1
        assert [10, 20][one] == 20
    for not_index in (xp.asarray(1.0), xp.asarray([1]), xp.asarray(True)):
        with pytest.raises(TypeError):
            operator.index(not_index)
    assert float(xp.asarray(2)) == 2.0
    assert complex(xp.asarray(2.5)) == 2.5 + 0j
    assert bool(xp.asarray(0.0)) is False
    with pytest.raises(TypeError, match="0-d"):
        iter(xp.asarray(1))


def test_copies_keep_the_class() -> None:
    x = xp.asarray([1.0, 2.0])
    assert type(copy.deepcopy(x)) is xp.Array
    assert type(pickle.loads(pickle.dumps(x))) is xp.Array
    assert np.shares_memory(np.from_dlpack(x), x.array)


# -- with the rest of minigrad ---------------------------------------------------------------------


def test_gradients_flow_through_the_namespace() -> None:
    t = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    def f(t: mg.Tensor) -> mg.Tensor:
        x = xp.asarray(t)
        y = xp.concat([xp.square(x), x[::-1, ...]], axis=0) * 2 + xp.mean(x, axis=1)
        y = xp.sort(y, axis=-1, descending=True) @ xp.matrix_transpose(x)
        return xp.sum(xp.clip(y, 0.0, 30.0)) + xp.linalg.det(x) + xp.unique_values(x)[1]

    assert mg.autograd.gradcheck(f, (t.detach().double().requires_grad_(),))
    f(t).backward()
    assert t.grad is not None
    assert type(t) is mg.Tensor


@pytest.mark.parametrize("name", ["positive", "asarray", "real", "broadcast_to", "tile", "roll",
                                  "permute_dims", "flip", "reshape", "astype"])  # fmt: skip
def test_arguments_stay_what_they_are(name: str) -> None:
    args: dict[str, Any] = {
        "broadcast_to": ((2,),), "tile": ((1,),), "permute_dims": ((0,),), "reshape": ((2,),),
        "roll": (0,), "astype": (xp.float32,),
    }  # fmt: skip
    t = mg.tensor([1.0, 2.0], requires_grad=True)
    out = getattr(xp, name)(t, *args.get(name, ()))
    assert type(t) is mg.Tensor
    assert type(out) is xp.Array
    assert out is not t
    out.sum().backward()
    assert t.grad.tolist() == [1, 1]
    p = nn.Parameter(mg.ones(2))
    out = getattr(xp, name)(p, *args.get(name, ()))
    assert type(p) is nn.Parameter
    assert type(out) is xp.Array


def test_writes_are_counted_and_recorded() -> None:
    x = xp.asarray([1.0, 2.0, 3.0])
    view = x[::2]
    w = mg.ones(3, requires_grad=True)
    y = (w * x).sum()
    view += 1
    assert x.tolist() == [2, 2, 4]
    assert x._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    z = xp.zeros(4)
    z[::-2] = w[:2] * 3
    z *= 2
    z.sum().backward()
    assert w.grad.tolist() == [6, 6, 0]


def test_arrays_in_layers() -> None:
    layer = nn.Linear(3, 2)
    out = layer(xp.ones((4, 3)))
    out.sum().backward()
    assert out.shape == (4, 2)
    assert layer.weight.grad.tolist() == [[4] * 3] * 2


# -- strategies of hypothesis, as the public tests of the standard use them ------------------------


@QUICK
@given(data=st.data())
def test_drawn_arrays(data: Any) -> None:
    kind = data.draw(st.sampled_from(NAMES["all"]))
    x = data.draw(xps.arrays(getattr(xp, kind), hnp.array_shapes(min_dims=0, max_dims=3)))
    assert isinstance(x, xp.Array)
    assert x.dtype == getattr(xp, kind)
    y = xp.asarray(x, copy=True)
    same = (x == y) | ((x != x) & (y != y))
    assert bool(xp.all(same))
    assume(x.size > 0)
    for index in np.ndindex(x.shape):
        assert x[index].shape == ()
