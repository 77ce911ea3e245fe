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
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.autograd import numeric
from minigrad.autograd.compare import Comparison, compare_along_directions
from minigrad.autograd.graph import grad
from minigrad.autograd.problem import Function, Problem, direction_of
from minigrad.autograd.report import Element, GradcheckError, Report, Tolerance
from minigrad.core.tensor import Tensor

__all__ = ["Element", "GradcheckError", "Report", "check", "gradcheck", "gradgradcheck"]


# -- the other properties of a gradient ----------------------------------------------------------


def _forward_repeats(problem: Problem, nondet_tol: float) -> str:
    first, second = problem.values(problem.arrays), problem.values(problem.arrays)
    if first.shape != second.shape or not np.allclose(
        first, second, rtol=0, atol=nondet_tol, equal_nan=True
    ):
        return (
            "The function gives another result when it is called again: fix the random state "
            "inside it (manual_seed), or call eval() on a module with dropout, before checking."
        )
    return ""


def _backward_behaves(
    problem: Problem, nondet_tol: float, undefined: bool, rng: np.random.Generator
) -> str:
    """Backward repeats itself, and is linear in the gradient that flows in."""
    outs, leaves = problem.start(problem.arrays)
    flowing = [o for o, y in enumerate(outs) if y.requires_grad]
    for o in flowing:
        size = outs[o].array.size
        v, w = direction_of(rng, (size,)), direction_of(rng, (size,))
        gv, again = [problem.gradients(outs, leaves, o, v) for _ in range(2)]
        for a, b in zip(gv, again, strict=True):
            if not np.allclose(a, b, rtol=0, atol=nondet_tol, equal_nan=True):
                return (
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    "gradient matches numerical gradient. The tolerance for nondeterminism was "
                    f"{nondet_tol}."
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


def _types(problem: Problem) -> str:
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


def _small_type_agrees(problem: Problem) -> str:
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
                    f"The gradient of input {problem.which[i]} is right in float64, but in {dtype} "
                    f"it is off by {np.max(np.abs(a - b)):.3g}: is precision lost, or a type mixed "
                    "up?"
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
    problem = Problem(func, inputs, eps)
    name = name or getattr(func, "__name__", type(func).__name__)
    if problem.dtype != np.float64:
        atol, rtol = max(atol, 1e-2), max(rtol, 1e-2)
    tol = Tolerance(atol, rtol)
    rng = np.random.default_rng(seed)
    trouble = _forward_repeats(problem, nondet_tol)
    if trouble:
        return Report(False, name, verdict=trouble, dtype=problem.dtype.name)
    if fast_mode:
        report = compare_along_directions(problem, tol, name, rng)
        if not report.ok and sum(problem.arrays[i].size for i in problem.which) <= 256:
            report = Comparison(problem, tol, name).run()
    else:
        report = Comparison(problem, tol, name).run()
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
                f"{name}=True is not supported: gradients are checked one by one, and there are no "
                "sparse tensors; leave it out"
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
        ok = _finish(_forward_mode(func, inputs, eps, Tolerance(atol, rtol)), raise_exception)
    return ok


def _forward_mode(func: Function, inputs: Any, eps: float, tol: Tolerance) -> Report:
    """Directional derivatives by `functional.jvp` against differences along the same direction."""
    from minigrad.autograd.functional import jvp

    problem = Problem(func, inputs, eps)
    report = Report(True, getattr(func, "__name__", "function"), dtype=problem.dtype.name)
    rng = np.random.default_rng(0)
    for position, i in enumerate(problem.which):
        directions = [np.zeros(problem.arrays[j].shape) for j in problem.which]
        directions[position] = direction_of(rng, problem.arrays[i].shape)

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


def with_gradients(
    func: Function, inputs: Any, grad_outputs: Any = None
) -> tuple[Function, tuple[Any, ...]]:
    """The first derivative of `func` as a function of its inputs and of what flows in.

    Returns that function and its arguments: `inputs`, then the gradients of the results (random
    ones if `grad_outputs` is None).
    """
    problem = Problem(func, inputs, None)
    outs = problem.call(problem.original)
    used = [o for o, y in enumerate(outs) if y.requires_grad]
    if not used:
        raise ValueError("gradgradcheck: no result depends on the inputs that require grad")
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        flows = [
            Tensor(
                direction_of(rng, outs[o].array.shape).astype(outs[o].array.dtype)
            ).requires_grad_()
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
