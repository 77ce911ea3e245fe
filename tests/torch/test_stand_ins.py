"""What stands in for PyTorch's machinery, next to PyTorch without a GPU: values, texts, errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minigrad as mg


def text(call: Callable[[Any], Any], module: Any) -> str:
    """What a call gives, as text; of an error, that there was one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(call(module)).replace("torch.", "").replace("minigrad.", "")
        except Exception:
            return "an error"


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.device("cuda"),
        lambda m: str(m.device("cuda:1")),
        lambda m: (m.device("cuda", 1).index, m.device("cpu").index, m.device("mps:0").type),
        lambda m: m.device("cpu", 0),
        lambda m: m.device(m.device("cuda:2")),
        lambda m: m.device(type="cuda", index=2),
        lambda m: m.device("cpu") == m.device("cpu:0"),
        lambda m: m.device("cuda", 1) == m.device("cuda:1"),
        lambda m: m.device(0),
        lambda m: m.device("gpu"),
        lambda m: m.device("CUDA"),
        lambda m: m.device("cuda:-1"),
        lambda m: m.device("cuda:01"),
        lambda m: m.device("cuda:0", 1),
        lambda m: m.device("cuda", -1),
        lambda m: m.device(None),
        lambda m: m.device(1.5),
        lambda m: m.zeros(2, device="cuda"),
        lambda m: m.ones(2).cuda(),
        lambda m: m.nn.Linear(1, 1).cuda(),
    ],
)
def test_devices(call: Callable[[Any], Any]) -> None:
    assert text(call, mg) == text(call, torch)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: (m.channels_last, m.channels_last_3d, m.contiguous_format, m.preserve_format),
        lambda m: m.ones(2, 3).contiguous(memory_format=m.channels_last),
        lambda m: m.ones(2, 3).to(memory_format=m.channels_last),
        lambda m: m.ones(2, 3).clone(memory_format=m.channels_last_3d),
        lambda m: m.empty_like(m.ones(2, 3), memory_format=m.channels_last),
        lambda m: m.ones(1, 2, 2, 2).to(memory_format=m.channels_last).shape,
        lambda m: m.nn.Linear(2, 3).to(memory_format=m.channels_last),
        lambda m: m.nn.Linear(2, 3).to(memory_format=m.preserve_format),
        lambda m: m.ones(2, 3).contiguous(memory_format=3),
        lambda m: m.ones(2, 3, 4, 5).is_contiguous(memory_format=m.channels_last),
        lambda m: m.ones(2, 4, 5, 3).permute(0, 3, 1, 2).is_contiguous(
            memory_format=m.channels_last
        ),
        lambda m: m.ones(2, 3).is_contiguous(memory_format=m.channels_last),
        lambda m: (m.strided, m.ones(1).layout, m.zeros(2, layout=m.strided, pin_memory=False)),
    ],
)  # fmt: skip
def test_memory_formats(call: Callable[[Any], Any]) -> None:
    assert text(call, mg) == text(call, torch)


