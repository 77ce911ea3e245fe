"""Is the gradient right? Compare it with finite differences, and say why it is not.

:func:`gradcheck` and :func:`gradgradcheck` have PyTorch's names, arguments and defaults. Behind
them is :func:`check`, which returns a :class:`Report`: the worst element, what the gradient says
there and what finite differences say, the step they were taken with, and the likely mistake.

Three things spare false alarms. Inputs in float32 are checked in float64 where the function allows
it. The differences are extrapolated from two steps, and taken again with smaller ones where they
disagree with the gradient. Elements at a kink (``relu`` at 0), where the slopes from both sides
differ, are reported as such and not as errors.

References
----------
CS231n notes, "Gradient checks"; PyTorch's ``torch.autograd.gradcheck``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.autograd import numeric
from minigrad.autograd.explain import likely_cause, swapped
from minigrad.autograd.graph import grad
from minigrad.autograd.modes import enable_grad
from minigrad.tensor import Tensor

__all__ = ["Element", "GradcheckError", "Report", "check", "gradcheck", "gradgradcheck"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]

#: After so many confirmed errors the rest is believed to be wrong as well.
_ENOUGH = 16


class GradcheckError(RuntimeError):
    """A gradient does not agree with finite differences."""


@dataclass(frozen=True)
class Element:
    """One entry of a Jacobian: how one element of an output changes with one of an input.

    ``index`` and ``out_index`` are None where a random direction was checked (``fast_mode``).
    """

    input: int
    index: tuple[int, ...] | None
    output: int
    out_index: tuple[int, ...] | None
    analytic: float
    numeric: float
    step: float
    kind: str
    left: float
    right: float
    error: float

    def __str__(self) -> str:
        at = "along a random direction" if self.index is None else f"element {self.index}"
        of = f"output {self.output}" + (f" element {self.out_index}" if self.out_index else "")
        text = (
            f"{of} by input {self.input}, {at}: analytic {self.analytic:.9g}, numeric "
            f"{self.numeric:.9g} (step {self.step:.2g}), relative error {self.error:.2g}"
        )
        if self.kind in ("kink", "jump", "edge"):
            text += f"; a {self.kind}: slope {self.left:.6g} from the left, {self.right:.6g} from the right"
        return text


@dataclass
class Report:
    """What :func:`check` found.

    Attributes
    ----------
    ok : bool
        Whether the gradient is right; also the truth value of the report.
    name : str
        The function or operation.
    worst : Element or None
        The entry that deviates most.
    error : float
        Its relative error: the deviation over the larger of both values, or over ``atol / rtol``
        where both are smaller than that.
    checked : int
        How many entries were compared.
    kinks : list of Element
        Entries where the function has no derivative; they do not count as errors.
    verdict : str
        What is wrong, and the likely cause; empty if `ok`.
    dtype : str
        The type the check was computed in.
    """

    ok: bool
    name: str
    worst: Element | None = None
    error: float = 0.0
    checked: int = 0
    kinks: list[Element] = field(default_factory=list)
    verdict: str = ""
    dtype: str = "float64"
    jacobians: tuple[Array, Array] | None = None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        kinks = f", {len(self.kinks)} of them at a kink" if self.kinks else ""
        checked = f"{self.checked} entries of the Jacobian compared in {self.dtype}{kinks}"
        if self.ok:
            return f"{self.name}: gradient ok, {checked}, worst relative error {self.error:.2g}"
        lines = [f"{self.name}: {self.verdict}"]
        if self.worst is not None:
            lines.append(f"Worst: {self.worst}")
        lines.append(f"({checked})")
        if self.jacobians is not None and max(self.jacobians[0].shape) <= 8:
            with np.printoptions(precision=5, suppress=True, linewidth=100):
                lines += [f"numerical:\n{self.jacobians[1]}", f"analytical:\n{self.jacobians[0]}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Tolerance:
    atol: float
    rtol: float

    def close(self, a: float, n: float) -> bool:
        return a == n or abs(a - n) <= self.atol + self.rtol * abs(n)

    def all_close(self, a: Array, n: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray((a == n) | (np.abs(a - n) <= self.atol + self.rtol * np.abs(n)))

    def error(self, a: float, n: float) -> float:
        """Relative to the larger of both, or to the size below which `atol` decides."""
        if a == n:
            return 0.0
        if not (math.isfinite(a) and math.isfinite(n)):
            return math.inf
        return abs(a - n) / max(abs(a), abs(n), self.atol / max(self.rtol, 1e-12), 1e-300)


class _Problem:
    """A function of several tensors as a function of float64 arrays, and its gradients."""

    def __init__(self, func: Function, inputs: Any, eps: float | None) -> None:
        self.func = func
        self.inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        self.which = [
            i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad
        ]
        if not self.which:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them "
                "have requires_grad=True."
            )
        self.original = [
            x.array if isinstance(x, Tensor) else x for x in self.inputs
        ]
        self.arrays = list(self.original)
        self.widened = self._widen()
        dtypes = [self.arrays[i].dtype for i in self.which]
        self.dtype = min(dtypes, key=lambda d: d.itemsize)
        low = numeric.default_step(self.dtype)
        self.step = low if eps is None or self.dtype != np.float64 else eps

    def _widen(self) -> bool:
        """Go over to float64 if the inputs are of a smaller type, and the function follows."""
        floats = [isinstance(x, Tensor) and x.is_floating_point() for x in self.inputs]
        wide = [
            a.astype(np.float64) if f else a for a, f in zip(self.original, floats, strict=True)
        ]
        if all(a.dtype == np.float64 for a, f in zip(self.original, floats, strict=True) if f):
            return False
        try:
            outs = self.call(wide)
        except (RuntimeError, TypeError, ValueError):
            return False
        if any(y.array.dtype != np.float64 for y in outs):
            return False
        self.arrays = wide
        return True

    def tensors(self, arrays: Sequence[Any]) -> list[Any]:
        """New leaves, so that the function may write over its arguments."""
        made: list[Any] = []
        for x, a in zip(self.inputs, arrays, strict=True):
            if isinstance(x, Tensor):
                t = Tensor(np.array(a, order="K"))
                t._requires_grad = x.requires_grad
                made.append(t)
            else:
                made.append(a)
        return made

    def call(self, arrays: Sequence[Any], made: list[Any] | None = None) -> list[Tensor]:
        """The floating point results."""
        with enable_grad():
            out = self.func(*(made or self.tensors(arrays)))
        outs = out if isinstance(out, (tuple, list)) else (out,)
        found = [y for y in outs if isinstance(y, Tensor) and y.is_floating_point()]
        if not found:
            raise ValueError("gradcheck expects the function to return floating point tensors")
        return found

    def values(self, arrays: Sequence[Any]) -> Array:
        """All results as one vector."""
        return np.concatenate([y.array.astype(np.float64).reshape(-1) for y in self.call(arrays)])

    def along(self, i: int, direction: Any) -> numeric.Along:
        """The results where input `i` moves; `direction` is an index or an array."""
        known: dict[float, Array] = {}

        def at(t: float) -> Array:
            if t not in known:
                arrays = list(self.arrays)
                moved = np.array(arrays[i], order="K")
                if isinstance(direction, tuple):
                    moved[direction] += moved.dtype.type(t)
                else:
                    moved += (t * direction).astype(moved.dtype)
                arrays[i] = moved
                known[t] = self.values(arrays)
            return known[t]

        return at

    def gradients(self, outs: list[Tensor], leaves: list[Tensor], o: int, v: Array) -> list[Array]:
        """``v^T J`` of output `o`, for each differentiable input."""
        if not outs[o].requires_grad:
            return [np.zeros(x.array.shape) for x in leaves]
        flow = Tensor(v.reshape(outs[o].array.shape).astype(outs[o].array.dtype))
        found = grad(outs[o], leaves, flow, retain_graph=True, allow_unused=True)
        return [
            np.zeros(x.array.shape) if g is None else g.array
            for x, g in zip(leaves, found, strict=True)
        ]

    def start(self, arrays: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs with their graph, and the leaves they were computed from."""
        made = self.tensors(arrays)
        leaves = [made[i] for i in self.which]
        return self.call(arrays, made), leaves


