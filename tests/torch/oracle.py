"""Run the same expression on PyTorch and on minigrad, and compare everything that can be seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import minigrad as mg

ERRORS = (RuntimeError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)
#: The tensors that expressions speak of: a name, a shape, an interval.
SHAPES = {
    "x": (3, 4), "y": (3, 4), "z": (3, 4), "v": (4,), "u": (3,), "c": (3, 1), "s": (), "w": (4, 5),
    "b": (2, 3, 4), "d": (2, 4, 5), "q": (4, 4), "o": (1,), "e": (0, 4), "h": (2, 3, 4, 5),
}  # fmt: skip


def inputs(module: Any, dtype: str, low: float = -2.5, high: float = 2.5) -> dict[str, Any]:
    """Fresh tensors with the same elements for either module."""
    rng = np.random.default_rng(7)
    arrays = {}
    for name, shape in SHAPES.items():
        values = rng.uniform(low, high, shape)
        arrays[name] = np.asarray(values > 0 if dtype == "bool" else values).astype(dtype)
    tensors: dict[str, Any] = {k: module.tensor(a) for k, a in arrays.items()}
    tensors["i"] = module.tensor(np.array([2, 0, 1, 2]))
    tensors["j"] = module.tensor(np.array([[0, 2, 1, 1], [2, 2, 0, 1]]))
    tensors["k"] = module.tensor(np.array([[3, 0], [1, 1], [2, 3]]))
    tensors["mask"] = module.tensor(rng.random((3, 4)) > 0.4)
    tensors["rows"] = module.tensor(np.array([True, False, True]))
    tensors["nan"] = module.tensor(
        np.array([1.0, np.nan, np.inf, -np.inf, -0.0, 0.0, 3.0]).astype("float32")
    )
    return tensors


def namespace(module: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """What an expression can name."""
    return {"m": module, "np": np, "inf": float("inf"), **tensors}


def flat(result: Any) -> list[Any]:
    """The tensors and numbers of a result, in order."""
    if isinstance(result, (tuple, list)) and not isinstance(result, (torch.Size, mg.Size)):
        return [part for r in result for part in flat(r)]
    return [result]


def array(t: Any) -> Any:
    """The elements, whether a graph hangs on them or not."""
    return t.detach().numpy(force=True)


def same(ours: Any, theirs: Any, tolerance: float = 2e-6) -> None:
    """Assert equal structure, types, shapes and elements."""
    a, b = flat(ours), flat(theirs)
    assert len(a) == len(b), (ours, theirs)
    for x, y in zip(a, b, strict=True):
        if isinstance(y, torch.Tensor):
            assert isinstance(x, mg.Tensor), f"{type(x).__name__} instead of a tensor"
            p, q = array(x), array(y)
            assert p.dtype == q.dtype, f"dtype {p.dtype}, PyTorch has {q.dtype}"
            assert p.shape == q.shape, f"shape {p.shape}, PyTorch has {q.shape}"
            np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance)
        elif isinstance(y, (torch.Size, torch.dtype)):
            assert str(x).replace("minigrad", "torch") == str(y)
        elif isinstance(y, float):
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
        else:
            assert type(x) is type(y)
            assert x == y


def outcome(module: Any, expression: str, tensors: dict[str, Any]) -> Any:
    """The value of an expression (or of ``out`` after statements), or the exception it raised."""
    names = namespace(module, tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces what it deprecates
        try:
            if "\n" in expression or ";" in expression:
                exec(expression.replace("; ", "\n"), names)
                return names["out"]
            return eval(expression, names)
        except ERRORS as error:
            return error


def used(expression: str, tensors: dict[str, Any]) -> list[str]:
    """The names of the floating point tensors an expression reads."""
    words = set("".join(ch if ch.isalnum() or ch == "_" else " " for ch in expression).split())
    return [n for n in tensors if n in words and n in SHAPES and n != "e"]


def weights(results: Sequence[Any], seed: int) -> list[np.ndarray[Any, Any]]:
    """Fixed gradients to start from, one per result."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(0.5, 1.5, tuple(r.shape))) for r in results]


def gradients(module: Any, expression: str, low: float, high: float) -> tuple[list[Any], list[Any]]:
    """First and second order gradients of an expression in the float64 tensors it names."""
    grad = torch.autograd.grad if module is torch else mg.autograd.grad
    tensors = inputs(module, "float64", low, high)
    leaves = [tensors[n].requires_grad_() for n in used(expression, tensors)]
    if "_(" in expression or "] =" in expression or "+=" in expression:  # leaves cannot be written
        for n in used(expression, tensors):
            tensors[n] = tensors[n] * 1
    result = outcome(module, expression, tensors)
    if isinstance(result, Exception):
        raise result
    outs = [r for r in flat(result) if hasattr(r, "requires_grad") and r.requires_grad]
    if not outs:
        return [], []
    flows = [module.tensor(w) for w in weights(outs, 3)]
    kwargs: dict[str, Any] = {"allow_unused": True}
    first = grad(outs, leaves, flows, create_graph=True, **kwargs)
    # drawn for all of them: which ones have a graph may differ
    drawn = zip(first, weights(leaves, 4), strict=True)
    pairs = [(g, module.tensor(w)) for g, w in drawn if g is not None and g.requires_grad]
    if not pairs:
        return [first], []
    again, flows = zip(*pairs, strict=True)
    return [first], [grad(again, leaves, flows, **kwargs)]


def same_or_zero(ours: Any, theirs: Any, tolerance: float) -> None:
    """As :func:`same`; no gradient at all is as good as zeros."""
    a, b = flat(ours), flat(theirs)
    if not a or not b:
        assert all(np.abs(array(g)).max(initial=0) <= tolerance for g in a + b if g is not None)
        return
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            rest = y if x is None else x
            assert rest is None or np.abs(array(rest)).max(initial=0) <= tolerance
        else:
            same(x, y, tolerance)
