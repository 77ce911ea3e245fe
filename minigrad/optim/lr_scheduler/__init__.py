"""Learning-rate schedules, with the recursion formulas of PyTorch."""

from minigrad.optim.lr_scheduler.base import LRScheduler
from minigrad.optim.lr_scheduler.base import LRScheduler as _LRScheduler  # noqa: F401  # its old name
from minigrad.optim.lr_scheduler.combine import ChainedScheduler, SequentialLR
from minigrad.optim.lr_scheduler.cycle import *  # noqa: F403
from minigrad.optim.lr_scheduler.decay import *  # noqa: F403
from minigrad.optim.lr_scheduler.halve import HalveOnWorse
from minigrad.optim.lr_scheduler.momentum import MomentumSchedule
from minigrad.optim.lr_scheduler.plateau import ReduceLROnPlateau

from minigrad.optim.lr_scheduler import cycle, decay  # isort: skip

__all__ = [
    "ChainedScheduler", "HalveOnWorse", "LRScheduler", "MomentumSchedule", "ReduceLROnPlateau",
    "SequentialLR", *cycle.__all__, *decay.__all__,
]  # fmt: skip