def _analytic(problem: _Problem) -> tuple[list[list[Array]], list[Tensor], list[Tensor]]:
    """Jacobians ``[input][output]``, rows for elements of the input."""
    outs, leaves = problem.start(problem.arrays)
    jacobians = [[np.zeros((x.array.size, y.array.size)) for y in outs] for x in leaves]
    for o, y in enumerate(outs):
        for k in range(y.array.size):
            v = np.zeros(y.array.size)
            v[k] = 1
            for row, g in zip(jacobians, problem.gradients(outs, leaves, o, v), strict=True):
                row[o][:, k] = g.reshape(-1)
    return jacobians, outs, leaves


class _Comparison:
    """The slow check: every entry of every Jacobian."""

    def __init__(self, problem: _Problem, tol: _Tolerance, name: str) -> None:
        self.problem, self.tol = problem, tol
        self.analytic, self.outs, self.leaves = _analytic(problem)
        self.numeric = [[np.zeros_like(a) for a in row] for row in self.analytic]
        self.report = Report(True, name, dtype=problem.dtype.name)
        self.failed: tuple[int, int] | None = None
        self.confirmed = 0

    def run(self) -> Report:
        for position, i in enumerate(self.problem.which):
            x = self.problem.arrays[i]
            for e in range(x.size):
                self._element(position, i, e, np.unravel_index(e, x.shape))
        report = self.report
        if self.failed is not None:
            report.ok = False
            report.verdict = self._explain(*self.failed)
        return report

    def _element(self, position: int, i: int, e: int, place: tuple[Any, ...]) -> None:
        index = tuple(int(p) for p in place)
        at = self.problem.along(i, index)
        x = self.problem.arrays[i]
        h = numeric.round_step(self.problem.step, abs(float(x[index])))
        slopes = numeric.central(at, h)
        start = 0
        for o, y in enumerate(self.outs):
            claimed, found = self.analytic[position][o][e], slopes[start : start + y.array.size]
            self.numeric[position][o][e] = found
            agree = self.tol.all_close(claimed, found)
            self.report.checked += found.size
            for k in range(found.size):
                if not agree[k] and self.confirmed < _ENOUGH:
                    slope = numeric.refine(at, h, start + k, float(claimed[k]), self.tol.close)
                else:
                    slope = numeric.Slope(float(found[k]), h)
                where = np.unravel_index(k, y.array.shape)
                self._note(position, o, e, k, index, tuple(int(p) for p in where), slope)
            start += found.size

    def _note(
        self,
        position: int,
        o: int,
        e: int,
        k: int,
        index: tuple[int, ...],
        where: tuple[int, ...],
        slope: numeric.Slope,
    ) -> None:
        claimed = float(self.analytic[position][o][e, k])
        self.numeric[position][o][e, k] = slope.value
        element = Element(
            self.problem.which[position], index, o, where, claimed,
            slope.value, slope.step, slope.kind, slope.left, slope.right,
            self.tol.error(claimed, slope.value),
        )  # fmt: skip
        report = self.report
        if acceptable(element, self.tol.close):
            if element.kind != "smooth":
                report.kinks.append(element)
                return
        else:
            self.confirmed += 1
            if self.failed is None or element.error >= report.error:
                self.failed = (position, o)
        if report.worst is None or element.error > report.error:
            report.worst, report.error = element, element.error

    def _explain(self, position: int, o: int) -> str:
        analytic, found = self.analytic[position][o], self.numeric[position][o]
        self.report.jacobians = (analytic, found)
        i = self.problem.which[position]
        x = self.problem.arrays[i]
        cause = swapped([row[o] for row in self.analytic], [row[o] for row in self.numeric])
        cause = cause or likely_cause(
            analytic, found, x.reshape(-1).astype(np.float64), x.shape, self.outs[o].array.shape
        )
        if not cause and self.problem.dtype != np.float64:
            cause = f"The check ran in {self.problem.dtype}, which resolves little: use float64 inputs."
        text = f"Jacobian mismatch for output {o} with respect to input {i}."
        return f"{text} {cause}".rstrip()


