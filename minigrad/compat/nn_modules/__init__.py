"""The layers at the places where PyTorch has them, for scripts that import them from there.

``from minigrad.nn.modules.batchnorm import _BatchNorm`` gives the class of
:mod:`minigrad.nn.normalization`: the files of PyTorch's ``torch.nn.modules`` are tables of names
here, made of the files of :mod:`minigrad.nn`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from minigrad.compat.nn_modules import utils
from minigrad.compat.nn_modules.extras import EXTRAS
from minigrad.nn.module import Module

#: The files of ``torch.nn.modules``, and the files of minigrad that hold their names.
_PLACES = {
    "activation": ("nn.activation", "nn.attention"),
    "adaptive": ("nn.adaptive",),
    "batchnorm": ("nn.normalization", "nn.lazy", "compat.sync_batch_norm"),
    "channelshuffle": ("nn.upsampling",),
    "container": ("nn.containers",),
    "conv": ("nn.conv", "nn.lazy"),
    "distance": ("nn.sparse",),
    "dropout": ("nn.dropout",),
    "flatten": ("nn.linear",),
    "fold": ("nn.conv",),
    "instancenorm": ("nn.normalization", "nn.lazy"),
    "lazy": ("nn.lazy",),
    "linear": ("nn.linear", "nn.lazy"),
    "loss": ("nn.loss", "nn.likelihood_loss", "nn.margin_loss"),
    "module": ("nn.module", "nn.hooks"),
    "normalization": ("nn.normalization",),
    "padding": ("nn.padding",),
    "pixelshuffle": ("nn.upsampling",),
    "pooling": ("nn.pooling",),
    "rnn": ("nn.recurrent", "nn.recurrent_cells"),
    "sparse": ("nn.sparse", "nn.bag"),
    "transformer": ("nn.transformer",),
    "upsampling": ("nn.upsampling",),
}


def _gather(place: str, files: tuple[str, ...]) -> ModuleType:
    """A module with what the given files define themselves, private names, too."""
    gathered = ModuleType(f"{__name__}.{place}", f"The names of ``torch.nn.modules.{place}``.")
    public: list[str] = []
    for file in files:
        source = import_module(f"minigrad.{file}")
        public += source.__all__
        for name, value in vars(source).items():
            if getattr(value, "__module__", None) == source.__name__ or name in source.__all__:
                setattr(gathered, name, value)
    for extra in EXTRAS.get(place, ()):
        setattr(gathered, extra.__name__, extra)
    gathered.__dict__["__all__"] = public
    return gathered


__all__ = ["utils"]
for _place, _files in _PLACES.items():
    _module = _gather(_place, _files)
    sys.modules[_module.__name__] = _module
    globals()[_place] = _module
    for _name in _module.__dict__["__all__"]:
        _value = getattr(_module, _name)
        if isinstance(_value, type) and issubclass(_value, Module):
            globals()[_name] = _value
            __all__ += [_name]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
