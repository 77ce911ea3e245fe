"""What users write in a training step, done again without their code; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import capture, func, nn, optim
from minigrad.autograd import Function
from minigrad.autograd.graph import saved_tensors_hooks
from minigrad.utils.checkpoint import checkpoint
from tests.capture.again import recorded, same_bits

#: A loss of a model, inputs and targets; what it does besides is what is tested.
Loss = Callable[[nn.Module, mg.Tensor, mg.Tensor], mg.Tensor]


class _Cube(Function):
    """``x**3``, which keeps its input, and an intermediate as an attribute."""

    @staticmethod
    def forward(ctx: Any, x: Any, scale: float) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * ctx.scale * x * x * g, None


class _Halves(Function):
    """Two results, one of them an input of the derivative."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y / 2, y.detach().clone()

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        (y,) = ctx.saved_tensors
        return y * (g / 2 + h)


def _function(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    a, b = _Halves.apply(model(x) / 4)
    return F.mse_loss(_Cube.apply(a + b, 0.5), t)


def _module_hooks(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    handles = [
        model.register_forward_pre_hook(lambda m, args: (args[0] * 1.5,)),
        model.register_forward_hook(lambda m, args, y: y + args[0].sum()),
        model[0].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,)),
        model[0].register_full_backward_pre_hook(lambda m, go: (go[0] / 3,)),
    ]
    loss = F.mse_loss(model(x.requires_grad_()), t)
    (gx,) = mg.autograd.grad(loss, x, retain_graph=True)
    for handle in handles:
        handle.remove()
    return loss + gx.sum()


