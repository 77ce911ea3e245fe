"""Recurrent layers against a loop over single steps, written with ordinary operations."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.autograd import grad
from minigrad.func import grad as grad_of
from minigrad.func import vmap
from minigrad.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    unpack_sequence,
)
from minigrad.ops.layers import recurrent as ops


def one_step(net: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The textbook's formulas for one layer in one direction."""
    a = x @ net.weight_ih_l0.T + net.bias_ih_l0
    b = h @ net.weight_hh_l0.T + net.bias_hh_l0
    if net.mode == "LSTM":
        i, f, g, o = (a + b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h @ net.weight_hr_l0.T if net.proj_size else h), c
    if net.mode == "GRU":
        (ar, az, an), (br, bz, bn) = a.chunk(3, 1), b.chunk(3, 1)
        z, n = (az + bz).sigmoid(), (an + (ar + br).sigmoid() * bn).tanh()
        return (1 - z) * n + z * h, c
    return ((a + b).tanh() if net.mode == "RNN_TANH" else (a + b).relu()), c


def by_steps(net: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
    outs = []
    for t in range(x.shape[0]):
        h, c = one_step(net, x[t], h, c)
        outs.append(h)
    return mg.stack(outs), h, c


def make(kind: str, inputs: int, hidden: int, dtype: Any) -> Any:
    more = {"relu": {"nonlinearity": "relu"}, "projected": {"proj_size": max(hidden // 2, 1)}}
    names = {"tanh": "RNN", "relu": "RNN", "projected": "LSTM"}
    mg.manual_seed(0)
    return getattr(nn, names.get(kind, kind))(inputs, hidden, dtype=dtype, **more.get(kind, {}))


KINDS = ["tanh", "relu", "LSTM", "projected", "GRU"]


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(
    steps=st.integers(1, 4), count=st.sampled_from([0, 1, 3, 37]),
    hidden=st.sampled_from([2, 5, 16, 33]),
)  # fmt: skip
def test_a_layer_is_a_loop_over_steps(
    kind: str, dtype: Any, steps: int, count: int, hidden: int
) -> None:
    net = make(kind, 3, hidden, dtype)
    rng = np.random.default_rng(1)
    out = net.proj_size or hidden

    def leaf(*shape: int) -> Any:
        return mg.tensor(rng.normal(size=shape), dtype=dtype).requires_grad_()

    x, h, c, flow = (
        leaf(steps, count, 3),
        leaf(count, out),
        leaf(count, hidden),
        leaf(steps, 1, out),
    )
    first = h.unsqueeze(0), c.unsqueeze(0)
    y, last = net(x, first if net.mode == "LSTM" else first[0])
    ends = last if net.mode == "LSTM" else (last, None)
    found = [y, ends[0][0], ends[1][0] if ends[1] is not None else c]
    expected = by_steps(net, x, h, c)
    leaves = [x, h, *net.parameters(), *([c] if net.mode == "LSTM" else [])]
    results = []
    for outs in (found, expected):
        total = (outs[0] * flow).sum() + (outs[1] * 2).sum() + (outs[2] * outs[2]).sum()
        results.append([*outs, *grad(total, leaves)])
    tolerance = 1e-10 if dtype == mg.float64 else 2e-4
    for a, b in zip(*results, strict=True):
        assert a.array.dtype == b.array.dtype
        scale = max(1.0, float(np.abs(b.array).max(initial=0)))
        np.testing.assert_allclose(a.array, b.array, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_computed_one_by_one(kind: str) -> None:
    net = make(kind, 3, 4, mg.float64)
    rng = np.random.default_rng(1)
    sequences = [mg.tensor(rng.normal(size=(n, 3))) for n in (2, 5, 1, 5)]
    y, last = net(pack_sequence(sequences, enforce_sorted=False))
    state = last[0] if net.mode == "LSTM" else last
    for i, (part, alone) in enumerate(zip(unpack_sequence(y), sequences, strict=True)):
        expected, _ = net(alone)
        np.testing.assert_allclose(part.numpy(force=True), expected.numpy(force=True), atol=1e-12)
        np.testing.assert_allclose(
            state[0, i].numpy(force=True), expected[-1].numpy(force=True), atol=1e-12
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_reverse_direction_reads_from_the_end(kind: str) -> None:
    net = make(kind, 3, 4, mg.float64)
    both = type(net)(3, 4, bidirectional=True, dtype=mg.float64, **(
        {"proj_size": 2} if net.proj_size else {"nonlinearity": "relu"} if kind == "relu" else {}
    ))  # fmt: skip
    state = net.state_dict()
    both.load_state_dict(state | {f"{k}_reverse": v for k, v in state.items()})
    x = mg.tensor(np.random.default_rng(0).normal(size=(5, 2, 3)))
    y = both(x)[0].numpy(force=True)
    size = y.shape[2] // 2
    np.testing.assert_allclose(y[:, :, :size], net(x)[0].numpy(force=True), atol=1e-12)
    np.testing.assert_allclose(
        y[::-1, :, size:], net(x.flip(0))[0].numpy(force=True), atol=1e-12
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_rules(kind: str) -> None:
    """The kernels against the rules on tensors, on sizes that share work between threads."""
    net = make(kind, 24, 48, mg.float32)
    rng = np.random.default_rng(1)
    x = mg.tensor(rng.normal(size=(9, 70, 24)).astype("float32")).requires_grad_()
    flow = mg.tensor(rng.normal(size=(9, 70, net.proj_size or 48)).astype("float32"))
    y = net(x)[0]
    leaves = [x, *net.parameters()]
    fast = grad(y, leaves, flow, retain_graph=True)
    slow = grad(y, leaves, flow, create_graph=True)
    for a, b in zip(fast, slow, strict=True):
        scale = float(np.abs(b.array).max())
        np.testing.assert_allclose(a.array, b.array, rtol=1e-3, atol=1e-4 * scale)


def test_bits_do_not_depend_on_the_threads() -> None:
    net = make("LSTM", 24, 48, mg.float32)
    x = mg.tensor(np.random.default_rng(1).normal(size=(9, 70, 24)).astype("float32"))
    before, found = mg.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            mg.set_num_threads(threads)
            net.zero_grad()
            y = net(x)[0]
            y.square().sum().backward()
            found.append([y.array.copy(), *[p.grad.array.copy() for p in net.parameters()]])
    finally:
        mg.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert (a == b).all()


def test_nan_stays_in_its_sequence() -> None:
    for kind in KINDS:
        net = make(kind, 3, 40, mg.float32)
        x = np.zeros((3, 2, 3), "float32")
        x[1, 0] = np.nan
        y = net(mg.tensor(x))[0].numpy(force=True)
        assert not np.isnan(y[0]).any()
        assert np.isnan(y[1:, 0]).all()
        assert not np.isnan(y[:, 1]).any()


def test_writing_over_the_result_does_no_harm() -> None:
    net = make("GRU", 3, 4, mg.float64)
    x = mg.tensor(np.random.default_rng(0).normal(size=(3, 2, 3)))
    expected = grad(net(x)[0].sum() * 2, list(net.parameters()))
    y = net(x)[0]
    y.mul_(2)
    for a, b in zip(grad(y.sum(), list(net.parameters())), expected, strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-12)


def test_half_precision_is_computed_without_kernels() -> None:
    for kind in KINDS:
        net = make(kind, 3, 4, mg.float64)
        x = mg.tensor(np.random.default_rng(0).normal(size=(3, 2, 3)))
        expected, small = net(x)[0], make(kind, 3, 4, mg.float64).half()(x.half())[0]
        small.sum().backward()
        assert small.dtype == mg.float16
        np.testing.assert_allclose(small.numpy(force=True), expected.numpy(force=True), atol=5e-3)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
def test_many_examples_at_once(kind: str) -> None:
    net = make(kind, 3, 4, mg.float64)
    x = mg.tensor(np.random.default_rng(0).normal(size=(6, 5, 2, 3)))

    def loss(a: Any) -> Any:
        return net(a)[0].square().sum()

    np.testing.assert_allclose(
        vmap(loss)(x).numpy(force=True), [loss(a).item() for a in x], rtol=1e-12
    )
    found = vmap(grad_of(loss))(x).numpy(force=True)
    for a, g in zip(x, found, strict=True):
        leaf = a.detach().clone().requires_grad_()
        np.testing.assert_allclose(g, grad(loss(leaf), leaf)[0].array, rtol=1e-10, atol=1e-12)


def test_weights_of_a_wrong_shape_are_refused() -> None:
    gates, h = mg.zeros(4, 8), mg.zeros(2, 2)
    with pytest.raises(RuntimeError, match=r"weight_hh must have shape \[8, 2\], got \[9, 2\]"):
        ops.lstm((gates, mg.zeros(9, 2), h, h, None), ((2, 2), False))
    with pytest.raises(RuntimeError, match="same dtype"):
        ops.lstm((gates, mg.zeros(8, 2).double(), h, h, None), ((2, 2), False))
    with pytest.raises(RuntimeError, match="4 rows are not 3"):
        ops.lstm((gates, mg.zeros(8, 2), h, h, None), ((2, 1), False))


def test_packed_sequences_can_be_pickled_and_converted() -> None:
    packed = pack_sequence([mg.ones(3, 2), mg.zeros(1, 2)])
    copy = pickle.loads(pickle.dumps(packed))
    assert isinstance(copy, PackedSequence)
    assert copy.batch_sizes.tolist() == [2, 1, 1]
    assert packed.double().data.dtype == mg.float64
    assert packed.float() is packed
    assert packed.to(mg.float32) is packed


def test_lengths_beyond_the_input_are_refused() -> None:
    with pytest.raises(RuntimeError, match="a length of 4 was given, but the input has 3 steps"):
        pack_padded_sequence(mg.zeros(3, 2, 1), [4, 2])
    with pytest.raises(RuntimeError, match="must add up to its 4 rows"):
        pad_packed_sequence(PackedSequence(mg.zeros(4, 1), mg.tensor([2, 1])))
