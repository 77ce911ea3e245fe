"""CUDA is not used. Its switches can be set and read, and change nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace

#: Switches of products on a GPU.
matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    fp32_precision="none",
)

#: Which kernels attention may choose from; the CPU has one.
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether support for CUDA is built in: it is not."""
    return False


def flash_sdp_enabled() -> bool:
    """What :func:`enable_flash_sdp` has set."""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Remember the choice of a kernel that is not here."""
    _attention["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """What :func:`enable_mem_efficient_sdp` has set."""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Remember the choice of a kernel that is not here."""
    _attention["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """What :func:`enable_math_sdp` has set."""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Remember the choice of a kernel that is not here."""
    _attention["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """What :func:`enable_cudnn_sdp` has set."""
    return _attention["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Remember the choice of a kernel that is not here."""
    _attention["cudnn"] = bool(enabled)


def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> AbstractContextManager[None]:
    """A context with other switches of attention, which is computed as always. Deprecated.

    Warns
    -----
    FutureWarning
        Always, as PyTorch: :func:`minigrad.nn.attention.sdpa_kernel` is its new name.
    """
    warnings.warn(
        "`backends.cuda.sdp_kernel()` is deprecated: use `nn.attention.sdpa_kernel()`",
        FutureWarning,
        stacklevel=2,
    )
    return _switched(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )


@contextmanager
def _switched(**switches: bool) -> Iterator[None]:
    before = dict(_attention)
    _attention.update(switches)
    try:
        yield
    finally:
        _attention.update(before)
