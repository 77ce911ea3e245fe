"""Checkpointing: less memory, the same gradients."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def blocks(count: int) -> Any:
    mg.manual_seed(0)
    return mg.nn.Sequential(
        *[
            mg.nn.Sequential(
                mg.nn.Linear(16, 16), mg.nn.Tanh(), mg.nn.Dropout(0.3), mg.nn.LayerNorm(16)
            )
            for _ in range(count)
        ]
    )


def gradients(net: Any, forward: Callable[[Tensor], Tensor], rows: int = 8) -> Any:
    """All gradients, and the peak of memory."""
    mg.manual_seed(1)
    net.zero_grad()
    x = mg.randn(rows, 16, requires_grad=True)
    tracemalloc.start()
    y = forward(x)
    (y * y).sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [x.grad.array, *(p.grad.array.copy() for p in net.parameters())], peak


def each(x: Tensor, net: Any, **options: Any) -> Tensor:
    for block in net:
        x = checkpoint(block, x, **options)
    return x


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_the_same_gradients_dropout_included(use_reentrant: bool) -> None:
    net = blocks(3)
    expected, _ = gradients(net, net)
    ways = [
        lambda x: each(x, net, use_reentrant=use_reentrant),
        lambda x: checkpoint_sequential(net, 2, x, use_reentrant=use_reentrant),
        lambda x: checkpoint(net, x, use_reentrant=use_reentrant, early_stop=False),
    ]
    for way in ways:
        for a, b in zip(gradients(net, way)[0], expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_less_memory() -> None:
    net = blocks(12)
    gradients(net, net, 512)
    _, full = gradients(net, net, 512)
    _, less = gradients(net, lambda x: each(x, net), 512)
    assert less < 0.6 * full


def test_nested() -> None:
    net = blocks(4)

    def half(part: Any) -> Callable[[Tensor], Tensor]:
        return lambda x: each(x, part)

    expected, _ = gradients(net, net)
    found, _ = gradients(
        net, lambda x: checkpoint(half(net[2:]), checkpoint(half(net[:2]), x) * 1.0)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_arguments_by_name_structures_and_captured_tensors() -> None:
    x, w = (mg.ones(3, dtype=mg.float64, requires_grad=True) for _ in range(2))

    def f(d: Any, *, scale: Tensor) -> Any:
        return {"y": (d["x"] * scale * w).exp(), "n": 3}

    out = checkpoint(f, {"x": x}, scale=x * 2, use_reentrant=False)
    assert out["n"] == 3
    found = mg.autograd.grad(out["y"].sum(), (x, w))
    expected = mg.autograd.grad((x * (x * 2) * w).exp().sum(), (x, w))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.array, b.array)
    with pytest.raises(ValueError, match="Unexpected keyword"):
        checkpoint(f, {"x": x}, scale=x, use_reentrant=True)


def test_second_derivatives_and_second_passes() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(lambda x: (x**3).sum(), x)
    (g,) = mg.autograd.grad(y, x, create_graph=True)
    (h,) = mg.autograd.grad(g.sum(), x, retain_graph=True)
    (again,) = mg.autograd.grad(y, x)
    assert (g.tolist(), h.tolist(), again.tolist()) == ([3, 12], [6, 12], [3, 12])


def test_without_a_graph_the_function_just_runs() -> None:
    calls: list[int] = []
    with mg.no_grad():
        y = checkpoint(lambda x: (calls.append(1), x * 2)[1], mg.ones(2, requires_grad=True))
    assert (y.requires_grad, len(calls)) == (False, 1)


def test_the_function_runs_twice_and_stops_early() -> None:
    calls: list[str] = []

    def f(x: Tensor) -> Tensor:
        calls.append("start")
        y = x.exp().sum()
        calls.append("end")
        return y

    checkpoint(f, mg.ones(2, requires_grad=True)).backward()
    assert calls == ["start", "end", "start"]


def test_contexts() -> None:
    entered: list[str] = []

    @contextlib.contextmanager
    def note(name: str) -> Any:
        entered.append(name)
        yield

    y = checkpoint(
        lambda x: x.exp().sum(), mg.ones(2, requires_grad=True), use_reentrant=False,
        context_fn=lambda: (note("first"), note("again")),
    )  # fmt: skip
    assert entered == ["first"]
    y.backward()
    assert entered == ["first", "again"]


def test_a_function_that_changes_is_found_out() -> None:
    sizes = iter([3, 2])

    def f(x: Tensor) -> Tensor:
        return x[: next(sizes)].exp().sum()

    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(f, mg.ones(4, requires_grad=True)).backward()
    steps = iter([2, 1])

    def g(x: Tensor) -> Tensor:
        for _ in range(next(steps)):
            x = x.sin()
        return x.sum()

    with pytest.raises(CheckpointError, match="different number"):
        checkpoint(g, mg.ones(4, requires_grad=True)).backward()


def test_an_argument_that_was_written_to_is_found_out() -> None:
    x = mg.ones(2, requires_grad=True)
    y = x * 1
    z = checkpoint(lambda y: y.exp().sum(), y)
    y.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(mg.exp, mg.ones(1), determinism_check="some")
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(mg.exp, mg.ones(1), use_reentrant=True, debug=True)
