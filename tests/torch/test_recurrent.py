"""Recurrent layers, cells and packed sequences against PyTorch."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minigrad as mg  # noqa: E402
from tests.torch.oracle import array, flat  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")

LENGTHS = [[4, 4, 2], [2, 4, 1], [1, 1, 1]]
FLAGS = list(itertools.product([1, 2], [True, False], [True, False], [True, False]))


def pair(expression: str, dtype: str) -> tuple[Any, Any]:
    """A module of each library with the same parameters."""
    theirs, ours = (
        getattr(eval(expression, {"nn": m.nn}), "double" if dtype == "float64" else "float")()
        for m in (torch, mg)
    )
    rng = np.random.default_rng(1)
    state = {
        k: rng.normal(size=tuple(v.shape), scale=0.5).astype(dtype)
        for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    assert ours.load_state_dict({k: mg.tensor(v) for k, v in state.items()}) == ([], [])
    return theirs, ours


def states(net: Any, module: Any, count: int | None, dtype: str) -> Any:
    """Initial states that require grad."""
    rng = np.random.default_rng(5)
    layers = net.num_layers * (2 if net.bidirectional else 1)
    sizes = [net.proj_size or net.hidden_size, net.hidden_size][: 2 if net.mode == "LSTM" else 1]
    made = [
        module.tensor(
            rng.normal(size=(layers, *(() if count is None else (count,)), s)).astype(dtype)
        ).requires_grad_()
        for s in sizes
    ]
    return tuple(made) if len(made) == 2 else made[0]


def derivatives(module: Any, outs: list[Any], leaves: list[Any], second: bool) -> list[Any]:
    """Of a combination of all results: first order, and second of the sum of squares."""
    rng = np.random.default_rng(3)
    flows = [
        module.tensor(rng.normal(size=tuple(y.shape)).astype(str(array(y).dtype))) for y in outs
    ]
    first = module.autograd.grad(outs, leaves, flows, create_graph=second)
    if not second:
        return list(first)
    total = sum((g * g).sum() for g in first)
    return [*first, *module.autograd.grad(total, leaves, allow_unused=True)]


def same(ours: Any, theirs: Any, tolerance: float) -> None:
    a, b = flat(ours), flat(theirs)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            rest = y if x is None else x
            assert rest is None or not array(rest).any()
            continue
        p, q = array(x), array(y)
        assert p.shape == q.shape
        assert p.dtype == q.dtype
        scale = max(1.0, float(np.abs(q).max(initial=0)))
        np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance * scale)


def layer(name: str, layers: int, bias: bool, first: bool, both: bool, more: str = "") -> str:
    return (
        f"nn.{name}(3, 4, num_layers={layers}, bias={bias}, batch_first={first}, "
        f"bidirectional={both}{more})"
    )


KINDS = [("RNN", ""), ("RNN", ", nonlinearity='relu'"), ("LSTM", ""), ("LSTM", ", proj_size=2"),
         ("GRU", "")]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "bias", "first", "both"), FLAGS)
@pytest.mark.parametrize(("name", "more"), KINDS)
def test_layer(
    name: str, more: str, layers: int, bias: bool, first: bool, both: bool, dtype: str
) -> None:
    expression = layer(name, layers, bias, first, both, more)
    theirs, ours = pair(expression, dtype)
    assert repr(ours) == repr(theirs)
    assert [(n, tuple(p.shape)) for n, p in ours.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in theirs.named_parameters()
    ]
    x = np.random.default_rng(2).normal(size=(2, 5, 3)).astype(dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-9
    for given, batched in itertools.product([True, False], repeat=2):
        results = []
        for module, net in ((mg, ours), (torch, theirs)):
            leaf = module.tensor(x if batched else x[0]).requires_grad_()
            count = (2 if first else 5) if batched else None
            hx = states(net, module, count, dtype) if given else None
            y = net(leaf, hx)
            outs = flat(y)
            leaves = [leaf, *net.parameters(), *([] if hx is None else flat(hx))]
            second = dtype == "float64" and batched and layers == 1
            results.append([*outs, *derivatives(module, outs, leaves, second)])
        same(*results, tolerance)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("name", "more"), KINDS)
def test_packed_sequences(name: str, more: str, both: bool, lengths: list[int]) -> None:
    theirs, ours = pair(layer(name, 2, True, False, both, more), "float64")
    x = np.random.default_rng(2).normal(size=(4, 3, 3))
    for given in (True, False):
        results = []
        for module, net in ((mg, ours), (torch, theirs)):
            rnn = module.nn.utils.rnn
            leaf = module.tensor(x).requires_grad_()
            packed = rnn.pack_padded_sequence(leaf, lengths, enforce_sorted=False)
            hx = states(net, module, 3, "float64") if given else None
            y, last = net(packed, hx)
            assert isinstance(y, rnn.PackedSequence)
            padded, sizes = rnn.pad_packed_sequence(y, padding_value=-1.0)
            outs = [padded, *flat(last)]
            leaves = [leaf, *net.parameters(), *([] if hx is None else flat(hx))]
            results.append([*outs, sizes, *y[1:], *derivatives(module, outs, leaves, False)])
        same(*results, 1e-9)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_only_one_result_is_used(name: str) -> None:
    theirs, ours = pair(f"nn.{name}(3, 4)", "float64")
    x = np.random.default_rng(2).normal(size=(4, 2, 3))
    for i in range(3 if name == "LSTM" else 2):
        results = []
        for module, net in ((mg, ours), (torch, theirs)):
            leaf = module.tensor(x).requires_grad_()
            out = flat(net(leaf))[i]
            results.append(module.autograd.grad(out.sum(), [leaf, *net.parameters()]))
        same(*results, 1e-10)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize(("inputs", "hidden", "count"), [(1, 1, 1), (7, 33, 35), (20, 64, 50)])
def test_sizes_that_fill_no_vector(name: str, inputs: int, hidden: int, count: int) -> None:
    theirs, ours = pair(f"nn.{name}({inputs}, {hidden}, bidirectional=True)", "float32")
    x = np.random.default_rng(2).normal(size=(6, count, inputs)).astype("float32")
    results = []
    for module, net in ((mg, ours), (torch, theirs)):
        leaf = module.tensor(x).requires_grad_()
        outs = flat(net(leaf))
        leaves = [leaf, *net.parameters()]
        results.append([*outs, *derivatives(module, outs, leaves, False)])
    same(*results, 1e-3)


CELLS = ["nn.RNNCell(3, 4)", "nn.RNNCell(3, 4, nonlinearity='relu')", "nn.LSTMCell(3, 4)",
         "nn.GRUCell(3, 4)", "nn.RNNCell(3, 4, False)", "nn.LSTMCell(3, 4, bias=False)",
         "nn.GRUCell(3, 4, bias=False)"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("expression", CELLS)
def test_cell(expression: str, dtype: str) -> None:
    theirs, ours = pair(expression, dtype)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(2)
    x, h, c = (rng.normal(size=(2, n)).astype(dtype) for n in (3, 4, 4))
    for given, batched in itertools.product([True, False], repeat=2):
        results = []
        for module, net in ((mg, ours), (torch, theirs)):
            leaf, *hx = (module.tensor(a if batched else a[0]).requires_grad_() for a in (x, h, c))
            hx = hx if "LSTM" in expression else hx[:1]
            state = (tuple(hx) if len(hx) == 2 else hx[0]) if given else None
            outs = flat(net(leaf, state))
            leaves = [leaf, *net.parameters(), *(hx if given else [])]
            if not given:
                leaves = [p for p in leaves if p is not net.weight_hh]
            results.append([*outs, *derivatives(module, outs, leaves, dtype == "float64")])
        same(*results, 1e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_state_goes_there_and_back(name: str) -> None:
    expression = layer(name, 2, True, False, True)
    theirs, ours = (eval(expression, {"nn": m.nn}) for m in (torch, mg))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(2).normal(size=(4, 2, 3)).astype("float32")
    same(ours(mg.tensor(x))[0], theirs(torch.tensor(x))[0], 1e-5)
    fresh = eval(expression, {"nn": mg.nn})
    fresh.load_state_dict({k: mg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert (fresh(mg.tensor(x))[0].array == ours(mg.tensor(x))[0].array).all()
    assert [len(w) for w in ours.all_weights] == [len(w) for w in theirs.all_weights]
    assert ours._flat_weights_names == theirs._flat_weights_names


def test_dropout_lies_between_the_layers() -> None:
    x = np.random.default_rng(2).normal(size=(4, 2, 3)).astype("float32")
    theirs, ours = pair("nn.LSTM(3, 4, 2, dropout=1.0)", "float32")
    same(ours(mg.tensor(x)), theirs(torch.tensor(x)), 1e-5)
    theirs, ours = pair("nn.GRU(3, 4, 3, dropout=0.5).eval()", "float32")
    same(ours(mg.tensor(x)), theirs(torch.tensor(x)), 1e-5)
    ours.train()
    assert (ours(mg.tensor(x))[0].array != ours(mg.tensor(x))[0].array).any()
    messages = []
    for module in (torch, mg):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            module.nn.GRU(3, 4, dropout=0.5)
        messages.append([str(w.message) for w in caught])
    assert messages[0] == messages[1]


def test_initial_distribution() -> None:
    for m in (torch, mg):
        net = m.nn.LSTM(5, 25, 2, bidirectional=True)
        for p in net.parameters():
            assert 0.17 < np.abs(array(p)).max() <= 0.2
        cell = m.nn.GRUCell(5, 25)
        assert all(0.17 < np.abs(array(p)).max() <= 0.2 for p in cell.parameters())


#: Packing and padding; R is ``nn.utils.rnn``, a to d are sequences of 3, 1, 2 and 0 rows.
PACKING = [
    "R.pack_sequence([a, c, b])", "R.pack_sequence([b, c, a], enforce_sorted=False)",
    "R.pack_sequence([c, c, c])", "R.pad_sequence([b, a, d])", "R.pad_sequence([a], True)",
    "R.pad_sequence([b, a, c], True, -1.0, padding_side='left')",
    "R.pad_packed_sequence(R.pack_sequence([b, a, c], False), True, 2.5)",
    "R.pad_packed_sequence(R.pack_sequence([a, b]), total_length=5)",
    "R.unpack_sequence(R.pack_sequence([b, a, c], False))",
    "R.unpad_sequence(R.pad_sequence([a, b, c]), m.tensor([3, 1, 2]))",
    "R.pack_padded_sequence(R.pad_sequence([a, c], True), [3, 2], True)",
    "R.pack_padded_sequence(R.pad_sequence([a, c, b]), m.tensor([2, 1, 1]))",
    "R.pack_padded_sequence(m.arange(12).reshape(3, 4), [2, 3, 2, 3], enforce_sorted=False)",
    "R.pack_sequence([a, b]).double()", "R.pack_sequence([a, b]).to(m.float64)",
    "R.invert_permutation(m.tensor([3, 0, 2, 1]))", "R.pad_sequence([d, d]).detach()",
    "R.PackedSequence((a, m.tensor([2, 1])))", "R.pack_sequence([a, b]).long()",
]  # fmt: skip


@pytest.mark.parametrize("expression", PACKING)
def test_packing(expression: str) -> None:
    results = []
    for module in (mg, torch):
        rng = np.random.default_rng(0)
        names = {
            k: module.tensor(rng.normal(size=(n, 2)).astype("float32")).requires_grad_()
            for k, n in zip("abcd", (3, 1, 2, 0), strict=True)
        }
        found = eval(expression, {"R": module.nn.utils.rnn, "m": module, **names})
        outs = [t for t in flat(found) if t is not None and t.requires_grad]
        used = [t for k, t in names.items() if k in expression.replace("R.pad", "")]
        grads: Any = []
        if outs:
            total = sum((t * t * (i + 1)).sum() for i, t in enumerate(outs))
            grads = module.autograd.grad(total, used, allow_unused=True)
        results.append([found, *grads])
    same(*results, 1e-6)


ERRORS = [
    "nn.LSTM(3, 4)(z(0, 2, 3))", "nn.RNN(3, 4)(z(2, 2, 5))", "nn.LSTM(3, 4)(z(2, 2, 3).double())",
    "nn.LSTM(3, 4)(z(3))", "nn.RNN(3, 4)(z(3))", "nn.GRU(3, 4)(z(2, 2, 3), z(1, 2, 4).double())",
    "nn.GRU(3, 4)(z(2, 2, 3), z(1, 3, 4))", "nn.LSTM(3, 4)(z(2, 2, 3), (z(1, 3, 4), z(1, 2, 4)))",
    "nn.LSTM(3, 4)(z(2, 2, 3), (z(2, 4), z(2, 4)))", "nn.LSTM(3, 4)(z(2, 2, 3), z(1, 2, 4))",
    "nn.LSTM(3, 4)(z(2, 3), (z(2, 4), z(2, 4)))", "nn.GRU(3, 4)(z(2, 3), z(1, 2, 4))",
    "nn.GRU(3, 4)(z(2, 2, 3), z(2, 4))", "nn.LSTM(3, 4, dropout=2)", "nn.LSTM(3, 4, dropout='a')",
    "nn.LSTM(3., 4)", "nn.LSTM(3, 0)", "nn.LSTM(0, 3)", "nn.LSTM(3, 4, num_layers=0)",
    "nn.LSTM(3, 4, proj_size=4)", "nn.LSTM(3, 4, proj_size=-1)", "nn.GRU(3, 4, proj_size=1)",
    "nn.RNN(3, 4, proj_size=1)", "nn.RNN(3, 4, nonlinearity='x')", "nn.LSTM(3, 4, bias=1)",
    "nn.LSTM(3, 4, batch_first=1)", "nn.GRU(3, 4, foo=1)", "nn.RNNBase('X', 3, 4)",
    "nn.LSTM(3, 4, 2, dropout=True)",
    "nn.LSTMCell(3, 4)(z(2, 5))", "nn.LSTMCell(3, 4)(z(2, 3), (z(3, 4), z(3, 4)))",
    "nn.LSTMCell(3, 4)(z(2, 3), (z(2, 5), z(2, 5)))", "nn.LSTMCell(3, 4)(z(2, 2, 3))",
    "nn.GRUCell(3, 4)(z(2, 3), z(2, 2, 4))", "nn.GRUCell(3, 4)(z(2, 3), z(3, 4))",
    "nn.RNNCell(3, 4)(z(2, 3).double())", "nn.RNNCell(3, 4, nonlinearity='x')(z(2, 3))",
    "nn.RNNCell(3, 4)(z(2, 3), z(4))", "nn.LSTMCell(3, 4)(z(3), z(4))",
    "R.pack_padded_sequence(z(3, 2, 1), [2, 3])", "R.pack_padded_sequence(z(3, 2, 1), [3])",
    "R.pack_padded_sequence(z(3, 2, 1), [3, 0])", "R.pack_padded_sequence(z(3, 0, 1), [])",
    "R.pack_padded_sequence(z(3), [3])", "R.pack_padded_sequence(z(3, 2, 1), [[3, 1]])",
    "R.pad_sequence([])", "R.pad_sequence(3)", "R.pad_sequence([z(2, 3), z(3, 4)])",
    "R.pad_sequence([z(2, 3)], padding_side='x')", "R.pad_sequence([z(())])",
    "R.pad_packed_sequence(R.pack_sequence([z(2), z(1)]), total_length=1)",
    "R.pack_sequence([z(1), z(2)])", "R.pack_sequence([])", "R.PackedSequence(z(3))",
    "nn.LSTM(3, 4)(R.PackedSequence(z(4, 3), m.tensor([1, 2])))",
]  # fmt: skip


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression: str) -> None:
    kinds = []
    for m in (torch, mg):
        names = {"nn": m.nn, "z": m.zeros, "R": m.nn.utils.rnn, "m": m}
        with pytest.raises(Exception) as info:
            eval(expression, names)
        kinds.append(info.type)
    assert kinds[1] is kinds[0]
