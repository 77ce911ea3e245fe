"""Operations on tiny tensors, where only the overhead counts, and on large ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.cases import CASES, case, forward, forward_backward

# -- tiny: what an operation costs when there is nothing to compute ------------------------------


def _small(lib: Any) -> tuple[Any, Any]:
    lib.manual_seed(0)
    return lib.randn(4, 4, requires_grad=True), lib.randn(4, 4, requires_grad=True)


@case("tiny: add 4x4, recorded")
def _add(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a + b


@case("tiny: multiply 4x4, recorded")
def _multiply(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a * b


@case("tiny: multiply by a number")
def _by_number(lib: Any) -> Any:
    a, _ = _small(lib)
    return lambda: a * 2.0


@case("tiny: matmul 4x4, recorded")
def _matmul(lib: Any) -> Any:
    a, b = _small(lib)
    return lambda: a @ b


@case("tiny: sum 4x4, recorded")
def _sum_small(lib: Any) -> Any:
    a, _ = _small(lib)
    return lambda: a.sum()


@case("tiny: chain of 1,000 multiplications, forward and backward")
def _chain(lib: Any) -> Any:
    a, b = _small(lib)
    b = b.detach()

    def run() -> None:
        x = a
        for _ in range(1000):
            x = x * b
        x.sum().backward()

    return run


# -- large arrays --------------------------------------------------------------------------------

SIZES = {"1e5": (100, 1000), "1e6": (1000, 1000), "1e7": (10_000, 1000)}


def _affine_norm(kind: str) -> Callable[[Any, Any], Any]:
    """Normalizations with fixed scale and shift, of 1,000 features."""
    known: dict[int, Any] = {}

    def run(lib: Any, x: Any) -> Any:
        if not known:
            known[0] = lib.ones(1000, requires_grad=True), lib.zeros(1000, requires_grad=True)
        w, b = known[0]
        w.grad = b.grad = None
        functional = lib.nn.functional
        if kind == "layer":
            return functional.layer_norm(x, (1000,), w, b)
        return functional.batch_norm(x, None, None, w, b, training=True)

    return run


def _cross_entropy(lib: Any, x: Any) -> Any:
    return lib.nn.functional.cross_entropy(x, lib.arange(x.shape[0]) % 1000)


for _size in SIZES:
    for _name, _function in {
        "relu": lambda lib, x: lib.relu(x),
        "exp": lambda lib, x: lib.exp(x),
        "tanh": lambda lib, x: lib.tanh(x),
        "sigmoid": lambda lib, x: lib.sigmoid(x),
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
        "x * x + x": lambda lib, x: x * x + x,
        "softmax": lambda lib, x: lib.softmax(x, 1),
        "logsumexp": lambda lib, x: lib.logsumexp(x, 1),
        "sum": lambda lib, x: x.sum(),
        "sum over rows": lambda lib, x: x.sum(0),
        "sum over columns": lambda lib, x: x.sum(1),
        "max over rows": lambda lib, x: x.amax(0),
        "max over columns": lambda lib, x: x.amax(1),
        "var over columns": lambda lib, x: x.var(1),
    }.items():
        CASES[f"{_size}: {_name}"] = forward(SIZES[_size], _function)
    for _name, _function in {
        "relu": lambda lib, x: lib.relu(x),
        "gelu": lambda lib, x: lib.nn.functional.gelu(x),
        "softmax": lambda lib, x: lib.softmax(x, 1),
        "layer_norm": _affine_norm("layer"),
        "batch_norm": _affine_norm("batch"),
        "cross_entropy": _cross_entropy,
    }.items():
        CASES[f"{_size}: {_name}, forward and backward"] = forward_backward(SIZES[_size], _function)
