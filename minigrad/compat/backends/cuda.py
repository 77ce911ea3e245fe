"""CUDA is not used."""

from __future__ import annotations

from types import SimpleNamespace

#: Switches of products on a GPU; setting them changes nothing.
matmul = SimpleNamespace(allow_tf32=False, allow_fp16_reduced_precision_reduction=True)


def is_built() -> bool:
    """Whether support for CUDA is built in: it is not."""
    return False
