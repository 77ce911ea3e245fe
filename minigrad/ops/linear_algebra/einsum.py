"""Einstein summation by views around matrix products.

Two operands at a time are contracted by a matrix product; see `contraction`. Everything is made of
differentiable operations, so there is no rule to write.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from minigrad.core.ops.shape import reshape
from minigrad.core.promotion import as_operand
from minigrad.core.public import public
from minigrad.core.tensor import Tensor
from minigrad.ops.linear_algebra.contraction import Label, Labels, arrange, contract, sum_out
from minigrad.ops.slices import diagonal

# -- the equation ----------------------------------------------------------------------------------


def _letters(text: str) -> Labels:
    """The labels of one operand; ``...`` as one label ``"..."``."""
    labels: Labels = []
    position = 0
    while position < len(text):
        if text.startswith("...", position):
            if "..." in labels:
                raise RuntimeError("einsum(): found '.' for an operand with two ellipses")
            labels.append("...")
            position += 3
            continue
        letter = text[position]
        if not (letter.isascii() and letter.isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {position} in the equation string, "
                f"subscripts must be in [a-zA-Z], got {letter!r}"
            )
        labels.append(letter)
        position += 1
    return labels


def _from_sublists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])`` in the form with an equation."""

    def spell(labels: Sequence[Any]) -> str:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        return "".join("..." if k is Ellipsis else letters[k] for k in labels)

    equation = ",".join(spell(args[i]) for i in range(1, len(args), 2))
    if len(args) % 2:
        equation += "->" + spell(args[-1])
    return equation, args[: len(args) // 2 * 2 : 2]


def _spread_ellipsis(labels: Labels, ndim: int, i: int) -> Labels:
    """Each dimension of the ellipsis as a label of its own, counted from the right."""
    named = len(labels) - ("..." in labels)
    if named > ndim or ("..." not in labels and named != ndim):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the "
            f"number of dimensions ({ndim}) for operand {i} and no ellipsis was given"
        )
    if "..." not in labels:
        return labels
    at = labels.index("...")
    return [*labels[:at], *range(ndim - named, 0, -1), *labels[at + 1 :]]


def _output(text: str | None, inputs: list[Labels]) -> Labels:
    """The labels of the result; without ``->``, the ellipsis and the letters that occur once."""
    every = [k for labels in inputs for k in labels]
    dots: Labels = sorted({k for k in every if isinstance(k, int)}, reverse=True)
    if text is None:
        return dots + sorted(k for k in set(every) if isinstance(k, str) and every.count(k) == 1)
    labels = _letters(text)
    for k in labels:
        if k != "..." and labels.count(k) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {k} appears more than once in the output"
            )
        if k != "..." and k not in every:
            raise RuntimeError(
                f"einsum(): output subscript {k} does not appear in the equation for any input "
                "operand"
            )
    if "..." in labels:
        at = labels.index("...")
        return [*labels[:at], *dots, *labels[at + 1 :]]
    return labels


def _sizes(operands: Sequence[Tensor], inputs: list[Labels]) -> dict[Label, int]:
    """The size of each label; 1 gives way to any other."""
    sizes: dict[Label, int] = {}
    for i, (x, labels) in enumerate(zip(operands, inputs, strict=True)):
        own: dict[Label, int] = {}
        for k, n in zip(labels, x.array.shape, strict=True):
            if own.setdefault(k, n) != n:
                raise RuntimeError(
                    f"einsum(): subscript {k} is repeated for operand {i} but the sizes don't "
                    f"match, {n} != {own[k]}"
                )
            known = sizes.get(k, 1)
            if n != 1 and known not in (1, n):
                raise RuntimeError(
                    f"einsum(): subscript {k} has size {n} for operand {i} which does not "
                    f"broadcast with previously seen size {known}"
                )
            sizes[k] = n if known == 1 else known
    return sizes


def _simplified(x: Tensor, labels: Labels, sizes: dict[Label, int]) -> tuple[Tensor, Labels]:
    """Repeated labels as diagonals; without the dimensions that would only broadcast."""
    for k in dict.fromkeys(labels):
        while labels.count(k) > 1:
            i = labels.index(k)
            j = labels.index(k, i + 1)
            x = diagonal(x, 0, i, j)
            labels = [m for d, m in enumerate(labels) if d not in (i, j)] + [k]
    shape = x.array.shape
    kept = [d for d, k in enumerate(labels) if shape[d] == sizes[k]]
    if len(kept) < len(labels):
        x, labels = reshape(x, tuple(shape[d] for d in kept)), [labels[d] for d in kept]
    return x, labels


def _next_pair(
    inputs: list[Labels], wanted: set[Label], sizes: dict[Label, int]
) -> tuple[int, int]:
    """The pair whose product is the smallest against what it replaces."""
    if len(inputs) == 2:
        return 0, 1

    def growth(pair: tuple[int, int]) -> int:
        i, j = pair
        others = set(wanted).union(*(labels for n, labels in enumerate(inputs) if n not in pair))
        both = set(inputs[i]) | set(inputs[j])
        size = math.prod(sizes[k] for k in both & others)
        return size - sum(math.prod(sizes[k] for k in inputs[n]) for n in pair)

    return min(combinations(range(len(inputs)), 2), key=growth)


@public(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products of elements, as the subscripts say.

    Parameters
    ----------
    equation : str
        One letter per dimension of each operand, operands separated by commas: ``"ij,jk->ik"``.
        Letters that are not in the output are summed over; a letter twice in one operand is its
        diagonal; ``...`` stands for dimensions that broadcast. Without ``->`` the output has the
        letters that occur once, in alphabetical order.
    *operands : Tensor
        Two at a time are multiplied, the pair with the smallest product first.

    Raises
    ------
    RuntimeError
        If the subscripts do not fit the operands.

    Examples
    --------
    >>> import minigrad as mg
    >>> a, b = mg.ones(2, 3), mg.ones(3, 4)
    >>> mg.einsum("ij,jk->ik", a, b).shape, mg.einsum("ij->j", a), mg.einsum("ij,ij", a, a).item()
    (minigrad.Size([2, 4]), tensor([2., 2., 2.]), 6.0)
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        few = "fewer" if len(operands) < len(texts) else "more"
        raise RuntimeError(f"einsum(): {few} operands were provided than specified in the equation")
    xs = [as_operand(x, "einsum", i) for i, x in enumerate(operands)]
    inputs = [
        _spread_ellipsis(_letters(text), x.array.ndim, i)
        for i, (text, x) in enumerate(zip(texts, xs, strict=True))
    ]
    wanted = _output(right if arrow else None, inputs)
    sizes = _sizes(xs, inputs)
    pairs = [_simplified(x, labels, sizes) for x, labels in zip(xs, inputs, strict=True)]
    while len(pairs) > 1:
        i, j = _next_pair([labels for _, labels in pairs], set(wanted), sizes)
        (y, ly), (x, lx) = pairs.pop(j), pairs.pop(i)
        rest = set(wanted).union(*(labels for _, labels in pairs))
        pairs.append(contract(x, lx, y, ly, rest))
    x, labels = sum_out(*pairs[0], set(wanted))
    return arrange(x, labels, wanted)