def _tensor_hooks(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    y = model(x)
    y.register_hook(lambda g: g * 2)
    model[0].weight.register_hook(lambda g: g.clamp(-0.1, 0.1))
    y.retain_grad()
    assert y.grad_fn is not None
    y.grad_fn.register_prehook(lambda gs: (gs[0] + 1,))
    return F.mse_loss(y, t)


def _after_hooks(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    def shrink(p: Any) -> None:
        with mg.no_grad():
            p.grad.mul_(0.5)

    handles = [p.register_post_accumulate_grad_hook(shrink) for p in model.parameters()]
    loss = F.mse_loss(model(x), t)
    loss.backward(retain_graph=True)
    for handle in handles:
        handle.remove()
    return loss


def _checkpointed(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    y = checkpoint(lambda v: F.dropout(model(v), 0.3), x, use_reentrant=False)
    return F.mse_loss(y, t) + mg.rand(()).sum()


def _checkpointed_again(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    y = checkpoint(lambda v: F.dropout(model(v), 0.3), x.requires_grad_(), use_reentrant=True)
    return F.mse_loss(y, t)


def _kept_elsewhere(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    with saved_tensors_hooks(lambda v: (v * 2).half(), lambda v: v.float() / 2):
        return F.mse_loss(model(x).tanh(), t)


def _gradient_penalty(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    x.requires_grad_()
    y = model(x)
    (g,) = mg.autograd.grad(y.sum(), x, create_graph=True)
    return F.mse_loss(y, t) + ((g.norm(dim=1) - 1) ** 2).mean()


def _two_passes(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    loss = F.mse_loss(model(x), t)
    loss.backward(retain_graph=True)
    with mg.no_grad():
        target = model(x) * 0.9
    return loss + F.l1_loss(model(x), target)


def _in_place(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    y = model(x).clone()
    y[:, 0] *= 2
    y[1:3].add_(1)
    y.view(-1)[::3] = x.sum()
    z = mg.zeros(3, 2)
    z[0] = y[0]
    z.T[1].copy_(y[:3, 1])
    y.relu_()
    with mg.no_grad():
        model[0].weight.clamp_(-1, 1)
        model[0].weight.t()[0] += 0.01
    return F.mse_loss(y, t) + (z * z).mean()


def _transformed(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    params = dict(model.named_parameters())

    def loss_of(ps: Any, v: Any, target: Any) -> Any:
        return F.mse_loss(func.functional_call(model, ps, (v,)), target)

    each = func.vmap(func.grad(loss_of), in_dims=(None, 0, 0))(params, x, t)
    with mg.no_grad():
        for name, p in params.items():
            p.sub_(0.1 * each[name].mean(0))
    _, pull = func.vjp(lambda v: model(v).sum(1), x)
    (gx,) = pull(mg.ones(len(x)))
    columns = func.jacrev(lambda v: model(v))(x[0])
    _, forward = func.jvp(lambda v: model(v), (x,), (mg.ones(x.shape),))
    return F.mse_loss(model(x), t) + gx.sum() + columns.sum() + forward.sum()


def _noise_for_each(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    noisy = func.vmap(lambda v: v + mg.randn(3), randomness="different")(x)
    shared = func.vmap(lambda v: F.dropout(v, 0.5), randomness="same")(noisy)
    return F.mse_loss(model(shared), t)


def _states_of_generators(model: nn.Module, x: mg.Tensor, t: mg.Tensor) -> mg.Tensor:
    g = mg.Generator()
    g.manual_seed(3)
    start = mg.get_rng_state()
    first = mg.randn(6, 3) + mg.randn(6, 3, generator=g)
    mg.set_rng_state(start)
    second = mg.randn(6, 3)
    return F.mse_loss(model(x + first * second), t)


_ALL: list[Loss] = [
    _function, _module_hooks, _tensor_hooks, _after_hooks, _checkpointed, _checkpointed_again,
    _kept_elsewhere, _gradient_penalty, _two_passes, _in_place, _transformed, _noise_for_each,
    _states_of_generators,
]  # fmt: skip
LOSSES = {getattr(f, "__name__", "").strip("_"): f for f in _ALL}


def _setting() -> tuple[Any, mg.Tensor, mg.Tensor]:
    mg.manual_seed(11)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return model, mg.randn(6, 3), mg.randn(6, 2)


def _step(model: Any, optimizer: Any, loss_of: Loss, x: mg.Tensor, t: mg.Tensor) -> Any:
    optimizer.zero_grad()
    loss = loss_of(model, x, t)
    loss.backward()
    optimizer.step()
    return loss, [p.grad for p in model.parameters()]


@pytest.mark.parametrize("name", LOSSES)
def test_a_step(name: str) -> None:
    """The same bits again; and on other data those that the code of the user gives."""
    loss_of = LOSSES[name]
    model, x, t = _setting()
    optimizer = optim.Adam(model.parameters(), 0.01)
    seen, found = recorded([model, optimizer, x, t], lambda: _step(model, optimizer, loss_of, x, t))
    assert not seen.reads
    again = seen.replay()
    assert same_bits(again, [dict(model.named_parameters()), found]) > 4

    model, _, _ = _setting()
    optimizer = optim.Adam(model.parameters(), 0.01)
    other = x.detach() * 1.25
    expected = _step(model, optimizer, loss_of, mg.tensor(other.array), t)
    again = seen.replay({x: other.array})
    for e, r in zip([expected[0], *expected[1]], [found[0], *found[1]], strict=True):
        np.testing.assert_array_equal(again.value(r), e.array)


def test_a_tensor_of_raw_numpy_is_refused() -> None:
    """Its values would stay what they are now, whatever the input is."""
    x = mg.ones(3)

    def step() -> Any:
        smuggled = mg.Tensor(x.numpy() * 2)
        return x.exp() * smuggled

    line = r"mul \(compute\) reads float32 of shape \[3\].*test_user_code.*x\.exp\(\) \* smuggled"
    with capture.recording([x]) as seen, pytest.raises(capture.UnknownTensor, match=line):
        step()
    assert [event.op.name for event in seen.reads] == ["numpy"]


def test_a_tensor_that_was_not_named_is_refused() -> None:
    x, somewhere = mg.ones(3), mg.ones(3)
    with capture.recording([x]), pytest.raises(capture.UnknownTensor, match=r"x \+ somewhere"):
        x + somewhere


def test_a_tensor_of_data_of_the_user_is_data() -> None:
    """What depends on no tensor may be made inside: it is the same each time."""
    x = mg.ones(3)
    with capture.recording([x]) as seen:
        y = x + mg.tensor([1.0, 2.0, 3.0])
    assert seen.replay().value(y).tolist() == [2.0, 3.0, 4.0]
