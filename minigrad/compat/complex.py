"""Functions of complex numbers that models import: there are none here, and each says so.

>>> import minigrad as mg
>>> mg.view_as_complex(mg.ones(3, 2))
Traceback (most recent call last):
...
RuntimeError: view_as_complex: minigrad has no complex numbers; keep ...
"""

from __future__ import annotations

from minigrad.compat.refusal import refused

__all__ = ["complex", "istft", "polar", "stft", "view_as_complex", "view_as_real"]

_PAIRS = (
    "minigrad has no complex numbers; keep real and imaginary parts in the last dimension, and "
    "multiply them by (a c - b d, a d + b c)"
)
_TRANSFORMS = "its results are complex, and minigrad has no complex numbers"

complex = refused("complex", _PAIRS)
polar = refused("polar", _PAIRS)
view_as_complex = refused("view_as_complex", _PAIRS)
view_as_real = refused("view_as_real", _PAIRS)
stft = refused("stft", _TRANSFORMS)
istft = refused("istft", "minigrad has no complex numbers, which it takes")
