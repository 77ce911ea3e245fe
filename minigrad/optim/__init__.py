"""Optimizers, with PyTorch's names, options and numbers; schedules, averages, line searches."""

from minigrad.optim import lr_scheduler, swa_utils
from minigrad.optim.adadelta import Adadelta
from minigrad.optim.adagrad import Adagrad
from minigrad.optim.adam import Adam
from minigrad.optim.adamax import Adamax
from minigrad.optim.adamw import AdamW
from minigrad.optim.asgd import ASGD
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.line_search import BacktrackingGD, SeveralRatesGD, backtrack, best_of
from minigrad.optim.lr_finder import LRSearch, find_lr, lr_range_test
from minigrad.optim.nadam import NAdam
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.penalty import l1_penalty, l2_penalty
from minigrad.optim.radam import RAdam
from minigrad.optim.rmsprop import RMSprop
from minigrad.optim.rprop import Rprop
from minigrad.optim.sgd import SGD

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "BacktrackingGD",
    "LRSearch", "NAdam", "Optimizer", "RAdam", "RMSprop", "Rprop", "SeveralRatesGD", "backtrack",
    "best_of", "find_lr", "l1_penalty", "l2_penalty", "lr_range_test", "lr_scheduler", "swa_utils",
]  # fmt: skip
