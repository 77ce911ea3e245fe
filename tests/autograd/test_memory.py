"""Graphs are freed when they are done with, at once, without the garbage collector."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.graph import grad


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def network(x: mg.Tensor, w: mg.Tensor, b: mg.Tensor) -> tuple[mg.Tensor, list[Any]]:
    """A loss, and weak references to what it was computed through."""
    h = (x * w).relu()
    s = (h + b).exp()
    part = s[0:1]
    y = (s * part).log().sum(1)
    loss = y.mean()
    made = (h, s, part, y, loss)
    return loss, [weakref.ref(t) for t in made] + [weakref.ref(t.node) for t in made]


def leaves() -> tuple[mg.Tensor, mg.Tensor, mg.Tensor]:
    return mg.ones(3, 4), mg.ones(4, requires_grad=True), mg.ones(1, requires_grad=True)


def test_a_graph_goes_with_its_result() -> None:
    loss, refs = network(*leaves())
    assert all(r() is not None for r in refs[5:])
    del loss
    assert [r() for r in refs] == [None] * len(refs)


def test_a_graph_goes_after_backward() -> None:
    loss, refs = network(*leaves())
    loss.backward()
    del loss
    assert [r() for r in refs] == [None] * len(refs)


def test_a_graph_goes_after_grad_with_create_graph() -> None:
    x, w, b = leaves()
    loss, refs = network(x, w, b)
    (g,) = grad(loss, w, create_graph=True)
    (h,) = grad(g.sum(), w)
    del loss, g, h
    assert [r() for r in refs] == [None] * len(refs)


def test_what_was_saved_goes_in_backward_though_the_loss_stays() -> None:
    x = mg.ones(1000, requires_grad=True)
    h = x * 2
    big = weakref.ref(h)
    loss = (h * h).sum()
    del h
    assert big() is not None
    loss.backward()
    assert big() is None


def test_writes_through_views_leave_no_cycle() -> None:
    x = mg.ones(4, requires_grad=True)
    y = x * 2
    v = y[0:2]
    v.mul_(3)
    y.add_(1)
    refs = [weakref.ref(t) for t in (y, v, y.node, v.node)]
    y.sum().backward()
    del y, v
    assert [r() for r in refs] == [None] * 4


def test_hooks_and_retain_grad_leave_no_cycle() -> None:
    x = mg.ones(4, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    ref = weakref.ref(y)
    y.sum().backward()
    del y
    assert ref() is None


def test_a_custom_function_that_saves_its_result_leaves_no_cycle() -> None:
    class Exp(mg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: mg.Tensor) -> mg.Tensor:
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: mg.Tensor) -> mg.Tensor:
            return g * ctx.saved_tensors[1]

    x = mg.ones(4, requires_grad=True)
    y = Exp.apply(x)
    ref = weakref.ref(y)
    del y
    assert ref() is None


def resident() -> int:
    """Bytes of memory in use by this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def train(steps: int) -> None:
    w = mg.tensor(np.linspace(-1, 1, 16, dtype=np.float32), requires_grad=True)
    x = mg.ones(16)
    for _ in range(steps):
        loss = ((w * x).tanh() - 0.5).square().mean()
        loss.backward()
        with mg.no_grad():
            w -= 0.01 * w.grad
        w.grad = None


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("steps", [5_000, pytest.param(40_000, marks=pytest.mark.slow)])
def test_memory_stays_flat_over_many_steps(steps: int) -> None:
    train(1000)
    before = resident()
    train(steps)
    assert resident() - before < 1_000_000
