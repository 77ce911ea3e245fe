"""Layers, losses and initialization under PyTorch's names."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from minigrad.compat.parallel import DataParallel
from minigrad.compat.sync_batch_norm import SyncBatchNorm
from minigrad.nn import functional, init, utils
from minigrad.nn.activation import *  # noqa: F403
from minigrad.nn.adaptive import AdaptiveLogSoftmaxWithLoss
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.bag import EmbeddingBag
from minigrad.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from minigrad.nn.conv import *  # noqa: F403
from minigrad.nn.dropout import *  # noqa: F403
from minigrad.nn.lazy import *  # noqa: F403
from minigrad.nn.likelihood_loss import *  # noqa: F403
from minigrad.nn.linear import (
    Bilinear,
    Flatten,
    Identity,
    Linear,
    Maxout,
    TransposedLinear,
    Unflatten,
)
from minigrad.nn.loss import *  # noqa: F403
from minigrad.nn.margin_loss import *  # noqa: F403
from minigrad.nn.module import Module
from minigrad.nn.noise import GaussianNoise
from minigrad.nn.normalization import *  # noqa: F403
from minigrad.nn.padding import *  # noqa: F403
from minigrad.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from minigrad.nn.pointwise import *  # noqa: F403
from minigrad.nn.pooling import *  # noqa: F403
from minigrad.nn.recurrent import GRU, LSTM, RNN, RNNBase
from minigrad.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from minigrad.nn.sparse import CosineSimilarity, Embedding, PairwiseDistance
from minigrad.nn.summary import summary
from minigrad.nn.transformer import *  # noqa: F403
from minigrad.nn.upsampling import *  # noqa: F403

from minigrad.nn import (  # isort: skip
    activation, conv, dropout, lazy, likelihood_loss, loss, margin_loss, normalization, padding,
    pooling, transformer, upsampling,
)  # fmt: skip

if TYPE_CHECKING:
    from minigrad.compat import nn_modules as modules
    from minigrad.compat import parallel  # noqa: F401

__all__ = [
    "AdaptiveLogSoftmaxWithLoss", "Bilinear", "Buffer", "CosineSimilarity", "DataParallel",
    "Embedding", "EmbeddingBag", "Flatten", "GRU", "GRUCell", "GaussianNoise", "Identity", "LSTM",
    "LSTMCell", "Linear", "Maxout", "Module", "ModuleDict", "ModuleList", "MultiheadAttention",
    "PairwiseDistance", "Parameter", "ParameterDict", "ParameterList", "RNN", "RNNBase",
    "RNNCell", "RNNCellBase", "Sequential", "SyncBatchNorm", "TransposedLinear",
    "Unflatten", "UninitializedBuffer", "UninitializedParameter", "functional", "init", "modules",
    "summary", "utils", *activation.__all__, *conv.__all__, *dropout.__all__, *lazy.__all__,
    *likelihood_loss.__all__, *loss.__all__, *margin_loss.__all__, *normalization.__all__,
    *padding.__all__, *pooling.__all__, *transformer.__all__, *upsampling.__all__,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("common_types", "modules", "parallel"):  # stand-ins, of `minigrad.compat`
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
