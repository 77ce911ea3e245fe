"""The backward pass: order, accumulation, freeing, orders of derivatives, errors."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.autograd.graph import backward, grad


def leaf(*values: float) -> Tensor:
    return mg.tensor(
        list(values) if len(values) != 1 else values[0], dtype=mg.float64, requires_grad=True
    )


# -- shape of the graph --------------------------------------------------------------------------


def test_a_node_used_twice_gets_the_sum_before_it_runs() -> None:
    """``b = a + a; c = b + b``: without an order, b's second use would come too late."""
    a = leaf(3.0)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4.0


def test_diamonds_of_unequal_depth() -> None:
    x = leaf(2.0)
    short = x * 3
    long = ((x * x) + 1).exp().log()
    (short * long + long * x).backward()
    # d/dx [3x(x^2+1) + (x^2+1)x] = 4 (3 x^2 + 1)
    assert x.grad.item() == pytest.approx(52.0)


def test_a_ladder_of_diamonds_is_not_exponential() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(200):
        y = (y + y) * 0.5
    start = time.perf_counter()
    y.backward()
    assert x.grad.item() == 1.0
    assert time.perf_counter() - start < 1.0


def test_many_readers_of_one_tensor() -> None:
    x = leaf(1.0, 2.0)
    total = sum((x * k for k in range(100)), mg.zeros(2, dtype=mg.float64))
    total.sum().backward()
    assert x.grad.tolist() == [4950.0, 4950.0]


def test_gradients_of_broadcast_inputs_have_their_shape() -> None:
    x = mg.ones(3, 1, dtype=mg.float64, requires_grad=True)
    y = mg.ones(4, dtype=mg.float64, requires_grad=True)
    z = leaf(2.0)
    (x * y * z).sum().backward()
    assert x.grad.tolist() == [[8.0]] * 3
    assert y.grad.tolist() == [6.0] * 4
    assert z.grad.item() == 12.0


def test_the_order_of_the_pass_is_the_same_every_time() -> None:
    def run() -> list[str]:
        seen: list[str] = []
        x = leaf(0.5)
        parts = [x.exp(), x.sin(), x.tanh(), x * x]
        for p in parts:
            p.register_hook(lambda g, name=p.grad_fn.name(): seen.append(name))
        (parts[0] * parts[1] + parts[2] * parts[3]).backward()
        return seen

    assert run() == run() == ["MulBackward", "TanhBackward", "SinBackward", "ExpBackward"]


def chain(n: int) -> tuple[Tensor, Tensor]:
    x = leaf(1.0)
    y = x
    for _ in range(n):
        y = y + 1.0
    return x, y


def test_a_chain_of_100_000_operations_runs_and_is_freed() -> None:
    x, y = chain(100_000)
    y.backward()
    assert x.grad.item() == 1.0
    del y  # freeing must not recurse either


def test_a_chain_that_is_never_run_is_freed() -> None:
    _, y = chain(100_000)
    del y


def test_grad_and_create_graph_do_not_recurse() -> None:
    x, y = chain(20_000)
    (g,) = grad(y * y, x, create_graph=True)
    (h,) = grad(g, x)
    assert (g.item(), h.item()) == (2 * 20_001.0, 2.0)


@pytest.mark.slow
def test_a_chain_of_1_000_000_operations_runs_and_is_freed() -> None:
    x, y = chain(1_000_000)
    y.backward()
    assert x.grad.item() == 1.0
    del y


# -- backward ------------------------------------------------------------------------------------


def test_gradients_add_up_until_they_are_taken_away() -> None:
    x = leaf(3.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 12.0
    x.grad = None
    (x * x).backward()
    assert x.grad.item() == 6.0


def test_interior_gradients_are_not_kept() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward()
    assert y._grad is None


def test_leaves_do_not_share_the_array_of_their_gradient() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    a.grad.array[...] = 7
    assert b.grad.tolist() == [1.0, 1.0]


def test_the_gradient_that_flows_in_is_not_kept_by_a_leaf() -> None:
    x, g = leaf(1.0, 2.0), mg.ones(2, dtype=mg.float64)
    x.clone().backward(g)
    x.grad.array[...] = 7
    assert g.tolist() == [1.0, 1.0]
    y = leaf(1.0, 2.0)
    (y + 0).backward(g)
    (y + 0).backward(g)
    assert (y.grad.tolist(), g.tolist()) == ([2.0, 2.0], [1.0, 1.0])


def test_a_second_backward_names_the_operation() -> None:
    x = leaf(3.0)
    y = x.exp()
    y.backward()
    with pytest.raises(
        RuntimeError, match=r"backward through the graph a second time \(in ExpBackward\)"
    ):
        y.backward()
    assert x.grad.item() == pytest.approx(np.exp(3.0))


def test_a_second_backward_through_a_shared_part() -> None:
    x = leaf(3.0)
    shared = x * x
    (shared + 1).backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        (shared * 2).backward()


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = x * x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 54.0


def test_graphs_without_saved_values_may_run_again() -> None:
    x = leaf(3.0)
    y = x + 1.0
    y.backward()
    y.backward()
    assert x.grad.item() == 2.0


def test_backward_of_several_tensors() -> None:
    x = leaf(3.0)
    backward([x * 2, x * x], [mg.tensor(10.0, dtype=mg.float64), None])
    assert x.grad.item() == 26.0
    with pytest.raises(RuntimeError, match="2 tensors and 1 gradients"):
        backward([x * 2, x * x], [None])


def test_backward_into_chosen_inputs() -> None:
    x, w = leaf(3.0), leaf(5.0)
    y = x * w
    (y * y).backward(inputs=[w, y])
    assert x.grad is None
    assert w.grad.item() == 2 * 15 * 3
    assert y.grad.item() == 30.0
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * w).backward(inputs=[])


