"""minigrad: a small, fast autograd engine to read, to learn from, and to keep using.

The names are PyTorch's. ``minigrad.doctor`` (``python -m minigrad doctor``) says what this
installation can do.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

import minigrad.compat as _compat  # finds what stands in for machinery of PyTorch
from minigrad.kernels.run.memory import empty_cache, tune_malloc

tune_malloc()  # before anything large is allocated

from minigrad.ops import loops as _loops  # noqa: E402, F401 - before the first declaration

# isort: split
from minigrad import autograd, interop, names, ops  # noqa: E402
from minigrad.autograd.modes import (  # noqa: E402
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    set_grad_enabled,
)
from minigrad.compat.version import __version__ as __version__  # noqa: E402
from minigrad.core.dtypes import bool_ as bool  # noqa: E402
from minigrad.core.dtypes import (  # noqa: E402
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from minigrad.core.dtypes import float16 as half  # noqa: E402
from minigrad.core.dtypes import float32 as float  # noqa: E402
from minigrad.core.dtypes import float64 as double  # noqa: E402
from minigrad.core.dtypes import int16 as short  # noqa: E402
from minigrad.core.dtypes import int32 as int  # noqa: E402
from minigrad.core.dtypes import int64 as long  # noqa: E402
from minigrad.core.modes import enable_grad, no_grad  # noqa: E402
from minigrad.core.promotion import result_type  # noqa: E402
from minigrad.core.tensor import Size, Tensor  # noqa: E402
from minigrad.kernels.run.settings import get_num_threads, set_num_threads  # noqa: E402
from minigrad.names import *  # noqa: E402, F403
from minigrad.ops.limits import can_cast, finfo, iinfo  # noqa: E402
from minigrad.place import (  # noqa: E402
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from minigrad.printing import set_printoptions  # noqa: E402

if TYPE_CHECKING:
    from minigrad import (
        data,
        diagnosis,
        distributions,
        fft,
        func,
        linalg,
        models,
        nn,
        optim,
        serialize,
        signal,
        special,
        train,
        utils,
        viz,
        xp,
    )
    from minigrad.autograd.elementwise import elementwise
    from minigrad.autograd.kernel import kernel
    from minigrad.compat import (  # noqa: F401
        accelerator,
        amp,
        backends,
        compiler,
        cuda,
        distributed,
        hub,
        jit,
        overrides,
        profiler,
        random,
        version,
    )
    from minigrad.compat import common_types as types  # noqa: F401
    from minigrad.compat import devices as mps  # noqa: F401
    from minigrad.compat import devices as xpu  # noqa: F401
    from minigrad.compat.amp import autocast
    from minigrad.core import expr as fx
    from minigrad.core.samples import pair, span, spans
    from minigrad.diagnosis import diagnose, watch
    from minigrad.func import vmap
    from minigrad.interop.dlpack import from_dlpack
    from minigrad.serialize import load, save

from math import e, inf, nan, pi  # noqa: E402

__all__ = [
    "Size", "Tensor", "accelerator", "amp", "autocast", "autograd", "backends", "bool", "can_cast",
    "channels_last", "channels_last_3d", "contiguous_format", "cuda", "data", "device",
    "diagnose", "diagnosis", "distributions", "double", "dtype", "e", "elementwise", "empty_cache",
    "enable_grad", "fft",
    "finfo", "float", "float16", "float32", "float64", "from_dlpack", "func", "fx",
    "get_default_dtype", "get_num_threads", "half", "iinfo", "inf", "inference_mode", "int", "int8",
    "int16", "int32", "int64", "interop", "is_grad_enabled", "is_inference_mode_enabled", "jit",
    "kernel", "layout", "linalg", "load", "long", "memory_format", "models", "nan", "nn", "no_grad",
    "ops", "optim", "pair", "pi", "preserve_format", "promote_types", "result_type", "save",
    "serialize", "set_default_dtype", "set_grad_enabled", "set_num_threads", "set_printoptions",
    "short", "signal", "span", "spans", "special", "strided", "train", "uint8", "uint16", "uint32",
    "uint64", "utils", "viz", "vmap", "watch", "xp",
]  # fmt: skip
__all__ += names.__all__ + names.LATER

#: Subpackages and names that are imported on first use.
_LAZY = {
    name: name
    for name in (
        "accelerator", "amp", "backends", "cuda", "data", "diagnosis", "distributions", "fft",
        "func", "jit",
        "linalg", "models", "nn", "optim", "serialize", "signal", "special", "train", "utils",
        "viz", "xp",
    )
}  # fmt: skip
_LAZY_NAMES = {
    "autocast": "amp", "bfloat16": "core.dtypes", "from_dlpack": "interop.dlpack",
    "diagnose": "diagnosis", "elementwise": "autograd.elementwise", "kernel": "autograd.kernel",
    "load": "serialize",
    "pair": "core.samples", "save": "serialize", "span": "core.samples", "spans": "core.samples",
    "vmap": "func", "watch": "diagnosis",
}  # fmt: skip
_LAZY |= {
    name: name
    for name in (
        "_dynamo", "compiler", "distributed", "fx", "hub", "mps", "multiprocessing", "overrides",
        "profiler", "random", "types", "version", "xpu",
    )
}  # fmt: skip
#: Names that stand in for what is not here; `compat` says what each does.
_LAZY_NAMES |= dict.fromkeys(("complex", "istft", "polar", "stft"), "compat.complex")
_LAZY_NAMES |= dict.fromkeys(("view_as_complex", "view_as_real"), "compat.complex")
_LAZY_NAMES |= dict.fromkeys(
    (
        "cdouble", "cfloat", "chalf", "complex128", "complex32", "complex64", "float8_e4m3fn",
        "float8_e5m2", "qint32", "qint8", "quint8",
    ),
    "compat.types",
)  # fmt: skip
_LAZY_NAMES |= dict.fromkeys(
    (
        "_assert", "get_autocast_gpu_dtype", "get_num_interop_threads", "is_autocast_cpu_enabled",
        "is_autocast_enabled", "is_deterministic_algorithms_warn_only_enabled", "is_storage",
        "set_default_tensor_type", "set_deterministic_debug_mode", "set_flush_denormal",
        "set_num_interop_threads", "set_warn_always",
    ),
    "compat.settings",
)  # fmt: skip
_LAZY_NAMES |= {"OutOfMemoryError": "compat.cuda"}
_LAZY_NAMES |= dict.fromkeys(
    (
        "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
        "IntTensor", "LongTensor", "ShortTensor",
    ),
    "compat.typed",
)  # fmt: skip
#: Functions of layers that PyTorch also has at the top.
_LAZY_NAMES |= dict.fromkeys(
    (
        "adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "bilinear",
        "binary_cross_entropy_with_logits", "celu_", "cosine_embedding_loss", "cosine_similarity",
        "ctc_loss", "dropout", "feature_alpha_dropout", "group_norm", "hinge_embedding_loss",
        "kl_div", "layer_norm", "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d",
        "pairwise_distance", "pdist", "poisson_nll_loss", "prelu", "rms_norm", "rrelu", "selu_",
        "threshold", "triplet_margin_loss",
    ),
    "nn.functional",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return _import_module(f"minigrad.{_LAZY[name]}")
    if name in _LAZY_NAMES:
        return getattr(_import_module(f"minigrad.{_LAZY_NAMES[name]}"), name)
    if name in names.LATER:
        return getattr(names, name)
    from difflib import get_close_matches

    if name in _compat.ABSENT:
        raise AttributeError(f"no module 'minigrad.{name}': {_compat.ABSENT[name]}")
    near = get_close_matches(name, __all__, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_LAZY, *_LAZY_NAMES, "__version__"})
