"""Ways to set the parameters before training.

What they have in common is the variance that a layer gives its output: with independent weights
of mean 0, ``Var(y) = fan_in * Var(w) * Var(x)``. Too small, and the signal dies out with depth; too
large, and it explodes or saturates. Most set one tensor; `lsuv_` and `krahenbuhl_` set a whole
network so that a batch of data has the variance 1 in it, and `fixup_` sets residual networks.
"""

from minigrad.nn.fill import (
    _calculate_correct_fan as _calculate_correct_fan,
)
from minigrad.nn.fill import (
    _calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out,
)
from minigrad.nn.fill import (
    calculate_gain,
    constant_,
    dirac_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    normal_,
    ones_,
    orthogonal_,
    random_walk_,
    sparse_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from minigrad.nn.init.data_dependent import krahenbuhl_, lsuv_
from minigrad.nn.init.deprecated import (
    constant,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    normal,
    orthogonal,
    sparse,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from minigrad.nn.init.residual import fixup_

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "fixup_",
    "kaiming_normal", "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "krahenbuhl_",
    "lecun_normal_", "lecun_uniform_", "lsuv_", "normal", "normal_", "ones_", "orthogonal",
    "orthogonal_", "random_walk_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip
