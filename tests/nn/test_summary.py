"""The table of a model: counts by hand, totals, nothing changed, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import summary


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.rest = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.rest(self.features(x))


def test_lenet() -> None:
    found = summary(LeNet(), input_size=(2, 1, 28, 28))
    by_path = {row.path: row for row in found.rows}
    assert by_path["features.0"].parameters == 6 * 25 + 6
    assert by_path["features.3"].parameters == 16 * 6 * 25 + 16
    assert by_path["features.0"].mult_adds == 2 * 28 * 28 * 6 * 25
    assert by_path["features.3"].mult_adds == 2 * 10 * 10 * 16 * 6 * 25
    assert by_path["rest.1"].mult_adds == 2 * 400 * 120
    assert by_path["features.5"].output_shapes == ((2, 16, 5, 5),)
    assert found.total_params == found.trainable_params == 61_706
    assert found.total_mult_adds == 2 * (117_600 + 240_000 + 48_000 + 10_080 + 840)
    assert [row.depth for row in found.rows] == [0, 1, *[2] * 6, 1, *[2] * 6]
    assert found.parameter_bytes == 4 * 61_706
    assert found.input_bytes == 4 * 2 * 28 * 28
    results = 2 * (6 * 28**2) + 6 * 14**2 + 2 * (16 * 10**2) + 16 * 5**2
    dense = 2 * 120 + 2 * 84 + 10  # Flatten gives a view
    assert found.activation_bytes == 4 * 2 * (results + dense)


@pytest.mark.parametrize("first", [False, True])
def test_lstm(first: bool) -> None:
    net = nn.LSTM(5, 7, 2, batch_first=first, bidirectional=True)
    found = summary(net, mg.zeros(3, 4, 5))
    one, two = 4 * 7 * (5 + 7), 4 * 7 * (14 + 7)
    assert found.total_params == 2 * (one + two + 4 * 4 * 7)
    assert found.total_mult_adds == 3 * 4 * 2 * (one + two)
    assert len(found.rows) == 1


def test_packed_sequences_and_projections_and_cells() -> None:
    packed = nn.utils.rnn.pack_sequence([mg.zeros(4, 5), mg.zeros(2, 5)])
    found = summary(nn.LSTM(5, 7, proj_size=3), (packed,))
    assert found.total_mult_adds == 6 * (4 * 7 * (5 + 3) + 3 * 7)
    assert summary(nn.GRUCell(5, 7), mg.zeros(2, 5)).total_mult_adds == 2 * 3 * 7 * (5 + 7)


def test_a_transformer_layer() -> None:
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = summary(net, mg.zeros(3, 5, 8))
    by_path = {row.path: row for row in found.rows}
    attention = by_path["self_attn"]
    assert attention.parameters == 4 * 8 * 8 + 4 * 8
    assert attention.mult_adds == 3 * (4 * 5 * 64 + 2 * 5 * 5 * 8)
    assert "self_attn.out_proj" not in by_path  # counted with the attention
    assert found.total_mult_adds == attention.mult_adds + 2 * 3 * 5 * 8 * 16
    assert found.total_params == sum(row.parameters for row in found.rows)


def test_attention_to_others() -> None:
    net = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, add_bias_kv=True, add_zero_attn=True)
    found = summary(net, (mg.zeros(3, 2, 8), mg.zeros(5, 2, 6), mg.zeros(5, 2, 4)))
    assert found.total_mult_adds == 2 * (2 * 3 * 64 + 5 * 8 * (6 + 4) + 2 * 3 * (5 + 2) * 8)


@pytest.mark.parametrize(
    ("net", "size", "mult_adds"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, groups=2), (2, 4, 9), 2 * 6 * 4 * 2 * 3),
        (nn.Conv3d(1, 2, 2), (1, 1, 3, 3, 3), 2 * 8 * 8),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 3, 3), 2 * 4 * 9 * 3 * 9),
        (nn.Bilinear(3, 4, 5), ((2, 3), (2, 4)), 2 * 5 * 3 * (4 + 1)),
        (nn.Maxout(3, 2, 4), (5, 3), 5 * 2 * 4 * 3),
        (nn.BatchNorm1d(3), (5, 3), 0),
    ],
)
def test_layers(net: Any, size: Any, mult_adds: int) -> None:
    assert summary(net, input_size=size).total_mult_adds == mult_adds


class Tied(nn.Module):
    """Shared weights, a frozen layer, a layer called twice, and one used without a call."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.twice = nn.Linear(4, 4)
        self.out = nn.Linear(4, 10, bias=False)
        self.out.weight = self.table.weight
        self.aside = nn.Linear(4, 1)
        self.scale = nn.Parameter(mg.ones(4))
        self.twice.requires_grad_(False)

    def forward(self, i: Any) -> Any:
        x = self.twice(self.twice(self.table(i))) * self.scale
        return self.out(x) + nn.functional.linear(x, self.aside.weight)


