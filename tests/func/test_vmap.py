"""vmap: what batched tensors are, what they refuse, and functions around the operations."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, vmap
from minigrad.core.modes import interpreter
from minigrad.func import grad

RNG = np.random.default_rng(0)


def t(*shape: int) -> Tensor:
    return mg.tensor(RNG.normal(size=shape))


def looped(f: Callable[..., Any], *rows: Tensor) -> np.ndarray:
    return np.stack([f(*r).array for r in zip(*rows, strict=True)])


def check(f: Callable[..., Any], *rows: Tensor) -> None:
    found = vmap(f)(*rows)
    np.testing.assert_allclose(found.array, looped(f, *rows), rtol=1e-12, atol=1e-12)


# -- what a batched tensor is ----------------------------------------------------------------------


def test_inside_a_tensor_looks_like_one_example() -> None:
    seen: list[Any] = []

    def f(x: Tensor) -> Tensor:
        seen.extend([x.shape, x.ndim, x.numel(), len(x), x.dtype, x.requires_grad, x.stride()])
        seen.extend([x.is_contiguous(), x.T.is_contiguous(), x.is_floating_point(), repr(x)[:13]])
        return x

    vmap(f)(t(3, 4, 2))
    assert seen == [
        (4, 2), 2, 8, 4, mg.float64, False, (2, 1), True, False, True, "BatchedTensor"
    ]  # fmt: skip


def test_the_engine_looks_for_batched_tensors_only_while_needed() -> None:
    assert interpreter() is None
    vmap(lambda x: x * 2)(t(2))
    assert interpreter() is None
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 / 0)(t(2))
    assert interpreter() is None


def test_threads() -> None:
    x = t(5, 3)
    results: list[Any] = []

    def work() -> None:
        results.extend(vmap(lambda r: (r * r).sum())(x) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        np.testing.assert_array_equal((x * 2).array, x.array * 2)
    for thread in threads:
        thread.join()
    assert len(results) == 60
    for y in results:
        np.testing.assert_allclose(y.array, (x.array**2).sum(1))


def test_a_tensor_that_escapes_is_refused() -> None:
    kept: list[Tensor] = []
    vmap(lambda x: (kept.append(x), x)[1])(t(2))
    with pytest.raises(RuntimeError, match=r"needs the values|has ended"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match="has ended"):
        vmap(lambda x: x + kept[0])(t(2))


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda x: x.item(), r"\.item\(\)"),
        (lambda x: x.tolist(), r"\.tolist\(\)"),
        (lambda x: x.numpy(), r"\.numpy\(\)"),
        (lambda x: np.asarray(x), r"\.numpy\(\)"),
        (lambda x: float(x), r"float\(\)"),
        (lambda x: int(x), r"int\(\)"),
        (lambda x: [1, 2][x.long()], r"operator.index\(\)"),
        (lambda x: x if x > 0 else -x, "data-dependent control flow"),
        (lambda x: mg.nonzero(x), "nonzero needs the values"),
        (lambda x: mg.unique(x), "unique needs the values"),
        (lambda x: mg.ones(1)[x > 0], "needs the values"),
        (lambda x: mg.allclose(x, x), "allclose needs the values"),
        (lambda x: x.requires_grad_(), "requires_grad_"),
        (lambda x: (x * x).backward(), "backward"),
    ],
)
def test_what_is_refused(use: Callable[[Tensor], Any], text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        vmap(use)(t(3))


# -- functions that are more than an operation -----------------------------------------------------

INDEX = mg.tensor([[0, 2], [1, -1], [2, 2]])
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]] = {
    "indexing": (lambda x, i: x[i], (t(3, 4, 2), INDEX)),
    "indexing with two": (lambda x, i: x[i, 0], (t(3, 4, 2), INDEX)),
    "indexing with two neighbours": (lambda x, i: x[:, i, i], (t(3, 2, 4, 4), INDEX)),
    "indexing with two apart": (lambda x, i: x[i, :, i], (t(3, 4, 2, 4), INDEX)),
    "indexing with a number": (lambda x, i: x[i[0]], (t(3, 4, 2), INDEX)),
    "indexing of what is shared": (
        lambda i: mg.arange(12.0).reshape(4, 3)[i], (INDEX,)
    ),
    "assigning": (lambda x, v: _assigned(x, slice(1, 3), v), (t(3, 4), t(3, 2))),
    "assigning at an index": (lambda x, i, v: _assigned(x, i, v), (t(3, 4), INDEX, t(3, 2))),
    "assigning a number": (lambda x: _assigned(x, 0, 5.0), (t(3, 4),)),
    "take": (lambda x, i: x.take(i), (t(3, 4, 2), INDEX)),
    "gather": (lambda x, i: x.gather(0, i.abs()), (t(3, 4), INDEX)),
    "take_along_dim": (lambda x, i: x.take_along_dim(i, 0), (t(3, 4), INDEX)),
    "scatter": (lambda x, i, v: x.scatter(0, i.abs(), v), (t(3, 4), INDEX, t(3, 2))),
    "index_add": (lambda x, i, v: x.index_add(0, i.abs(), v), (t(3, 4), INDEX, t(3, 2))),
    "index_fill": (lambda x, i: x.index_fill(0, i, 2.0), (t(3, 4), INDEX)),
    "masked_fill": (lambda x: x.masked_fill(x > 0, 0.0), (t(3, 4),)),
    "where": (lambda x: mg.where(x > 0, x, 0.0), (t(3, 4),)),
    "sort": (lambda x: x.sort(0).values + x.argsort(0), (t(3, 4, 2),)),
    "topk": (lambda x: x.topk(2).values, (t(3, 4),)),
    "max": (lambda x: x.max(0).values + x.argmax() + x.argmin(0), (t(3, 4, 2),)),
    "median": (lambda x: x.median(), (t(3, 5),)),
    "quantile": (lambda x: x.quantile(0.3), (t(3, 5),)),
    "casts": (lambda x: x.long().float() + x.bool() + (x > 0).int(), (t(3, 4),)),
    "bits": (lambda i: (i & 1) ^ ~i << 1, (INDEX,)),
    "logic": (lambda x: (x > 0).logical_and(x < 1).any() | (x == x).all(), (t(3, 4),)),
    "einsum": (lambda x, y: mg.einsum("ij,jk->ki", x, y), (t(3, 2, 4), t(3, 4, 5))),
    "a loop instead of a rule": (lambda x: mg.histc(x, 4, -1, 1), (t(3, 8),)),
    "new_zeros": (lambda x: x.new_zeros(2).add_(x), (t(3, 2),)),
    "zeros_like": (lambda x: mg.zeros_like(x).copy_(x), (t(3, 2),)),
    "in place": (lambda x: x.clone().mul_(2).add_(x), (t(3, 2),)),
    "in place through a view": (lambda x: _through_view(x), (t(3, 4),)),
    "views in place": (lambda x: x.clone().t_().unsqueeze_(0), (t(3, 4, 2),)),
    "layer norm": (lambda x: mg.nn.functional.layer_norm(x, (4,)), (t(3, 2, 4),)),
    "embedding": (
        lambda i: mg.nn.functional.embedding(i.abs(), mg.arange(12.0).reshape(4, 3)), (INDEX,)
    ),
    "one_hot": (lambda i: mg.nn.functional.one_hot(i.abs(), 4), (INDEX,)),
}  # fmt: skip


def _assigned(x: Tensor, key: Any, value: Any) -> Tensor:
    y = x.clone()
    y[key] = value
    return y


def _through_view(x: Tensor) -> Tensor:
    y = x.clone()
    y[1:3].mul_(3)
    y.view(2, 2)[0] += 1
    return y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    f, rows = FUNCTIONS[name]
    check(f, *rows)
    if len(rows) > 1 and "assigning" not in name:  # the first is the same for all
        found = vmap(f, (None, *(0,) * (len(rows) - 1)))(rows[0][0], *rows[1:])
        expected = looped(lambda *r: f(rows[0][0], *r), *rows[1:])
        np.testing.assert_allclose(found.array, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["indexing", "gather", "take", "scatter", "index_add"])
def test_the_indices_of_all_examples_are_checked(name: str) -> None:
    f, rows = FUNCTIONS[name]
    bad = rows[1].array.copy()
    bad[2, 1] = 104
    with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)"):
        vmap(f)(rows[0], Tensor(bad), *rows[2:])
    with pytest.raises(IndexError, match="out of range"):
        vmap(lambda i: mg.nn.functional.embedding(i, mg.ones(4, 2)))(Tensor(bad % 5))


def test_in_place_writes_reach_the_argument() -> None:
    x = t(3, 2)
    expected = x.array * 2
    vmap(lambda r: r.mul_(2))(x)
    np.testing.assert_array_equal(x.array, expected)
    y = mg.zeros(2, dtype=mg.float64)
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda r: y.add_(r))(x)
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda r: y.__setitem__(0, r[0]))(x)
    assert y.tolist() == [0, 0]


def test_in_place_in_the_graph() -> None:
    x = t(3, 4).requires_grad_()

    def f(r: Tensor) -> Tensor:
        y = r * 1
        y[1] = y[0].clone() * y[2].clone()
        return y.mul_(3).sin_().sum()

    (g,) = mg.autograd.grad(vmap(f)(x).sum(), x)
    (h,) = mg.autograd.grad(mg.stack([f(r) for r in x]).sum(), x)
    np.testing.assert_allclose(g.array, h.array)


def test_levels_in_any_order() -> None:
    x, y = t(3, 4, 2), t(5, 2)
    f = vmap(lambda a: vmap(lambda b: (a @ b).sin())(y))
    np.testing.assert_allclose(f(x).array, np.sin(np.einsum("nij,mj->nmi", x.array, y.array)))
    g = vmap(lambda a: vmap(lambda b: b @ a, in_dims=1, out_dims=-1)(a), out_dims=1)
    expected = np.einsum("nik,nij->jnk", x.array, x.array)
    np.testing.assert_allclose(g(x).array, expected)


def test_the_same_tensor_at_two_levels() -> None:
    x = t(3)
    table = vmap(lambda a: vmap(lambda b: a * b)(x))(x)
    np.testing.assert_allclose(table.array, np.outer(x.array, x.array))


def test_gradients_through_vmap_reach_what_is_captured() -> None:
    w, x = t(4).requires_grad_(), t(3, 4)
    vmap(lambda r: (r * w).exp().sum())(x).sum().backward()
    np.testing.assert_allclose(w.grad.array, (x.array * np.exp(x.array * w.detach().array)).sum(0))


def test_no_grad_inside() -> None:
    x = t(3, 2).requires_grad_()

    def f(r: Tensor) -> Tensor:
        with mg.no_grad():
            factor = r * 2
        return r * factor

    (g,) = mg.autograd.grad(vmap(f)(x).sum(), x)
    np.testing.assert_allclose(g.array, 2 * x.detach().array)


# -- random numbers --------------------------------------------------------------------------------

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "rand": lambda x: mg.rand(50),
    "randn": lambda x: mg.randn(50),
    "randint": lambda x: mg.randint(0, 1000, (50,)),
    "randperm": lambda x: mg.randperm(50),
    "randn_like": mg.randn_like,
    "bernoulli": lambda x: mg.bernoulli(x * 0 + 0.5),
    "normal": lambda x: mg.normal(x, x.abs()) - x * 0,
    "multinomial": lambda x: mg.multinomial(x.abs(), 10),
    "poisson": lambda x: mg.poisson(x.abs() * 0 + 30.0),
    "dropout": lambda x: mg.nn.functional.dropout(x * 0 + 1, 0.5),
    "alpha_dropout": lambda x: mg.nn.functional.alpha_dropout(x * 0 + 1, 0.5, True),
    "normal_": lambda x: x.clone().normal_(),
    "uniform_": lambda x: x.clone().uniform_(),
    "random_": lambda x: x.clone().random_(0, 1000),
}


@pytest.mark.parametrize("name", DRAWS)
def test_randomness(name: str) -> None:
    x = mg.tensor(np.stack([RNG.normal(size=50)] * 2))
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(DRAWS[name])(x)
    for randomness in ("same", "different"):
        a, b = vmap(DRAWS[name], randomness=randomness)(x)
        assert bool((a == b).all()) is (randomness == "same"), randomness


def test_nested_randomness() -> None:
    x = mg.zeros(3, 4)
    y = vmap(vmap(lambda r: r + mg.rand(()), randomness="same"), randomness="different")(x)
    assert [len(set(row)) for row in y.tolist()] == [1, 1, 1]
    assert len(set(y[:, 0].tolist())) == 3


def test_in_place_randomness_of_one_tensor_cannot_differ() -> None:
    y = mg.zeros(2)
    with pytest.raises(RuntimeError, match="different inplace randomness"):
        vmap(lambda x: y.normal_(), randomness="different")(mg.ones(3))


# -- modules ---------------------------------------------------------------------------------------


def test_batch_norm_without_running_statistics() -> None:
    net = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.BatchNorm1d(4), mg.nn.ReLU()).double()
    x = t(5, 6, 3)
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(net)(x)
    mg.func.replace_all_batch_norm_modules_(net)
    check(net, x)


def test_an_ensemble_with_running_statistics() -> None:
    models = [mg.nn.BatchNorm1d(3).double() for _ in range(2)]
    params, buffers = mg.func.stack_module_state(models)
    x = t(2, 6, 3)
    vmap(lambda p, b, r: mg.func.functional_call(models[0], (p, b), r))(params, buffers, x)
    np.testing.assert_allclose(buffers["running_mean"].array, 0.1 * x.array.mean(1), rtol=1e-6)
    assert buffers["num_batches_tracked"].tolist() == [1, 1]


def test_functional_call_leaves_the_module_alone() -> None:
    layer = mg.nn.Linear(2, 2)
    before = {k: v.tolist() for k, v in layer.state_dict().items()}
    weight = layer.weight
    with pytest.raises(RuntimeError):
        mg.func.functional_call(layer, {"weight": mg.ones(2, 3)}, mg.ones(1, 2))
    assert layer.weight is weight
    assert {k: v.tolist() for k, v in layer.state_dict().items()} == before


def test_tied_weights() -> None:
    net = mg.nn.Sequential(mg.nn.Linear(2, 2, bias=False), mg.nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    two = {"0.weight": mg.eye(2) * 2}
    assert mg.func.functional_call(net, two, mg.ones(2)).tolist() == [4, 4]
    both = two | {"1.weight": mg.eye(2)}
    once = mg.func.functional_call(net, both, mg.ones(2), tie_weights=False)
    assert once.tolist() == [2, 2]
    with pytest.raises(ValueError, match="multiple values"):
        mg.func.functional_call(net, both, mg.ones(2))


def test_module_hooks() -> None:
    layer = mg.nn.Linear(2, 2)
    seen: list[Any] = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].shape))
    x = mg.ones(3, 2)
    found = vmap(grad(lambda r: layer(r).sum()))(x)
    np.testing.assert_allclose(found.array, [layer.weight.detach().array.sum(0)] * 3, rtol=1e-6)
    assert len(seen) == 1


def test_an_operation_without_a_rule_is_named() -> None:
    from minigrad.core.engine import apply

    class Op:
        name, differentiable, results = "nameless", False, 1

    with pytest.raises(RuntimeError, match="'nameless' does not say how"):
        vmap(lambda x: apply(Op(), (x,)))(t(2))


def test_per_sample_gradients_are_one_backward_pass() -> None:
    w, x = t(4), t(6, 4)
    calls = 0

    def loss(w: Tensor, r: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return (r @ w).tanh()

    found = vmap(grad(loss), (None, 0))(w, x)
    assert calls == 1
    np.testing.assert_allclose(
        found.array, (1 - np.tanh(x.array @ w.array) ** 2)[:, None] * x.array
    )
