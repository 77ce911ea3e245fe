"""Training, in small pieces: early stopping, ensembles, freezing, pre-training, rewards, labels.

Nothing here is a framework: each piece does one thing that the lectures describe, and the loop
stays yours.
"""

from minigrad.train.early_stopping import EarlyStopping
from minigrad.train.ensemble import Ensemble, bagging, bootstrap, out_of_bag
from minigrad.train.freezing import StagedUnfreezing, freeze, unfreeze
from minigrad.train.labels import flip_labels, smooth_targets
from minigrad.train.loops import accuracy, evaluate, train_epoch
from minigrad.train.pretraining import pretrain_layerwise
from minigrad.train.reinforce import Reinforce
from minigrad.train.tying import tie

__all__ = [
    "EarlyStopping", "Ensemble", "Reinforce", "StagedUnfreezing", "accuracy", "bagging",
    "bootstrap", "evaluate", "flip_labels", "freeze", "out_of_bag", "pretrain_layerwise",
    "smooth_targets", "tie", "train_epoch", "unfreeze",
]  # fmt: skip