def test_shared_and_frozen_parameters_count_once() -> None:
    found = summary(Tied(), input_size=(2, 3), dtype=mg.int64)
    assert found.total_params == 40 + 20 + 4 + 5 == sum(row.parameters for row in found.rows)
    assert found.frozen_params == 20
    assert found.trainable_params == sum(row.trainable for row in found.rows) == 49
    assert found.total_mult_adds == 6 * (2 * 16 + 40)
    paths = [row.path for row in found.rows]
    assert paths == ["", "table", "twice", "twice", "out", "aside"]
    assert [row.shared for row in found.rows] == [0, 0, 0, 20, 40, 0]
    text = str(found)
    assert "aside: Linear" in text
    assert "not called" in text
    assert "shared" in text


def test_nothing_changes() -> None:
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    net[1].eval()
    net(mg.ones(2, 3)).sum().backward()
    table = nn.Embedding(5, 2, max_norm=0.1)
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    rows = table.weight.numpy(force=True).copy()
    grads = [p.grad for p in net.parameters()]
    values = [np.array(g.array) for g in grads]
    state = mg.get_rng_state().numpy().copy()
    summary(net, mg.randn(2, 3, generator=mg.Generator()))
    summary(table, mg.tensor([0, 1]))
    assert [m.training for m in net.modules()] == [True, True, False, True, True]
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in net.state_dict().items())
    assert np.array_equal(table.weight.numpy(force=True), rows)
    assert all(p.grad is g for p, g in zip(net.parameters(), grads, strict=True))
    assert all(np.array_equal(g.array, v) for g, v in zip(grads, values, strict=True))
    assert np.array_equal(mg.get_rng_state().numpy(), state)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_computed_weights() -> None:
    net = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 2))
    found = summary(net, input_size=(1, 2, 3, 3))
    assert found.total_mult_adds == 12 * 8
    assert found.total_params == sum(row.parameters for row in found.rows) == 3 + 24 + 3
    kinds = [row.kind for row in found.rows]
    assert kinds == ["ParametrizedConv2d", "ParametrizationList", "_WeightNorm"]


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", mg.zeros(()))

    def forward(self, x: Any) -> Any:
        self.calls = self.calls + 1
        return x + mg.randn(x.shape)


def test_a_module_of_ones_own() -> None:
    net, state = Noisy(), mg.get_rng_state().numpy().copy()
    found = summary(net, mg.ones(3), counts={Noisy: lambda module, args, y: 7})
    assert found.total_mult_adds == 7
    assert net.calls.item() == 0
    assert np.array_equal(mg.get_rng_state().numpy(), state)


def test_the_table_folds() -> None:
    whole, folded = (summary(LeNet(), input_size=(1, 1, 28, 28), depth=d) for d in (None, 1))
    assert len(str(whole).splitlines()) == len(str(folded).splitlines()) + 12
    (line,) = [text for text in str(folded).splitlines() if "features" in text]
    assert line.split() == ["features:", "Sequential", "[1,", "16,", "5,", "5]", "2,572", "357,600"]
    assert repr(whole) == str(whole)
    assert folded.rows == whole.rows


def test_lazy_layers_count_what_they_become() -> None:
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d())
    found = summary(net, input_size=(2, 3))
    assert [row.kind for row in found.rows] == ["Sequential", "Linear", "BatchNorm1d"]
    assert found.total_params == sum(row.parameters for row in found.rows) == 16 + 8
    assert found.total_mult_adds == 24


def test_inputs_by_name() -> None:
    net = nn.MultiheadAttention(4, 1)
    x = mg.zeros(3, 2, 4)
    found = summary(net, {"query": x, "key": x, "value": x})
    assert found.total_mult_adds == summary(net, (x, x, x)).total_mult_adds


def test_errors() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
    message = r"layer '1\.1' \(Linear\) failed on input of shape \[2, 4\], after 0, 1\.0: .*mat1"
    with pytest.raises(RuntimeError, match=message):
        summary(net, input_size=(2, 3))
    assert net.training
    assert not net[0]._forward_hooks
    with pytest.raises(ValueError, match="summary needs an example"):
        summary(net)
    with pytest.raises(ValueError, match="summary needs an example"):
        summary(net, mg.ones(2, 3), input_size=(2, 3))
    with pytest.raises(TypeError, match=r"expects an nn\.Module, got function"):
        summary(lambda x: x, mg.ones(1))  # type: ignore[arg-type]