def acceptable(element: Element, close: Callable[[float, float], bool]) -> bool:
    """Whether an entry is right: it agrees, or it is one of the slopes where there are several."""
    if close(element.analytic, element.numeric):
        return True
    a, sides = element.analytic, (element.left, element.right)
    if element.kind == "kink":
        slack = 1e-3 * (1 + max(abs(s) for s in sides))
        return min(sides) - slack <= a <= max(sides) + slack
    if element.kind == "edge":
        return abs(a - element.numeric) <= 1e-2 * (1 + abs(element.numeric))
    return element.kind == "jump" and math.isfinite(a)


# -- fast mode -----------------------------------------------------------------------------------


def _direction(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A direction whose components are neither tiny nor larger than 1."""
    return np.asarray(rng.uniform(0.3, 1.0, shape) * rng.choice([-1.0, 1.0], shape))


def _fast(problem: _Problem, tol: _Tolerance, name: str, rng: np.random.Generator) -> Report:
    """One random direction per input, one random combination per output."""
    report = Report(True, name, dtype=problem.dtype.name)
    outs, leaves = problem.start(problem.arrays)
    weights = [_direction(rng, (y.array.size,)) for y in outs]
    claims = [problem.gradients(outs, leaves, o, v) for o, v in enumerate(weights)]
    ends = np.cumsum([y.array.size for y in outs])
    for position, i in enumerate(problem.which):
        x = problem.arrays[i]
        u = _direction(rng, x.shape)
        at = problem.along(i, u)
        h = numeric.round_step(problem.step)
        slopes = numeric.central(at, h)
        for o, v in enumerate(weights):
            part = slice(int(ends[o]) - v.size, int(ends[o]))
            claimed = float(np.sum(claims[o][position] * u))
            slope = numeric.Slope(float(v @ slopes[part]), h)
            if not tol.close(claimed, slope.value):

                def combined(t: float, part: slice = part, v: Array = v) -> Array:
                    return np.array([v @ at(t)[part]])  # noqa: B023

                slope = numeric.refine(combined, h, 0, claimed, tol.close)
            error = tol.error(claimed, slope.value)
            element = Element(i, None, o, None, claimed, *slope, error)
            report.checked += 1
            if not acceptable(element, tol.close):
                report.ok = False
                report.verdict = (
                    f"Jacobian mismatch for output {o} with respect to input {i}, along a random "
                    "direction; fast_mode=False finds the element."
                )
            elif slope.kind != "smooth":
                report.kinks.append(element)
                continue
            if report.worst is None or error > report.error:
                report.worst, report.error = element, error
    return report


# -- the other properties of a gradient ----------------------------------------------------------


def _forward_repeats(problem: _Problem, nondet_tol: float) -> str:
    first, second = problem.values(problem.arrays), problem.values(problem.arrays)
    if first.shape != second.shape or not np.allclose(
        first, second, rtol=0, atol=nondet_tol, equal_nan=True
    ):
        return (
            "The function gives another result when it is called again: fix the random state inside "
            "it (manual_seed), or call eval() on a module with dropout, before checking gradients."
        )
    return ""


def _backward_behaves(
    problem: _Problem, nondet_tol: float, undefined: bool, rng: np.random.Generator
) -> str:
    """Backward repeats itself, and is linear in the gradient that flows in."""
    outs, leaves = problem.start(problem.arrays)
    flowing = [o for o, y in enumerate(outs) if y.requires_grad]
    for o in flowing:
        size = outs[o].array.size
        v, w = _direction(rng, (size,)), _direction(rng, (size,))
        gv, again = [problem.gradients(outs, leaves, o, v) for _ in range(2)]
        for a, b in zip(gv, again, strict=True):
            if not np.allclose(a, b, rtol=0, atol=nondet_tol, equal_nan=True):
                return (
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical gradient "
                    f"matches numerical gradient. The tolerance for nondeterminism was {nondet_tol}."
                )
        gw, both = [problem.gradients(outs, leaves, o, f) for f in (w, 2 * v + w)]
        for a, b, c in zip(gv, gw, both, strict=True):
            scale = 1 + np.max(np.abs(c), initial=0.0)
            if np.all(np.isfinite(c)) and np.any(np.abs(2 * a + b - c) > 1e-3 * scale):
                return (
                    "backward not multiplied by grad_output: the gradient is not linear in the "
                    "gradient that flows in."
                )
    if undefined and len(flowing) > 1:
        return _undefined(outs, leaves, flowing)
    return ""


def _undefined(outs: list[Tensor], leaves: list[Tensor], flowing: list[int]) -> str:
    """Results that nothing was computed from pass no gradient on, and must not need one."""
    for o in flowing:
        try:
            grad(outs[o], leaves, Tensor(np.ones_like(outs[o].array)), True, allow_unused=True)
        except Exception as error:
            return (
                "Expected backward function to handle undefined output grads (only output "
                f"{o} was used), but it raised {type(error).__name__}: {error}"
            )
    return ""


def _types(problem: _Problem) -> str:
    """Gradients have the shape and type of their input, in the types the user gave."""
    outs, leaves = problem.start(problem.original)
    for y in outs:
        if y.requires_grad:
            flow = Tensor(np.ones_like(y.array))
            found = grad(y, leaves, flow, retain_graph=True, allow_unused=True)
            for i, (x, g) in enumerate(zip(leaves, found, strict=True)):
                if g is None:
                    continue
                if g.array.shape != x.array.shape or g.array.dtype != x.array.dtype:
                    return (
                        f"the gradient of input {problem.which[i]} is {g.array.dtype} of shape "
                        f"{list(g.array.shape)}, the input {x.array.dtype} of shape "
                        f"{list(x.array.shape)}"
                    )
    return ""


def _small_type_agrees(problem: _Problem) -> str:
    """The gradients in the type the user gave are those in float64, but for rounding."""
    results = []
    for arrays in (problem.original, problem.arrays):
        outs, leaves = problem.start(arrays)
        flows = [np.cos(np.arange(y.array.size)) for y in outs]  # anything that is the same twice
        results.append([problem.gradients(outs, leaves, o, v) for o, v in enumerate(flows)])
    for small, wide in zip(*results, strict=True):
        for i, (a, b) in enumerate(zip(small, wide, strict=True)):
            if not np.all(np.isfinite(b)) or not b.size:
                continue
            dtype = problem.original[problem.which[i]].dtype
            slack = 10 * math.sqrt(np.finfo(dtype).eps) * (np.max(np.abs(b)) + 1e-3)
            if not np.all(np.abs(a - b) <= slack):
                return (
                    f"The gradient of input {problem.which[i]} is right in float64, but in {dtype} it "
                    f"is off by {np.max(np.abs(a - b)):.3g}: is precision lost, or a type mixed up?"
                )
    return ""


# -- the functions -------------------------------------------------------------------------------


def check(
    func: Function,
    inputs: Any,
    *,
    name: str = "",
    eps: float | None = None,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
) -> Report:
    """Compare gradients with finite differences; say where they differ most, and why.

    Parameters
    ----------
    func : callable
        From tensors to a tensor, or to several.
    inputs : Tensor or sequence
        Its arguments. Those that require grad are checked; others are passed as they are.
    name : str
        How the report calls the function; by default as Python does.
    eps : float, optional
        The step; by default one that suits the type, 1e-3 in float64 (the differences are
        extrapolated, so it is larger than without).
    atol, rtol : float
        A gradient `a` agrees with a difference `n` if ``|a - n| <= atol + rtol |n|``. Where the
        check has to run in float32, they are at least 1e-2.
    nondet_tol : float
        How much two runs may differ.
    check_undefined_grad : bool
        Of several results, backward must do with only one.
    check_grad_dtypes : bool
        Gradients must have the type and shape of their input.
    fast_mode : bool
        Check one random direction per input instead of every element.
    seed : int
        For the random directions.

    Returns
    -------
    Report

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([0.5, 2.0], dtype=mg.float64, requires_grad=True)
    >>> report = check(lambda x: (x * x).sum(), x, name="square")
    >>> report.ok, report.error < 1e-9
    (True, True)
    """
    problem = _Problem(func, inputs, eps)
    name = name or getattr(func, "__name__", type(func).__name__)
    if problem.dtype != np.float64:
        atol, rtol = max(atol, 1e-2), max(rtol, 1e-2)
    tol = _Tolerance(atol, rtol)
    rng = np.random.default_rng(seed)
    trouble = _forward_repeats(problem, nondet_tol)
    if trouble:
        return Report(False, name, verdict=trouble, dtype=problem.dtype.name)
    if fast_mode:
        report = _fast(problem, tol, name, rng)
        if not report.ok and sum(problem.arrays[i].size for i in problem.which) <= 256:
            report = _Comparison(problem, tol, name).run()
    else:
        report = _Comparison(problem, tol, name).run()
    if report.ok:
        trouble = _backward_behaves(problem, nondet_tol, check_undefined_grad, rng)
        if not trouble and check_grad_dtypes:
            trouble = _types(problem)
        if not trouble and problem.widened:
            trouble = _small_type_agrees(problem)
        report.ok, report.verdict = not trouble, trouble
    return report


def _finish(report: Report, raise_exception: bool) -> bool:
    if not report.ok and raise_exception:
        raise GradcheckError(str(report))
    return report.ok


def _refuse_unknown(**asked: Any) -> None:
    for name, value in asked.items():
        if value:
            raise ValueError(
                f"{name}=True is not supported: minigrad has no vmap and no sparse tensors; leave it out"
            )


def gradcheck(
    func: Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of `func` at `inputs` agree with finite differences.

    The arguments are PyTorch's. What is compared, and how, is described at :func:`check`, whose
    report is the text of the error.

    Parameters
    ----------
    func : callable
        From tensors to a tensor, or to several.
    inputs : Tensor or tuple
        Its arguments; those with ``requires_grad=True`` are checked.
    eps : float
        The step of the differences.
    atol, rtol : float
        What counts as agreement.
    raise_exception : bool
        Raise instead of returning False.
    nondet_tol : float
        How much two runs of backward may differ.
    check_undefined_grad, check_grad_dtypes : bool
        Further properties, see :func:`check`.
    check_forward_ad : bool
        Compare directional derivatives (`functional.jvp`), too.
    check_backward_ad : bool
        Check gradients; on by default.
    fast_mode : bool
        One random direction per input.

    Raises
    ------
    GradcheckError
        If they do not agree and `raise_exception`.
    ValueError
        If no input requires grad, or for PyTorch's arguments that need vmap or sparse tensors.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.linspace(-2, 2, 4, dtype=mg.float64, requires_grad=True)
    >>> gradcheck(mg.tanh, x)
    True
    """
    _refuse_unknown(
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        masked=masked,
    )
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad and check_backward_ad")
    ok = True
    if check_backward_ad:
        report = check(
            func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol,
            check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
            fast_mode=fast_mode,
        )  # fmt: skip
        ok = _finish(report, raise_exception)
    if ok and check_forward_ad:
        ok = _finish(_forward_mode(func, inputs, eps, _Tolerance(atol, rtol)), raise_exception)
    return ok


def _forward_mode(func: Function, inputs: Any, eps: float, tol: _Tolerance) -> Report:
    """Directional derivatives by `functional.jvp` against differences along the same direction."""
    from minigrad.autograd.functional import jvp

    problem = _Problem(func, inputs, eps)
    report = Report(True, getattr(func, "__name__", "function"), dtype=problem.dtype.name)
    rng = np.random.default_rng(0)
    for position, i in enumerate(problem.which):
        directions = [np.zeros(problem.arrays[j].shape) for j in problem.which]
        directions[position] = _direction(rng, problem.arrays[i].shape)

        def of_leaves(*leaves: Tensor) -> tuple[Tensor, ...]:
            made = problem.tensors(problem.arrays)
            for j, leaf in zip(problem.which, leaves, strict=True):
                made[j] = leaf
            return tuple(problem.call(problem.arrays, made))

        leaves = tuple(problem.tensors(problem.arrays)[j] for j in problem.which)
        flows = tuple(
            Tensor(d.astype(x.array.dtype)) for d, x in zip(directions, leaves, strict=True)
        )
        found = jvp(of_leaves, leaves, flows)[1]
        claimed = np.concatenate([y.array.reshape(-1) for y in found])
        slopes = numeric.central(problem.along(i, directions[position]), problem.step)
        report.checked += claimed.size
        if not tol.all_close(claimed, slopes).all():
            k = int(np.argmax(np.abs(claimed - slopes)))
            report.ok = False
            report.verdict = (
                f"Directional derivative with respect to input {i}: jvp gives {claimed[k]:.9g}, "
                f"finite differences {slopes[k]:.9g}, at element {k} of the results."
            )
    return report


def with_gradients(func: Function, inputs: Any, grad_outputs: Any = None) -> tuple[Function, tuple[Any, ...]]:
    """The first derivative of `func` as a function of its inputs and of what flows in.

    Returns that function and its arguments: `inputs`, then the gradients of the results (random
    ones if `grad_outputs` is None).
    """
    problem = _Problem(func, inputs, None)
    outs = problem.call(problem.original)
    used = [o for o, y in enumerate(outs) if y.requires_grad]
    if not used:
        raise ValueError("gradgradcheck: no result depends on the inputs that require grad")
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        flows = [
            Tensor(_direction(rng, outs[o].array.shape).astype(outs[o].array.dtype)).requires_grad_()
            for o in used
        ]
    else:
        flows = list(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else [grad_outputs]
    count = len(problem.inputs)

    def first_derivative(*args: Any) -> tuple[Tensor, ...]:
        made = args[:count]
        results = problem.call((), list(made))
        leaves = [made[i] for i in problem.which]
        found = grad(
            [results[o] for o in used], leaves, list(args[count:]),
            create_graph=True, allow_unused=True,
        )  # fmt: skip
        return tuple(
            Tensor(np.zeros(x.array.shape, x.array.dtype)) if g is None else g
            for x, g in zip(leaves, found, strict=True)
        )

    first_derivative.__name__ = f"gradient of {getattr(func, '__name__', 'function')}"
    return first_derivative, (*problem.inputs, *flows)


def gradgradcheck(
    func: Function,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the gradients of the gradients of `func` agree with finite differences.

    The gradient, as a function of the inputs and of the gradients that flow in, is checked as
    :func:`gradcheck` does. The arguments are PyTorch's.

    Parameters
    ----------
    func, inputs
        As in :func:`gradcheck`.
    grad_outputs : Tensor or tuple, optional
        What flows in; random by default.
    gen_non_contig_grad_outputs : bool
        Make the random ones non-contiguous.

    Raises
    ------
    GradcheckError
        If they do not agree and `raise_exception`.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.linspace(-2, 2, 4, dtype=mg.float64, requires_grad=True)
    >>> gradgradcheck(mg.tanh, x)
    True
    """
    _refuse_unknown(check_batched_grad=check_batched_grad, masked=masked)
    first, args = with_gradients(func, inputs, grad_outputs)
    if gen_non_contig_grad_outputs and grad_outputs is None:
        count = len(inputs) if isinstance(inputs, (tuple, list)) else 1
        args = (*args[:count], *(_scattered(v) for v in args[count:]))
    return gradcheck(
        first, args, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, fast_mode=fast_mode,
    )  # fmt: skip


def _scattered(v: Tensor) -> Tensor:
    """The same elements with gaps between them in memory."""
    memory = np.zeros((*v.array.shape, 2), v.array.dtype)
    memory[..., 0] = v.array
    return Tensor(memory[..., 0]).requires_grad_()


class _Callable(ModuleType):
    """``autograd.gradcheck`` is this module and the function in one, as users know both names."""

    __call__ = staticmethod(gradcheck)


sys.modules[__name__].__class__ = _Callable