def test_errors_of_backward() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="implicitly created only for scalar"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        mg.ones(()).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(mg.ones(3, dtype=mg.float64))
    with pytest.raises(TypeError, match="Tensors or None"):
        (x * 2).backward(1.0)
    with pytest.raises(RuntimeError, match="floating point"):
        mg.tensor([1, 2], requires_grad=True)


# -- grad ----------------------------------------------------------------------------------------


def test_grad_leaves_no_trace() -> None:
    x, w = leaf(3.0), leaf(2.0)
    assert grad(x * x * w, x)[0].item() == 12.0
    assert x.grad is None
    assert w.grad is None


def test_grad_with_respect_to_interior_tensors() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * y
    gx, gy, gz = grad(z, (x, y, z))
    assert (gx.item(), gy.item(), gz.item()) == (108.0, 18.0, 1.0)


def test_grad_visits_no_more_than_it_must() -> None:
    x, other = leaf(3.0), leaf(1.0)
    seen: list[Any] = []
    side = other.exp()
    side.register_hook(seen.append)
    grad(x * x + side, x)
    assert not seen


def test_unused_inputs() -> None:
    x, unused = leaf(3.0), leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"allow_unused=True.*inputs\[1\], of shape \[2\]"):
        grad(x * x, (x, unused))
    assert grad(x * x, (x, unused), allow_unused=True)[1] is None
    assert grad(x * x, (x, unused), materialize_grads=True)[1].tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad(x * x, mg.ones(2))
    with pytest.raises(ValueError, match="materialize_grads"):
        grad(x * x, x, allow_unused=False, materialize_grads=True)


def test_grad_of_several_outputs_is_summed() -> None:
    x = leaf(3.0)
    (g,) = grad((x * 2, x * x), x, (None, mg.tensor(10.0, dtype=mg.float64)))
    assert g.item() == 62.0


def test_results_of_grad_are_independent() -> None:
    x = leaf(3.0)
    a, b = grad(x * 2, (x, x))
    a.array[...] = 0
    assert b.item() == 2.0


# -- derivatives of derivatives ------------------------------------------------------------------


def test_create_graph_to_the_fourth_order() -> None:
    x = leaf(0.7)
    y = (x * x).sin() * x.exp()
    derivatives = []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    # by complex Taylor coefficients: f(x0 + h) sampled on a small circle
    h = 0.3 * np.exp(2j * np.pi * np.arange(64) / 64) + 0.7
    values = np.sin(h * h) * np.exp(h)
    factorial = 1.0
    for k in range(1, 5):
        factorial *= k
        taylor = (np.fft.fft(values)[k] / 64 / 0.3**k).real * factorial
        assert derivatives[k - 1] == pytest.approx(taylor, rel=1e-9)


def test_create_graph_keeps_the_graph() -> None:
    x = leaf(3.0)
    y = x * x * x
    (g,) = grad(y, x, create_graph=True)
    assert g.requires_grad
    assert grad(y, x)[0].item() == 27.0


def test_backward_with_create_graph() -> None:
    x = leaf(3.0)
    (x * x * x).backward(create_graph=True)
    assert x.grad.requires_grad
    (h,) = grad(x.grad, x)
    assert h.item() == 18.0


