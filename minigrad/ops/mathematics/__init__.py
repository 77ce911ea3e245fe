"""Functions beyond those that every script uses: statistical, special, spectral.

The special and spectral ones are loaded when somebody asks (:mod:`minigrad.ops.later`).
"""

from minigrad.ops.mathematics import differences, statistics

__all__ = ["differences", "statistics"]
