"""Parameters that are functions of others: registering, removing, norms, orthogonal matrices."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a: Any) -> Any:
        return a.triu()


class Double(nn.Module):
    """Without an inverse."""

    def forward(self, x: Any) -> Any:
        return 2 * x


class Halves(nn.Module):
    """A sum of two tensors."""

    def forward(self, a: Any, b: Any) -> Any:
        return a + b

    def right_inverse(self, x: Any) -> Any:
        return x / 2, x / 2


class Wider(nn.Module):
    def forward(self, x: Any) -> Any:
        return mg.cat([x, x], 1)


def symmetric(n: int = 3) -> Any:
    return parametrize.register_parametrization(nn.Linear(n, n), "weight", Symmetric())


# -- registering -----------------------------------------------------------------------------------


def test_the_parameter_is_trained_and_the_weight_keeps_its_form() -> None:
    plain = nn.Linear(3, 3)
    parameter = plain.weight
    layer = parametrize.register_parametrization(plain, "weight", Symmetric())
    assert layer is plain
    assert layer.parametrizations.weight.original is parameter  # optimizers still know it
    assert [name for name, _ in layer.named_parameters()] == [
        "bias",
        "parametrizations.weight.original",
    ]
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    before = layer.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        (layer(mg.randn(4, 3)) ** 2).sum().backward()
        optimizer.step()
    assert (layer.weight == layer.weight.T).all()
    assert not mg.allclose(layer.weight, before)


def test_class_changes_and_comes_back() -> None:
    layer = symmetric()
    assert type(layer).__name__ == "ParametrizedLinear"
    assert type(layer) is type(symmetric(2))
    assert isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.register_parametrization(layer, "bias", Double())
    weight = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight")
    assert parametrize.is_parametrized(layer, "bias")
    assert not parametrize.is_parametrized(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter)
    assert (layer.weight == weight).all()
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear
    assert "parametrizations" not in layer._modules
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    pickle.loads(pickle.dumps(layer))


def test_removing_leaves_the_original_or_the_result() -> None:
    layer = nn.Linear(2, 2)
    start = layer.weight.detach().clone()
    parameter = layer.weight
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is parameter
    assert (layer.weight == start).all()
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is parameter
    assert (layer.weight == 2 * start).all()
    with pytest.raises(ValueError, match="does not have a parametrization"):
        parametrize.remove_parametrizations(layer, "weight")
    parametrize.register_parametrization(layer, "weight", Halves())
    with pytest.raises(ValueError, match="sequence of tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter)
    assert mg.allclose(layer.weight, 2 * start)


def test_assignment_goes_through_the_inverse() -> None:
    layer = symmetric(2)
    a = mg.tensor([[1.0, 2.0], [5.0, 3.0]])
    layer.weight = a
    assert layer.weight.tolist() == [[1, 2], [2, 3]]
    assert layer.parametrizations.weight.original.tolist() == [[1, 2], [0, 3]]
    other = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Double())
    with pytest.raises(RuntimeError, match="Double does not implement right_inverse"):
        other.weight = a
    with pytest.raises(KeyError, match="already exists"):
        layer.weight = nn.Parameter(a)


def test_several_originals() -> None:
    layer = nn.Linear(2, 2)
    start = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Halves())
    keys = ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert list(layer.state_dict()) == keys
    assert mg.allclose(layer.weight, start)
    listed = layer.parametrizations.weight
    assert listed.ntensors == 2
    assert not listed.is_tensor
    layer(mg.ones(1, 2)).sum().backward()
    assert (listed.original0.grad == listed.original1.grad).all()
    layer.weight = mg.ones(2, 2)
    assert (listed.original1 == 0.5).all()


def test_chains() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data.copy_(mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.weight.tolist() == [[2, 4], [4, 8]]
    assert len(layer.parametrizations.weight) == 2
    assert "(1): Symmetric()" in repr(layer)


def test_buffers_can_be_parametrized() -> None:
    layer = nn.BatchNorm1d(2)
    parametrize.register_parametrization(layer, "running_var", Double())
    assert layer.running_var.tolist() == [2, 2]
    assert "parametrizations.running_var.original" in dict(layer.named_buffers())
    parametrize.remove_parametrizations(layer, "running_var")
    assert layer.running_var.tolist() == [2, 2]
    assert "running_var" in layer._buffers


def test_what_changes_shape_or_dtype_must_be_unsafe() -> None:
    class Float64(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.double()

    class Nothing(nn.Module):
        def forward(self, x: Any) -> Any:
            return 1

    class Other(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.float()

        def right_inverse(self, x: Any) -> Any:
            return x.double()

    for wrong, text in (
        (Wider(), "may not change the shape"),
        (Float64(), "may not change the dtype"),
        (Nothing(), "must return a tensor. Got int"),
    ):
        layer = nn.Linear(2, 2)
        with pytest.raises(ValueError, match=text):
            parametrize.register_parametrization(layer, "weight", wrong)
        assert type(layer) is nn.Linear
        assert isinstance(layer.weight, nn.Parameter)
        layer = symmetric(2)
        with pytest.raises(ValueError, match=text):
            parametrize.register_parametrization(layer, "weight", wrong)
        assert len(layer.parametrizations.weight) == 1
    with pytest.raises(ValueError, match="may not change the dtype"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Other())
    with pytest.raises(ValueError, match="same dtype"):
        parametrize.register_parametrization(symmetric(2), "weight", Other())
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wider(), unsafe=True)
    assert layer.weight.shape == (2, 4)
    assert layer.parametrizations.weight.unsafe
    with pytest.raises(ValueError, match="does not have a parameter, a buffer"):
        parametrize.register_parametrization(layer, "x", Double())
    with pytest.raises(ValueError, match="one or more modules"):
        parametrize.ParametrizationList([], mg.ones(2))
    with pytest.raises(ValueError, match="is None"):
        parametrize.register_parametrization(nn.Linear(2, 2, bias=False), "bias", Double())


# -- saving and copying ----------------------------------------------------------------------------


def test_state_goes_from_one_to_another() -> None:
    one, other = symmetric(), symmetric()
    assert not mg.allclose(one.weight, other.weight)
    assert other.load_state_dict(one.state_dict()) == ([], [])
    assert (one.weight == other.weight).all()
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(one)


def test_copies_are_independent() -> None:
    one = symmetric()
    other = copy.deepcopy(one)
    assert type(other) is type(one)
    assert (other.weight == one.weight).all()
    with mg.no_grad():
        other.parametrizations.weight.original.zero_()
    assert (other.weight == 0).all()
    assert not (one.weight == 0).all()
    parametrize.remove_parametrizations(other, "weight")
    assert parametrize.is_parametrized(one, "weight")
    assert (one.weight == one.weight.T).all()
    with parametrize.cached():  # each has values of its own
        third = copy.deepcopy(one)
        third.weight = mg.ones(3, 3)
        assert not mg.allclose(one.weight, third.weight)


def test_parametrizations_are_transferred() -> None:
    one, other = symmetric(), nn.Linear(3, 3)
    parametrize.register_parametrization(one, "bias", Halves())
    assert parametrize.transfer_parametrizations_and_params(one, other, "weight") is other
    assert other.parametrizations.weight.original is one.parametrizations.weight.original
    assert not parametrize.is_parametrized(other, "bias")
    bare = nn.Module()
    parametrize.transfer_parametrizations_and_params(one, bare)
    assert (bare.bias == one.bias).all()
    assert bare.parametrizations.bias.original1 is one.parametrizations.bias.original1
    plain = nn.Linear(2, 2)
    parametrize.transfer_parametrizations_and_params(plain, other)
    assert (other.weight == one.weight).all()


def test_cache() -> None:
    layer = symmetric()
    assert layer.weight is not layer.weight
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first
    x = mg.ones(1, 3)
    with parametrize.cached():
        layer(layer(x)).sum().backward()
    cached = layer.parametrizations.weight.original.grad.clone()
    layer.zero_grad()
    layer(layer(x)).sum().backward()
    assert mg.allclose(cached, layer.parametrizations.weight.original.grad)


def test_modes_and_types_reach_the_parametrizations() -> None:
    layer = symmetric().eval()
    assert not layer.parametrizations.weight[0].training
    layer.double()
    assert layer.weight.dtype is mg.float64
    assert layer(mg.ones(2, 3, dtype=mg.float64)).dtype is mg.float64
    values = {"parametrizations.weight.original": mg.eye(3, dtype=mg.float64)}
    y = mg.func.functional_call(layer, values, mg.ones(1, 3, dtype=mg.float64))
    assert mg.allclose(y, layer.bias + 1)


# -- norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "shape"), [(0, (4, 1)), (1, (1, 3)), (None, ())])
def test_weight_norm(dim: int | None, shape: tuple[int, ...]) -> None:
    layer = nn.Linear(3, 4).double()
    start = layer.weight.detach().clone()
    parametrizations.weight_norm(layer, dim=dim)  # type: ignore[arg-type]
    g, v = (getattr(layer.parametrizations.weight, f"original{i}") for i in range(2))
    assert g.shape == shape
    assert mg.allclose(layer.weight, start)
    (layer(mg.randn(5, 3, dtype=mg.float64)) ** 2).sum().backward()
    along = (v.grad * v).detach().numpy()  # the gradient is perpendicular to the direction
    total = along.sum() if dim is None else along.sum(1 - dim)
    assert np.allclose(total, 0, atol=1e-12)
    with mg.no_grad():
        g.mul_(3)
    assert mg.allclose(layer.weight, 3 * start)
    layer.weight = 2 * start
    assert mg.allclose(layer.weight, 2 * start)
    assert mg.allclose(v, 2 * start)


def test_weight_norm_reads_what_the_hook_saved() -> None:
    old = nn.Linear(3, 4)
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(old)
    new = parametrizations.weight_norm(nn.Linear(3, 4))
    assert new.load_state_dict(old.state_dict()) == ([], [])
    assert mg.allclose(new.weight, old.weight)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 5)])
def test_spectral_norm_finds_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    mg.manual_seed(0)
    layer = nn.Module()
    layer.weight = nn.Parameter(mg.randn(*shape, dtype=mg.float64) * 7)
    parametrizations.spectral_norm(layer, n_power_iterations=200)
    weight = layer.weight.detach().numpy().reshape(shape[0], -1)
    assert np.linalg.norm(weight, 2) == pytest.approx(1, rel=1e-6)
    u = layer.parametrizations.weight[0]._u.clone()
    layer.eval()
    assert (layer.weight == layer.weight).all()
    assert (layer.parametrizations.weight[0]._u == u).all()  # only training moves it


def test_spectral_norm_keeps_its_buffers_and_its_gradient() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(4, 3).double())
    part = layer.parametrizations.weight[0]
    u, start = part._u, part._u.clone()
    x = mg.randn(5, 4, dtype=mg.float64)
    loss = layer(x).sum() + (layer(x) ** 2).sum()  # two readings before one backward pass
    loss.backward()
    assert part._u is u
    assert not (part._u == start).all()
    layer.eval()
    original = layer.parametrizations.weight.original

    def weight(w: Any) -> Any:
        return part(w)

    assert mg.autograd.gradcheck(weight, (original,))
    with pytest.raises(ValueError, match="n_power_iterations"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match="Dimension out of range"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "x")
    vector = parametrizations.spectral_norm(nn.Linear(4, 3), "bias").bias
    assert vector.norm().item() == pytest.approx(1, rel=1e-5)


def test_hooks_of_the_older_form() -> None:
    layer = nn.Linear(3, 4)
    start = layer.weight.detach().clone()
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(layer)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_g", "weight_v"]
    with mg.no_grad():
        layer.weight_g.mul_(2)
    x = mg.ones(2, 3)
    assert mg.allclose(layer(x), x @ (2 * start).T + layer.bias, atol=1e-6)
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="two weight_norm hooks"):
        nn.utils.weight_norm(layer)
    nn.utils.remove_weight_norm(layer)
    assert mg.allclose(layer.weight, 2 * start)
    assert not layer._forward_pre_hooks
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_weight_norm(layer)


def test_spectral_hook() -> None:
    layer = nn.utils.spectral_norm(nn.ConvTranspose1d(3, 7, 2).double(), n_power_iterations=100)
    assert layer.weight_u.shape == (7,)
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    layer(mg.ones(1, 3, 4, dtype=mg.float64))
    matrix = layer.weight.detach().numpy().transpose(1, 0, 2).reshape(7, -1)
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, rel=1e-4)
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        nn.utils.spectral_norm(layer)
    other = nn.utils.spectral_norm(nn.ConvTranspose1d(3, 7, 2).double())
    assert other.load_state_dict(layer.state_dict()) == ([], [])
    early = {k: v.clone() for k, v in layer.state_dict().items() if k != "weight_v"}
    early["weight"] = layer.weight.detach()
    assert other.load_state_dict(early) == ([], [])  # v is found from the others
    assert mg.allclose(other.weight_v, layer.weight_v)
    nn.utils.remove_spectral_norm(layer)
    assert isinstance(layer.weight, nn.Parameter)
    assert not layer._forward_pre_hooks
    assert not layer._state_dict_hooks
    assert not layer._load_state_dict_pre_hooks
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_spectral_norm(layer)
    with pytest.raises(ValueError, match="is None"):
        nn.utils.spectral_norm(nn.Linear(2, 2, bias=False), "bias")


# -- orthogonal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("map_", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal_stays_so_in_training(map_: str, shape: tuple[int, ...], trivial: bool) -> None:
    mg.manual_seed(0)
    layer = nn.Module()
    layer.weight = nn.Parameter(nn.init.orthogonal_(mg.empty(shape[-2:], dtype=mg.float64)))
    if len(shape) > 2:
        layer.weight = nn.Parameter(mg.stack([layer.weight.detach(), -layer.weight.detach()]))
    start = layer.weight.detach().clone()
    parametrizations.orthogonal(layer, orthogonal_map=map_, use_trivialization=trivial)
    if trivial or map_ == "householder":
        assert mg.allclose(layer.weight, start, atol=1e-10)
    target = mg.randn(*shape, dtype=mg.float64)
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = ((layer.weight - target) ** 2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    q = layer.weight.detach().numpy()
    q = q if shape[-2] >= shape[-1] else np.swapaxes(q, -1, -2)
    assert np.allclose(np.swapaxes(q, -1, -2) @ q, np.eye(q.shape[-1]), atol=1e-10)
    if trivial:
        layer.weight = start
        assert mg.allclose(layer.weight, start, atol=1e-10)
        with pytest.raises(ValueError, match="Expected a matrix or batch"):
            layer.weight = mg.ones(2, 2, dtype=mg.float64)
    elif map_ != "householder":
        with pytest.raises(NotImplementedError, match="not possible to assign"):
            layer.weight = start


def test_orthogonal_arguments() -> None:
    square = parametrizations.orthogonal(nn.Linear(3, 3)).parametrizations.weight[0]
    assert square.orthogonal_map.name == "matrix_exp"
    wide = parametrizations.orthogonal(nn.Linear(4, 3)).parametrizations.weight[0]
    assert wide.orthogonal_map.name == "householder"
    assert wide.base.shape == (4, 4)
    with pytest.raises(ValueError, match="has to be one of"):
        parametrizations.orthogonal(nn.Linear(3, 3), orthogonal_map="x")
    with pytest.raises(ValueError, match="Got a tensor of 1 dimensions"):
        parametrizations.orthogonal(nn.Linear(3, 3), "bias")
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.orthogonal(nn.Linear(3, 3), "x")


def test_recurrent_weights_can_be_orthogonal() -> None:
    rnn = parametrizations.orthogonal(nn.RNN(2, 3), "weight_hh_l0")
    with parametrize.cached():
        y, _ = rnn(mg.ones(4, 1, 2))
    y.sum().backward()
    assert rnn.parametrizations.weight_hh_l0.original.grad is not None