def test_a_gradient_penalty() -> None:
    """The gradient of ``|df/dx|^2`` with respect to a weight."""
    w = leaf(2.0, -1.0)
    x = leaf(0.3, 0.4)
    (g,) = grad((w * x).sum().tanh(), x, create_graph=True)
    (g * g).sum().backward()

    def penalty(w: np.ndarray) -> float:
        s = 1 - np.tanh((w * x.array).sum()) ** 2
        return float(((s * w) ** 2).sum())

    for i in range(2):
        e = np.eye(2)[i] * 1e-5
        assert w.grad.array[i] == pytest.approx(
            (penalty(w.array + e) - penalty(w.array - e)) / 2e-5, rel=1e-6
        )


# -- hooks ---------------------------------------------------------------------------------------


def test_a_hook_sees_and_replaces_the_gradient_of_a_leaf() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 10)
    (x * 3).sum().backward()
    assert seen == [[3.0, 3.0]]
    assert x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    handle.remove()
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_hook_on_an_interior_tensor_changes_what_flows_on() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: g * 2)
    (y * 5).sum().backward()
    assert x.grad.tolist() == [30.0, 30.0]


def test_a_hook_is_called_once_with_the_whole_gradient() -> None:
    x = leaf(2.0)
    y = x * 1
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y + y + y * 2).backward()
    assert seen == [4.0]


def test_hooks_run_in_the_order_of_their_registration() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 3).backward()
    assert x.grad.item() == 40.0


def test_hooks_are_seen_by_grad_too() -> None:
    x = leaf(2.0)
    y = x * 3
    x.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g * 2)
    assert grad(y * 1, x)[0].item() == 60.0


def test_a_hook_as_context_manager() -> None:
    x = leaf(2.0)
    with x.register_hook(lambda g: g * 0):
        (x * 3).backward()
    (x * 3).backward()
    assert x.grad.item() == 3.0


def test_hooks_with_create_graph_see_tensors_with_a_graph() -> None:
    x = leaf(2.0)
    y = x * x
    handle = y.register_hook(lambda g: g * g)
    (g,) = grad(y * y, x, create_graph=True)  # (2 x^2)^2 2x = 8 x^5
    assert g.item() == 256.0
    handle.remove()
    assert grad(g, x)[0].item() == 40 * 16.0


def test_errors_of_hooks() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        mg.ones(2).register_hook(lambda g: g)
    with pytest.raises(TypeError, match="callable"):
        x.register_hook(3)
    with pytest.raises(RuntimeError, match="leaf tensors only"):
        (x * 2).register_post_accumulate_grad_hook(lambda t: None)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match="changed the shape"):
        (x * 2).sum().backward()


def test_retain_grad() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [6.0, 12.0]
    assert x.grad.tolist() == [18.0, 36.0]
    x.retain_grad()  # a leaf does anyway
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        mg.ones(2).retain_grad()


def test_post_accumulate_grad_hook_runs_after_the_gradient_is_there() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []

    def step(t: Tensor) -> None:
        seen.append(t.grad.tolist())
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 3).sum().backward()
    (x * 4).sum().backward()
    assert seen == [[3.0, 3.0], [4.0, 4.0]]
    assert x.grad is None


# -- leaves and flags ----------------------------------------------------------------------------


def test_leaves() -> None:
    x = leaf(1.0)
    assert x.is_leaf
    assert x.grad_fn is None
    y = x * 2
    assert not y.is_leaf
    assert y.grad_fn.name() == "MulBackward"
    assert y.grad_fn.next_functions[0] == (x, 0)
    assert y.detach().is_leaf
    with pytest.raises(RuntimeError, match="flags of leaf variables"):
        y.requires_grad_(False)
    y.detach_()
    assert y.is_leaf
    assert not y.requires_grad


def test_a_gradient_must_fit_its_tensor() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="different size"):
        x.grad = mg.ones(3, dtype=mg.float64)
    with pytest.raises(RuntimeError, match="different type"):
        x.grad = mg.ones(2, dtype=mg.float32)
    with pytest.raises(TypeError, match="expected Tensor or None"):
        x.grad = 1.0  # type: ignore[assignment]
    x.grad = mg.ones(2, dtype=mg.float64)
    del x.grad
    assert x.grad is None


def test_threads_run_their_own_graphs() -> None:
    """Several threads run backward at once, each over its own graph."""
    errors: list[Exception] = []

    def work(k: int) -> None:
        try:
            for _ in range(50):
                x = leaf(float(k))
                y = x
                for _ in range(20):
                    y = y * 1.0 + x
                y.backward()
                assert x.grad.item() == 21.0
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


@pytest.mark.parametrize("call", [mg.slogdet, mg.frexp, mg.aminmax])
def test_several_results_without_dimensions_are_arrays(call: Any) -> None:
    """numpy gives scalars there; a tensor of one could not be written to, nor asked for much."""
    for t in call(mg.tensor([[2.0]]) if call is mg.slogdet else mg.tensor(2.0)):
        assert type(t.array) is np.ndarray
