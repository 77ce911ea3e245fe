"""Gradients beside finite differences: every entry of every Jacobian, or random directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd import numeric
from minigrad.autograd.explain import likely_cause, swapped
from minigrad.autograd.problem import Problem, direction_of
from minigrad.autograd.report import Element, Report, Tolerance, acceptable
from minigrad.core.tensor import Array, Tensor

__all__ = ["Comparison", "compare_along_directions"]


#: After so many confirmed errors the rest is believed to be wrong as well.
_ENOUGH = 16


def analytic_jacobians(problem: Problem) -> tuple[list[list[Array]], list[Tensor], list[Tensor]]:
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


class Comparison:
    """The slow check: every entry of every Jacobian."""

    def __init__(self, problem: Problem, tol: Tolerance, name: str) -> None:
        self.problem, self.tol = problem, tol
        self.analytic, self.outs, self.leaves = analytic_jacobians(problem)
        self.numeric = [[np.zeros_like(a) for a in row] for row in self.analytic]
        self.report = Report(True, name, dtype=problem.dtype.name)
        self.failed: tuple[int, int] | None = None
        self.confirmed = 0

    def run(self) -> Report:
        """Compare everything, and explain the worst."""
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
        error = self.tol.error(claimed, slope.value)
        element = Element(self.problem.which[position], index, o, where, claimed, *slope, error)
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
            cause = (
                f"The check ran in {self.problem.dtype}, which resolves little: use float64 inputs."
            )
        text = f"Jacobian mismatch for output {o} with respect to input {i}."
        return f"{text} {cause}".rstrip()


def compare_along_directions(
    problem: Problem, tol: Tolerance, name: str, rng: np.random.Generator
) -> Report:
    """One random direction per input, one random combination per output."""
    report = Report(True, name, dtype=problem.dtype.name)
    outs, leaves = problem.start(problem.arrays)
    weights = [direction_of(rng, (y.array.size,)) for y in outs]
    claims = [problem.gradients(outs, leaves, o, v) for o, v in enumerate(weights)]
    ends = np.cumsum([y.array.size for y in outs])
    for position, i in enumerate(problem.which):
        x = problem.arrays[i]
        u = direction_of(rng, x.shape)
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
