"""Direct convolution: every multiplication of the definition, straight from memory.

For images, with sums in registers: :mod:`minigrad.kernels.conv.direct` has the forward pass and the
gradient of the data, :mod:`minigrad.kernels.conv.direct_weight` that of the weight.
"""

from __future__ import annotations

import math

from minigrad.kernels import costs
from minigrad.kernels.conv import direct, direct_plan, direct_weight
from minigrad.kernels.conv.case import Case, Prepared

__all__ = ["data", "forward", "serves", "weight"]


def serves(kind: str, case: Case) -> bool:
    """Images of which enough is to be computed, and not too much copied for it."""
    if len(case.how.kernel) != 2 or case.products <= costs.SMALL or _copied(case) > costs.COPIED:
        return False
    return kind != "data" or case.how.stride == (1, 1) or _channels_pay(case)


def _copied(case: Case) -> int:
    """How many numbers are copied to read one row of pixels."""
    rows, columns = [d * (k - 1) + 1 for k, d in zip(case.how.kernel, case.how.dilation)]
    return case.w[1] * rows * ((case.y[3] - 1) * case.how.stride[1] + columns)


def _channels_pay(case: Case) -> bool:
    """Whether lanes of absent channels still cost less than columns do, where there is a stride.

    Without one, few channels are computed with pixels in the lanes.
    """
    channels, other = case.w[1], case.w[0] // case.how.groups
    lanes = case.registers.vector(case.size).lanes
    return channels * (36 + other) >= 10 * other * math.ceil(channels / lanes)


def forward(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    return direct.prepared(direct_plan.forward_work(case))


def data(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    return direct.prepared(direct_plan.data_work(case))


def weight(case: Case) -> Prepared:
    """See :class:`minigrad.kernels.conv.case.Way`."""
    return direct_weight.prepared(case)
