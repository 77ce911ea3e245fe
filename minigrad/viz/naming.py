"""What tensors are called: by the user, by the model, by the variables of the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.core.tensor import Tensor

__all__ = ["named"]


def named(
    loss: Tensor, model: Any, params: Any, inputs: Any, scope: Mapping[str, Any]
) -> tuple[dict[int, str], dict[int, str]]:
    """Names of leaves and data, by id, and of results, by the number of their node.

    What is said explicitly comes first, then the model's names, then variables.
    """
    leaves: dict[int, str] = {}
    results: dict[int, str] = {}

    def enter(name: str, t: Any) -> None:
        if t.node is None:
            leaves.setdefault(id(t), name)
        else:
            results.setdefault(t.node.seq, name)

    for i, item in enumerate([*_pairs(params), *_pairs(inputs)]):
        name, t = item
        if not isinstance(t, Tensor):
            raise TypeError(f"viz.steps: names must be those of Tensors, got {type(t).__name__}")
        enter(name or t.name or f"p{i}", t)
    for kind in ("named_parameters", "named_buffers"):
        for name, t in getattr(model, kind, tuple)():
            enter(name, t)
    for name, t in scope.items():
        if isinstance(t, Tensor) and not name.startswith("_"):
            enter(t.name or name, t)
    seq = loss.node.seq if loss.node is not None else -1
    if seq not in results:
        results[seq] = loss.name or "L"
    return leaves, results


def _pairs(tensors: Any) -> list[tuple[str | None, Any]]:
    if tensors is None:
        return []
    items = tensors.items() if isinstance(tensors, Mapping) else tensors
    return [item if isinstance(item, tuple) else (None, item) for item in items]
