"""The examples of torch.func's documentation, and its errors, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minigrad as mg

pytestmark = pytest.mark.filterwarnings("ignore:::torch")
RNG = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def both(program: Callable[..., Any], *arrays: Any, rtol: float = 1e-6) -> None:
    """The same program on both sides; `program` gets the module and tensors of it."""
    mine = program(mg, *map(mg.tensor, arrays))
    theirs = program(torch, *map(torch.tensor, arrays))
    same(mine, theirs, rtol)


def same(a: Any, b: Any, rtol: float = 1e-6) -> None:
    if isinstance(b, torch.Tensor):
        assert isinstance(a, mg.Tensor), type(a)
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=rtol * 0.1
        )
        assert a.requires_grad == b.requires_grad
    elif isinstance(b, dict):
        assert list(a) == list(b)
        for key in b:
            same(a[key], b[key], rtol)
    elif isinstance(b, (tuple, list)):
        assert type(a).__name__ == type(b).__name__
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y, rtol)
    else:
        assert a == b


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    # vmap
    "vmap of dot": (lambda m, x, y: m.vmap(m.dot)(x, y), (array(2, 5), array(2, 5))),
    "vmap of a dot product by hand": (
        lambda m, e, w: m.vmap(lambda f: f.dot(w).relu())(e), (array(3, 5), array(5))
    ),
    "matmul from dots": (
        lambda m, a, b: m.vmap(m.vmap(m.vmap(m.mul), in_dims=(None, 1)), (0, None))(a, b).sum(-1),
        (array(2, 5), array(5, 3)),
    ),
    "in_dims 0 and 1": (
        lambda m, x, y: m.vmap(m.dot, in_dims=(0, 1))(x, y), (array(2, 5), array(5, 2))
    ),
    "a dictionary of inputs": (
        lambda m, x, y: m.vmap(lambda d: m.dot(d["x"], d["y"]))({"x": x, "y": y}),
        (array(2, 5), array(2, 5)),
    ),
    "in_dims nested": (
        lambda m, x, y: m.vmap(lambda d: m.dot(d["x"], d["y"]), in_dims=({"x": 0, "y": None},))(
            {"x": x, "y": y}
        ),
        (array(2, 5), array(5)),
    ),
    "out_dims": (
        lambda m, x: m.vmap(lambda x: (x**2, x * 2), out_dims=(0, 1))(x), (array(2, 5),)
    ),
    "negative dims": (
        lambda m, x: m.vmap(lambda x: x.sum(-1), in_dims=-1, out_dims=-1)(x), (array(2, 3, 5),)
    ),
    "unmapped result": (lambda m, x, y: m.vmap(lambda x: y)(x), (array(3), array(2))),
    "out_dims None": (
        lambda m, x, y: m.vmap(lambda x: (x, y), out_dims=(0, None))(x), (array(3), array(2))
    ),
    "chunks": (lambda m, x: m.vmap(lambda x: x.exp().sum(), chunk_size=2)(x), (array(5, 3),)),
    "keyword arguments": (lambda m, x: m.vmap(lambda x, k: x + k)(x, k=3.0), (array(4),)),
    "jacobian with grad_outputs": (
        lambda m, x: (
            lambda w: m.vmap(
                lambda v: m.autograd.grad(w**2, w, v, retain_graph=True)[0]
            )(m.eye(5, dtype=m.float64))
        )(x.requires_grad_()),
        (array(5),),
    ),
    "is_grads_batched": (
        lambda m, x: (
            lambda w: m.autograd.grad(w**2, w, m.eye(5, dtype=m.float64), is_grads_batched=True)
        )(x.requires_grad_()),
        (array(5),),
    ),
    # grad
    "grad of sin": (lambda m, x: m.func.grad(lambda x: m.sin(x))(x), (array(),)),
    "second derivative": (
        lambda m, x: m.func.grad(m.func.grad(lambda x: m.sin(x)))(x), (array(),)
    ),
    "gradient of each sample": (
        lambda m, w, e, t: m.vmap(
            m.func.grad(lambda w, e, t: ((e.dot(w).relu() - t) ** 2).mean()), in_dims=(None, 0, 0)
        )(w, e, t),
        (array(5), array(3, 5), array(3)),
    ),
    "auxiliary values": (
        lambda m, x: m.func.grad(lambda x: ((x * x).sum(), {"y": x + 1}), has_aux=True)(x),
        (array(3),),
    ),
    "grad_and_value": (
        lambda m, x: m.func.grad_and_value(lambda x: ((x * x).sum(), x * 2), has_aux=True)(x),
        (array(3),),
    ),
    "argnums": (
        lambda m, x, y: (
            m.func.grad(lambda a, b: (a * b * b).sum(), argnums=1)(x, y),
            m.func.grad(lambda a, b: (a * b * b).sum(), argnums=(0, 1))(x, y),
            m.func.grad(lambda a, b: (a * b * b).sum(), argnums=(-1,))(x, y),
        ),
        (array(3), array(3)),
    ),
    "a tree of parameters": (
        lambda m, x, y: m.func.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": x, "b": (y,)}),
        (array(3), array(3)),
    ),
    "grad of what requires grad": (
        lambda m, x: m.func.grad(lambda x: (x**3).sum())(x.requires_grad_()), (array(3),)
    ),
    "independent": (
        lambda m, x: m.func.grad(lambda x: m.ones((), dtype=m.float64))(x), (array(3),)
    ),
    "perturbations do not meet": (
        lambda m, x: m.func.grad(lambda x: x * m.func.grad(lambda y: x * y * y)(x))(x), (array(),)
    ),
    # vjp and jvp
    "vjp": (
        lambda m, x, v: (lambda r: (r[0], r[1](v)))(m.func.vjp(lambda x: x.sin() * x, x)),
        (array(5), array(5)),
    ),
    "vjp of a tree": (
        lambda m, x, y: (lambda r: (r[0], r[1]({"s": x * 0 + 1, "p": y})))(
            m.func.vjp(lambda a, b: {"s": a + b, "p": a * b}, x, y)
        ),
        (array(3), array(3)),
    ),
    "vjp with aux": (
        lambda m, x: (lambda r: (r[0], r[1](x), r[2]))(
            m.func.vjp(lambda x: (x.sin(), x.cos()), x, has_aux=True)
        ),
        (array(3),),
    ),
    "jvp": (
        lambda m, x, v: m.func.jvp(lambda x: x.sin() * x.sum(), (x,), (v,)), (array(5), array(5))
    ),
    "jvp of several": (
        lambda m, x, y: m.func.jvp(lambda a, b: (a * b, a.sum()), (x, y), (y, x)),
        (array(3), array(3)),
    ),
    "jvp of jvp": (
        lambda m, x: m.func.jvp(
            lambda x: m.func.jvp(lambda x: x**3, (x,), (x * 0 + 1,))[1], (x,), (x * 0 + 1,)
        ),
        (array(3),),
    ),
    "linearize": (
        lambda m, x, v: (lambda r: (r[0], r[1](v)))(m.func.linearize(lambda x: x.sin() * x, x)),
        (array(5), array(5)),
    ),
    # Jacobians
    "jacrev of sin": (lambda m, x: m.func.jacrev(lambda x: m.sin(x))(x), (array(5),)),
    "jacfwd of sin": (lambda m, x: m.func.jacfwd(lambda x: m.sin(x))(x), (array(5),)),
    "jacrev with aux": (
        lambda m, x: m.func.jacrev(lambda x: (x.sin(), x.cos()), has_aux=True)(x), (array(5),)
    ),
    "vmap of jacrev": (lambda m, x: m.vmap(m.func.jacrev(lambda x: m.sin(x)))(x), (array(4, 5),)),
    "vmap of jacfwd": (lambda m, x: m.vmap(m.func.jacfwd(lambda x: m.sin(x)))(x), (array(4, 5),)),
    "jacrev argnums": (
        lambda m, x, y: m.func.jacrev(lambda a, b: a + b**2, argnums=(0, 1))(x, y),
        (array(5), array(5)),
    ),
    "jacfwd of trees": (
        lambda m, x, y: m.func.jacfwd(lambda a, b: {"p": a * b, "q": [b.exp()]}, argnums=(0, 1))(
            x, y
        ),
        (array(3), array(3)),
    ),
    "jacrev of trees": (
        lambda m, x, y: m.func.jacrev(lambda d: (d["a"] * d["b"], d["b"].exp()))({"a": x, "b": y}),
        (array(3), array(3)),
    ),
    "chunked jacrev": (
        lambda m, x: (
            m.func.jacrev(lambda x: x.sin() * x.sum(), chunk_size=2)(x),
            m.func.jacrev(lambda x: x.sin() * x.sum(), chunk_size=1)(x),
        ),
        (array(5),),
    ),
    "hessian": (lambda m, x: m.func.hessian(lambda x: x.sin().sum())(x), (array(5),)),
    "hessians": (
        lambda m, x: (
            m.func.jacfwd(m.func.jacfwd(lambda x: (x.sin() * x.sum()).sum()))(x),
            m.func.jacrev(m.func.jacrev(lambda x: (x.sin() * x.sum()).sum()))(x),
            m.func.jacrev(m.func.jacfwd(lambda x: (x.sin() * x.sum()).sum()))(x),
        ),
        (array(4),),
    ),
    "batched hessian": (
        lambda m, x: m.vmap(m.func.hessian(lambda x: (x.sin() * x.sum()).sum()))(x), (array(3, 4),)
    ),
    "hessian-vector products": (
        lambda m, x, v: (
            m.func.jvp(m.func.grad(lambda x: x.sin().sum()), (x,), (v,))[1],
            m.func.vjp(m.func.grad(lambda x: x.sin().sum()), x)[1](v)[0],
        ),
        (array(5), array(5)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    program, arrays = PROGRAMS[name]
    both(program, *arrays)


# -- modules ---------------------------------------------------------------------------------------


def nets(m: Any) -> Any:
    return m.nn.Sequential(m.nn.Linear(6, 4), m.nn.Tanh(), m.nn.Linear(4, 3)).to(m.float64)


def alike(seed: int) -> tuple[Any, Any]:
    torch.manual_seed(seed)
    theirs, mine = nets(torch), nets(mg)
    mine.load_state_dict({k: mg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return mine, theirs


def test_per_sample_gradients_of_a_module() -> None:
    x, t = array(5, 6), RNG.integers(0, 3, 5)
    results = []
    for m, net in zip((mg, torch), alike(0), strict=True):

        def loss(params: Any, sample: Any, target: Any, m: Any = m, net: Any = net) -> Any:
            y = m.func.functional_call(net, params, (sample.unsqueeze(0),))
            return m.nn.functional.cross_entropy(y, target.unsqueeze(0))

        params = {k: v.detach() for k, v in net.named_parameters()}
        each = m.vmap(m.func.grad(loss), in_dims=(None, 0, 0))
        results.append(each(params, m.tensor(x), m.tensor(t)))
    same(*results)


def test_an_ensemble() -> None:
    x = array(4, 6)
    pairs = [alike(i) for i in range(3)]
    results = []
    for m, models in zip((mg, torch), zip(*pairs, strict=True), strict=True):
        params, buffers = m.func.stack_module_state(list(models))

        def call(p: Any, b: Any, x: Any, m: Any = m, base: Any = models[0]) -> Any:
            return m.func.functional_call(base, (p, b), (x,))

        y = m.vmap(call, in_dims=(0, 0, None))(params, buffers, m.tensor(x))
        y.sum().backward()
        grads = {k: v.grad for k, v in params.items()}
        each = m.vmap(call, in_dims=(0, 0, 0))(
            params, buffers, m.tensor(np.stack([x, x + 1, x - 1]))
        )
        results.append((y, grads, each))
    same(*results)


def test_neural_tangent_kernel() -> None:
    x1, x2 = array(4, 6), array(3, 6)
    results = []
    for m, net in zip((mg, torch), alike(1), strict=True):
        params = {k: v.detach() for k, v in net.named_parameters()}

        def single(params: Any, x: Any, m: Any = m, net: Any = net) -> Any:
            return m.func.functional_call(net, params, (x.unsqueeze(0),)).squeeze(0)

        def contracted(params: Any, x1: Any, x2: Any, m: Any = m, single: Any = single) -> Any:
            jac = [m.vmap(m.func.jacrev(single), (None, 0))(params, x) for x in (x1, x2)]
            rows = [[j[k].flatten(2) for k in params] for j in jac]
            return sum(m.einsum("Naf,Mbf->NMab", a, b) for a, b in zip(*rows, strict=True))

        def products(params: Any, x1: Any, x2: Any, m: Any = m, single: Any = single) -> Any:
            def one(x1: Any, x2: Any) -> Any:
                _, pull = m.func.vjp(lambda p: single(p, x1), params)

                def column(v: Any) -> Any:
                    return m.func.jvp(lambda p: single(p, x2), (params,), pull(v))[1]

                return m.vmap(column)(m.eye(3, dtype=m.float64))

            return m.vmap(m.vmap(one, (None, 0)), (0, None))(x1, x2)

        a, b = m.tensor(x1), m.tensor(x2)
        results.append((contracted(params, a, b), products(params, a, b)))
    same(*results)


# -- errors ----------------------------------------------------------------------------------------

ERRORS: dict[str, Callable[[Any], Any]] = {
    "no inputs": lambda m: m.vmap(lambda: m.ones(3))(),
    "no mapped input": lambda m: m.vmap(m.sin, in_dims=(None,))(m.ones(3)),
    "sizes differ": lambda m: m.vmap(m.add)(m.ones(3), m.ones(2)),
    "in_dims too large": lambda m: m.vmap(m.sin, in_dims=1)(m.ones(3)),
    "in_dims of a number": lambda m: m.vmap(lambda x, y: x)(m.ones(3), 2),
    "in_dims of another structure": lambda m: m.vmap(m.sin, in_dims=(0, 0))(m.ones(3)),
    "in_dims no dimension": lambda m: m.vmap(m.sin, in_dims=("a",))(m.ones(3)),
    "in_dims of no kind": lambda m: m.vmap(m.sin, in_dims="a")(m.ones(3)),
    "out_dims too large": lambda m: m.vmap(lambda x: x.sin(), out_dims=2)(m.ones(3)),
    "out_dims of another structure": lambda m: m.vmap(lambda x: x, out_dims=(0, 0))(m.ones(3)),
    "out_dims no dimension": lambda m: m.vmap(lambda x: x, out_dims="a")(m.ones(3)),
    "out_dims None of a mapped result": lambda m: m.vmap(lambda x: x, out_dims=None)(m.ones(3)),
    "a number as result": lambda m: m.vmap(lambda x: 1)(m.ones(3)),
    "randomness": lambda m: m.vmap(lambda x: x + m.rand(()))(m.ones(3)),
    "a wrong kind of randomness": lambda m: m.vmap(m.sin, randomness="some")(m.ones(3)),
    "item": lambda m: m.vmap(lambda x: x.item())(m.ones(3)),
    "data-dependent control flow": lambda m: m.vmap(lambda x: x if x > 0 else -x)(m.ones(3)),
    "in place into an unmapped tensor": lambda m: m.vmap(lambda x, y: y.add_(x), (0, None))(
        m.ones(3), m.ones(1)
    ),
    "chunk size": lambda m: m.vmap(m.sin, chunk_size=0)(m.ones(3)),
    "not a scalar": lambda m: m.func.grad(lambda x: x.sin())(m.ones(3)),
    "not a tensor": lambda m: m.func.grad(lambda x: 2.0)(m.ones(3)),
    "no aux": lambda m: m.func.grad(lambda x: x.sum(), has_aux=True)(m.ones(3)),
    "argnums out of range": lambda m: m.func.grad(lambda x: x.sum(), argnums=1)(m.ones(3)),
    "argnums twice": lambda m: m.func.grad(lambda x, y: x.sum(), argnums=(0, 0))(
        m.ones(3), m.ones(3)
    ),
    "no argnums": lambda m: m.func.grad(lambda x: x.sum(), argnums=())(m.ones(3)),
    "argnums of no kind": lambda m: m.func.grad(lambda x: x.sum(), argnums=0.5)(m.ones(3)),
    "grad of integers": lambda m: m.func.grad(lambda x: x.sum())(m.tensor([1, 2])),
    "vjp structure": lambda m: m.func.vjp(lambda x: (x, x), m.ones(3))[1](m.ones(3)),
    "vjp of integers": lambda m: m.func.vjp(lambda x: x.long(), m.ones(3)),
    "jvp primals": lambda m: m.func.jvp(m.sin, m.ones(3), m.ones(3)),
    "jvp structure": lambda m: m.func.jvp(m.sin, (m.ones(3),), (m.ones(3), m.ones(3))),
    "jvp strict": lambda m: m.func.jvp(
        lambda x: m.ones(2), (m.ones(3),), (m.ones(3),), strict=True
    ),
    "jacrev chunk size": lambda m: m.func.jacrev(m.sin, chunk_size=0),
    "functional_call twice": lambda m: m.func.functional_call(
        m.nn.Linear(2, 2), ({"weight": m.ones(2, 2)}, {"weight": m.ones(2, 2)}), m.ones(2)
    ),
    "functional_call strict": lambda m: m.func.functional_call(
        m.nn.Linear(2, 2), {"weight": m.ones(2, 2)}, m.ones(2), strict=True
    ),
    "no models": lambda m: m.func.stack_module_state([]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_pytorchs_type_and_words(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        ERRORS[name](torch)
    with pytest.raises(Exception) as mine:
        ERRORS[name](mg)
    assert issubclass(mine.type, theirs.type), (mine.value, theirs.value)
    if name == "in place into an unmapped tensor":  # PyTorch's words depend on the operation
        return
    words = str(theirs.value).split(".")[0].split()[:4]
    assert words == str(mine.value).split(".")[0].split()[: len(words)], (
        f"{mine.value}\n--\n{theirs.value}"
    )


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_randomness(randomness: str) -> None:
    """The numbers differ; which of them are equal does not."""

    def equal(m: Any) -> Any:
        x = m.ones(3, 1000)
        drawn = [
            m.vmap(lambda x: x + m.rand(1000), randomness=randomness)(x),
            m.vmap(m.rand_like, randomness=randomness)(x),
            m.vmap(lambda x: m.nn.functional.dropout(x), randomness=randomness)(x),
            m.vmap(lambda x: x.clone().normal_(), randomness=randomness)(x),
        ]
        return [bool((y[0] == y[1]).all()) for y in drawn]

    assert equal(mg) == equal(torch) == [randomness == "same"] * 4