@pytest.mark.parametrize(
    "name",
    [
        "cdouble", "cfloat", "chalf", "complex32", "complex64", "complex128", "float8_e4m3fn",
        "float8_e5m2", "qint8", "qint32", "quint8",
    ],
)  # fmt: skip
def test_types_without_tensors(name: str) -> None:
    for attribute in ("itemsize", "is_complex", "is_floating_point", "is_signed"):
        try:
            expected = getattr(getattr(torch, name), attribute)
        except RuntimeError:  # PyTorch does not say whether numbers that are quantized have signs
            continue
        assert getattr(getattr(mg, name), attribute) == expected, attribute
    assert text(lambda m: getattr(m, name), mg) == text(lambda m: getattr(m, name), torch)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: (m.cuda.memory_allocated(), m.cuda.max_memory_reserved(), m.cuda.device_count()),
        lambda m: (m.cuda.get_rng_state_all(), m.cuda.get_arch_list(), m.cuda.is_initialized()),
        lambda m: (m.cuda.seed_all(), m.cuda.manual_seed(1), m.cuda.empty_cache()),
        lambda m: dict(m.cuda.memory_stats()),
        lambda m: m.cuda.get_device_name(),
        lambda m: m.cuda.set_device(0),
        lambda m: m.cuda.FloatTensor([1.0]),
        lambda m: m.cuda.current_stream(),
        lambda m: issubclass(m.cuda.OutOfMemoryError, RuntimeError),
        lambda m: m.cuda.OutOfMemoryError is m.OutOfMemoryError,
        lambda m: m.distributed.is_initialized(),
        lambda m: m.distributed.get_rank(),
        lambda m: m.nn.parallel.DistributedDataParallel(m.nn.Linear(1, 1)),
        lambda m: m.utils.data.DistributedSampler(range(3)),
        lambda m: [
            list(m.utils.data.DistributedSampler(range(7), 3, r, shuffle=False, drop_last=d))
            for r in range(3) for d in (False, True)
        ],
        lambda m: (m.compiler.is_compiling(), m.is_autocast_enabled(), m.get_autocast_gpu_dtype()),
        lambda m: m._assert(False, "no"),
        lambda m: m.set_default_tensor_type(m.LongTensor),
        lambda m: m.set_default_tensor_type("float"),
        lambda m: list(m.nn.attention.SDPBackend.__members__.items()),
        lambda m: m.nn.attention.sdpa_kernel("math").__enter__(),
        lambda m: m.nn.SyncBatchNorm.convert_sync_batchnorm(
            m.nn.Sequential(m.nn.BatchNorm1d(2), m.nn.Sequential(m.nn.BatchNorm3d(4, eps=0.1)))
        ),
        lambda m: m.nn.SyncBatchNorm(3)(m.ones(3)),
        lambda m: m.nn.SyncBatchNorm(0)(m.ones(2, 0, 3)),
    ],
)  # fmt: skip
def test_what_there_is_not(call: Callable[[Any], Any]) -> None:
    assert text(call, mg) == text(call, torch)


def test_switches_of_attention() -> None:
    for module in (mg, torch):
        flags = module.backends.cuda
        with pytest.warns(FutureWarning, match="sdpa_kernel"):
            context = flags.sdp_kernel(enable_math=False)
        with context:
            assert not flags.math_sdp_enabled()
            assert flags.flash_sdp_enabled()
        assert flags.math_sdp_enabled()


@pytest.mark.parametrize("only", [int, (int, float), lambda leaf: leaf is None])
def test_trees(only: Any) -> None:
    import minigrad.utils._pytree as ours
    import torch.utils._pytree as theirs

    tree = {"b": [1, (2.5, None)], "a": [[], {"c": 3}]}
    for f in (
        lambda p: p.tree_flatten(tree)[0],
        lambda p: p.tree_unflatten([4, 5, 6, 7], p.tree_structure(tree)),
        lambda p: p.tree_map_only(only, str, tree),
        lambda p: p.tree_map(lambda x: [x], tree),
        lambda p: p.tree_map(lambda x, y: (x, y), tree, tree),
        lambda p: p.tree_leaves(tree, is_leaf=lambda t: isinstance(t, tuple)),
        lambda p: (p.tree_any(lambda x: x is None, tree), p.tree_all(lambda x: x, tree)),
        lambda p: p.tree_structure(tree) == p.tree_structure([1]),
    ):
        assert f(ours) == f(theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bins", [None, 100, 7, 10])
def test_histogram(dtype: str, bins: int | None) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=300), rng.integers(0, 11, 99), np.ones(4), rng.random(50) * 1e-3 + 5]
    for array in arrays:
        x = array.astype(dtype)
        given = () if bins is None else (bins,)
        ours = mg.histogram(mg.from_numpy(x), *given)
        theirs = torch.histogram(torch.from_numpy(x), *given)
        assert ours.hist.tolist() == theirs.hist.tolist()
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(ours.bin_edges, theirs.bin_edges, 2 * eps, 4 * eps)


def test_only_inputs() -> None:
    for module in (mg, torch):
        x = module.ones(2, requires_grad=True)
        y = (x * x).sum()
        with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
            (g,) = module.autograd.grad(y, x, None, None, False, False)
        assert g.tolist() == [2.0, 2.0]


def test_versions() -> None:
    for other in ("1.0", "2.0", "1.13.1+cu117", "2.13.0", "2.14", "10.0", (1, 10), (2, 13)):
        assert (mg.__version__ >= other) == (torch.__version__ >= other), other  # type: ignore[operator]
        assert (mg.__version__ < other) == (torch.__version__ < other), other  # type: ignore[operator]
