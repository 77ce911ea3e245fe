"""Layers, losses and initialization under PyTorch's names."""

from minigrad.nn import functional, init, utils
from minigrad.nn.activation import *  # noqa: F403
from minigrad.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from minigrad.nn.dropout import *  # noqa: F403
from minigrad.nn.linear import Bilinear, Flatten, Identity, Linear, Maxout, Unflatten
from minigrad.nn.loss import *  # noqa: F403
from minigrad.nn.module import Module
from minigrad.nn.normalization import *  # noqa: F403
from minigrad.nn.parameter import Buffer, Parameter
from minigrad.nn.sparse import CosineSimilarity, Embedding, PairwiseDistance

from minigrad.nn import activation, dropout, loss, normalization  # isort: skip

__all__ = [
    "Bilinear", "Buffer", "CosineSimilarity", "Embedding", "Flatten", "Identity", "Linear",
    "Maxout", "Module", "ModuleDict", "ModuleList", "PairwiseDistance", "Parameter",
    "ParameterDict", "ParameterList", "Sequential", "Unflatten", "functional", "init", "utils",
    *activation.__all__, *dropout.__all__, *loss.__all__, *normalization.__all__,
]  # fmt: skip
