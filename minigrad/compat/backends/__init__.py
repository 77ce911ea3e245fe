"""Switches of PyTorch's backends, for scripts that set them; minigrad has one backend, the CPU.

``mkl``, ``mkldnn``, ``openmp`` and ``opt_einsum`` say that they are not there: kernels are compiled
by numba, products are OpenBLAS's.
"""

from __future__ import annotations

from minigrad.compat.backends import absent as mkl
from minigrad.compat.backends import absent as mkldnn
from minigrad.compat.backends import absent as openmp
from minigrad.compat.backends import absent as opt_einsum
from minigrad.compat.backends import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]
