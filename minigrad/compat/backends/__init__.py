"""Switches of PyTorch's backends, for scripts that set them; minigrad has one backend, the CPU."""

from __future__ import annotations

from minigrad.compat.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
