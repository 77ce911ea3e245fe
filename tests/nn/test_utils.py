"""Clipping gradients, and parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import utils


def parameters() -> list[nn.Parameter]:
    ps = [nn.Parameter(mg.ones(3)), nn.Parameter(mg.ones(2, 2)), nn.Parameter(mg.ones(1))]
    ps[0].grad = mg.tensor([3.0, 0.0, 0.0])
    ps[1].grad = mg.tensor([[0.0, 4.0], [0.0, 0.0]])
    return ps  # the last has none


@pytest.mark.parametrize(("p", "norm"), [(2.0, 5.0), (1.0, 7.0), (math.inf, 4.0), (0.0, 2.0)])
def test_norm_is_clipped(p: float, norm: float) -> None:
    ps = parameters()
    assert utils.clip_grad_norm_(ps, 1.0, p).item() == pytest.approx(norm)
    assert np.allclose(ps[0].grad.numpy(), [3 / norm, 0, 0], atol=1e-5)
    ps = parameters()
    utils.clip_grad_norm_(iter(ps), 10.0, p)
    assert ps[0].grad.tolist() == [3, 0, 0]
    assert utils.get_total_norm([q.grad for q in ps[:2]], p).item() == pytest.approx(norm)


def test_norms_that_are_not_finite() -> None:
    p = nn.Parameter(mg.ones(2))
    p.grad = mg.tensor([math.inf, 1.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert math.isinf(utils.clip_grad_norm_(p, 1.0).item())
    assert utils.clip_grad_norm_([], 1.0).item() == 0


def test_values_are_clipped() -> None:
    ps = parameters()
    utils.clip_grad_value_(ps, 3.5)
    assert ps[1].grad.tolist() == [[0.0, 3.5], [0.0, 0.0]]
    assert ps[0].grad.tolist() == [3.0, 0.0, 0.0]


def test_parameters_as_a_vector() -> None:
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    v = utils.parameters_to_vector(net.parameters())
    assert v.shape == (8,)
    v.sum().backward()
    assert (net.weight.grad == 1).all()
    weight = other.weight
    utils.vector_to_parameters(v, other.parameters())
    assert other.weight is weight
    assert (other.weight == net.weight).all()
    assert (other.bias == net.bias).all()
    with pytest.raises(RuntimeError, match="8 together"):
        utils.vector_to_parameters(mg.ones(7), net.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        utils.vector_to_parameters([1.0], net.parameters())  # type: ignore[arg-type]
