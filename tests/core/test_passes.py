"""Backward passes: whose memory gradients are, what hooks see, what an exception leaves behind."""

from __future__ import annotations

import itertools
import signal
import threading
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd.graph import register_multi_grad_hook
from minigrad.core import engine
from minigrad.core.engine import apply, find_edges
from minigrad.core.modes import current
from minigrad.core.passes import running
from minigrad.core.rules import REGISTRY


def leaf(*values: float) -> Tensor:
    return mg.tensor(list(values), dtype=mg.float64, requires_grad=True)


# -- whose memory it is ----------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_no_two_gradients_share_memory(create_graph: bool) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    given = mg.ones(2, dtype=mg.float64)
    (a + b).backward(given, create_graph=create_graph)
    for x, y in itertools.combinations((a.grad, b.grad, given), 2):
        assert not np.shares_memory(x.array, y.array)
    with mg.no_grad():
        a.grad.mul_(100)
    assert (b.grad.tolist(), given.tolist()) == ([1, 1], [1, 1])


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_through_sum_can_be_added_to_and_zeroed(create_graph: bool) -> None:
    x = leaf(1.0, 2.0)
    optimizer = mg.optim.SGD([x], lr=0.1)
    for _ in range(2):
        x.sum().backward(create_graph=create_graph)
    assert x.grad.tolist() == [2, 2]
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0, 0]
    x.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_a_kept_gradient_is_a_copy() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    given = mg.ones(2, dtype=mg.float64)
    y.backward(given)
    with mg.no_grad():
        y.grad.mul_(10)
    assert (given.tolist(), x.grad.tolist()) == ([1, 1], [2, 2])


def test_a_gradient_asked_for_twice_is_two_arrays() -> None:
    x = leaf(1.0, 2.0)
    a, b = mg.autograd.grad((x * x).sum(), (x, x))
    assert not np.shares_memory(a.array, b.array)


def _samples(op: Any) -> Any:
    try:
        yield from itertools.islice(op.sample(np.random.default_rng(0)), 3)
    except TypeError:  # operations on integers draw nothing
        return


@pytest.mark.parametrize("name", sorted(n for n, op in REGISTRY.items() if op.differentiable))
def test_what_the_engine_takes_for_its_own_is_nobody_elses(name: str) -> None:
    """The engine adds into gradients that rules return, if they are no views and not what arrived:
    none of them may be memory that the node keeps, or that another input receives.
    """
    op = REGISTRY[name]
    for sample in _samples(op):
        tensors = [Tensor(np.asarray(a).copy()) for a in sample[0]]
        for t in tensors:
            t._requires_grad = t.array.dtype.kind == "f"
        y = apply(op, tuple(tensors), tuple(sample[1]))
        results = y if isinstance(y, tuple) else (y,)
        chosen = [r for r in results if r._requires_grad]
        if not chosen:
            continue
        node = chosen[0].node
        kept = [t.array for t in node.saved or () if t is not None]
        kept += [a for a in node.residuals if isinstance(a, np.ndarray)]
        kept += [r.array for r in results]
        flow = np.full(chosen[0].shape, 0.5, chosen[0].array.dtype)
        if node.op.__class__.__name__ == "Pick":
            (whole,) = node.edges
            kept += [a for a in whole.residuals if isinstance(a, np.ndarray)]
            kept += [t.array for t in whole.saved or () if t is not None]
            (g,) = node.op.backward(node, flow)
            node = whole
        else:
            g = flow
        with mg.no_grad():
            parts = node.op.backward(node, g)
        own = [
            p for p in parts
            if p is not None and p is not g and isinstance(p, np.ndarray) and p.base is None
        ]  # fmt: skip
        for p in own if node.op.owns else ():
            assert not any(np.shares_memory(p, k) for k in [*kept, flow])
        for p, q in itertools.combinations(own if node.op.owns else (), 2):
            assert p is not q
            assert not np.shares_memory(p, q)


