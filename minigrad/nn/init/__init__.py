"""Ways to set the parameters before training.

What they have in common is the variance that a layer gives its output: with independent weights
of mean 0, ``Var(y) = fan_in * Var(w) * Var(x)``. Too small, and the signal dies out with depth; too
large, and it explodes or saturates. Most set one tensor; `lsuv_` and `krahenbuhl_` set a whole
network so that a batch of data has the variance 1 in it, and `fixup_` sets residual networks.
"""

from minigrad.nn import fill
from minigrad.nn.fans import _calculate_correct_fan as _calculate_correct_fan
from minigrad.nn.fans import _calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out
from minigrad.nn.fill import *  # noqa: F403
from minigrad.nn.init import deprecated
from minigrad.nn.init.data_dependent import krahenbuhl_, lsuv_
from minigrad.nn.init.deprecated import *  # noqa: F403
from minigrad.nn.init.residual import fixup_

__all__ = ["fixup_", "krahenbuhl_", "lsuv_", *deprecated.__all__, *fill.__all__]
