"""What layers do that a comparison of numbers with PyTorch does not show."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn


@pytest.fixture(autouse=True)
def _seed() -> None:
    mg.manual_seed(0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expected_value(p: float) -> None:
    y = nn.Dropout(p)(mg.ones(200, 500)).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
    assert abs((y == 0).mean() - p) < 0.01
    assert abs(y.mean() - 1) < 0.02
    # neighbours are independent, along both axes
    dropped = (y == 0).astype(float) - p
    assert abs((dropped[1:] * dropped[:-1]).mean()) < 0.005
    assert abs((dropped[:, 1:] * dropped[:, :-1]).mean()) < 0.005


def test_dropout_differs_from_call_to_call_and_follows_the_seed() -> None:
    x, layer = mg.ones(1000), nn.Dropout(0.5)
    first = layer(x)
    assert not (layer(x) == first).all()
    mg.manual_seed(0)
    assert (layer(x) == first).all()
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


def test_dropout_passes_the_gradient_of_what_it_kept() -> None:
    x = mg.ones(50, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    assert (x.grad == y.detach()).all()
    z = x * 1
    out = F.dropout(z, 0.5, inplace=True)
    assert out is z
    assert (F.dropout(x, 1.0) == 0).all()


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Dropout1d, (8, 64, 5)), (nn.Dropout2d, (8, 64, 3, 4)), (nn.Dropout3d, (8, 64, 2, 2, 2)),
    (nn.Dropout1d, (512, 5)), (nn.Dropout2d, (512, 3, 4)),
])  # fmt: skip
def test_channel_dropout_drops_whole_channels(layer: Any, shape: tuple[int, ...]) -> None:
    spatial = len(layer.__name__) and int(layer.__name__[-2])
    y = layer(0.5)(mg.ones(*shape)).numpy().reshape(512, -1)
    assert (y == y[:, :1]).all()
    assert 0.4 < (y[:, 0] == 0).mean() < 0.6
    if spatial == 1:
        with pytest.raises(RuntimeError, match="2D or 3D"):
            layer()(mg.ones(3))


@pytest.mark.parametrize(("drop", "rows"), [(F.dropout2d, 12), (F.dropout3d, 3)])
def test_channel_dropout_of_a_matrix_warns_and_works(drop: Any, rows: int) -> None:
    """As PyTorch's: each element counts as a channel in two dimensions, each row in three."""
    x = mg.ones(3, 4)
    with pytest.warns(UserWarning, match="Received a 2-D input"):
        assert drop(x, 0.5, False) is x
    with pytest.warns(UserWarning, match="Received a 2-D input"):
        drawn = np.stack([drop(x, 0.5).numpy() for _ in range(200)]).reshape(200, rows, -1)
    assert (drawn == drawn[:, :, :1]).all()
    assert 0.4 < (drawn == 0).mean() < 0.6
    assert len(np.unique(drawn[:, :, 0], axis=0)) > min(2**rows, 200) // 2
    with pytest.warns(UserWarning, match="1-D"), pytest.raises(RuntimeError, match="at least 2"):
        F.dropout2d(mg.ones(3))


@pytest.mark.parametrize("drop", [F.dropout, F.dropout1d, F.alpha_dropout])
def test_dropout_of_nothing_is_no_write(drop: Any) -> None:
    """A parameter may be passed through it, and its version stays."""
    w = nn.Parameter(mg.ones(3, 4))
    assert drop(w, 0.0, True, True) is w
    assert w._version == 0


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = mg.randn(400, 500)
    for layer in (nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)):
        y = layer(x).numpy()
        assert abs(y.mean()) < 0.03
        assert abs(y.std() - 1) < 0.03
    assert (F.alpha_dropout(x, 1.0, training=True) == 0).all()


def test_batch_norm_follows_the_statistics() -> None:
    layer, rng = nn.BatchNorm1d(2, momentum=None), np.random.default_rng(0)
    batches = rng.normal([3, -1], [2, 0.5], (5, 40, 2))
    for b in batches:
        y = layer(mg.tensor(b).float())
        assert np.allclose(y.detach().numpy().mean(0), 0, atol=1e-5)
        assert np.allclose(y.detach().numpy().std(0), 1, atol=1e-3)
    assert np.allclose(layer.running_mean.numpy(), batches.mean((0, 1)), atol=1e-5)
    assert np.allclose(layer.running_var.numpy(), batches.var(1, ddof=1).mean(0), atol=1e-4)
    assert layer.num_batches_tracked.item() == 5
    before = layer.running_mean.clone()
    layer.eval()(mg.ones(3, 2))
    assert (layer.running_mean == before).all()
    layer.reset_running_stats()
    assert layer.running_var.tolist() == [1, 1]


def test_batch_norm_with_its_own_statistics_is_the_identity() -> None:
    """The lectures: gamma = sqrt(var), beta = mean undoes the normalization."""
    layer, x = nn.BatchNorm1d(3, eps=1e-14).double(), mg.randn(20, 3, dtype=mg.float64)
    with mg.no_grad():
        layer.weight.copy_(x.var(0, correction=0).sqrt())
        layer.bias.copy_(x.mean(0))
    assert np.allclose(layer(x).detach().numpy(), x.numpy())


def test_batch_norm_refuses() -> None:
    with pytest.raises(ValueError, match=r"more than 1 value per channel.*eval"):
        nn.BatchNorm1d(3)(mg.ones(1, 3))
    assert nn.BatchNorm1d(3).eval()(mg.ones(1, 3)).shape == (1, 3)
    with pytest.raises(ValueError, match="2D or 3D input"):
        nn.BatchNorm1d(3)(mg.ones(2, 3, 4, 4))
    with pytest.raises(ValueError, match="4D input"):
        nn.BatchNorm2d(3)(mg.ones(2, 3))
    with pytest.raises(RuntimeError, match=r"3 elements|4 elements"):
        nn.BatchNorm1d(3)(mg.ones(2, 4))
    assert nn.BatchNorm1d(3).eval()(mg.ones(0, 3)).shape == (0, 3)


def test_batch_statistics_have_gradients_of_their_own() -> None:
    """The mean and variance that the operation returns beside its result."""
    from minigrad.ops.layers.normalization import batch_norm_training

    x = mg.randn(6, 2, dtype=mg.float64, requires_grad=True)
    w, b = mg.ones(2, dtype=mg.float64), mg.zeros(2, dtype=mg.float64)
    _, mean, var = batch_norm_training((x, w, b), (1e-5,))
    (g,) = mg.autograd.grad((mean * 3 + var).sum(), x)
    wanted = 3 / 6 + 2 * (x - x.mean(0)) / 5
    assert np.allclose(g.numpy(), wanted.detach().numpy())


def test_normalization_refuses() -> None:
    with pytest.raises(ValueError, match="divisible"):
        nn.GroupNorm(2, 3)
    with pytest.raises(RuntimeError, match="divisible"):
        F.group_norm(mg.ones(2, 3), 2)
    with pytest.raises(RuntimeError, match="normalized_shape"):
        nn.LayerNorm(4)(mg.ones(2, 3))
    with pytest.raises(ValueError, match="num_features"):
        nn.InstanceNorm1d(3, affine=True)(mg.ones(2, 4, 5))
    with pytest.raises(ValueError, match="spatial"):
        nn.InstanceNorm1d(3)(mg.ones(2, 3, 1))
    for f in (F.layer_norm, F.rms_norm):
        assert f(mg.ones(0, 3), (3,)).shape == (0, 3)


def test_embedding() -> None:
    table = nn.Embedding(5, 2, padding_idx=1)
    assert (table.weight[1] == 0).all()
    table(mg.tensor([1, 1, 3, 3])).sum().backward()
    assert table.weight.grad.tolist() == [[0, 0], [0, 0], [0, 0], [2, 2], [0, 0]]
    for bad, wrong in (([0, 5], 5), ([-1], -1)):
        with pytest.raises(IndexError, match=f"{wrong} at position"):
            table(mg.tensor(bad))
    with pytest.raises(RuntimeError, match=r"\.long\(\)"):
        table(mg.ones(2))
    given = nn.Embedding.from_pretrained(mg.ones(3, 4))
    assert not given.weight.requires_grad
    assert given(mg.tensor(2)).shape == (4,)
    assert nn.Embedding.from_pretrained(mg.ones(3, 4), freeze=False).weight.requires_grad
    with pytest.raises(AssertionError, match="2-dimensional"):
        nn.Embedding.from_pretrained(mg.ones(3))
    with pytest.raises(AssertionError, match="Padding_idx"):
        nn.Embedding(3, 2, padding_idx=3)
    limited = nn.Embedding(3, 4, max_norm=0.5)
    limited(mg.tensor([0, 2]))
    norms = np.linalg.norm(limited.weight.detach().numpy(), axis=1)
    assert (norms[[0, 2]] < 0.51).all()


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = nn.Maxout(3, 2, num_pieces=4)
    x = mg.randn(5, 3)
    pieces = F.linear(x, layer.weight, layer.bias).detach().numpy().reshape(5, 2, 4)
    assert np.allclose(layer(x).detach().numpy(), pieces.max(-1))
    layer(x).sum().backward()
    assert layer.weight.grad.shape == (8, 3)
    assert repr(layer) == "Maxout(in_features=3, out_features=2, num_pieces=4, bias=True)"
    with pytest.raises(ValueError, match="at least 1"):
        nn.Maxout(3, 2, 0)
    # two pieces x and -x make the absolute value
    absolute = nn.Maxout(1, 1, 2, bias=False)
    with mg.no_grad():
        absolute.weight.copy_(mg.tensor([[1.0], [-1.0]]))
    assert absolute(mg.tensor([[-3.0], [2.0]])).tolist() == [[3.0], [2.0]]


