"""For the tests of pooling, padding and interpolation: run an expression on both libraries."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import minigrad as mg
from tests.torch.oracle import array

ERRORS = (RuntimeError, IndexError, TypeError, ValueError, AttributeError)
Shapes = dict[str, tuple[int, ...]]


def repeat(text: str) -> list[str]:
    """The expressions of a table."""
    return [e.strip() for e in text.replace("\n", " ").split(" | ") if e.strip(" |")]


def _namespace(module: Any, shapes: Shapes, dtype: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors that require grad, and everything that an expression can name."""
    rng = np.random.default_rng(5)
    tensors = {}
    for name, shape in shapes.items():
        values = rng.permutation(int(np.prod(shape))).reshape(shape) / np.prod(shape) * 2.6 - 1.3
        t = module.tensor(values.astype(dtype))
        tensors[name] = t.requires_grad_() if dtype.startswith("float") else t
    functions = {n: getattr(module.nn.functional, n) for n in dir(module.nn.functional)}
    return tensors, {**functions, **tensors, "m": module, "nn": module.nn}


def _outcome(expression: str, names: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(expression, dict(names))
        except ERRORS as error:
            return error


def outcomes(expression: str, shapes: Shapes, dtype: str) -> tuple[Any, Any]:
    """What PyTorch and we return or raise."""
    theirs, ours = (_outcome(expression, _namespace(m, shapes, dtype)[1]) for m in (torch, mg))
    return theirs, ours


def _results(module: Any, expression: str, shapes: Shapes, dtype: str) -> list[Any]:
    """Results, and gradients of first and second order in every tensor that has one."""
    tensors, names = _namespace(module, shapes, dtype)
    out = _outcome(expression, names)
    if isinstance(out, Exception):
        raise out
    results = list(out) if isinstance(out, (tuple, list)) else [out]
    found = list(results)
    leaves = list(tensors.values())
    flows = [r for r in results if r.requires_grad]
    if flows:
        rng = np.random.default_rng(6)
        weights = [module.tensor(rng.normal(size=tuple(r.shape)).astype(dtype)) for r in flows]
        total = sum((r * r * r * w).sum() for r, w in zip(flows, weights, strict=True))
        first = module.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        found += first
        smooth = [g for g in first if g is not None and g.requires_grad]
        try:
            second: Any = (None,) * len(leaves)
            if smooth:
                total = sum((g * g).sum() for g in smooth)
                second = module.autograd.grad(total, leaves, allow_unused=True)
        except RuntimeError as error:  # PyTorch lacks some
            if module is mg or "not implemented" not in str(error):
                raise
            second = ("none",) * len(leaves)
        found += second
    return found


def compare(expression: str, shapes: Shapes, dtype: str, tolerance: float | None = None) -> None:
    """Assert equal results, types and gradients."""
    theirs = _results(torch, expression, shapes, dtype)
    ours = _results(mg, expression, shapes, dtype)
    tolerance = tolerance or (5e-5 if dtype == "float32" else 1e-9)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(b, str):
            continue
        if a is None or b is None:
            rest = b if a is None else a
            assert rest is None or not array(rest).any()
            continue
        p, q = array(a), array(b)
        assert p.dtype == q.dtype
        assert p.shape == q.shape
        scale = max(1.0, float(np.abs(q[np.isfinite(q)]).max(initial=0)))
        np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance * scale)
