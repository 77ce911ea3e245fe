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

__all__ = ["ABSENT", "PLACES"]

_FILES_OF_LAYERS = (
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance",
    "dropout", "flatten", "fold", "instancenorm", "lazy", "linear", "loss", "module",
    "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse", "transformer",
    "upsampling", "utils",
)  # fmt: skip

_FILES_OF_DISTRIBUTIONS = (
    "bernoulli", "categorical", "independent", "multivariate_normal", "one_hot_categorical",
    "uniform",
)  # fmt: skip

#: The public place of each module that stands in, and the module; both without the package.
PLACES: dict[str, str] = {
    "_dynamo": "compat.compiler",
    "accelerator": "compat.accelerator",
    "amp": "compat.amp",
    "autograd.anomaly_mode": "autograd.anomaly",
    "autograd.grad_mode": "autograd",
    "autograd.profiler": "compat.profiler",
    "autograd.variable": "compat.variable",
    "backends": "compat.backends",
    "backends.cuda": "compat.backends.cuda",
    "backends.cudnn": "compat.backends.cudnn",
    "backends.mkl": "compat.backends.absent",
    "backends.mkldnn": "compat.backends.absent",
    "backends.mps": "compat.backends.mps",
    "backends.openmp": "compat.backends.absent",
    "backends.opt_einsum": "compat.backends.absent",
    "compiler": "compat.compiler",
    "cuda": "compat.cuda",
    "cuda.amp": "compat.cuda.amp",
    "cuda.nvtx": "compat.cuda.nvtx",
    "distributed": "compat.distributed",
    **{f"distributions.{file}": "distributions" for file in _FILES_OF_DISTRIBUTIONS},
    "fx": "compat.fx",
    "hub": "compat.hub",
    "jit": "compat.jit",
    "mps": "compat.devices",
    "multiprocessing": "compat.multiprocessing",
    "nn.common_types": "compat.common_types",
    "nn.modules": "compat.nn_modules",
    **{f"nn.modules.{file}": f"compat.nn_modules.{file}" for file in _FILES_OF_LAYERS},
    "nn.parallel": "compat.parallel",
    "nn.parallel.distributed": "compat.parallel",
    "nn.utils.clip_grad": "nn.utils.clip",
    "nn.utils.convert_parameters": "nn.utils.convert",
    "nn.utils.init": "compat.nn_utils.init",
    "nn.utils.memory_format": "compat.nn_utils.memory_format",
    "nn.utils.stateless": "compat.nn_utils.stateless",
    "overrides": "compat.overrides",
    "profiler": "compat.profiler",
    "random": "compat.random",
    "types": "compat.common_types",
    "utils._pytree": "compat.pytree",
    "utils.data._utils": "data",
    "utils.data._utils.collate": "data.collate",
    "utils.data.dataloader": "data.dataloader",
    "utils.data.dataset": "data.dataset",
    "utils.data.distributed": "compat.distributed_sampler",
    "utils.data.sampler": "data.sampler",
    "utils.hooks": "autograd.hooks",
    "utils.model_zoo": "compat.hub",
    "version": "compat.version",
    "xpu": "compat.devices",
}

_RUNS_AS_PYTHON = "models run as Python, and nothing traces or rewrites them"
_NOT_QUANTIZED = "tensors are not quantized"
#: Modules of PyTorch's that are not here, and what to do; imports say so in a ModuleNotFoundError.
ABSENT: dict[str, str] = {
    "_C": "there is no C++ behind it",
    "_inductor": _RUNS_AS_PYTHON,
    "ao": _NOT_QUANTIZED,
    "export": _RUNS_AS_PYTHON,
    "library": "minigrad.kernel makes operations of Python functions",
    "nested": "pad sequences of different lengths: nn.utils.rnn.pad_sequence",
    "nn.qat": _NOT_QUANTIZED,
    "nn.quantized": _NOT_QUANTIZED,
    "onnx": "models are not exported; save model.state_dict() with minigrad.save",
    "quantization": _NOT_QUANTIZED,
    "sparse": "tensors are dense",
    "utils.cpp_extension": "minigrad.kernel makes operations of Python functions",
}


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of `PLACES` where scripts look for them.

    It stands before Python's own finders: these would look for ``minigrad.cuda.amp`` in the folder
    of what ``minigrad.cuda`` turned out to be, and load its file a second time.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A description of the module if it is one of the table, as the import system asks.

        Raises
        ------
        ModuleNotFoundError
            For the modules of `ABSENT`.
        """
        package, _, name = fullname.partition(".")
        if package != "minigrad":
            return None
        if name in ABSENT:
            raise ModuleNotFoundError(f"no module {fullname!r}: {ABSENT[name]}", name=fullname)
        if name not in PLACES:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> None:
        """None: an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of this room in the place of the empty one."""
        name = module.__name__.partition(".")[2]
        sys.modules[module.__name__] = import_module(f"minigrad.{PLACES[name]}")


sys.meta_path.insert(0, _Finder())
