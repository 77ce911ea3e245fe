"""Checks that follow from a declaration: kernel against formula, gradient against differences.

Every operation brings sample inputs, so all of these run on every operation, in the tests and in
``python -m minigrad gradcheck``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.autograd.gradcheck import Report, check, with_gradients
from minigrad.core.declare import REGISTRY, Op
from minigrad.core.engine import apply
from minigrad.core.public import PUBLIC
from minigrad.core.samples import Sample
from minigrad.core.tensor import Tensor
from minigrad.ops.loops import Compiled

__all__ = [
    "OpResult", "backward_error", "check_operation", "check_operations", "deviation",
    "differentiable", "first_order", "function_of", "kernel_errors", "samples", "second_order",
    "tensors_of",
]  # fmt: skip


#: By how much a kernel may differ from the formula on numpy, relative to the largest value.
KERNEL_TOLERANCE = {"float64": 1e-13, "float32": 2e-5}
#: One block of a kernel, and 37 elements.
KERNEL_SIZE = 8192 + 37
#: Above so many elements in the inputs, second derivatives are checked along random directions.
_FULL_SECOND = 150
_FULL_FIRST = 600


@dataclass
class OpResult:
    """What the checks of one operation found; errors are relative, NaN where there was nothing."""

    name: str
    samples: int = 0
    kernel: float = math.nan
    first: float = math.nan
    second: float = math.nan
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


def samples(op: Op, seed: int = 0) -> list[Sample]:
    """The sample inputs of a declaration."""
    return list(op.sample(np.random.default_rng(seed)))


def tensors_of(op: Op, sample: Sample, dtype: Any = np.float64) -> list[Tensor]:
    """Leaves made of a sample: floating inputs in `dtype`, others (indices, masks) as they are.

    Those that the declaration has a derivative for require grad.
    """
    made = []
    for i, a in enumerate(sample.inputs):
        array = np.asarray(a)
        floating = array.dtype.kind == "f"
        t = Tensor(array.astype(dtype) if floating else array.copy())
        t._requires_grad = floating and op.differentiable and not (op.rules and op.rules[i] is None)
        made.append(t)
    return made


def function_of(op: Op, params: tuple[Any, ...]) -> Callable[..., Any]:
    """The operation as a function of tensors; operations that draw, draw the same each time."""
    state = PUBLIC["get_rng_state"]() if "get_rng_state" in PUBLIC else None

    def function(*tensors: Tensor) -> Any:
        if state is not None:
            PUBLIC["set_rng_state"](state)
        return apply(op, tensors, params)

    function.__name__ = op.name
    return function


def deviation(found: Any, expected: Any) -> float:
    """The largest difference of two arrays, relative to the larger values of `expected`."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return math.inf
    if not expected.size or found.dtype.kind == "b":
        return 0.0 if np.array_equal(found, expected) else math.inf
    with np.errstate(all="ignore"):
        same = (found == expected) | ((found != found) & (expected != expected))
        finite = expected[np.isfinite(expected)]
        scale = np.maximum(np.abs(expected), 0.1 * np.max(np.abs(finite), initial=1e-30))
        worst = np.max(np.where(same, 0.0, np.abs(found - expected) / scale))
    return float(worst) if worst == worst else math.inf


def kernel_errors(op: Compiled, sample: Sample, dtype: Any, rules: bool = True) -> dict[str, float]:
    """How far the fused kernels of an operation are from its formulas on numpy arrays.

    The operands are laid out in full, so that each formula needs one kernel per type, and repeated
    over more than one block: the vectorised part of the loop and its end are both run.
    """
    kind = np.dtype(dtype)
    arrays = [np.asarray(a) for a in sample.inputs]
    arrays = [a.astype(kind) if a.dtype.kind == "f" else a for a in arrays]
    arrays = [np.resize(a, KERNEL_SIZE if a.size else 0) for a in np.broadcast_arrays(*arrays)]
    params = sample.params or op.defaults
    with np.errstate(all="ignore"):
        y = np.asarray(op.formula(*arrays, *params))
        errors = {"formula": deviation(op.fused(arrays, params, kind), y)}
        if not op.differentiable or not rules:
            return errors
        g = np.cos(np.arange(y.size, dtype=kind)).reshape(y.shape)
        for i, rule in enumerate(op.rules):
            fused = None if rule is None else op.fused_rule(i)
            if rule is None or fused is None:
                continue
            values = {"g": g, "y": y} | dict(zip(op.names, (*arrays, *params), strict=True))
            expected = rule.function(*[values[n] for n in rule.names])
            found = fused(
                [values[n] for n in fused.operands], [values[n] for n in fused.params], kind
            )
            errors[f"derivative in {op.names[i]}"] = deviation(
                found, np.broadcast_to(expected, y.shape)
            )
    return errors


