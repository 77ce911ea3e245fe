"""The operations of the core on compiled kernels, each imported when it is first used."""

from __future__ import annotations

from typing import Any

from minigrad.core.declare import implement
from minigrad.core.ops.matmul import use_product
from minigrad.core.rules import REGISTRY
from minigrad.kernels.run.lazy import lazy

__all__: list[str] = []

kernels, products = lazy("reduce"), lazy("matmul.product")


def _reduction(name: str, kernel: str) -> None:
    """Compute by a kernel: by itself, so that nothing stands between it and later calls."""

    def first(*arguments: Any) -> Any:
        function = getattr(kernels, kernel)
        implement(name, function)
        return function(*arguments)

    implement(name, first)


def _first_product(a: Any, b: Any) -> Any:
    use_product(products.matmul)
    return products.matmul(a, b)


for _name, _kernel in {"sum": "sum", "mean": "mean", "amax": "max", "amin": "min"}.items():
    assert _name in REGISTRY
    _reduction(_name, _kernel)
use_product(_first_product)
