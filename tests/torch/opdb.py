"""PyTorch's own samples (`op_db`) as the judge of the public names.

`torch.testing._internal` describes each operation by samples of arguments, by arguments that must
be refused, and by the forms it comes in (function, method, operator, in place). Everything here is
run on both sides and compared: structure, types, shapes, elements, shared memory, gradients of
first and second order, refusals. What a sample asks of complex numbers, sparse tensors and the
like is counted as outside, with the reason.
"""

from __future__ import annotations

import os
import random
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import minigrad as mg
from tests.torch.expected import EXPECTED, LOOSER, NO_ELEMENTS, TIES
from tests.torch.twins import (
    Missing,
    Outside,
    Twins,
    array,
    at_indices,
    difference,
    gradient_difference,
    owner,
    rebound,
    resolve,
    tensors,
)

NAMES = Path(__file__).parent / "op_db_names.txt"
KINDS = ("values", "gradients", "second order", "in place", "forms", "views", "errors")
DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool)
#: How many samples of each type are run, spread evenly over the list; ``MINIGRAD_OPDB=all`` runs
#: all of them (three times as long).
MOST = {"values": 30, "gradients": 16, "second order": 8, "in place": 10, "forms": 6, "errors": 60}
if os.environ.get("MINIGRAD_OPDB") == "all":
    MOST = dict.fromkeys(MOST, 400)
#: Relative and absolute, by the type of a result: those of `torch.testing`.
TOLERANCE = {
    torch.float16: (1e-3, 1e-5), torch.float32: (1.3e-6, 1e-5), torch.float64: (1e-7, 1e-7)
}  # fmt: skip
ERRORS = (Exception,)


@cache
def names() -> dict[str, list[str]]:
    """The lists of names, by the title of the list."""
    lists: dict[str, list[str]] = {}
    for line in NAMES.read_text().splitlines():
        if line.startswith("["):
            lists[line.strip("[]")] = found = []
        elif line and not line.startswith("#"):
            found += line.split()
    return lists


@cache
def entries() -> dict[str, list[Any]]:
    """The descriptions of `op_db`, by name; one for each variant."""
    from torch.testing._internal.common_methods_invocations import op_db

    found: dict[str, list[Any]] = {}
    for op in op_db:
        found.setdefault(op.name, []).append(op)
    return found


@dataclass
class Report:
    """What became of the samples of one name.

    Attributes
    ----------
    tried, passed, expected : Counter
        Samples by kind; `expected` are those that differ on purpose.
    outside : Counter
        How many were not run, by reason.
    failures : list of tuple
        ``(kind, what)`` of those that failed.
    """

    name: str
    tried: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    missing: str = ""

    def add(self, kind: str, found: str, where: str = "") -> None:
        """Count one comparison; `found` is what differs."""
        self.tried[kind] += 1
        if not found:
            self.passed[kind] += 1
            return
        for pattern in (*EXPECTED.get(self.name, ()), *EXPECTED["*"]):
            if pattern.kind == kind and re.search(pattern.text, f"{where}: {found}"):
                self.expected[pattern.reason] += 1
                self.tried[kind] -= 1
                return
        self.failures.append((kind, f"{where}: {found}" if where else found))

    def failed(self, kind: str) -> int:
        """How many of a kind failed."""
        return self.tried[kind] - self.passed[kind]

    @property
    def status(self) -> str:
        """``missing``, ``passes``, or ``fails: kind, kind``."""
        if self.missing:
            return "missing"
        kinds = [k for k in KINDS if self.failed(k)]
        if kinds:
            return f"fails: {', '.join(kinds)}"
        return "passes" if self.tried["values"] else "outside"


def spread(samples: list[Any], most: int) -> list[Any]:
    """At most so many of a list, evenly."""
    if len(samples) <= most:
        return samples
    return [samples[i] for i in np.linspace(0, len(samples) - 1, most).astype(int)]


