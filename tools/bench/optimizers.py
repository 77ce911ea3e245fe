"""Steps of optimizers by themselves, beside PyTorch's fused ones where it has them."""

from __future__ import annotations

import importlib
from typing import Any

from bench.cases import CASES, Case

_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3, "momentum": 0.9, "fused": True},
    "Adam": {"lr": 1e-3, "fused": True},
    "AdamW": {"lr": 1e-3, "fused": True},
    "RMSprop": {"lr": 1e-3, "foreach": True},
}


def _stepping(name: str, elements: int, tensors: int) -> Case:
    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        params = [lib.randn(elements // tensors, requires_grad=True) for _ in range(tensors)]
        for p in params:
            p.grad = lib.randn(elements // tensors)
        kind = getattr(importlib.import_module(f"{lib.__name__}.optim"), name)
        return kind(params, **_OPTIMIZERS[name]).step

    return make


for _name in _OPTIMIZERS:
    for _elements, _written in ((100_000, "1e5"), (1_000_000, "1e6")):
        for _tensors in (1, 20):
            _text = "one tensor" if _tensors == 1 else f"{_tensors} tensors"
            CASES[f"optim: {_name}, {_written} in {_text}"] = _stepping(_name, _elements, _tensors)
