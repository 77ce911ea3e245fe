"""Functions beyond those that every script uses: special, statistical, spectral."""

from minigrad.ops.mathematics import (
    differences,
    polynomials,
    special,
    spectral,
    statistics,
    transcendental,
)

__all__ = ["differences", "polynomials", "special", "spectral", "statistics", "transcendental"]
