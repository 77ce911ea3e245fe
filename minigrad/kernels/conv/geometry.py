"""How a convolution walks over its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

__all__ = ["Geometry", "offsets_met"]

Ints = tuple[int, ...]


class Geometry(NamedTuple):
    """Kernel and steps of a convolution, one number for each spatial dimension, and the groups.

    Output ``o`` reads the inputs ``o * stride - padding + k * dilation`` for ``k`` in the kernel.

    Attributes
    ----------
    kernel, stride, padding, dilation : tuple of int
    groups : int
        Output channels of a group read the input channels of that group only.
    """

    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    groups: int

    def output_sizes(self, sizes: Sequence[int]) -> Ints:
        """The sizes of the output for an input of these sizes; not positive where it is too small.

        >>> Geometry((3, 3), (1, 2), (1, 0), (1, 1), 1).output_sizes((5, 7))
        (5, 3)
        """
        return tuple(
            [
                (n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, k, s, p, d in zip(
                    sizes, self.kernel, self.stride, self.padding, self.dilation
                )
            ]
        )

    def input_sizes(self, sizes: Sequence[int]) -> Ints:
        """The least sizes of an input that has an output of these sizes.

        >>> Geometry((3, 3), (1, 2), (1, 0), (1, 1), 1).input_sizes((5, 3))
        (5, 7)
        """
        return tuple(
            [
                (n - 1) * s - 2 * p + d * (k - 1) + 1
                for n, k, s, p, d in zip(
                    sizes, self.kernel, self.stride, self.padding, self.dilation
                )
            ]
        )


def offsets_met(
    kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, sizes: Ints, out: Ints
) -> Iterator[tuple[int, Any, Any]]:
    """For each offset in windows its number, and what all windows together read by it.

    Both as indices of the last dimensions: of the inputs that are read, and of the outputs whose
    windows read them. An offset that meets nothing is left out.

    >>> list(offsets_met((3,), (2,), (1,), (1,), (4,), (2,)))[0]
    (0, (Ellipsis, slice(1, 2, 2)), (Ellipsis, slice(1, 2, None)))
    """
    spans = []
    for k, s, p, d, n, o in zip(kernel, stride, padding, dilation, sizes, out, strict=True):
        # offsets that some window has inside, of all those that there are
        offsets = range(max(0, -(-(p - (o - 1) * s) // d)), min(k, (n - 1 + p) // d + 1))
        axis = []
        for offset in offsets:
            shift = offset * d - p
            first, last = max(-(shift // s), 0), min(-((shift - n) // s), o)
            begin = first * s + shift
            if last > first:
                inputs = slice(begin, begin + (last - first - 1) * s + 1, s)
                axis.append((offset, inputs, slice(first, last)))
        spans.append(axis)
    for axes in product(*spans):
        number = 0
        for (offset, _, _), k in zip(axes, kernel):
            number = number * k + offset
        yield number, (..., *[a[1] for a in axes]), (..., *[a[2] for a in axes])