def run(name: str) -> Report:
    """All samples of all variants of a name."""
    report = Report(name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for op in entries()[name]:
            try:
                _Trial(op, report).run()
            except Missing as reason:
                report.missing = str(reason)
    return report


# -- one variant of one operation ------------------------------------------------------------------


def _seed(*words: Any) -> np.random.Generator:
    seed = zlib.crc32(repr(words).encode())
    torch.manual_seed(seed)
    mg.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    return np.random.default_rng(seed)


def _quick(samples: Iterator[Any], most: int = 400) -> list[Any]:
    """The samples; of endless lists the first ones."""
    found = []
    for sample in samples:
        found.append(sample)
        if len(found) == most:
            break
    return found


class _Trial:
    """The samples of one entry, tried on both modules."""

    def __init__(self, op: Any, report: Report) -> None:
        self.op = op
        self.report = report
        self.elements = True
        self.tolerances = dict(TOLERANCE)
        self._loosen()

    def _loosen(self) -> None:
        """PyTorch's own overrides of tolerances for this operation, and ours."""
        for info in self.op.decorators or ():
            for decorator in getattr(info, "decorators", ()):
                for dtype, tol in getattr(decorator, "d", {}).items():
                    if dtype in self.tolerances and hasattr(tol, "rtol"):
                        old = self.tolerances[dtype]
                        self.tolerances[dtype] = (max(old[0], tol.rtol), max(old[1], tol.atol))
        if self.op.name in LOOSER:
            factor, (relative, absolute) = LOOSER[self.op.name], self.tolerances[torch.float32]
            self.tolerances[torch.float32] = (relative * factor, absolute * factor)

    def run(self) -> None:
        ours = self._function()
        for dtype in DTYPES:
            if dtype in self.op.dtypes:
                self._of_dtype(ours, dtype)
        self._errors(ours)

    def _function(self) -> Callable[..., Any]:
        """What minigrad calls this operation."""
        op = self.op
        name = op.name
        if name in ("T", "mT"):
            return lambda x: getattr(x, name)
        if not hasattr(op.op, "__code__") or op.op.__name__ != "<lambda>":
            if name.startswith("__") or not _has(torch, name):
                return resolve(mg.Tensor, name)  # type: ignore[no-any-return]
            return resolve(mg, name)  # type: ignore[no-any-return]
        for candidate in (name, name + "_"):
            if _has(mg, candidate) or _has(mg.Tensor, candidate):
                return rebound(op.op)  # type: ignore[no-any-return]
        raise Missing(f"no {name}")

    def _of_dtype(self, ours: Callable[..., Any], dtype: torch.dtype) -> None:
        op = self.op
        grad = dtype.is_floating_point and op.supports_autograd
        grad = grad and dtype in op.supported_backward_dtypes("cpu")
        self.rng = _seed(op.name, op.variant_test_name, str(dtype))
        samples = spread(_quick(op.sample_inputs("cpu", dtype, requires_grad=grad)), MOST["values"])
        for sample in samples:
            _without_dropout(op.name, sample)
        deep = set(map(id, spread(samples, MOST["gradients"])))
        deeper = set(map(id, spread(samples, MOST["second order"])))
        formed = set(map(id, spread(samples, MOST["forms"])))
        written = set(map(id, spread(samples, MOST["in place"])))
        for i, sample in enumerate(samples):
            where = f"{op.variant_test_name} {str(dtype).removeprefix('torch.')} #{i}".strip()
            self.where, self.dtype, self.sample = where, dtype, sample
            certain = sample.kwargs.get("p") == 0 or sample.kwargs.get("training") is False
            self.elements = certain or op.name not in NO_ELEMENTS
            try:
                good = self._values(ours)
                if good and grad and id(sample) in deep and self.elements:
                    self._gradients(ours, id(sample) in deeper and dtype == torch.float64)
                if good and id(sample) in formed:
                    self._forms()
                if good and id(sample) in written:
                    self._in_place()
            except Outside as reason:
                self.report.outside[str(reason)] += 1

    # -- values and views --------------------------------------------------------------------------

    def _call(self, module: Any, function: Callable[..., Any], grad: bool = True) -> Any:
        """The result on a twin of the sample, or the exception, and the twins."""
        twins = Twins(module, grad)
        sample = self.sample
        first, args, kwargs = twins(sample.input), twins(sample.args), twins(sample.kwargs)
        _seed(self.where)
        try:
            return function(first, *args, **kwargs), twins
        except (Missing, Outside):
            raise
        except ERRORS as error:
            return error, twins

    def _values(self, ours: Callable[..., Any]) -> bool:
        y, twins = self._call(mg, ours)
        z, their_twins = self._call(torch, self.op.op)
        if isinstance(z, Exception):
            self.report.outside["samples that PyTorch refuses"] += 1
            return False
        found = _raised(y) or self._difference(y, z)
        self.report.add("values", found, self.where)
        if not found and self.op.name not in ("as_strided", "empty_like"):
            self._views(y, twins, z, their_twins)
        return not found

    def _settled(self, result: Any, module: Any) -> Any:
        """What of a result is determined: vectors up to their sign become absolute, and so on."""
        settle = self.sample.output_process_fn_grad
        return (rebound(settle) if module is mg else settle)(result)

    def _difference(self, y: Any, z: Any) -> str:
        y, z = self._settled(y, mg), self._settled(z, torch)
        if self.op.name in TIES:
            y, z = (at_indices(r, self.sample, TIES[self.op.name]) for r in (y, z))
        return difference(y, z, self.tolerances, elements=self.elements)

    def _views(self, y: Any, twins: Twins, z: Any, their_twins: Twins) -> None:
        for ours, theirs in zip(tensors(y), tensors(z)):
            if theirs.numel():
                wanted = owner(theirs) in their_twins.owners
                shares = owner(ours) in twins.owners
                if shares != wanted:
                    found = "a copy instead of a view" if wanted else "a view instead of a copy"
                    self.report.add("views", found, self.where)
                    return
                if wanted:
                    self.report.add("views", "")
                    return

    # -- gradients ---------------------------------------------------------------------------------

    def _gradients(self, ours: Callable[..., Any], second: bool) -> None:
        theirs = self._derivatives(torch, self.op.op, second)
        if theirs is None:
            return
        mine = self._derivatives(mg, ours, second)
        self._compare_gradients(mine, theirs, "gradients")

    def _compare_gradients(self, mine: Any, theirs: Any, kind: str) -> None:
        where = self.where
        if isinstance(theirs, Exception):
            self.report.outside["derivatives that PyTorch refuses"] += 1
            return
        if isinstance(mine, Exception):
            self.report.add(kind, _raised(mine), where)
            return
        mine = mine or ([None] * len(theirs[0]), None)  # no graph: as good as zeros
        found = gradient_difference(mine[0], theirs[0], self.tolerances, _scale(theirs[0]))
        self.report.add(kind, found, where)
        if not found and theirs[1] is not None:
            found = _raised(mine[1]) or gradient_difference(
                mine[1] or [None] * len(theirs[1]), theirs[1], self.tolerances, _scale(theirs[1])
            )
            self.report.add("second order", found, where)

    def _derivatives(self, module: Any, function: Callable[..., Any], second: bool) -> Any:
        """First and second order gradients for drawn cotangents, None where there is no graph."""
        wrapper = self.op.gradcheck_wrapper
        wrapper = wrapper if module is torch else rebound(wrapper)
        result, twins = self._call(module, lambda *a, **k: wrapper(function, *a, **k))
        if isinstance(result, Exception):
            return result
        return self._flow(module, self._settled(result, module), twins.leaves, second)

    def _flow(self, module: Any, result: Any, leaves: list[Any], second: bool) -> Any:
        outs = [t for t in tensors(result) if t.requires_grad]
        if not outs or not leaves:
            return None
        grad = torch.autograd.grad if module is torch else mg.autograd.grad
        second = second and self.op.supports_gradgrad
        try:
            first = grad(
                outs, leaves, _cotangents(module, outs, 1), create_graph=second, allow_unused=True
            )
        except ERRORS as error:
            return error
        drawn = _cotangents(module, leaves, 2)
        pairs = [(g, w) for g, w in zip(first, drawn) if g is not None and g.requires_grad]
        if not second or not pairs:
            return first, None
        try:
            again, flows = zip(*pairs)
            return first, grad(again, leaves, flows, allow_unused=True)
        except ERRORS as error:
            return first, (error if module is mg else None)

    # -- methods, operators, in place --------------------------------------------------------------

    def _forms(self) -> None:
        op = self.op
        if not isinstance(self.sample.input, torch.Tensor):
            return
        forms = []
        if op.method_variant is not None and _has(torch.Tensor, op.name):
            method = getattr(mg.Tensor, op.name, None)
            forms.append((f"Tensor.{op.name}", op.method_variant, method))
        if op.operator_variant is not None and not self.sample.kwargs:
            forms.append(("operator", op.operator_variant, op.operator_variant))
        for alias in op.aliases:
            name = alias.name.removeprefix("torch.")
            if _has(torch, name):
                found = resolve(mg, name) if _has(mg, name) else None
                forms.append((name, resolve(torch, name), found))
        for name, theirs, ours in forms:
            z, _ = self._call(torch, theirs)
            if isinstance(z, Exception):
                continue
            if ours is None:
                self.report.add("forms", f"no {name}")
                continue
            y, _ = self._call(mg, ours)
            found = _raised(y) or self._difference(y, z)
            self.report.add("forms", found and f"{name}: {found}", self.where)

    def _in_place(self) -> None:
        op = self.op
        if op.inplace_variant is None or not isinstance(self.sample.input, torch.Tensor):
            return
        theirs = op.inplace_variant
        name = getattr(theirs, "__name__", "partial")
        if isinstance(theirs, partial):
            function = resolve(mg.nn.functional, theirs.func.__name__)
            ours: Any = partial(function, *theirs.args, **theirs.keywords)
        elif name == "<lambda>":
            ours = rebound(theirs)
        else:
            ours = getattr(mg.Tensor, name, None)
        if ours is None:
            self.report.add("in place", f"no Tensor.{name}")
            return
        self._write(op.inplace_variant, ours, name)
        operator = op.inplace_operator_variant
        if operator is not None and not self.sample.kwargs:
            self._write(operator, operator, operator.__name__)

    def _write(self, theirs: Callable[..., Any], ours: Callable[..., Any], name: str) -> None:
        grad = bool(self.op.supports_inplace_autograd) and self.elements
        z, their_twins, _ = self._written(torch, theirs, grad)
        y, twins, x = self._written(mg, ours, grad)
        where = f"{self.where} {name}"
        if isinstance(z, Exception):
            self.report.add("in place", _refusal(y, z), where)
            return
        found = _raised(y) or self._difference(y, z)
        if not found and y is not x:
            found = "returns another tensor"
        self.report.add("in place", found, where)
        if not found and grad and self.dtype == torch.float64:
            flow = self._flow(torch, z, their_twins.leaves, False)
            if flow is not None:
                mine = self._flow(mg, y, twins.leaves, False)
                self._compare_gradients(mine, flow, "in place")

    def _written(self, module: Any, function: Callable[..., Any], grad: bool) -> Any:
        kept: list[Any] = []

        def on_a_copy(first: Any, *args: Any, **kwargs: Any) -> Any:
            kept.append(first.clone())
            return function(kept[0], *args, **kwargs)

        result, twins = self._call(module, on_a_copy, grad)
        return result, twins, kept[0] if kept else None

    # -- refusals ----------------------------------------------------------------------------------

    def _errors(self, ours: Callable[..., Any]) -> None:
        if self.op.error_inputs_func is None:
            return
        _seed(self.op.name, "errors")
        try:
            cases = spread(_quick(self.op.error_inputs("cpu")), MOST["errors"])
        except ERRORS:
            self.report.outside["errors that need another device"] += 1
            return
        for i, case in enumerate(cases):
            self.where, self.sample = f"error #{i}", case.sample_input
            try:
                z, _ = self._call(torch, self.op.op)
                if "out" in self.sample.kwargs:
                    raise Outside("out= arguments")
                if not isinstance(z, Exception):
                    continue
                y, _ = self._call(mg, ours)
                self.report.add("errors", _refusal(y, z), self.where)
            except Outside as reason:
                self.report.outside[str(reason)] += 1


def _without_dropout(name: str, sample: Any) -> None:
    """Set the dropout inside of attention to 0, so that there are elements to compare."""
    if sample.kwargs.get("dropout_p"):
        sample.kwargs["dropout_p"] = 0.0
    if name == "nn.functional.multi_head_attention_forward":
        sample.args = (*sample.args[:9], 0.0, *sample.args[10:])


def _has(module: Any, path: str) -> bool:
    try:
        resolve(module, path)
    except Missing:
        return False
    return True


def _raised(result: Any) -> str:
    """That an exception came instead of a result."""
    if not isinstance(result, Exception):
        return ""
    return f"raises {type(result).__name__}: {_line(result)}"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120]


def _refusal(ours: Any, theirs: Exception) -> str:
    """Whether an exception of the same family was raised."""
    family: Any = type(theirs)
    if isinstance(theirs, NotImplementedError):
        family = (RuntimeError, TypeError)
    if isinstance(ours, family):
        return ""
    wanted = f"{type(theirs).__name__}: {_line(theirs)}"
    got = f"raises {type(ours).__name__}" if isinstance(ours, Exception) else "accepts"
    return f"{got} what PyTorch refuses with {wanted}"


def _scale(gradients: Any) -> float:
    """The largest finite element, to which rounding is relative."""
    with np.errstate(all="ignore"):
        parts = [np.abs(array(g)) for g in gradients if g is not None and g.numel()]
        return max([float(p[np.isfinite(p)].max(initial=0)) for p in parts], default=0.0)


def _cotangents(module: Any, outs: list[Any], salt: int) -> list[Any]:
    """Fixed gradients to start from, the same for both modules."""
    rng = np.random.default_rng(salt)
    return [
        module.tensor(np.asarray(rng.uniform(0.5, 1.5, tuple(t.shape)), array(t).dtype))
        for t in outs
    ]
