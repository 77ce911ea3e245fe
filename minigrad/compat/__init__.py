"""Stand-ins: names around models that PyTorch's users write, and what answers to them here.

Scripts ask whether there is a GPU, mark functions for compilers, choose memory formats, and import
layers from the files in which PyTorch has them. minigrad has none of that machinery; what can be
answered honestly without it is in this room, and nothing else is. `PLACES` is the table: a script
says ``import minigrad.cuda.amp`` or ``from minigrad.nn.modules.utils import _pair`` and gets the
module of this room, by way of a finder that is asked when such a module is imported, and for no
other name. Nothing here is loaded before.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["PLACES"]

_FILES_OF_LAYERS = (
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance",
    "dropout", "flatten", "fold", "instancenorm", "lazy", "linear", "loss", "module",
    "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse", "transformer",
    "upsampling", "utils",
)  # fmt: skip

#: The public place of each module that stands in, and the module; both without the package.
PLACES: dict[str, str] = {
    "accelerator": "compat.accelerator",
    "amp": "compat.amp",
    "autograd.variable": "compat.variable",
    "backends": "compat.backends",
    "backends.cuda": "compat.backends.cuda",
    "backends.cudnn": "compat.backends.cudnn",
    "backends.mps": "compat.backends.mps",
    "cuda": "compat.cuda",
    "cuda.amp": "compat.cuda.amp",
    "jit": "compat.jit",
    "nn.modules": "compat.nn_modules",
    **{f"nn.modules.{file}": f"compat.nn_modules.{file}" for file in _FILES_OF_LAYERS},
    "nn.parallel": "compat.parallel",
    "nn.utils.init": "compat.nn_utils.init",
    "nn.utils.memory_format": "compat.nn_utils.memory_format",
    "nn.utils.stateless": "compat.nn_utils.stateless",
    "utils.data.dataloader": "data.dataloader",
    "utils.data.dataset": "data.dataset",
    "utils.data.sampler": "data.sampler",
}


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of `PLACES` where scripts look for them.

    It stands before Python's own finders: these would look for ``minigrad.cuda.amp`` in the folder
    of what ``minigrad.cuda`` turned out to be, and load its file a second time.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A description of the module if it is one of the table, as the import system asks."""
        package, _, name = fullname.partition(".")
        if package != "minigrad" or name not in PLACES:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> None:
        """None: an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of this room in the place of the empty one."""
        name = module.__name__.partition(".")[2]
        sys.modules[module.__name__] = import_module(f"minigrad.{PLACES[name]}")


sys.meta_path.insert(0, _Finder())
