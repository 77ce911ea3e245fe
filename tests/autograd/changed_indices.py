"""Run by `test_changed_indices` in a process of its own, which a kernel may crash.

``python -m tests.autograd.changed_indices NAME...`` computes forward, writes other numbers over the
index tensors through numpy, goes backward, and prints what came of it: ``kept`` if the gradient is
that of the indices of the forward pass, ``wrong`` if it is another, or what was raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor, nn

F = nn.functional

#: Rows that no table here has; a kernel that trusted them would leave the process's memory.
OUTSIDE = (2**40, -(2**40), 100_000_000, -7)


def x(*shape: int) -> Tensor:
    values = np.random.default_rng(1).uniform(0.1, 1, shape).astype(np.float32)
    return mg.tensor(values).requires_grad_()


def p(*shape: int) -> Tensor:
    return x(*shape).detach()


def i(high: int, *shape: int) -> Tensor:
    return mg.tensor(np.asarray(np.random.default_rng(2).integers(0, high, shape)))


def bag(mode: str) -> Callable[..., Tensor]:
    return lambda w, index, offsets: F.embedding_bag(index, w, offsets, mode=mode)


#: For each name: the call, the input that requires grad, the tensors of indices.
CASES: dict[str, tuple[Callable[..., Tensor], Tensor, list[Tensor]]] = {
    "cross_entropy": (F.cross_entropy, x(8, 5), [i(5, 8)]),
    "cross_entropy large": (F.cross_entropy, x(300, 100), [i(100, 300)]),
    "cross_entropy weighted": (lambda a, t: F.cross_entropy(a, t, p(5)), x(8, 5), [i(5, 8)]),
    "cross_entropy smooth": (
        lambda a, t: F.cross_entropy(a, t, label_smoothing=0.1), x(8, 5), [i(5, 8)]
    ),
    "cross_entropy images": (F.cross_entropy, x(2, 5, 3), [i(5, 2, 3)]),
    "linear_cross_entropy": (
        lambda a, t: F.linear_cross_entropy(a, p(5, 4), t), x(8, 4), [i(5, 8)]
    ),
    "nll_loss": (F.nll_loss, x(8, 5), [i(5, 8)]),
    "nll_loss weighted": (lambda a, t: F.nll_loss(a, t, p(5)), x(8, 5), [i(5, 8)]),
    "multi_margin_loss": (F.multi_margin_loss, x(8, 5), [i(5, 8)]),
    "multilabel_margin_loss": (F.multilabel_margin_loss, x(8, 5), [i(5, 8, 5)]),
    "ctc_loss": (
        lambda a, t, times, counts: F.ctc_loss(a.log_softmax(-1), t, times, counts),
        x(6, 2, 4), [i(3, 2, 2) + 1, mg.tensor([6, 5]), mg.tensor([2, 1])],
    ),
    "embedding": (lambda w, t: F.embedding(t, w), x(10, 4), [i(10, 7)]),
    "embedding large": (lambda w, t: F.embedding(t, w), x(100, 64), [i(100, 3000)]),
    "embedding padding": (lambda w, t: F.embedding(t, w, 2), x(10, 4), [i(10, 7)]),
    "embedding frequency": (
        lambda w, t: F.embedding(t, w, scale_grad_by_freq=True), x(10, 4), [i(10, 7)]
    ),
    "embedding_bag mean": (bag("mean"), x(10, 4), [i(10, 7), mg.tensor([0, 3])]),
    "embedding_bag sum": (bag("sum"), x(10, 4), [i(10, 7), mg.tensor([0, 3])]),
    "embedding_bag max": (bag("max"), x(10, 4), [i(10, 7), mg.tensor([0, 3])]),
    "embedding_bag weights": (
        lambda s, t: F.embedding_bag(t, p(10, 4), per_sample_weights=s, mode="sum"),
        x(3, 5), [i(10, 3, 5)],
    ),
    "index_select": (lambda a, t: a.index_select(0, t), x(10, 4), [i(10, 7)]),
    "index_select large": (lambda a, t: a.index_select(0, t), x(100, 64), [i(100, 300)]),
    "index_select dim 1": (lambda a, t: a.index_select(1, t), x(40, 30), [i(30, 70)]),
    "getitem": (lambda a, t: a[t], x(100, 64), [i(100, 300)]),
    "getitem pairs": (lambda a, s, t: a[s, t], x(100, 64), [i(100, 900), i(64, 900)]),
    "index_add": (lambda a, t: p(10, 4).index_add(0, t, a), x(7, 4), [i(10, 7)]),
    "index_put": (lambda a, t: a.index_put((t,), p(7, 4)), x(10, 4), [i(10, 7)]),
    "take": (lambda a, t: a.take(t), x(10, 4), [i(40, 7)]),
    "gather": (lambda a, t: a.gather(1, t), x(10, 4), [i(4, 10, 3)]),
    "gather large": (lambda a, t: a.gather(1, t), x(100, 64), [i(64, 100, 20)]),
    "gather dim 0": (lambda a, t: a.gather(0, t), x(100, 64), [i(100, 20, 64)]),
    "take_along_dim": (lambda a, t: a.take_along_dim(t, 1), x(100, 64), [i(64, 100, 20)]),
    "scatter": (lambda a, t: a.scatter(1, t, p(10, 3)), x(10, 4), [i(4, 10, 3)]),
    "scatter source": (lambda a, t: p(10, 4).scatter(1, t, a), x(10, 3), [i(4, 10, 3)]),
    "scatter_add": (lambda a, t: p(90, 60).scatter_add(1, t, a), x(90, 30), [i(60, 90, 30)]),
    "scatter_reduce": (
        lambda a, t: p(10, 4).scatter_reduce(1, t, a, "amax"), x(10, 3), [i(4, 10, 3)]
    ),
    "max_unpool1d": (lambda a, t: F.max_unpool1d(a, t, 2), x(2, 3, 4), [i(8, 2, 3, 4)]),
    "repeat_interleave": (lambda a, t: a.repeat_interleave(t, 0), x(5, 4), [i(3, 5)]),
}  # fmt: skip


def sorted_case(name: str) -> tuple[Callable[..., Tensor], Tensor, list[Tensor]]:
    """Operations that hand out the indices they found: those are written over."""
    found: list[Tensor] = []

    def call(a: Tensor) -> Tensor:
        result: Any = {
            "sort": lambda: a.sort(1), "topk": lambda: a.topk(3, 1), "max": lambda: a.max(1),
            "median": lambda: a.median(1), "kthvalue": lambda: a.kthvalue(2, 1),
            "mode": lambda: a.mode(1), "cummax": lambda: a.cummax(1),
            "max_pool1d": lambda: F.max_pool1d(a, 2, return_indices=True),
            "adaptive_max_pool1d": lambda: F.adaptive_max_pool1d(a, 5, return_indices=True),
        }[name]()  # fmt: skip
        found[:] = [result[1]]
        return result[0]  # type: ignore[no-any-return]

    return call, x(20, 60), found


FOUND = (
    "sort", "topk", "max", "median", "kthvalue", "mode", "cummax", "max_pool1d",
    "adaptive_max_pool1d",
)  # fmt: skip


def gradient(y: Tensor, a: Tensor, twice: bool) -> Any:
    (g,) = mg.autograd.grad((y * y).sum(), a, create_graph=twice)
    assert g is not None
    if twice:
        (g,) = mg.autograd.grad(g.sum(), a, allow_unused=True, materialize_grads=True)
        assert g is not None
    return g.numpy()


def outcome(name: str, value: int, twice: bool) -> str:
    """What a backward pass (or two) does after `value` was written over some of the indices."""
    call, a, given = sorted_case(name) if name in FOUND else CASES[name]
    before = gradient(call(a, *([] if name in FOUND else given)), a, twice)
    y = call(a, *([] if name in FOUND else given))
    for t in given:
        t.numpy().reshape(-1)[::2] = value
    try:
        after = gradient(y, a, twice)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "kept" if np.array_equal(before, after) else "wrong"


def report(name: str) -> None:
    """A line for every value that is written, and for one and for two derivatives."""
    given = CASES[name][2] if name in CASES else []
    before = [t.numpy().copy() for t in given]
    for value in OUTSIDE:
        for twice in (False, True):
            print(name, outcome(name, value, twice), sep="\t", flush=True)
            for t, values in zip(given, before, strict=True):
                t.numpy()[...] = values


if __name__ == "__main__":
    for name in sys.argv[1:]:
        report(name)
