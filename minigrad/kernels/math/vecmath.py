"""Elementary functions for the bodies of compiled loops, float32 and float64.

Import everything from here. For each name there is ``<name>_f32`` and ``<name>_f64``:

======================================  =====================================================
``exp log log1p expm1``                 at most 2 ulp from the exact result
``tanh sigmoid erf sin cos``            at most 2.5 ulp
``tan``                                 at most 3.5 ulp
``pow``                                 the C library's: as accurate as that, not vectorised
======================================  =====================================================

The bounds hold for every finite input, denormals and arguments of 1e300 included; infinities, NaN
and signed zeros give what IEEE 754 prescribes. Each docstring states the largest error measured.
Besides, there are the building blocks of `kernels.math.intrinsics`: ``select``, ``fma``,
``maximum``, ``rint``... which take either type.

All are scalar functions without branches, which LLVM vectorises when a kernel loops over an array::

    @jit
    def softplus(x, out):
        for i in range(out.size):
            out[i] = maximum(x[i], np.float32(0)) + log1p_f32(exp_f32(-fabs(x[i])))

They cannot be called from Python, except under ``NUMBA_DISABLE_JIT=1``, where numpy stands in.
numba's cache does not see changes in these files: whoever caches a kernel must count them in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import config

from minigrad.kernels.math import instructions, intrinsics, vecmath32, vecmath64

if TYPE_CHECKING or not config.DISABLE_JIT:
    from minigrad.kernels.math.instructions import *  # noqa: F403
    from minigrad.kernels.math.intrinsics import inlined as inlined
    from minigrad.kernels.math.vecmath32 import *  # noqa: F403
    from minigrad.kernels.math.vecmath64 import *  # noqa: F403

    for _function in instructions.INLINED:
        intrinsics.inlined(_function)
else:
    from minigrad.kernels.math.vecmath_python import *  # noqa: F403

__all__: list[str] = []
__all__ += intrinsics.__all__
__all__ += vecmath32.__all__
__all__ += vecmath64.__all__