def backward_error(op: Op, sample: Sample, dtype: Any = np.float64) -> float:
    """How far the backward on arrays (fused, if there is one) is from the rules on tensors."""
    made = tensors_of(op, sample, dtype)
    if not any(t.requires_grad for t in made):
        return 0.0
    out = function_of(op, sample.params)(*made)
    outs = out if isinstance(out, tuple) else (out,)
    leaves = [t for t in made if t.requires_grad]
    flows = [
        Tensor(np.cos(np.arange(y.array.size)).reshape(y.array.shape).astype(y.array.dtype))
        for y in outs
    ]
    pairs = [(y, v) for y, v in zip(outs, flows, strict=True) if y.requires_grad]
    if not pairs:
        return 0.0
    from minigrad.autograd.graph import grad

    results = [
        grad([y for y, _ in pairs], leaves, [v for _, v in pairs], retain_graph=True,
             create_graph=create, allow_unused=True)
        for create in (True, False)
    ]  # fmt: skip
    worst = 0.0
    for a, b in zip(*results, strict=True):
        if (a is None) != (b is None):
            return math.inf
        if a is not None and b is not None:
            worst = max(worst, deviation(b.array, a.array))
    return worst


def differentiable(op: Op, sample: Sample) -> bool:
    """Whether a gradient can flow to any input of the sample."""
    return any(t.requires_grad for t in tensors_of(op, sample))


def _elements(tensors: Sequence[Tensor]) -> int:
    return sum(t.array.size for t in tensors if t.requires_grad)


def first_order(op: Op, sample: Sample, fast: bool = False) -> Report | None:
    """The gradient of an operation against finite differences; None where nothing can flow."""
    made = tensors_of(op, sample)
    if not op.differentiable or not _elements(made):
        return None
    fast = fast or _elements(made) > _FULL_FIRST
    return check(function_of(op, sample.params), made, name=op.name, fast_mode=fast)


def second_order(op: Op, sample: Sample, fast: bool = False) -> Report | None:
    """The gradient of the gradient against finite differences."""
    made = tensors_of(op, sample)
    if not op.differentiable or not _elements(made):
        return None
    function = function_of(op, sample.params)
    derivative, arguments = with_gradients(function, made)
    fast = fast or _elements(made) > _FULL_SECOND
    return check(derivative, arguments, name=f"{op.name} (second order)", fast_mode=fast)


def check_operation(
    op: Op, *, second: bool = True, fast: bool = False, kernels: bool = True, seed: int = 0
) -> OpResult:
    """All checks of one operation on all its samples.

    Parameters
    ----------
    op : Op
        From `ops.REGISTRY`.
    second : bool
        Check second derivatives, too.
    fast : bool
        Along random directions only.
    kernels : bool
        Compile and check the fused kernels of elementwise operations.
    seed : int
        For the samples.

    Examples
    --------
    >>> result = check_operation(REGISTRY["tanh"], kernels=False)
    >>> result.ok, result.first < 1e-8, result.second < 1e-6
    (True, True, True)
    """
    result = OpResult(op.name)
    start = time.perf_counter()
    for k, sample in enumerate(samples(op, seed)):
        result.samples += 1
        try:
            _check_sample(op, sample, result, second, fast, kernels)
        except Exception as error:
            shapes = [list(np.shape(a)) for a in sample.inputs]
            result.problems.append(
                f"{op.name}, sample {k} (inputs {shapes}): {type(error).__name__}: {error}"
            )
    result.seconds = time.perf_counter() - start
    return result


def _worse(known: float, new: float) -> float:
    return new if known != known else max(known, new)


def _check_sample(
    op: Op, sample: Sample, result: OpResult, second: bool, fast: bool, kernels: bool
) -> None:
    if kernels and isinstance(op, Compiled):
        for what, error in kernel_errors(op, sample, np.float64).items():
            result.kernel = _worse(result.kernel, error)
            if error > KERNEL_TOLERANCE["float64"]:
                result.problems.append(f"{op.name}: the kernel of the {what} is off by {error:.2g}")
    elif op.differentiable:
        error = backward_error(op, sample)
        result.kernel = _worse(result.kernel, error)
        if error > 1e-9:
            result.problems.append(
                f"{op.name}: the backward kernel and the rule on tensors differ by {error:.2g}"
            )
    report = first_order(op, sample, fast)
    if report is None:
        return
    result.first = _worse(result.first, report.error)
    if not report.ok:
        result.problems.append(str(report))
    elif second:
        report = second_order(op, sample, fast)
        assert report is not None
        result.second = _worse(result.second, report.error)
        if not report.ok:
            result.problems.append(str(report))


def check_operations(names: Sequence[str] = (), **options: Any) -> Iterator[OpResult]:
    """The checks of several operations, or of all, one after the other.

    Raises
    ------
    KeyError
        If there is no operation of a name, with the nearest names.
    """
    for name in names:
        if name not in REGISTRY:
            import difflib

            near = difflib.get_close_matches(name, REGISTRY, 3)
            hint = f": did you mean {', '.join(near)}?" if near else ""
            raise KeyError(f"there is no operation called {name!r}{hint}")
    for name in names or sorted(REGISTRY):
        yield check_operation(REGISTRY[name], **options)