def test_a_parameter_without_dimensions_gets_a_gradient_without() -> None:
    p = mg.tensor(0.25, requires_grad=True)
    for y in (
        mg.ones(3) * p, mg.nn.functional.prelu(-mg.ones(2, 3), p), p.expand(4), p.reshape(1, 1),
        mg.stack([p, p]), mg.cat([p.reshape(1), p.reshape(1)]),
    ):  # fmt: skip
        p.grad = None
        y.sum().backward()
        assert p.grad.array.shape == ()


# -- what hooks see --------------------------------------------------------------------------------


def test_retain_grad_follows_a_write_in_place() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * y).sum().backward()
    assert y.grad.tolist() == [12, 24]
    assert x.grad.tolist() == [72, 144]


def test_retain_grad_follows_a_write_into_a_view() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y[0].mul_(3)
    (y * y).sum().backward()
    assert y.grad.tolist() == [12, 8]


def test_a_hook_of_several_tensors_belongs_to_its_pass() -> None:
    a, b = leaf(1.0), leaf(2.0)
    calls: list[list[Any]] = []
    register_multi_grad_hook(
        (a, b), lambda gs: calls.append([None if g is None else g.item() for g in gs])
    )
    (a * 2).sum().backward()
    assert calls == [[2, None]]  # at the end of this pass, not in a later one
    leaf(1.0).sum().backward()
    assert len(calls) == 1

    bad = b * 3
    bad.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (a * 5 + bad).sum().backward()
    leaf(1.0).sum().backward()
    assert len(calls) == 1  # nor does an exception leave it for the next


def test_passes_inside_passes_keep_to_themselves() -> None:
    a, b, inner = leaf(1.0), leaf(2.0), leaf(3.0)
    order: list[str] = []
    register_multi_grad_hook((a, b), lambda gs: order.append("outer"))
    register_multi_grad_hook((inner,), lambda gs: order.append("inner"))

    def nested(g: Tensor) -> None:
        with mg.enable_grad():
            (inner * 2).sum().backward()
        order.append("after the inner pass")

    y = a * b
    y.register_hook(nested)
    y.sum().backward()
    assert order == ["inner", "after the inner pass", "outer"]
    assert running.get() is None


def test_an_exception_leaves_no_mode_behind() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    before, errors = current.get(), np.geterr()
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert current.get() is before
    assert np.geterr() == errors
    assert running.get() is None


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
def test_an_interrupt_leaves_grad_mode_on() -> None:
    """A timer interrupts training at many moments, as Ctrl-C would."""
    model = mg.nn.Sequential(mg.nn.Linear(4, 8), mg.nn.ReLU(), mg.nn.Linear(8, 1))
    optimizer = mg.optim.Adam(model.parameters(), lr=1e-3)
    x = mg.randn(16, 4)

    class Stop(Exception):
        pass

    def stop(number: int, frame: Any) -> None:
        raise Stop

    def step() -> None:
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    step()  # compiles and imports, which is not what is asked here
    before = signal.signal(signal.SIGALRM, stop)
    errors = np.geterr()
    try:
        for i in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, 2e-4 + 7.3e-6 * i)
                while True:
                    step()
            except Stop:
                pass
            assert mg.is_grad_enabled()
            assert np.geterr() == errors
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- the hot path says what the loop says ----------------------------------------------------------


@pytest.mark.parametrize("wanted", [*itertools.product([False, True], repeat=2), (False,), (True,)])
def test_one_and_two_inputs_spelled_out_are_the_loop(wanted: tuple[bool, ...]) -> None:
    inputs = tuple(mg.ones(2, requires_grad=w) for w in wanted)
    inputs += tuple(i * 1 for i in inputs)[: 2 - len(inputs)]  # one that a node made
    op = REGISTRY["mul"] if len(inputs) == 2 else REGISTRY["exp"]
    need, edges = find_edges(inputs)
    y = engine.record(op, inputs, (), np.ones(2, np.float32))
    assert (y.node is not None) == bool(need)
    if need:
        assert y.node.edges == edges
        assert y.node.saved == op.keep(inputs, need)
