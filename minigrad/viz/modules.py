"""Which call of which module made a node: the nesting that is drawn as frames."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["Call", "module_label", "owners"]

_LONGEST = 32


class Call:
    """One call of a module, as far as the graph shows it.

    Attributes
    ----------
    label : str
        Path, class and size, such as ``0: Linear(64 → 128)``.
    parent : Call or None
        The call that this one happened in.
    level : int
        0 for the model, 1 for its children, and so on.
    """

    __slots__ = ("first", "label", "last", "level", "parent", "path")

    def __init__(self, path: str, label: str, first: int, last: int) -> None:
        self.path = path
        self.label = label
        self.first, self.last = first, last  # its nodes, as a range of positions
        self.parent: Call | None = None
        self.level = 0

    def within(self, level: int) -> Call:
        """The call at `level` that this one is, or happened in."""
        call = self
        while call.level > level and call.parent is not None:
            call = call.parent
        return call

    def holds(self, other: Call) -> bool:
        """Whether every node of `other` is one of this call's."""
        return self.first <= other.first and other.last <= self.last


def owners(model: Any, seqs: Sequence[int]) -> list[Call | None]:
    """The innermost call that made each node, given the nodes' numbers in ascending order.

    Modules note the numbers that were given out during their recent calls; nodes of a backward
    pass with ``create_graph=True``, of the loss, and of functions called outside belong to none.
    """
    owner: list[Call | None] = [None] * len(seqs)
    if model is None:
        return owner
    if not hasattr(model, "named_modules"):
        raise TypeError(
            f"draw: model must be a Module, got {type(model).__name__}; give names to single "
            "tensors by params={name: tensor}"
        )
    calls = []
    for path, module in model.named_modules():
        for start, end in getattr(module, "_spans", ()):
            first, last = bisect_left(seqs, start), bisect_left(seqs, end)
            if first < last:
                calls.append(Call(path, module_label(path, module), first, last))
    calls.sort(key=lambda c: (c.first, -c.last))  # stable: modules come before their children
    stack: list[Call] = []
    for call in calls:
        while stack and not stack[-1].holds(call):
            stack.pop()
        if stack:
            call.parent, call.level = stack[-1], stack[-1].level + 1
        stack.append(call)
        owner[call.first : call.last] = [call] * (call.last - call.first)
    _number_repeats(calls)
    return owner


def _number_repeats(calls: list[Call]) -> None:
    """Tell the calls of a module that was called several times apart."""
    times = Counter(c.path for c in calls)
    seen: Counter[str] = Counter()
    for call in calls:
        if times[call.path] > 1:
            seen[call.path] += 1
            call.label += f", call {seen[call.path]} of {times[call.path]}"


def module_label(path: str, module: Any) -> str:
    """Path, class and, for modules without children, what distinguishes them.

    >>> class Linear:
    ...     in_features, out_features = 64, 128
    >>> module_label("0", Linear())
    '0: Linear(64 → 128)'
    """
    name = type(module).__name__
    children = getattr(module, "children", None)
    if children is None or not any(True for _ in children()):
        detail = _detail(module)
        name += f"({detail})" if detail else ""
    return f"{path}: {name}" if path else name


def _detail(module: Any) -> str:
    for kind in ("features", "channels"):
        sizes = getattr(module, f"in_{kind}", None), getattr(module, f"out_{kind}", None)
        if None not in sizes:
            kernel = getattr(module, "kernel_size", None)
            window = kernel if isinstance(kernel, tuple) else () if kernel is None else (kernel,)
            text = f"{sizes[0]} → {sizes[1]}"
            return f"{text}, {'×'.join(map(str, window))}" if window else text
    extra = getattr(module, "extra_repr", None)
    text = ""
    for part in re.split(r",\s*(?![^(]*\))", extra() if extra else ""):
        part = re.sub(r"\((\d+),\)", r"\1", part)
        if part.endswith(("=False", "=None", "=True")) or part.startswith(("eps=", "momentum=")):
            continue
        longer = f"{text}, {part}" if text else part
        if len(longer) > _LONGEST:
            break
        text = longer
    return text
