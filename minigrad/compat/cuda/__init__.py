"""There is no GPU: what scripts ask before they choose a device, answered.

>>> import minigrad as mg
>>> device = mg.device("cuda" if mg.cuda.is_available() else "cpu")
>>> device
device(type='cpu')
"""

from __future__ import annotations

from minigrad.compat.cuda import amp

__all__ = [
    "amp", "current_device", "device_count", "empty_cache", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether a GPU can be used: never."""
    return False


def is_initialized() -> bool:
    """Whether a GPU is in use: never."""
    return False


def device_count() -> int:
    """How many GPUs there are: none."""
    return 0


def is_bf16_supported() -> bool:
    """Whether the GPU computes in bfloat16: there is none."""
    return False


def current_device() -> int:
    """Refuse, since there is none."""
    raise RuntimeError("minigrad computes on the CPU only; there is no current CUDA device")


def manual_seed(seed: int) -> None:
    """Seed nothing: the generator of the CPU is seeded by ``minigrad.manual_seed``."""


def manual_seed_all(seed: int) -> None:
    """Seed nothing: the generator of the CPU is seeded by ``minigrad.manual_seed``."""


def empty_cache() -> None:
    """Free nothing of a GPU; ``minigrad.empty_cache`` returns the memory of the CPU."""


def synchronize(device: object = None) -> None:
    """Wait for nothing: operations have finished when they return."""
