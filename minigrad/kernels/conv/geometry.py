"""How a convolution walks over its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Geometry"]

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
