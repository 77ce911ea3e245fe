"""Hooks of all kinds: their order, what they see, what they may change; edges of the graph."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd.graph import (
    get_gradient_edge,
    increment_version,
    register_multi_grad_hook,
)


def leaf(*values: float) -> Tensor:
    return mg.tensor(list(values), dtype=mg.float64, requires_grad=True)


def test_the_order_of_hooks() -> None:
    seen: list[str] = []
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: seen.append("first of y"))
    y.retain_grad()
    y.register_hook(lambda g: (seen.append("second of y"), g * 10)[1])
    y.grad_fn.register_prehook(lambda gs: seen.append("before the node"))
    y.grad_fn.register_hook(lambda gi, go: seen.append("after the node"))
    x.register_hook(lambda g: seen.append("of the leaf"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append("after the sum"))
    y.sum().backward()
    assert seen == [
        "first of y", "second of y", "before the node", "after the node", "of the leaf",
        "after the sum",
    ]  # fmt: skip
    assert y.grad.tolist() == [10]  # what is retained is what the hooks leave
    assert x.grad.tolist() == [20]


def test_node_hooks_see_and_replace() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0)
    y = x * w
    seen: list[Any] = []

    def after(grad_inputs: Any, grad_outputs: Any) -> Any:
        seen.extend([[g.tolist() for g in grad_inputs], [g.tolist() for g in grad_outputs]])
        return grad_inputs[0], grad_inputs[1] * 0

    handle = y.grad_fn.register_hook(after)
    before = y.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
    y.sum().backward(retain_graph=True)
    assert seen == [[[6, 6], [6]], [[2, 2]]]
    assert (x.grad.tolist(), w.grad.tolist()) == ([6, 6], [0])
    handle.remove()
    before.remove()
    y.sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([9, 9], [3])


def test_node_hooks_with_a_graph() -> None:
    x = leaf(3.0)
    y = x**3
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 2,))
    (g,) = mg.autograd.grad(y, x, create_graph=True)
    (h,) = mg.autograd.grad(g, x)
    assert (g.item(), h.item()) == (54, 36)


def test_node_hooks_of_several_results() -> None:
    x = mg.ones(4, 2, dtype=mg.float64, requires_grad=True)
    _, mean, _ = mg.ops.layers.normalization.batch_norm_training(
        (x, mg.ones(2, dtype=mg.float64), mg.zeros(2, dtype=mg.float64)), (1e-5,)
    )
    seen: list[Any] = []
    mean.grad_fn.register_prehook(lambda gs: seen.append([g is None for g in gs]))
    mean.sum().backward()
    assert seen == [[True, False, True]]


@pytest.mark.parametrize("kind", ["register_hook", "register_prehook"])
def test_node_hooks_are_checked(kind: str) -> None:
    x = leaf(1.0)
    y = x * 2
    getattr(y.grad_fn, kind)(lambda *gs: (None, None, None))
    with pytest.raises(RuntimeError, match="incorrect number of values"):
        y.backward()


def test_metadata() -> None:
    y = leaf(1.0) * 2
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


def test_a_hook_for_several_gradients() -> None:
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    found: list[Any] = []

    def see(grads: Any) -> None:
        found.append([None if g is None else g.tolist() for g in grads])

    handle = register_multi_grad_hook((a, b, c), see)
    (a * b).sum().backward()
    (a + b + c).sum().backward()
    assert found == [[[2], [1], None], [[1], [1], [1]]]
    handle.remove()
    a.sum().backward()
    assert len(found) == 2


def test_a_hook_for_any_gradient() -> None:
    a, b = leaf(1.0), leaf(2.0)
    found: list[Any] = []
    register_multi_grad_hook((a, b), lambda g: found.append(g.tolist()), mode="any")
    (a * b).sum().backward()
    (a + b).sum().backward()
    assert len(found) == 2
    with pytest.raises(ValueError, match="Expects mode"):
        register_multi_grad_hook((a,), print, mode="some")


def test_edges_stand_for_tensors() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    z = (y * y).sum()
    edges = [get_gradient_edge(t) for t in (z, y, x)]
    found = mg.autograd.grad(edges[0], edges[1:], retain_graph=True)
    assert [g.tolist() for g in found] == [[6, 12], [18, 36]]
    mg.autograd.backward(edges[0], inputs=[edges[2]])
    assert x.grad.tolist() == [18, 36]
    with pytest.raises(RuntimeError, match="does not require"):
        get_gradient_edge(mg.ones(2))


def test_a_write_behind_the_back_of_the_graph_can_be_told() -> None:
    x = leaf(1.0)
    y = x * 1
    z = y * y
    increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_many_gradients_at_once() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y, z = x * x, x.exp().sum()
    flows = mg.eye(3, dtype=mg.float64)
    (g,) = mg.autograd.grad(y, x, flows, retain_graph=True, is_grads_batched=True)
    assert g.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    unused = leaf(1.0)
    a, b = mg.autograd.grad(
        (y, z), (x, unused), (flows, mg.zeros(3, dtype=mg.float64)), allow_unused=True,
        is_grads_batched=True,
    )  # fmt: skip
    assert a.tolist() == g.tolist()
    assert b is None