def test_rrelu_draws_slopes_in_training() -> None:
    x = -mg.ones(10_000)
    layer = nn.RReLU(0.1, 0.3)
    slopes = -layer(x).numpy()
    assert slopes.min() >= 0.1
    assert slopes.max() <= 0.3
    assert abs(slopes.mean() - 0.2) < 0.005
    assert np.allclose(-layer.eval()(x).numpy(), 0.2)
    x = mg.ones(3, requires_grad=True)
    nn.RReLU()(x * -1).sum().backward()
    assert ((-x.grad >= 1 / 8) & (-x.grad <= 1 / 3)).all()


def test_selu_with_lecun_holds_mean_and_variance() -> None:
    """Claim of the lectures: 50 layers deep, mean 0 and standard deviation 1."""
    x = mg.randn(200, 256)
    with mg.no_grad():
        for _ in range(50):
            x = F.selu(x @ nn.init.lecun_normal_(mg.empty(256, 256)).t())
    assert abs(x.mean().item()) < 0.2
    assert 0.7 < x.std().item() < 1.3


def test_activations_do_not_overflow() -> None:
    x = mg.tensor([-1e4, -100.0, 0.0, 100.0, 1e4])
    for name in (
        "sigmoid",
        "softplus",
        "logsigmoid",
        "mish",
        "silu",
        "elu",
        "selu",
        "gelu",
        "celu",
    ):
        y = x.clone().requires_grad_()
        out = getattr(F, name)(y)
        out.sum().backward()
        assert np.isfinite(out.detach().numpy()).all(), name
        assert np.isfinite(y.grad.numpy()).all(), name


def test_inplace_activations_write_their_input() -> None:
    for layer in (nn.ReLU(True), nn.ELU(inplace=True), nn.Hardtanh(inplace=True), nn.Mish(True)):
        x = mg.tensor([-2.0, 3.0])
        assert layer(x) is x
        w = mg.tensor([-2.0, 3.0], requires_grad=True)
        layer(w * 1).sum().backward()
        assert w.grad is not None
        with pytest.raises(RuntimeError, match="leaf"):
            layer(w)


def test_flatten_and_unflatten_undo_each_other() -> None:
    x = mg.randn(2, 3, 4)
    y = nn.Unflatten(1, (3, 4))(nn.Flatten()(x))
    assert (y == x).all()
    with pytest.raises(TypeError, match="unflattened_size"):
        nn.Unflatten(1, 3)
    with pytest.raises(TypeError, match="dim"):
        nn.Unflatten("a", (1,))  # type: ignore[arg-type]


def test_a_transposed_weight_follows_and_sends_its_gradient() -> None:
    a = nn.Linear(4, 2, bias=False)
    net = nn.Sequential(a, nn.TransposedLinear(a, bias=False))
    x = mg.randn(3, 4)
    net(x).pow(2).sum().backward()
    w = a.weight.detach().clone().requires_grad_()
    (x @ w.T @ w).pow(2).sum().backward()
    np.testing.assert_allclose(a.weight.grad.numpy(), w.grad.numpy(), rtol=1e-5)
    assert len(list(net.parameters())) == 1
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with mg.no_grad():
            twin[0].weight.fill_(1.0)
        assert mg.allclose(twin(x), 2 * x.sum(1, keepdim=True).expand(3, 4), atol=1e-6)
    assert not (net[1].weight == 1).any()
    assert "in_features=2, out_features=4, tied=True" in repr(net)


def test_made_functions_bear_their_names_and_fill_in_their_texts() -> None:
    made = [n for n in dir(F) if (n.rstrip("d")[-1:] in "123" and "pool" in n) or "dropout" in n]
    assert len(made) > 20
    for name in made:
        function = getattr(F, name)
        assert function.__name__ == name
        assert "{" not in (function.__doc__ or "")
        assert "n" not in inspect.signature(function).parameters
